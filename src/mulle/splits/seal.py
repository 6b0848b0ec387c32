"""The seal: by what rule rows are put into the test that nobody looks at, and made once for a project."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import numpy as np
import polars as pl

from mulle.core.errors import DataError
from mulle.splits.content import Hashes, content
from mulle.splits.moments import moments, to_number, to_text
from mulle.splits.sides import Mask, sides

By = Literal["group", "key", "content", "time", "source", "none"]
_TRIES = 64
_WHERE = "mulle.lock, [seal]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The rule that says which rows are sealed. It stands in ``mulle.lock`` and never changes by itself.

    Parameters
    ----------
    by
        What decides: a *group*, a *key*, the row's *content*, its *time*, a *source* of its own, or nothing.
    unit
        The columns of the group or key that is split, bootstrapped and counted as one. None: the row's content.
    inputs
        The columns whose content makes twins, and which stand in where the group or key is missing.
    time
        With *time*: the column.
    cut
        With *time*: rows from here on are sealed. ISO 8601, or ``#`` and a number.
    source
        With *source*: where the sealed rows are.
    salt
        Hex, made once.
    fraction
        The share of units that was wanted.
    number
        1, and one more each time that ``mulle.lock`` was deleted to seal anew.
    made
        When, ISO 8601.

    Examples
    --------
    >>> frame = pl.DataFrame({"who": ["a", "b", "c", "a", "b", "d", "e", "f"], "x": range(8)})
    >>> seal = make_seal(frame, inputs=["x"], group="who", fraction=0.5, now="2026-11-22")
    >>> test = seal.test(frame)
    >>> bool(test[0] == test[3]), bool(test[1] == test[4])
    (True, True)
    """

    by: By
    unit: Sequence[str] = ()
    inputs: Sequence[str] = ()
    time: str = ""
    cut: str = ""
    source: str = ""
    salt: str = ""
    fraction: float = 0.0
    number: int = 1
    made: str = ""

    @property
    def id(self) -> str:
        """Return a short name that differs when any part of the rule differs."""
        columns = [[*self.unit], sorted(self.inputs)]
        held = [self.by, columns, self.time, self.cut, self.source, self.salt, self.fraction, self.number]
        return blake2b(json.dumps(held).encode(), digest_size=8).hexdigest()

    def units(self, frame: pl.DataFrame) -> Hashes:
        """Return what is split, bootstrapped and counted: uint64 ``[rows]``, equal for rows of one unit.

        It is the group or key where there is one, else, and where that is missing, the content of the row's inputs.
        """
        own = self.twins(frame)
        if not self.unit:
            return own
        named = content(frame, self.unit)
        return np.where(named == 0, own, named)

    def twins(self, frame: pl.DataFrame) -> Hashes:
        """Return the content of the inputs: uint64 ``[rows]``, equal for twins."""
        return content(frame, self.inputs)

    def test(self, frame: pl.DataFrame) -> Mask:
        """Return which rows are sealed, bool ``[rows]``; none with a source of its own, or without a test.

        With time, a row whose time is missing is not sealed.
        """
        if self.by in {"source", "none"}:
            return np.zeros(frame.height, bool)
        if self.by == "time":
            later: Mask = moments(_column(frame, self.time)) >= to_number(self.cut, where=f"{_WHERE} cut")
            return later
        return sides(self.units(frame), salt=self.salt, fraction=self.fraction)

    def differs(self, wanted: Seal, *, test_from: str = "") -> list[str]:
        """Return in words how this seal differs from what the page asks for now; it is never changed silently.

        Columns that are new among the inputs do not count: the seal keeps those that it was made with. Nor does a moment
        that the page does not name, because it moves as rows come in.

        Parameters
        ----------
        wanted
            The seal that the page would make now.
        test_from
            The moment that the page names, if it names one.

        Returns
        -------
        list of str
            Empty when nothing differs.

        Examples
        --------
        >>> held = Seal(by="time", time="at", cut="2026-01-01")
        >>> held.differs(Seal(by="time", time="at", cut="2026-03-01"), test_from="2026-03-01")
        ["test_from is '2026-01-01' in mulle.lock, '2026-03-01' on the page"]
        """
        pairs = [("by", self.by, wanted.by), ("source", self.source, wanted.source)]
        pairs += [("unit", ", ".join(self.unit), ", ".join(wanted.unit)), ("time", self.time, wanted.time)]
        if self.by == wanted.by:
            share = self.salt or (self.by == "time" and not test_from)
            pairs += [("test_fraction", str(self.fraction), str(wanted.fraction))] if share else []
            same = not test_from or _moment(self.cut) == _moment(wanted.cut)
            pairs += [] if same else [("test_from", self.cut, wanted.cut)]
        return [
            f"{what} is '{held}' in mulle.lock, '{asked}' on the page" for what, held, asked in pairs if held != asked
        ]

    def same_rows(self, other: Seal) -> bool:
        """Say whether another seal puts the same rows of a table aside, whatever its number and wherever it was made.

        Examples
        --------
        >>> first, second = (Seal(by="content", inputs=["x"], salt=salt, fraction=0.2) for salt in ("5eed", "5a17"))
        >>> first.same_rows(second), first.same_rows(replace(first, number=2, made="2026-11-22"))
        (False, True)
        """
        return self._rule == other._rule

    @property
    def _rule(self) -> tuple[object, ...]:
        if self.by in {"time", "source", "none"}:
            return (self.by, self.time, self.cut, self.source)
        return (self.by, *self.unit, *sorted(self.inputs), self.salt, self.fraction)


