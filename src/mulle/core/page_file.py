"""The page as a file: read it with all faults at once, change one key of it, show it with every default.

Which keys there are stands in `mulle.core.project`; how faults are worded in `mulle.core.page_fault`.
"""

# what stands in a page may be any plain value

from __future__ import annotations

import difflib
import os
import re
import tempfile
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from mulle.core.errors import MulleError, ProjectError, StoreError, UnknownName
from mulle.core.page_fault import Found, Source, all_keys, contradictions, dotted, fields_at, from_validation
from mulle.core.page_text import Candidate, Guessed, Open, Unsure, open_questions, render_page, write_page
from mulle.core.project import VARIABLE, Page
from mulle.core.settings import environment
from mulle.core.toml_text import Keys, parts_of, places, toml

__all__ = [
    "Candidate",
    "Guessed",
    "Open",
    "Unsure",
    "check_names",
    "json_schema",
    "load_page",
    "make_page",
    "open_questions",
    "render",
    "set_key",
    "set_keys",
    "write_page",
]

T = TypeVar("T")

_PLACE = re.compile(r"\s*\(at line (\d+), column (\d+)\)")
_HOW = "mulle init FILE --target COLUMN writes one from your data"


# ------------------------------------------------------------------------------------------ reading


def load_page(path: Path, *, settings: Sequence[str] = ()) -> Page:
    r"""Read a project file.

    Parameters
    ----------
    path
        The file, usually ``mulle.toml``.
    settings
        Keys to change for this once: ``"objective.budget=5m"``. Values are TOML, else text. A key may be
        written without its table where that is clear: ``"costs.false_negative=20"``.

    Returns
    -------
    Page
        Validated, with ``${NAME}`` filled in from the environment.

    Raises
    ------
    ProjectError
        When there is no file, it is not TOML, or anything in it is wrong: all faults at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mulle.toml"
    ...     _ = file.write_text('[data]\nsource = "a.csv"\ntarget = "churned"\n')
    ...     load_page(file, settings=["budget=5m"]).objective.budget
    '5m'
    """
    return _validated(_source(path, settings))


def make_page(values: Mapping[str, Any], *, name: str = "the project") -> Page:
    """Build a page from plain values, with the same words for what is wrong as for a file.

    Parameters
    ----------
    values
        Tables by name.
    name
        What to call it in errors.

    Returns
    -------
    Page
        Validated.

    Raises
    ------
    ProjectError
        All faults at once.

    Examples
    --------
    >>> make_page({"data": {"target": "churned"}}).data.target
    'churned'
    >>> make_page({"data": {"traget": "churned", "target": "churned"}})
    Traceback (most recent call last):
    ...
    mulle.core.errors.UnknownName: key 'traget' is unknown
      where: the project: [data] traget
      fix:   did you mean 'target'? known: ...
    """
    return _validated(Source(name=name, text="", raw=_flat_checks(values)))


def _validated(source: Source) -> Page:
    values, found = _expanded(source)
    try:
        page = Page.model_validate(values)
    except ValidationError as error:
        raise source.together([*found, *from_validation(error, source)]) from None
    found += contradictions(page, source)
    if found:
        raise source.together(found)
    return page.from_source(source)


def _source(path: Path, settings: Sequence[str]) -> Source:
    text = read_text(path)
    raw = _flat_checks(_parsed(text, path.name))
    told = _lay_over(raw, settings)
    return Source(name=path.name, text=text, raw=raw, told=told)


def read_text(path: Path) -> str:
    """Read the text of a project file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        Its text, without a byte-order mark.

    Raises
    ------
    ProjectError
        When it is absent, a folder, empty, or not UTF-8.
    """
    if path.is_dir():
        inner = path / "mulle.toml"
        fix = f"name the file: {inner}" if inner.is_file() else _HOW
        raise ProjectError(f"'{path}' is a folder, not a project file", where=str(path), fix=fix)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError(f"there is no project file '{path.name}'", where=_at(path), fix=_HOW) from None
    except OSError as error:
        fix = "make it readable, or name another with --project"
        raise ProjectError(f"'{path.name}' can't be read: {error.strerror}", where=_at(path), fix=fix) from None
    text = _decoded(content, path)
    if not text.strip():
        raise ProjectError(f"'{path.name}' is empty", where=_at(path), fix=_HOW)
    return text


def _at(path: Path) -> str:
    return str(path.absolute().parent)


