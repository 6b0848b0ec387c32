"""Where a cut of a prepared column lies in the column's own unit, in words.

Views scale, straighten and clip. A rule that is found on what they give must be told on what people know: an age of 30,
not a -0.39.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.schema import Column

Floats = NDArray[np.float64]


def rule_in_words(column: Column, prepared: NDArray[np.float32], cuts: Sequence[float], own: pl.DataFrame) -> str:
    """Say a rule: a column of zeros and ones is asked, any other is cut.

    Parameters
    ----------
    column
        Of the prepared matrix.
    prepared
        Its values, ``[rows]``.
    cuts
        Rows at or below a cut go to one side of it, ascending.
    own
        The columns of its feature as they were read, ``[rows]``.

    Returns
    -------
    str
        In the unit of an own column that the prepared one follows; without such a column, as shares of the rows.

    Examples
    --------
    >>> amount = np.array([10.0, 20.0, 40.0, 80.0])
    >>> column, own = Column(name="amount", feature="amount"), pl.DataFrame({"amount": amount})
    >>> rule_in_words(column, np.log(amount).astype(np.float32), [3.2], own)
    'amount, cut at 30'
    """
    if list(cuts) == [0.5] and bool(np.isin(prepared, (0, 1)).all()):
        return f"is {column.name}?"
    for values in own.get_columns():
        found = [_between(prepared, cut, values) for cut in cuts]
        if None not in found:
            return f"{column.name}, cut at {' and at '.join(_sorted_words(found))}"
    shares = [f"{float((prepared <= cut).mean()):.1%}" for cut in cuts]
    return f"{column.name}, cut above the lowest {' and above the lowest '.join(shares)} of the rows"


def _sorted_words(found: Sequence[tuple[float, str] | None]) -> list[str]:
    """Return the words of cuts in the order of their values, each once."""
    return list(dict.fromkeys(words for _, words in sorted(each for each in found if each is not None)))


def _between(prepared: NDArray[np.float32], cut: float, values: pl.Series) -> tuple[float, str] | None:
    """Return a value that parts the own values as the cut parts the prepared ones, with its words; None if none does."""
    moment = values.dtype.is_temporal()
    if not (moment or values.dtype.is_numeric()):
        return None
    known = values.is_not_null().to_numpy()
    own = values.cast(pl.Datetime("us") if moment else values.dtype).cast(pl.Float64).to_numpy()
    below, above = own[known & (prepared <= cut)], own[known & (prepared > cut)]
    if not len(below) or not len(above):
        return None
    if below.max() >= above.min():
        below, above = above, below  # the prepared column falls where its own one rises
    low, high = float(below.max()), float(above.min())
    if low >= high:
        return None
    return (high, _moment(high)) if moment else _shortest(low, high)


def _moment(microseconds: float) -> str:
    text = str(np.datetime64(int(microseconds), "us").astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _shortest(low: float, high: float) -> tuple[float, str]:
    """Return the number with the fewest digits above ``low`` and at most ``high``, near the middle, and its words."""
    middle = (low + high) / 2
    size = math.floor(math.log10(max(abs(low), abs(high))))
    for places in range(-size, 17 - size):
        near = round(middle, places)
        if low < near <= high:
            return near, f"{near:,.{max(places, 0)}f}"
    return high, f"{high:,.17g}"
