"""Rows of plain values as columns of text: for a person on a terminal, or to paste into a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from mulle.cli.lines import shortened

NARROWEST = 8
"""Letters that a column keeps, however narrow the window is."""


def grid(rows: Sequence[Mapping[str, Any]], *, width: int) -> str:
    """Lay rows out in columns; where they do not fit, the widest but the first is cut.

    Parameters
    ----------
    rows
        Each with the same names, in order.
    width
        Letters a line.

    Returns
    -------
    str
        A line of names and a line a row; empty for no rows.

    Examples
    --------
    >>> print(click.unstyle(grid([{"run": "r1", "rows": 1200}, {"run": "r2", "rows": None}], width=40)))
    run  rows
    r1   1,200
    r2   –
    """
    if not rows:
        return ""
    names = list(rows[0])
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    spans = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    # the first column names the row, and is what a person types next: it is never cut
    while len(spans) > 1 and sum(spans) + 2 * (len(names) - 1) > width and max(spans[1:]) > NARROWEST:
        spans[1 + spans[1:].index(max(spans[1:]))] -= 1
    head = click.style(_joined(names, spans), dim=True)
    return "\n".join([head, *(_joined(row, spans) for row in cells)])


def pairs(values: Mapping[str, Any], *, width: int) -> str:
    """Lay names and values out, one a line.

    Examples
    --------
    >>> print(click.unstyle(pairs({"cores": 2, "disk": "12 GB free"}, width=40)))
    cores  2
    disk   12 GB free
    """
    first = max((len(name) for name in values), default=0)
    return "\n".join(
        f"{click.style(name.ljust(first), dim=True)}  {shortened(_cell(value), width - first - 2)}"
        for name, value in values.items()
    )


def _joined(cells: Sequence[str], spans: Sequence[int]) -> str:
    return "  ".join(shortened(cell, span).ljust(span) for cell, span in zip(cells, spans, strict=True)).rstrip()


def _cell(value: object) -> str:
    said = " ".join(str(value).split())
    if value is None or isinstance(value, bool):
        said = {None: "", True: "yes", False: "no"}[value]
    elif isinstance(value, int | float):
        said = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
    elif isinstance(value, Mapping):
        said = ", ".join(f"{key} {_cell(held)}" for key, held in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        said = ", ".join(map(_cell, value))
    return said or "–"
