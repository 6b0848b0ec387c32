"""What a data check is: one question about the rows, its bar, and what it looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Status
from mulle.core.jsonable import from_json
from mulle.core.registry import Registry
from mulle.core.schema import Feature, LeftOut, Schema
from mulle.core.work import Ref
from mulle.kinds.base import seen_as

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFault:
    """Values of one column that could not be read: rows from 0, the first few as text; and how many were infinite."""

    column: str
    feature: str = ""
    positions: Sequence[int] = ()
    samples: Sequence[str] = ()
    infinite: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that data checks may look at: development rows with their target, sealed rows without.

    Parameters
    ----------
    table
        Development rows in canonical form: for each feature its raw columns, read as its kind.
    features
        What the columns are.
    task
        The task's name.
    target
        The target of these rows as numbers, ``[rows]`` or ``[rows, outputs]``; NaN where it is not known.
    classes
        Names of classes, if the task has any.
    target_name
        The target's column.
    sealed
        Inputs of the sealed test's rows, in the same form. Never their target. None when there is no seal.
    sealed_content
        Of each sealed row the content of its inputs as they stand in the file, ``[sealed rows]``; see
        `mulle.splits.content`.
    faults
        What could not be read.
    read_notes
        What was found out and done while the source was read.
    lines_aside
        Lines of the source that are no rows: ``file``, ``line``, ``why``, ``text``.
    n_source
        Rows of the whole source, on both sides.
    raw
        The file of these rows before they were read as their kinds, and of rows whose target is not known.
    n_unknown
        Rows whose target is not known, which `table` does not hold.
    moments
        The time column of the development rows, when the page names one.
    by_time
        True when the sealed rows are newer than the others on purpose.
    places
        Where rows stand in the source, counted from 0: of ``"rows"``, those of `table`; of ``"side"``, those of `raw`; of
        ``"sealed"``. A side that is absent is counted as it stands.
    now
        The moment of the run, aware.
    label_delay_s
        After how many seconds a target is known, if the page says so.
    bars
        Bars that the page sets, by check.
    rng
        For samples.
    """

    table: pl.DataFrame
    features: Sequence[Feature]
    task: str
    target: Floats
    rng: np.random.Generator
    classes: Sequence[str] = ()
    target_name: str = "target"
    sealed: pl.DataFrame | None = None
    sealed_content: NDArray[np.uint64] | None = None
    faults: Sequence[ReadFault] = ()
    read_notes: Sequence[str] = ()
    lines_aside: Sequence[Mapping[str, Any]] = ()
    n_source: int = 0
    raw: pl.LazyFrame | None = None
    n_unknown: int = 0
    moments: pl.Series | None = None
    by_time: bool = False
    places: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    now: datetime | None = None
    label_delay_s: float | None = None
    bars: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, Ref],
        *,
        bars: Mapping[str, float],
        rng: np.random.Generator,
        now: datetime | None = None,
        by_time: bool = False,
        label_delay_s: float | None = None,
    ) -> Self:
        """Build it from finished work.

        Parameters
        ----------
        inputs
            *rows* (``rows.parquet``, ``target.npy``, ``rows.json``) and *schema* (``schema.json``); if there,
            *sealed* (``rows.parquet``, ``content.npy``), *side* (``raw.parquet``) and *source* (``read.json``).
        bars, rng, now, by_time, label_delay_s
            As the fields.

        Returns
        -------
        Self
            The table is shared by all checks that one process asks.
        """
        rows, schema = inputs["rows"], from_json(Schema, inputs["schema"].json("schema.json"))
        counts, table = rows.json("rows.json"), _table(rows.path)
        source = inputs["source"].json("read.json") if "source" in inputs else {}
        side, sealed = inputs.get("side"), inputs.get("sealed")
        return cls(
            table=table,
            features=schema.features,
            task=schema.task,
            target=np.asarray(rows.array("target.npy"), np.float64),
            rng=rng,
            classes=schema.classes,
            target_name=schema.target,
            sealed=None if sealed is None else _table(sealed.path),
            sealed_content=None if sealed is None else np.asarray(sealed.array("content.npy")),
            faults=[from_json(ReadFault, fault) for fault in counts.get("faults", ())],
            read_notes=source.get("notes", ()),
            lines_aside=source.get("faults", ()),
            n_source=int(source.get("n_rows", 0)),
            moments=table[schema.time] if schema.time in table.columns else None,
            by_time=by_time,
            raw=None if side is None else pl.scan_parquet(side.path / "raw.parquet"),
            n_unknown=int(counts.get("n_unknown", 0)),
            places={name: _places(inputs[name]) for name in ("rows", "side", "sealed") if name in inputs},
            now=now,
            label_delay_s=label_delay_s,
            bars=bars,
        )

    def numbers(self) -> NDArray[np.int64]:
        """Return where each row of the table stands in the source, counted from 1."""
        return self._counted("rows", self.n_rows)

    def sealed_numbers(self) -> NDArray[np.int64]:
        """Return where each sealed row stands in the source, counted from 1."""
        return self._counted("sealed", 0 if self.sealed is None else self.sealed.height)

    def raw_number(self, position: int) -> int:
        """Return where a row of the raw side, counted from 0, stands in the source, counted from 1."""
        held = self.places.get("side")
        return 1 + (position if held is None else int(held[position]))

    def _counted(self, name: str, n: int) -> NDArray[np.int64]:
        return 1 + np.asarray(self.places.get(name, np.arange(n)), np.int64)

    @property
    def n_rows(self) -> int:
        """How many development rows there are."""
        return self.table.height

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a known target, ``[rows]``."""
        finite = np.isfinite(self.target)
        return np.asarray(finite if finite.ndim == 1 else finite.all(axis=1), np.bool_)

    def columns(self, *kinds: str) -> Iterator[tuple[Feature, pl.Series]]:
        """Go over the table's columns of features of some kinds and of kinds like them, or of all.

        Yields
        ------
        tuple
            The feature and one of its columns.
        """
        held = set(self.table.columns)
        asked = seen_as(dict.fromkeys(kinds, ()))
        for feature in self.features:
            if not kinds or feature.kind in asked:
                for name in feature.stored:
                    if name in held:
                        yield feature, self.table[name]

    def inputs(self) -> list[str]:
        """Return the names of all input columns that the table holds, each once."""
        held = set(self.table.columns)
        return list(dict.fromkeys(name for f in self.features for name in f.stored if name in held))

    def shared(self) -> list[str]:
        """Return the names of input columns that the sealed rows have, too."""
        other = set() if self.sealed is None else set(self.sealed.columns)
        return [name for name in self.inputs() if name in other]

    def sample(self, most: int) -> NDArray[np.int64]:
        """Return at most so many rows, drawn without replacement, in order."""
        if self.n_rows <= most:
            return np.arange(self.n_rows)
        return np.sort(self.rng.choice(self.n_rows, most, replace=False)).astype(np.int64)


class DataCheck(ABC):
    """One question about the data. A new one is one file in this folder with one class under ``@check``.

    ``bar`` is compared with the check's value; the page may set another under ``[checks]``. ``source`` says
    where the default comes from.

    A check proposes to leave columns out by an answer with ``undo``: the first column of its evidence names
    them, its status is a note, because something was done about it. `leave_out` does it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    bar: ClassVar[float]
    source: ClassVar[str] = "mulle default"
    also: ClassVar[tuple[str, ...]] = ()
    """Names of further answers that it may give, so that they can be overridden by name."""
    dated: ClassVar[bool] = False
    """Whether it asks how old rows are; its answer is then good for a day. Others are told no moment."""

    @abstractmethod
    def look(self, seen: Seen) -> Sequence[Check]:
        """Answer the question. Nothing is returned when it does not arise."""

    def limit(self, seen: Seen) -> float:
        """Return the bar: the page's, or the default."""
        return seen.bars.get(self.name, self.bar)

    def bar_words(self, seen: Seen, sign: str, *, percent: bool = False) -> str:
        """Return the bar in words, with its source.

        Parameters
        ----------
        seen
            What is looked at.
        sign
            ``"≤"`` or ``"≥"``.
        percent
            Whether the bar is a share.

        Returns
        -------
        str
            ``"≤ 5 % (mulle default)"``.
        """
        limit = self.limit(seen)
        words = f"{100 * limit:g} %" if percent else f"{limit:,g}"
        source = "the page's [checks]" if self.name in seen.bars else self.source
        return f"{sign} {words} ({source})"