def _decoded(content: bytes, path: Path) -> str:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise ProjectError(
            f"'{path.name}' is written in UTF-16", where=path.name, fix="save it as UTF-8 in your editor"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = f"'{path.name}' is not UTF-8: byte 0x{content[error.start]:02x}"
        fix = "save it as UTF-8 in your editor"
        raise ProjectError(what, where=f"{path.name}, line {line}", fix=fix) from None


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        twice = _stands_twice(text, name)
        raise twice or _not_toml(text, name, str(error)) from None


def _stands_twice(text: str, name: str) -> ProjectError | None:
    seen: dict[Keys, int] = {}
    for path, line in places(text):
        if path in seen:
            what = f"{dotted(path)} stands twice, on lines {seen[path]} and {line}"
            return ProjectError(what, where=f"{name}, line {line}", fix="keep one of the two")
        seen[path] = line
    return None


def _not_toml(text: str, name: str, said: str) -> ProjectError:
    place = _PLACE.search(said)
    lines = text.rstrip().split("\n")
    line, column = (int(place[1]), int(place[2])) if place else (len(lines), 1)
    row = lines[line - 1] if 0 < line <= len(lines) else ""
    what = f"this is not TOML: {_PLACE.sub('', said).replace(' (at end of document)', ', at the end').lower()}"
    if row.strip():
        what += f"\n  {line:>4} | {row.rstrip()}\n       | {' ' * (column - 1)}^"
    fix = "keep one of the two" if "duplicate" in said.lower() else _cure(row)
    return ProjectError(what, where=f"{name}, line {line}, column {column}", fix=fix)


def _cure(row: str) -> str:
    # Guess what was meant by a line that is not TOML
    if row.count('"') % 2 or row.count("'") % 2:
        return "close the quotes"
    pair = re.fullmatch(r"\s*([\w.-]+)\s*[=:]\s*([^\s\"'\[{].*?)\s*", row)
    if pair is not None:
        return f"put text in quotes: {pair[1]} = {toml(pair[2])}"
    if row.count("[") != row.count("]") or row.count("{") != row.count("}"):
        return "close the bracket"
    return 'each line is [table], or key = value: text in "quotes", numbers without'


def _flat_checks(raw: Mapping[str, Any]) -> dict[str, Any]:
    # Let ``[checks]`` hold ``data.missing = 0.9`` without quotes
    checks = raw.get("checks")
    return {**raw, "checks": dict(_joined(checks))} if isinstance(checks, Mapping) else dict(raw)


def _joined(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _joined(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# ------------------------------------------------------------------------------------------ the environment


def _expanded(source: Source) -> tuple[Any, list[Found]]:
    faults: list[Found] = []
    return _fill(source.raw, (), source, faults), faults


def _fill(value: Any, path: Keys, source: Source, faults: list[Found]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(held, (*path, key), source, faults) for key, held in value.items()}
    if isinstance(value, list):
        return [_fill(held, (*path, i), source, faults) for i, held in enumerate(value)]
    if not isinstance(value, str):
        return value
    for escaped, name in VARIABLE.findall(value):
        if not escaped and name not in environment():
            what = f"the environment variable {name} is not set"
            error = ProjectError(what, where=source.where(path), fix=f"export {name}=… first")
            faults.append((path, error))
    return VARIABLE.sub(_variable, value)


def _variable(match: re.Match[str]) -> str:
    # Give a variable's value; ``$${NAME}`` stands for ``${NAME}`` itself
    return f"${{{match[2]}}}" if match[1] else environment().get(match[2], match[0])


# --------------------------------------------------------------------------------------- --set and mulle set


def full_key(name: str, *, where: str = "") -> Keys:
    """Find the key that a short name stands for.

    Parameters
    ----------
    name
        Dotted: ``"objective.costs.false_negative"``, or without what is clear: ``"costs.false_negative"``.
    where
        The place to show when there is none.

    Returns
    -------
    tuple
        The path within the page.

    Raises
    ------
    UnknownName
        When nothing answers to it, with the nearest key.
    ProjectError
        When several do.

    Examples
    --------
    >>> full_key("costs.false_negative"), full_key("checks.data.missing")
    (('objective', 'costs', 'false_negative'), ('checks', 'data.missing'))
    """  # `_nearest` makes the UnknownName
    parts: Keys = tuple(parts_of(name))
    known = list(all_keys())
    free = _free_key(parts)
    if free is not None or parts in known:
        return free or parts
    ends = [keys for keys in known if keys[-len(parts) :] == parts and keys[0] not in {"slices", "overrides"}]
    if len(ends) == 1:
        return ends[0]
    if ends:
        meant = " or ".join(".".join(map(str, keys)) for keys in ends)
        raise ProjectError(f"'{name}' is the name of {len(ends)} keys", where=where, fix=f"write {meant}")
    raise _nearest(name, known, where)


def _free_key(parts: Keys) -> Keys | None:
    # Return the path of a key whose name the person chooses: a feature, a check's bar, a column's kind
    if parts[:1] == ("checks",) and len(parts) > 1:
        return ("checks", ".".join(map(str, parts[1:])))
    if parts[:1] == ("features",) and len(parts) == 2:  # noqa: PLR2004
        return parts
    if parts[:1] == ("kinds",) and len(parts) > 1:
        parts = ("data", *parts)
    return ("data", "kinds", ".".join(map(str, parts[2:]))) if parts[:2] == ("data", "kinds") and parts[2:] else None


def _nearest(name: str, known: Sequence[Keys], where: str) -> UnknownName:
    # Look among full names and last words, since people remember either
    full = {".".join(map(str, keys)): keys for keys in known}
    words = {str(keys[-1]): ".".join(map(str, keys)) for keys in known}
    short = {".".join(map(str, keys[1:])): name_ for name_, keys in full.items() if len(keys) > 1}
    near = difflib.get_close_matches(name, [*full, *short, *words], n=1, cutoff=0.6)
    if not near:
        return UnknownName.among(name, [str(keys[0]) for keys in known if len(keys) == 1], noun="key", where=where)
    meant = near[0] if near[0] in full else short.get(near[0]) or words[near[0]]
    return UnknownName(f"key '{name}' is unknown", where=where, fix=f"did you mean '{meant}'?")


def value_of(text: str) -> Any:
    """Read a value as it is typed after ``=``: TOML, else text.

    Returns
    -------
    Any
        Number, text, truth value, list or mapping.

    Examples
    --------
    >>> value_of("20"), value_of("5m"), value_of('["a", "b"]'), value_of("{ trials = 3 }")
    (20, '5m', ['a', 'b'], {'trials': 3})
    """
    with suppress(tomllib.TOMLDecodeError):
        held = tomllib.loads(f"value = {text}")
        return held["value"] if held.keys() == {"value"} else text
    return text


def assignment(words: str, *, command: str = "--set") -> tuple[Keys, Any]:
    """Read ``key=value``.

    Parameters
    ----------
    words
        What was typed.
    command
        What to show in errors.

    Returns
    -------
    tuple
        The key's path within the page, and the value.

    Raises
    ------
    ProjectError
        When there is no ``=``, or no such key.

    Examples
    --------
    >>> assignment("costs.false_negative=20")
    (('objective', 'costs', 'false_negative'), 20)
    """
    name, equals, value = words.partition("=")
    where = f"{command} {words}"
    if not equals or not name.strip():
        example_ = f"{command} objective.budget=5m"
        raise ProjectError(f"'{words}' is not key=value", where=where, fix=f"write {example_}")
    path = full_key(name.strip(), where=where)
    return path, _suited(path, value.strip())


def _suited(path: Keys, text: str) -> Any:
    # Keep text as text where the page wants text: a positive class of 1, a goal that begins with a digit
    value = value_of(text)
    field = fields_at(path[:-1]).get(str(path[-1]))
    wants_text = field is not None and set(_leaves(field.annotation)) <= {str, type(None)}
    return text if wants_text and not isinstance(value, str) else value


def _leaves(annotation: Any) -> Iterator[Any]:
    # Walk through the plain types within a union
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        yield from _leaves(inner[0])
    elif inner and isinstance(annotation, types.UnionType):
        yield from (leaf for one in inner for leaf in _leaves(one))
    else:
        yield annotation


def _lay_over(raw: dict[str, Any], settings: Sequence[str]) -> dict[Keys, str]:
    told: dict[Keys, str] = {}
    faults: list[MulleError] = []
    for words in settings:
        try:
            path, value = assignment(words)
        except ProjectError as error:
            faults.append(error)
            continue
        _put(raw, path, value)
        told[path] = words
    if faults:
        raise ProjectError.together(faults)
    return told


def _put(raw: dict[str, Any], path: Keys, value: Any) -> None:
    table: dict[Any, Any] = raw
    for key in path[:-1]:
        held = table.get(key)
        table[key] = {**held} if isinstance(held, Mapping) else {}
        table = table[key]
    table[path[-1]] = value


def set_key(path: Path, name: str, value: str) -> Page:
    r"""Change one key of a project file in place; comments, order and line ends stay.

    The file is written only when the changed page is right, and then in one step.

    Parameters
    ----------
    path
        The file.
    name
        The key, dotted; without its table where that is clear: ``"costs.false_negative"``.
    value
        TOML, else text.

    Returns
    -------
    Page
        The page as it is now.

    Raises
    ------
    ProjectError
        When the key or the value is wrong; the file is as it was.
    StoreError
        When the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mulle.toml"
    ...     _ = file.write_text('[data]  # ours\ntarget = "churned"\n')
    ...     _ = set_key(file, "costs.false_negative", "20")
    ...     print(file.read_text())
    [data]  # ours
    target = "churned"
    <BLANKLINE>
    [objective]
    costs = { false_negative = 20 }
    <BLANKLINE>
    """
    set_keys(path, [f"{name}={value}"])
    return load_page(path)


def set_keys(
    path: Path, assignments: Sequence[str], *, check: Callable[[Page, Sequence[str]], None] | None = None
) -> dict[str, str]:
    """Change several keys of a project file in one step; see `set_key`.

    Parameters
    ----------
    path
        The file.
    assignments
        ``"key=value"``, each as in `set_key`.
    check
        Told the changed page and the full names of its changed keys before the file is written; it raises when a name
        on it stands for nothing.

    Returns
    -------
    dict
        The full name of each key, with its value as it is written.

    Raises
    ------
    ProjectError
        When any key or value is wrong; the file is as it was.
    """
    text = read_text(path)
    _parsed(text, path.name)
    told: dict[Keys, str] = {}
    changed: dict[str, str] = {}
    for words in assignments:
        keys, value = assignment(words, command="mulle set")
        text = _closed(_edited(_opened(text, keys), keys, value), keys)
        told[keys] = words
        changed[".".join(map(str, keys))] = toml(value)
    raw = _flat_checks(tomllib.loads(text))
    page = _validated(Source(name=path.name, text=text, raw=raw, told=told, command="mulle set"))
    if check is not None:
        check(page, list(changed))
    replace_text(path, text)
    return changed


def _edited(text: str, keys: Keys, value: Any) -> str:
    import tomlkit  # noqa: PLC0415  # only for writing; it takes 60 ms to import
    from tomlkit.items import InlineTable, Table  # noqa: PLC0415

    document = tomlkit.parse(text)
    table: Any = document.setdefault(str(keys[0]), tomlkit.table())
    inner = _inner_keys(table, keys[1:])
    for depth, key in enumerate(inner[:-1]):
        held = table.get(key)
        if not isinstance(held, Table):  # `{ … }` is written anew as a whole
            inside = dict(held.unwrap()) if isinstance(held, InlineTable) else {}
            _put(inside, inner[depth + 1 :], value)
            table[key] = tomlkit.value(toml(inside))
            return tomlkit.dumps(document)
        table = held
    table[inner[-1]] = tomlkit.value(toml(value))
    return tomlkit.dumps(document)


def _inner_keys(table: Mapping[str, Any], keys: Keys) -> Keys:
    # Split a check's name where the file has it in tables within tables
    first, *rest = str(keys[0]).split(".")
    return (first, *rest, *keys[1:]) if rest and isinstance(table.get(first), Mapping) else keys


def _opened(text: str, keys: Keys) -> str:
    # Turn the open question that a key answers into a line of its own, so that the answer stands in its place
    asked = (
        re.compile(rf"(?m)^#[ \t]*({re.escape(str(keys[1]))})[ \t]*=[^#\r\n]*(#[ \t]*open:[^\r\n]*)")
        if keys[1:]
        else None
    )
    found = asked.search(text) if asked else None
    if found is None or _table_around(text, found.start()) != keys[0]:
        return text
    with suppress(ProjectError):
        empty = "{}" if keys[2:] else "0"
        changed = f"{text[: found.start()]}{found[1]} = {empty}  {found[2]}{text[found.end() :]}"
        _parsed(changed, "")
        return changed
    return text


def _table_around(text: str, position: int) -> str | int | None:
    headers = [path for path, _ in places(text[:position]) if len(path) == 1]
    return headers[-1][0] if headers else None


def _closed(text: str, keys: Keys) -> str:
    # Take the question away once it is answered in full, and where it was asked of several columns, the others too
    if keys[:2] == ("objective", "costs") and not _costs_are_known(text):
        return text
    name = re.escape(str(keys[1] if keys[1:] else keys[0]))
    text = re.sub(rf"(?m)^({name}[ \t]*=[^\r\n]*?)[ \t]*#[ \t]*open:[^\r\n]*", r"\1", text)
    asked = re.compile(rf"(?m)^#[ \t]*{name}[ \t]*=[^#\r\n]*#[ \t]*open:[^\r\n]*\r?\n?")
    for found in reversed(list(asked.finditer(text)) if keys[1:] else []):
        if _table_around(text, found.start()) == keys[0]:
            text = text[: found.start()] + text[found.end() :]
    return text


def _costs_are_known(text: str) -> bool:
    costs = tomllib.loads(text).get("objective", {}).get("costs")
    return isinstance(costs, Mapping) and {"false_positive", "false_negative"} <= costs.keys()


def replace_text(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old one or the new one, never half of it.

    Parameters
    ----------
    path
        The file; its permissions stay.
    text
        What it shall hold.

    Raises
    ------
    StoreError
        When the folder is read-only or the disk is full; the old file is whole.
    """  # `StoreError.of` makes it
    target = path.resolve()
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        Path(temporary).replace(target)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError.of(error, where=path) from None


# ------------------------------------------------------------------------------------------ showing


def render(page: Page) -> str:
    """Write the page with every key, and say of each whether it was set or is the default.

    Parameters
    ----------
    page
        What `load_page` gave. ``${NAME}`` is shown as the file has it, never what it holds.

    Returns
    -------
    str
        TOML that reads back as the same page.

    Examples
    --------
    >>> page = make_page({"data": {"target": "churned"}})
    >>> print(render(page).splitlines()[8])
    seed = 0                                  # default
    """
    told: Mapping[Keys, str] = page.source.told if page.source else {}
    return render_page(page, page.model_dump(mode="json"), told)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the project file, for editors.

    Returns
    -------
    dict
        Draft 2020-12, with the words of `mulle.core.project`.

    Examples
    --------
    >>> schema = json_schema()
    >>> schema["properties"]["data"]["$ref"], schema["$defs"]["DataPart"]["properties"]["target"]["examples"]
    ('#/$defs/DataPart', ['churned'])
    """
    schema = Page.model_json_schema()
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mulle.toml",
    }
    return {**head, **_plain_words({key: held for key, held in schema.items() if key != "title"})}


def _plain_words(held: Any) -> Any:
    # Take the marks of our docstrings out of descriptions; editors show them as they are
    if isinstance(held, list):
        return [_plain_words(inner) for inner in held]
    if not isinstance(held, dict):
        return held
    plain = {key: _plain_words(inner) for key, inner in held.items()}
    words = plain.get("description")
    if isinstance(words, str):
        plain["description"] = words.split("\n\nExamples\n")[0].replace("``", "`").replace("\n", " ")
    return plain


# ------------------------------------------------------------------------------------------ names of parts


def check_names(page: Page, known: Mapping[str, Iterable[str]]) -> None:
    """Check every name on the page that stands for a registered part.

    Parameters
    ----------
    page
        What `load_page` gave.
    known
        The names that exist, by key: ``{"objective.metric": metrics.names(), "objective.families": …,
        "objective.policy": …, "data.task": …, "data.kinds": …}``. Keys left out are not checked.

    Raises
    ------
    UnknownName
        For one wrong name, with the nearest one.
    ProjectError
        For several, all at once.

    Examples
    --------
    >>> page = make_page({"data": {"target": "y"}, "objective": {"metric": "acuracy"}})
    >>> check_names(page, {"objective.metric": ["accuracy", "roc_auc"]})
    Traceback (most recent call last):
    ...
    mulle.core.errors.UnknownName: metric 'acuracy' is unknown
      where: the project: [objective] metric
      fix:   did you mean 'accuracy'? known: accuracy, roc_auc
    """
    source = page.source or Source(name="the project", text="", raw={})
    found: list[Found] = []
    for key, names in known.items():
        path: Keys = tuple(key.split("."))
        answers = set(names)
        nouns = {"families": "model family", "kinds": "kind", "overrides": "check"}
        noun = nouns.get(str(path[-1]), str(path[-1]))
        wrong = [(at, name) for at, name in _named(page, path) if name not in answers]
        found += [(at, UnknownName.among(name, answers, noun=noun, where=source.where(at))) for at, name in wrong]
    if found:
        raise source.together(found)


def _named(page: Page, path: Keys) -> list[tuple[Keys, str]]:
    held: Any = page
    for key in path:
        held = getattr(held, str(key))
    if isinstance(held, str):
        return [(path, held)]
    if isinstance(held, Mapping):
        return [((*path, key), name) for key, name in held.items()]
    if path == ("overrides",):
        return [((*path, i, "check"), part.check) for i, part in enumerate(held)]
    return [((*path, i), name) for i, name in enumerate(held or [])]
