"""The page as words: what ``mulle init`` writes from its guesses, and what ``mulle render`` shows."""

# what stands in a page may be any plain value

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mulle.core.count import count
from mulle.core.project import Page
from mulle.core.schema import LeftOut
from mulle.core.toml_text import Keys, bare, toml

_COMMENT_AT = 40
"""The column in which comments begin, so that they stand below each other."""

_WIDEST = 110
"""A comment that would reach further stands above its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A column that might be the key, the time or the group, and what speaks for it."""

    column: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """A column that could be read as another kind too: what was taken, what else it might be, and why."""

    column: str
    kind: str
    instead: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one column was taken for, and why; a place has two columns."""

    column: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A question that the data cannot answer: the line of the page that would, and the question."""

    line: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessed:
    """All that was read off the data, each guess with its reason.

    Parameters
    ----------
    name
        Of the project.
    source
        As it shall stand on the page: relative to it.
    target, task, task_why
        What is predicted, the registered task, and what speaks for it.
    n_rows, n_columns
        Of the source.
    positive, positive_why
        The class that is looked for, for two classes; None for other tasks.
    key, key_why
        The columns that name a row; none when no column does.
    time, time_why
        The column that says when a row was known, when it is sure enough to split by.
    times, groups
        Columns that may be time or group: they are asked about, not used.
    left_out
        Columns that will not be used, each with its reason.
    unsure
        Columns whose kind is a close call.
    metric, metric_why
        What suits the target.
    costs_matter
        Whether mistakes of two sorts can be priced: for two classes.
    budget
        How long to search.
    questions
        More that only a person can answer.
    columns
        What each column was taken for.
    notes
        What was found out and done while the source and the target were read.
    """

    name: str
    source: str
    target: str
    task: str
    n_rows: int
    n_columns: int
    task_why: str = ""
    positive: str | None = None
    positive_why: str = ""
    key: Sequence[str] = ()
    key_why: str = ""
    time: str = ""
    time_why: str = ""
    times: Sequence[Candidate] = ()
    groups: Sequence[Candidate] = ()
    left_out: Sequence[LeftOut] = ()
    unsure: Sequence[Unsure] = ()
    metric: str = ""
    metric_why: str = ""
    costs_matter: bool | None = None
    budget: str = "60s"
    questions: Sequence[Open] = ()
    columns: Sequence[Taken] = ()
    notes: Sequence[str] = ()


def write_page(guessed: Guessed) -> str:
    """Write the project file that ``mulle init`` leaves: about ten lines, each guess with its reason.

    Parameters
    ----------
    guessed
        What was read off the data.

    Returns
    -------
    str
        TOML. What the data cannot tell stands in it as comments that begin with ``open:``.

    Examples
    --------
    >>> text = write_page(
    ...     Guessed(name="churn", source="churn.csv", target="churned", task="binary", n_rows=7043, n_columns=21)
    ... )
    >>> print(text.splitlines()[0])
    # churn: 7,043 rows × 21 columns of churn.csv
    """
    return "\n".join([*_opening(guessed), *_data(guessed), *_objective(guessed)]) + "\n"


def open_questions(guessed: Guessed) -> list[Open]:
    """Return what the data could not tell, in the order in which it stands on the page.

    Returns
    -------
    list
        One a line of the page.

    Examples
    --------
    >>> guessed = Guessed(name="c", source="c.csv", target="y", task="regression", n_rows=10, n_columns=3)
    >>> [question.line for question in open_questions(guessed)]
    ['goal = "…"']
    """
    asked = [Open(line='goal = "…"', question="what will somebody do differently with the predictions?")]
    asked += [_ask("time", c, "does a row know only what came before it?") for c in guessed.times]
    asked += [_ask("group", c, "do its rows belong together?") for c in guessed.groups]
    if guessed.task == "binary" if guessed.costs_matter is None else guessed.costs_matter:
        question = 'what does each mistake cost? "ship?" stays "no" until you say'
        asked.append(Open(line="costs = { false_positive = …, false_negative = … }", question=question))
    return [*asked, *guessed.questions]