def keep_command(*columns: str) -> str:
    r"""Return the command that uses columns although a check would leave them out.

    Parameters
    ----------
    columns
        Their names.

    Returns
    -------
    str
        To type.

    Examples
    --------
    >>> keep_command("fax")
    'mulle set data.keep=\'["fax"]\''
    """
    return f"mulle set data.keep='{_toml(columns)}'"


def ignore_command(*columns: str) -> str:
    r"""Return the command that leaves columns out.

    Parameters
    ----------
    columns
        Their names.

    Returns
    -------
    str
        To type.

    Examples
    --------
    >>> ignore_command("fax", "telex")
    'mulle set data.ignore=\'["fax", "telex"]\''
    """
    return f"mulle set data.ignore='{_toml(columns)}'"


def _toml(columns: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in columns) + "]"


def leave_out(found: Iterable[Check], keep: Sequence[str]) -> tuple[list[Check], list[LeftOut]]:
    """Take up what checks propose to leave out, but for what the page keeps.

    Parameters
    ----------
    found
        All answers.
    keep
        Columns that the page keeps: what was found about them fails, until somebody overrides it with a
        reason.

    Returns
    -------
    tuple
        The answers, and each column to leave out once, with the reason and the command that brings it back.

    Examples
    --------
    >>> from mulle.core.figure import Table
    >>> evidence = Table(title="", columns=["column"], rows=[["fax"]])
    >>> note = Check(name="data.leak", status=Status.NOTE, says="It tells.", undo="…", evidence=evidence)
    >>> [left.column for left in leave_out([note], keep=[])[1]]
    ['fax']
    >>> leave_out([note], keep=["fax"])[0][0].status
    <Status.FAIL: 'FAIL'>
    """
    answers: list[Check] = []
    left: dict[str, LeftOut] = {}
    for each in found:
        columns = [str(row[0]) for row in each.evidence.rows] if each.undo and each.evidence else []
        kept = [column for column in columns if column in keep]
        answers.append(_kept(each, kept) if kept else each)
        for column in columns:
            if column not in kept and column not in left:
                left[column] = LeftOut(column=column, why=each.says, undo=keep_command(column))
    return answers, list(left.values())


