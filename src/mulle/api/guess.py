"""`mulle init`: read the data, guess what can be guessed, and write a page that gives each guess its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from mulle.core.errors import MulleError, ProjectError, StoreError, UnknownName
from mulle.core.page_file import Guessed, replace_text, write_page
from mulle.core.page_text import Candidate, Taken, Unsure
from mulle.core.schema import Feature, LeftOut
from mulle.kinds import kinds
from mulle.kinds.recognise import facts, guess
from mulle.stages.answerable import need_answer
from mulle.store.source import Source, read_source
from mulle.tasks import Target, Task
from mulle.tasks.recognise import recognise

FEW_UNITS = 0.5
"""A column whose values repeat so that there are at most half as many as rows may be a group."""

LINES = 5
"""Lines kept aside that are shown at once."""


@dataclass(frozen=True, kw_only=True)
class InitResult:
    """The page that was written, its text, and the guesses in it."""

    path: Path
    text: str
    guessed: Guessed


def init(source: str, *, target: str, folder: Path, name: str | None = None) -> InitResult:
    r"""Write ``mulle.toml`` from the data.

    Parameters
    ----------
    source
        As in ``[data] source``, relative to where the command is run.
    target
        The column to predict.
    folder
        Where the page is written.
    name
        Of the project; the file's name when absent.

    Returns
    -------
    InitResult
        The page and its guesses.

    Raises
    ------
    ProjectError
        When there is a page already.
    UnknownName
        When the target is no column.
    DataError
        When no answer exists: no rows, one class, …

    Examples
    --------
    >>> import tempfile
    >>> import mulle
    >>> home = Path(tempfile.mkdtemp())
    >>> rows = "".join(f"{i},{'yes' if i % 3 else 'no'}\n" for i in range(60))
    >>> written = (home / "churn.csv").write_text("months,left\n" + rows)
    >>> made = mulle.init(str(home / "churn.csv"), target="left", folder=home)
    >>> made.guessed.task, made.guessed.metric, made.path.name
    ('binary', 'roc_auc', 'mulle.toml')
    """
    path = folder / "mulle.toml"
    if path.exists():
        raise ProjectError(
            "there is a project here already",
            where=str(path),
            fix="mulle run; or --folder NEW for another project",
        )
    with _without_a_page(source):
        held = read_source(source, root=Path.cwd())
        raw = held.table.lazy().collect()
        if target not in raw.columns:
            raise UnknownName.among(target, raw.columns, noun="column", where="--target")
        need_answer(raw[target], where=source, inputs=[column for column in raw.columns if column != target])
        found = _guessed(raw, source, target, folder, name)
    found = replace(found, notes=[*_source_notes(held), *found.notes])
    text = write_page(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError.of(error, where=path) from error
    replace_text(path, text)
    return InitResult(path=path, text=text, guessed=found)


@contextmanager
def _without_a_page(source: str) -> Iterator[None]:
    """Say what is wrong to somebody who has no page yet, on which a key could be set.

    Raises
    ------
    MulleError
        The same, with a place and a way out that are there already.
    """
    try:
        yield
    except MulleError as error:
        error.where = source if error.where.startswith("mulle.toml") else error.where
        error.fix = _SET.sub(_by_hand, error.fix)
        raise


_SET = re.compile(r"mulle set data\.(\w+)=(\S+)")


def _by_hand(found: re.Match[str]) -> str:
    if found[1] == "target":
        return f"--target {found[2]}"
    return f"write {found[1]} = {found[2]} beside source and target under [data] of a mulle.toml of your own"


def _guessed(raw: pl.DataFrame, source: str, target: str, folder: Path, name: str | None) -> Guessed:
    task, claim = recognise(facts(raw, target))
    read = task.read(raw[target])
    features = guess(raw, ignore=[target], overrides={}, places=())
    keys = [f for f in features if _is_key(f, raw)]
    metric = task.default_metric(read)
    return Guessed(
        name=name or Path(source.rstrip("*/")).stem.split(".")[0] or "project",
        source=_relative(source, folder),
        target=target,
        task=task.name,
        task_why=claim.why,
        n_rows=len(raw),
        n_columns=raw.width,
        positive=read.classes[-1] if task.looks_for_one else None,
        positive_why=_positive_why(task, read),
        key=[keys[0].columns[0]] if keys else (),
        key_why=keys[0].why if keys else "",
        times=[Candidate(column=f.columns[0], why=f.why) for f in features if f.kind == "datetime"],
        groups=[Candidate(column=f.columns[0], why=f.why) for f in features if _is_group(f, raw)],
        left_out=list(_left_out(features, keys)),
        metric=metric.name,
        metric_why=metric.why,
        unsure=[_apart(f) for f in features if f.kind == "place"],
        columns=[Taken(column=", ".join(f.columns), kind=f.kind, why=f.why) for f in features],
        notes=[note for note in read.notes if note != _positive_why(task, read)],
    )


def _apart(place: Feature) -> Unsure:
    """Offer to take the two columns of a place apart."""
    first, second = place.columns
    return Unsure(column=first, kind=f"place with {second}", instead="number", why=place.why)


def _source_notes(held: Source) -> list[str]:
    """Return what was noticed while the source was read, with the first lines that were kept aside."""
    lines = [f"line {one.line:,} ({one.why}): {one.text}" for one in held.faults[:LINES]]
    more = f", … and {len(held.faults) - LINES:,} more" if len(held.faults) > LINES else ""
    return [*held.notes, *lines[:-1], *(f"{line}{more}" for line in lines[-1:])]


def _positive_why(task: Task, read: Target) -> str:
    return read.notes[-1] if task.looks_for_one and read.notes else ""


def _is_key(feature: Feature, raw: pl.DataFrame) -> bool:
    column = raw[feature.columns[0]]
    return feature.kind == "id" and column.null_count() == 0 and column.n_unique() == len(raw)


def _is_group(feature: Feature, raw: pl.DataFrame) -> bool:
    return feature.kind == "id" and 1 < raw[feature.columns[0]].n_unique() <= FEW_UNITS * len(raw)


def _left_out(features: Sequence[Feature], keys: Sequence[Feature]) -> Iterator[LeftOut]:
    for feature in features:
        if not kinds.get(feature.kind).views and feature not in keys[:1]:
            undo = f"mulle set data.keep='[\"{feature.columns[0]}\"]'"
            yield LeftOut(column=feature.name, why=feature.why, undo=undo)


def _relative(source: str, folder: Path) -> str:
    """Name the source as seen from the page's folder."""
    path = Path(source)
    if "://" in source or path.is_absolute():
        return source
    try:
        return str(path.absolute().relative_to(folder.absolute()))
    except ValueError:
        return str(path.absolute())