def make_seal(
    frame: pl.DataFrame,
    *,
    inputs: Sequence[str],
    now: str,
    group: str = "",
    key: Sequence[str] = (),
    time: str = "",
    test_from: str = "",
    test: str = "",
    fraction: float = 0.2,
    salt: str = "",
) -> Seal:
    """Make a project's first seal.

    A named test source goes first, then time, the group, the key, and the content of the row. No target is read.

    Parameters
    ----------
    frame
        The rows, with raw columns.
    inputs
        The columns that the model may use.
    now
        The moment, ISO 8601.
    group, key, time
        Columns, when the page names them.
    test_from
        With `time`: the first sealed moment. Empty: the moment after which about `fraction` of the rows lie.
    test
        ``"none"``, or a source that holds the test rows.
    fraction
        The share of units to seal.
    salt
        Hex. Empty: a random one. When it would put far too many or too few rows aside, as happens with few groups,
        others that follow from it are tried, and the best is kept.

    Returns
    -------
    Seal
        To be written into the lock.

    Raises
    ------
    DataError
        When one side would be empty: one group holds all rows, all rows have one time, or there are too few.
    """
    columns = (group,) if group else tuple(key)
    base = Seal(by="none", unit=columns, inputs=tuple(inputs), made=now)
    if test:
        return base if test == "none" else replace(base, by="source", source=test)
    if time:
        return _by_time(frame, replace(base, by="time", time=time, cut=test_from, fraction=fraction))
    by: By = "group" if group else "key" if key else "content"
    return _by_hash(frame, replace(base, by=by, fraction=fraction, salt=salt))


def _by_hash(frame: pl.DataFrame, seal: Seal) -> Seal:
    """Draw a salt; it may be drawn again because nothing but counts of rows is looked at."""
    units = seal.units(frame)
    if not (units != units[:1]).any():
        raise _one_unit(seal, frame.height)
    best, off = seal, 1.0
    for salt in _salts(seal.salt or secrets.token_hex(16)):
        share = float(sides(units, salt=salt, fraction=seal.fraction).mean())
        found = abs(share - seal.fraction)
        if 0 < share < 1 and found < off:
            best, off = replace(seal, salt=salt), found
        if off <= seal.fraction / 4:
            break
    if not best.salt or off == 1.0:
        raise DataError(
            f"no way was found to seal about {seal.fraction:.0%} of {frame.height} rows",
            where="[data] test_fraction",
            fix="bring more rows, choose a fraction nearer to a half, or name a test source",
        )
    return best


def _one_unit(seal: Seal, n_rows: int) -> DataError:
    if seal.by == "content":
        return DataError(
            f"all {n_rows:,} rows have the same inputs, so nothing tells them apart",
            where=f"[data] source, columns {', '.join(seal.inputs[:5])}{', …' if len(seal.inputs) > 5 else ''}",  # noqa: PLR2004
            fix="bring rows that differ, or columns that tell them apart",
        )
    return DataError(
        f"one {seal.by} holds all {n_rows:,} rows",
        where=f"[data] {seal.by}, column {', '.join(repr(name) for name in seal.unit)}",
        fix=f'name a {seal.by} with several values, a time, or a test source; or write test = "none" under [data]',
    )


def _salts(first: str) -> Iterator[str]:
    """Give a salt, then others that follow from it, so that one seed always ends at one seal.

    Yields
    ------
    str
        Hex.
    """
    yield first
    for i in range(1, _TRIES):
        yield blake2b(f"{first} {i}".encode(), digest_size=16).hexdigest()


def _by_time(frame: pl.DataFrame, seal: Seal) -> Seal:
    column = _column(frame, seal.time)
    when = moments(column)
    known = when[~np.isnan(when)]
    if not len(known) or known.min() == known.max():
        raise DataError(
            f"column '{seal.time}' holds {'one moment only' if len(known) else 'no moments'}",
            where="[data] time",
            fix="name another column as time, or remove the key",
        )
    if seal.cut and column.dtype.is_numeric():
        seal = replace(seal, cut=f"#{seal.cut.lstrip('#')}")
    if not seal.cut:
        seal = replace(seal, cut=to_text(_quantile(known, seal.fraction), column))
    cut = to_number(seal.cut, where="[data] test_from")
    if not known.min() < cut <= known.max():
        first, last = to_text(known.min(), column), to_text(known.max(), column)
        fix = f"choose a moment between {first} and {last}"
        raise DataError(f"no row lies on one side of '{seal.cut}'", where="[data] test_from", fix=fix)
    return seal


def _moment(cut: str) -> float:
    return to_number(cut, where="[data] test_from")


def _quantile(known: np.ndarray[tuple[int], np.dtype[np.float64]], fraction: float) -> float:
    """Return the moment that begins the newest `fraction` of the rows, and is not the first of all."""
    distinct = np.unique(known)
    share_from = 1 - np.searchsorted(np.sort(known), distinct) / len(known)
    nearest = int(np.argmin(np.abs(share_from[1:] - fraction))) + 1
    return float(distinct[nearest])


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        raise DataError(f"column '{name}' is not there", where="[data] time", fix="name a column of the data")
    return frame.get_column(name)