def _kept(each: Check, columns: Sequence[str]) -> Check:
    words = " and ".join(f"'{column}'" for column in columns)
    return replace(
        each,
        status=Status.FAIL,
        says=f"{each.says} {words} is used all the same, because the page keeps it ([data] keep).",
        fix="take it out of [data] keep, or add [[overrides]] with the reason why it is known in time",
    )


def _places(ref: Ref) -> NDArray[np.int64]:
    return np.asarray(ref.array("position.npy"), np.int64)


@lru_cache(maxsize=2)
def _table(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "rows.parquet")


DataCheckT = TypeVar("DataCheckT", bound=DataCheck)
checks: Registry[DataCheck] = Registry(noun="data check", package="mulle.checks")


def check(cls: type[DataCheckT]) -> type[DataCheckT]:
    """Register a question of your own about the data: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `DataCheck`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    >>> @check
    ... class Adults(DataCheck):
    ...     name, title, bar = "data.adults", "Adults", 18.0
    ...
    ...     def look(self, seen):
    ...         young = int((seen.table["age"] < self.limit(seen)).sum())
    ...         status = Status.FAIL if young else Status.PASS
    ...         return [Check(name=self.name, status=status, says=f"{young} people are too young.")]
    >>> table, target = pl.DataFrame({"age": [17.0, 30.0]}), np.zeros(2)
    >>> age = Feature(name="age", kind="number", columns=["age"])
    >>> seen = Seen(table=table, features=[age], task="binary", target=target, rng=np.random.default_rng(0))
    >>> checks.get("data.adults").look(seen)[0].says
    '1 people are too young.'
    >>> checks.remove("data.adults")
    """
    return checks.take(cls)
