"""Numbers: amounts, counts, measurements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from mulle.core.count import count
from mulle.core.figure import Figure, Table
from mulle.core.schema import Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.numeric import Filled, Plain, Scaled
from mulle.kinds.picture import histogram, presence, table
from mulle.kinds.reading import joined, read_distinct, reading, text_of
from mulle.runtime.encode import MISSING, Unreadable, read_number

_MOSTLY = 0.95


@kind
class Number(Kind):
    """A number, written plainly or with thousands separators, a currency, or a per cent sign.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("number").read([pl.Series(["1,250", "n/a", "ten"])], {}).faults
    (2,)
    """

    name: ClassVar[str] = "number"
    wire: ClassVar[Wire] = "number"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Float64
    views: ClassVar[Mapping[str, type[View]]] = {"plain": Plain, "filled": Filled, "scaled": Scaled}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim numeric types, and text of which at least 95 % reads as numbers."""
        if facts.dtype.is_numeric():
            return Guess(sure=0.8, why=f"numbers ({count(facts.n_unique, 'different value')})")
        if facts.dtype != pl.String or len(facts.values) == 0:
            return None
        return _best([_as_text(facts, decimal) for decimal in (".", ",")])

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to Float64; infinity and NaN become null."""
        return joined([_read(text_of(c), options) for c in columns])

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return float64 ``[rows, 1]``."""
        del options
        return np.column_stack([v.cast(pl.Float64).to_numpy() for v in values])

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return quantiles, mean, zeros and distinct values."""
        column = values[0]
        there = column.drop_nulls()
        rows = presence(column)
        if len(there):
            shares = (("least", 0.0), ("5 %", 0.05), ("median", 0.5), ("95 %", 0.95), ("most", 1.0))
            ordered = there.sort()
            rows += [(word, float(ordered[round(share * (len(ordered) - 1))])) for word, share in shares]
            rows += [("mean", _number(there.mean())), ("standard deviation", _number(there.std()))]
            rows += [("zeros", int((there == 0).sum())), ("different values", int(ordered.rle_id()[-1]) + 1)]
        return table(column.name, rows)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a histogram."""
        return histogram(name, values[0], target)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _read(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        cast = column if column.dtype == pl.Float64 else column.cast(pl.Float64)
        if not column.dtype.is_float() or np.isfinite(cast.to_numpy()).sum() == len(cast) - cast.null_count():
            return Reading(values=(cast,))  # nothing to look for: ten thousand columns take this way
        finite = cast.is_finite()
        infinite = int(cast.is_infinite().sum()) if cast.dtype.is_float() else 0
        return reading(column, cast.set(~finite & cast.is_not_null(), None), None, infinite=infinite)
    if column.dtype != pl.String:
        return read_distinct(column, "number", options, pl.Float64, keep=_there)
    return _read_text(column, options)


def _read_text(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    """Cast what is plainly a number at once; read the rest by its distinct values."""
    decimal = str(options.get("decimal", "."))
    if decimal == ".":
        cast = column.str.strip_chars(" \t").cast(pl.Float64, strict=False)
        cast = cast.set(~cast.is_finite() & cast.is_not_null(), None)
    else:
        cast = pl.repeat(None, len(column), dtype=pl.Float64, eager=True)
    for pattern, remove, share in _dressed(decimal, str(options.get("thousands", ""))):
        cast = _undressed(column, cast, (pattern, remove, decimal), share=share)
    at = (column.is_not_null() & cast.is_null()).arg_true()
    if len(at) == 0:
        return reading(column, cast.alias(column.name), None)
    slow = read_distinct(column.gather(at), "number", options, pl.Float64, keep=_there)
    values = cast.scatter(at, slow.values[0]).alias(column.name)
    infinite = int(column.gather(at).str.to_lowercase().str.contains(r"^\s*[+-]?(?:inf|infinity|∞)\s*$").sum())
    faults = at.gather(list(slow.faults)) if slow.faults else None
    return reading(column, values, faults, infinite=infinite)


def _dressed(decimal: str, thousands: str) -> list[tuple[str, str, bool]]:
    """Return patterns of numbers with a currency, groups or a per cent sign; what to remove; whether it is a share."""
    mark = thousands or ("." if decimal == "," else ",")
    if mark not in {",", "."} or decimal not in {",", "."} or mark == decimal:
        return []
    part = rf"(?:{re.escape(decimal)}\d*)?$"
    grouped = rf"^[+-]?[$€£¥₩]?(?:\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+|\d+){part}"
    remove = rf"[$€£¥₩{re.escape(mark)}]"
    return [(grouped, remove, False), (rf"^[+-]?\d+{part[:-1]}%$", "%", True)]


def _undressed(column: pl.Series, cast: pl.Series, how: tuple[str, str, str], *, share: bool) -> pl.Series:
    """Cast the values that fit a pattern and aren't cast yet."""
    pattern, remove, decimal = how
    at = (column.is_not_null() & cast.is_null()).arg_true()
    few = column.gather(at)
    fits = few.str.contains(pattern).arg_true()
    if len(fits) == 0:
        return cast
    bare = few.gather(fits).str.replace_all(remove, "").str.replace(decimal, ".", literal=True)
    numbers = bare.cast(pl.Float64, strict=False)
    numbers = numbers / 100 if share else numbers
    finite = numbers.set(~numbers.is_finite() & numbers.is_not_null(), None)
    return cast.scatter(at.gather(fits), finite)


def _there(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  # NaN


def _as_text(facts: Facts, decimal: str) -> tuple[float, Guess] | None:
    """Return the share of values that read as numbers with that decimal mark, and the claim."""
    plain, dressed, failed, words = 0, 0, 0, set[str]()
    values = facts.values.head(2000).to_list()
    n = sum(v.strip().lower() not in MISSING for v in values)
    if sum(v.strip()[:1] == "0" and v.strip().isdigit() and len(v.strip()) > 1 for v in values) > 0.02 * len(values):
        return None  # leading zeros: postcodes, article numbers
    for value in values:
        bare = value.strip()
        if bare.lower() in MISSING:
            words.add(bare)
            continue
        try:
            read_number(bare, decimal)
        except Unreadable:
            failed += 1
            if (n - failed) / n < _MOSTLY:
                return None  # words tell soon that they are words
            continue
        plain += bare.lstrip("+-").replace(".", "", 1).isdigit()
        dressed += not bare.lstrip("+-").replace(".", "", 1).isdigit()
    share = (plain + dressed) / n if n else 0.0
    if share < _MOSTLY:
        return None
    options: dict[str, Any] = {"decimal": ","} if decimal == "," else {}
    how = f"; {dressed:,} of {n:,} carry separators, a sign or an exponent" if dressed else ""
    gone = f"; {', '.join(repr(w) for w in sorted(words) if w)} taken as missing" if words - {""} else ""
    why = f"{share:.0%} of the texts are numbers{how}{gone}"
    return share, Guess(sure=0.75 * share, why=why, options=options)


def _best(claims: Sequence[tuple[float, Guess] | None]) -> Guess | None:
    """Take the claim that reads most; the decimal point on a tie."""
    best: tuple[float, Guess] | None = None
    for claim in claims:
        if claim is not None and (best is None or claim[0] > best[0]):
            best = claim
    return None if best is None else best[1]
