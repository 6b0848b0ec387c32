"""Words and tables that data checks share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mulle.core.figure import Cell, Table

SHOWN = 10
"""Rows of evidence."""


def percent(value: float) -> str:
    """Write a share as a percentage.

    Returns
    -------
    str
        With one digit, two significant ones below 1 %; 100 % only for all.

    Examples
    --------
    >>> percent(0.123), percent(0.0004), percent(0.0), percent(0.99998)
    ('12.3 %', '0.04 %', '0 %', '> 99.9 %')
    """
    value *= 100
    if 99.9 < value < 100:  # noqa: PLR2004  # would be rounded to all
        return "> 99.9 %"
    return f"{value:.1f} %" if value >= 1 else f"{value:.2g} %"


def named(columns: Sequence[str]) -> str:
    """Name some columns, the first five quoted.

    Returns
    -------
    str
        As in a sentence.

    Examples
    --------
    >>> named(["age", "job"])
    "'age' and 'job'"
    >>> named(list("abcdefg"))
    "'a', 'b', 'c', 'd', 'e' and 2 more"
    """
    most = 5
    quoted = [f"'{column}'" for column in columns[:most]]
    if len(columns) > most:
        return f"{', '.join(quoted)} and {len(columns) - most:,} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    most: int | None = SHOWN,
    note: str = "",
) -> Table:
    """Make a table of evidence from its first rows, and say when there are more.

    Parameters
    ----------
    title, columns
        Of the table.
    rows
        All of them.
    most
        How many are shown; None for all, where the table names the columns to leave out.
    note
        What else to say under it.

    Returns
    -------
    Table
        With a note about the rest.

    Examples
    --------
    >>> table("Ids", ["id"], [[i] for i in range(12)]).note
    '2 more.'
    """
    every = list(rows)
    left = 0 if most is None else len(every) - most
    more = f"{left:,} more." if left > 0 else ""
    return Table(title=title, columns=columns, rows=every[:most], note=f"{more} {note}".strip())
