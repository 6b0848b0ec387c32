"""About how many rows would answer a question that the present ones leave open."""

from __future__ import annotations

import math

from mulle.core.check import Interval

MOST = 10_000_000
MOST_TIMES = 30
"""Of the present rows; what asks for more hangs on a value that is not told apart from the bar."""


def needed_rows(value: float, bar: float, interval: Interval, n_rows: int) -> int | None:
    """Return about how many rows in all would move the interval off the bar, if the value stayed what it is.

    An interval shrinks with the root of the rows.

    Parameters
    ----------
    value
        The estimate.
    bar
        What it is held against.
    interval
        Of the estimate.
    n_rows
        On how many rows it rests now.

    Returns
    -------
    int or None
        Two figures are meant; `n_rows` where the question is answered already; None where no number of rows that
        anyone has would do.

    Examples
    --------
    >>> needed_rows(0.03, 0.01, Interval(low=-0.01, high=0.07), 1000)
    4000
    """
    if interval.low > bar or interval.high < bar:
        return n_rows
    reach = value - interval.low if value > bar else interval.high - value
    if not (math.isfinite(reach) and math.isfinite(value)) or value == bar or n_rows <= 0:
        return None
    rows = n_rows * (reach / abs(value - bar)) ** 2
    if rows > min(MOST, MOST_TIMES * n_rows):
        return None
    digits = 10 ** max(int(math.log10(rows)) - 1, 0)
    return max(int(math.ceil(round(rows / digits, 6)) * digits), n_rows + 1)