def _ask(name: str, candidate: Candidate, question: str) -> Open:
    return Open(line=f"{name} = {toml(candidate.column)}", question=f"{candidate.why}: {question}")


def _opening(guessed: Guessed) -> list[str]:
    return [
        f"# {_one_line(guessed.name)}: {_size(guessed)} of {_one_line(guessed.source)}",
        "# Guesses have their reason beside them: change what is wrong. `mulle set KEY=VALUE` answers what",
        "# is open, `mulle render` shows every key with its default.",
        "",
        "[project]",
        _line("name", guessed.name),
        *_asked(guessed, "goal"),
        "",
    ]


def _size(guessed: Guessed) -> str:
    return f"{count(guessed.n_rows, 'row')} × {count(guessed.n_columns, 'column')}"


def _data(guessed: Guessed) -> Iterator[str]:
    yield "[data]"
    yield _line("source", guessed.source)
    yield _line("target", guessed.target, f"{guessed.task}: {guessed.task_why}" if guessed.task_why else guessed.task)
    if guessed.positive is not None:
        yield _line("positive", guessed.positive, guessed.positive_why)
    if guessed.key:
        key = guessed.key[0] if len(guessed.key) == 1 else list(guessed.key)
        yield _line("key", key, guessed.key_why)
    if guessed.time:
        yield _line("time", guessed.time, guessed.time_why)
    yield from _asked(guessed, "time", "group")
    yield from _kinds(guessed.unsure)
    yield from _absent(guessed.left_out)
    yield ""


def _kinds(unsure: Sequence[Unsure]) -> Iterator[str]:
    if unsure:
        yield "# kinds that were a close call; take out the # to have it the other way"
    for one in unsure:
        words = f"taken as {one.kind}: {one.why}"
        yield _comment(f"kinds.{bare(one.column)} = {toml(one.instead)}", words)


def _absent(left_out: Sequence[LeftOut]) -> Iterator[str]:
    if left_out:
        yield f"# left out, with the reason; keep = {toml([left_out[0].column])} would bring it back"
    width = max((len(one.column) for one in left_out), default=0)
    for one in left_out:
        yield f"#   {_one_line(one.column).ljust(width)}  {_one_line(one.why)}"


def _objective(guessed: Guessed) -> Iterator[str]:
    yield "[objective]"
    if guessed.metric:
        yield _line("metric", guessed.metric, guessed.metric_why)
    yield from _asked(guessed, "costs")
    yield _line("budget", guessed.budget, "how long to search for a model")
    others = [question for question in guessed.questions if _name(question) not in {"goal", "time", "group", "costs"}]
    yield from (_comment(question.line, f"open: {question.question}") for question in others)


def _asked(guessed: Guessed, *names: str) -> list[str]:
    return [
        _comment(question.line, f"open: {question.question}")
        for question in open_questions(guessed)
        if _name(question) in names
    ]


def _name(question: Open) -> str:
    return question.line.partition("=")[0].strip()


def _line(key: str, value: object, comment: str = "") -> str:
    line = f"{bare(key)} = {toml(value)}"
    beside = _beside(line, comment)
    if len(beside) <= _WIDEST:
        return beside
    return "\n".join([*(f"# {row}" for row in textwrap.wrap(_one_line(comment), _WIDEST - 2)), line])


def _comment(line: str, comment: str) -> str:
    return _beside(f"# {_one_line(line)}", comment)


def _beside(line: str, comment: str) -> str:
    said = _one_line(comment)
    return f"{line.ljust(_COMMENT_AT)}  # {said}" if said else line


def _one_line(words: str) -> str:
    # Keep what came from data from breaking out of its comment
    return "".join(letter if letter.isprintable() else " " for letter in words).strip()


# ------------------------------------------------------------------------------------------ every key


