"""How a bundle and its answers look in a notebook: plain HTML tables, nothing executed, nothing loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table_html(title: str, rows: Iterable[Sequence[object]], *, head: Sequence[str] = (), note: str = "") -> str:
    """Return a small table.

    Parameters
    ----------
    title
        Above it.
    rows
        Cells, each shown as text.
    head
        Names of the columns; none for pairs of a name and a value.
    note
        Below it.

    Returns
    -------
    str
        HTML; all text is escaped.

    Examples
    --------
    >>> table_html("a < b", [("task", "binary")])
    '<table><caption>a &lt; b</caption><tr><td>task</td><td>binary</td></tr></table>'
    """
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{line}</tr>" for line in ([names] if names else []) + cells)
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<table><caption>{escape(title)}</caption>{body}</table>{below}"
