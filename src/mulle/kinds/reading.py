"""Read a raw Polars column value by value as serving will, but each distinct value only once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from mulle.kinds.base import Reading
from mulle.runtime.encode import Unreadable, reader

_SHOWN = 10
_FEW = 5_000


def read_distinct(
    column: pl.Series,
    kind: str,
    options: Mapping[str, Any],
    dtype: pl.DataType | type[pl.DataType],
    *,
    keep: Callable[[Any], Any] = lambda value: value,
) -> Reading:
    """Read each distinct value by `mulle.runtime.encode` and put the results in place.

    Parameters
    ----------
    column
        Raw values of any type.
    kind, options
        As in the feature.
    dtype
        Of the result.
    keep
        From a wire value to what is stored; None for a missing one.

    Returns
    -------
    Reading
        With the values that could not be read as faults.

    Examples
    --------
    >>> read_distinct(pl.Series(["1", "x"]), "number", {}, pl.Float64, keep=lambda v: v).faults
    (1,)
    """
    levels = _levels(column)
    if levels is None:
        return _row_by_row(column, kind, options, dtype, keep=keep)
    if dtype == pl.String and column.dtype == pl.String:
        levels = _untidy(levels, options)
    read = reader({"kind": kind, "options": options})
    held: list[Any] = []
    wrong: list[Any] = []
    for value in levels.to_list():
        try:
            held.append(keep(read(value)))
        except Unreadable:
            held.append(None)
            wrong.append(value)
    values = _placed(column, levels, pl.Series(held, dtype=dtype))
    faults = column.is_in(pl.Series(wrong, dtype=levels.dtype).implode()).arg_true() if wrong else None
    return reading(column, values, faults)


_TIDY = r"^[!-~](?:[ -~]*[!-~])?$"


def _untidy(levels: pl.Series, options: Mapping[str, Any]) -> pl.Series:
    """Leave out the words that reading can't change: ASCII, stripped, and none of those that mean missing."""
    if len(levels) < _FEW or options.get("numbers") or options.get("fold") or options.get("separator") is not None:
        return levels
    gone = {form for word in options.get("missing", ()) for form in (str(word), str(word).strip())}
    tidy = levels.str.contains(_TIDY) & ~levels.is_in(pl.Series(sorted(gone), dtype=pl.String).implode())
    return levels.filter(~tidy)


def reading(column: pl.Series, values: pl.Series, faults: pl.Series | None, *, infinite: int = 0) -> Reading:
    """Join the values of one column with the faults that were found.

    Examples
    --------
    >>> reading(pl.Series(["x"]), pl.Series([None]), pl.Series([0])).samples
    ('x',)
    """
    if faults is None or len(faults) == 0:
        return Reading(values=(values,), infinite=infinite)
    shown = column.gather(faults.head(_SHOWN)).to_list()
    return Reading(
        values=(values,), faults=tuple(faults.to_list()), samples=tuple(str(v) for v in shown), infinite=infinite
    )


def joined(readings: Sequence[Reading]) -> Reading:
    """Join the readings of several columns: a row is at fault when any of its values is.

    Examples
    --------
    >>> one, two = Reading(values=(), faults=(3,)), Reading(values=(), faults=(1, 3))
    >>> joined([one, two]).faults
    (1, 3)
    """
    return Reading(
        values=tuple(v for r in readings for v in r.values),
        faults=tuple(sorted({f for r in readings for f in r.faults})),
        samples=tuple(s for r in readings for s in r.samples)[:_SHOWN],
        infinite=sum(r.infinite for r in readings),
    )


def text_of(column: pl.Series) -> pl.Series:
    """Return a categorical column as the text it stands for, any other as it is."""
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    return column


def _levels(column: pl.Series) -> pl.Series | None:
    if column.dtype.is_nested() or column.dtype == pl.Object:
        return None
    return column.drop_nulls().unique(maintain_order=True)


def _placed(column: pl.Series, levels: pl.Series, held: pl.Series) -> pl.Series:
    """Put what each level became in its place; a text that isn't among the levels stays as it is."""
    same = levels.dtype == held.dtype == pl.String
    index = pl.DataFrame({"at": levels, "to": held, "known": pl.repeat(value=True, n=len(levels), eager=True)})
    if same:
        index = index.filter(pl.col("at").ne_missing(pl.col("to")))
        if index.height == 0:
            return column
    frame = pl.DataFrame({"at": column}).join(index, on="at", how="left", maintain_order="left")
    placed = pl.when(pl.col("known")).then(pl.col("to")).otherwise(pl.col("at")) if same else pl.col("to")
    return frame.select(placed.alias(column.name)).to_series()


def _row_by_row(
    column: pl.Series,
    kind: str,
    options: Mapping[str, Any],
    dtype: pl.DataType | type[pl.DataType],
    *,
    keep: Callable[[Any], Any],
) -> Reading:
    read = reader({"kind": kind, "options": options})
    held: list[Any] = []
    wrong: list[int] = []
    for i, value in enumerate(column.to_list()):
        try:
            held.append(keep(read(value)))
        except Unreadable:
            held.append(None)
            wrong.append(i)
    values = pl.Series(column.name, held, dtype=dtype)
    return reading(column, values, pl.Series(wrong, dtype=pl.UInt32))