def render_page(page: Page, values: Mapping[str, Any], told: Mapping[Keys, str]) -> str:
    """Write every key of a page as TOML.

    Parameters
    ----------
    page
        The page; it knows which keys were set.
    values
        Its plain values, with variables as they were written.
    told
        Paths that came from ``--set``.

    Returns
    -------
    str
        TOML that reads back as the same page.
    """
    lines = ['# Every key. What is marked "default" may be left out; what begins with # is not set.']
    for name, field in Page.model_fields.items():
        part = getattr(page, name)
        lines += ["", *_table(name, part, values[name], _Shown(field, told, page))]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is needed to show one table: its description, what came from ``--set``, and the page."""

    field: FieldInfo
    told: Mapping[Keys, str]
    page: Page


def _table(name: str, part: Any, values: Any, shown: _Shown) -> Iterable[str]:
    title = f"# {_first_sentence(shown.field)}"
    if isinstance(part, BaseModel):
        keys = type(part).model_fields
        told = {path[1] for path in shown.told if path[0] == name and len(path) > 1}
        body = [_key(key, keys[key], values[key], _origin(part, key, told)) for key in keys]
        return [title, f"[{name}]", *body]
    if isinstance(part, list):
        return [
            title,
            *(_rows(name, part, values) if part else [f"# [[{name}]]", *_example_rows(shown.field)]),
        ]
    if not part:
        return [title, f"# [{name}]", *(f"# {_line(k, v)}" for k, v in _example(shown.field).items())]
    return [title, f"[{name}]", *(_line(key, value) for key, value in values.items())]


def _origin(part: BaseModel, key: str, told: set[str | int]) -> str:
    if key in told:
        return "from --set"
    return "" if key in part.model_fields_set else "default"


def _key(key: str, field: FieldInfo, value: Any, origin: str) -> str:
    if value is None:
        return _comment(f"{key} = {toml(field.examples[0])}" if field.examples else key, _first_sentence(field))
    return _line(key, _present(value), origin)


def _present(value: Any) -> Any:
    # Leave out what is absent; TOML has no null
    if isinstance(value, Mapping):
        return {key: _present(held) for key, held in value.items() if held is not None}
    return value


def _rows(name: str, part: Sequence[BaseModel], values: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one, held in zip(part, values, strict=True):
        yield f"[[{name}]]"
        fields = type(one).model_fields
        yield from (_key(key, fields[key], held[key], _origin(one, key, set())) for key in fields)


def _example_rows(field: FieldInfo) -> Iterator[str]:
    yield from (f"# {_line(key, value)}" for key, value in _example(field)[0].items())


def _example(field: FieldInfo) -> Any:
    assert field.examples is not None  # noqa: S101  # a test sees that every key has one
    return field.examples[0]


def _first_sentence(field: FieldInfo) -> str:
    words = " ".join((field.description or "").replace("``", "`").split())
    return words.split(". ")[0].rstrip(".")


NO_KEY = (
    "none found, so a row is known by its values; to name the column that tells rows apart: mulle set data.key=COLUMN"
)


def summary(guessed: Guessed) -> list[str]:
    """Say in a few lines what the data is taken for.

    Parameters
    ----------
    guessed
        What was read off the data.

    Returns
    -------
    list
        Lines, each with its head in the first eleven letters.

    Examples
    --------
    >>> summary(Guessed(name="c", source="c.csv", target="y", task="binary", n_rows=1200, n_columns=9, key=["id"]))
    ['rows       1,200 × 9 columns of c.csv', 'target     y: binary', 'key        id']
    """
    target = f"{guessed.target}: {guessed.task}" + (f", {guessed.task_why}" if guessed.task_why else "")
    positive = f"{guessed.positive}, {guessed.positive_why}" if guessed.positive else ""
    absent = ", ".join(f"{one.column} ({one.why})" for one in guessed.left_out)
    said = {
        "rows": f"{guessed.n_rows:,} × {count(guessed.n_columns, 'column')} of {guessed.source}",
        "target": target,
        "looked for": positive.rstrip(", "),
        "key": ", ".join(guessed.key) or NO_KEY,
        "time": guessed.time,
        "left out": absent,
        "noticed": "; ".join(guessed.notes),
    }
    return [f"{head.ljust(10)} {words}" for head, words in said.items() if words]
