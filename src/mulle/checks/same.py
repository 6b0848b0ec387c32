"""Which rows are the same in all their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
WHOLE = 1e15
"""Whole numbers below this are written out."""


def fingerprints(table: pl.DataFrame, columns: Sequence[str]) -> Hashes:
    """Return one number a row that is equal for rows equal in all the columns.

    Parameters
    ----------
    table
        Canonical rows.
    columns
        The columns to compare.

    Returns
    -------
    NDArray
        uint64 ``[rows]``. Of two million different rows, two share a number by chance with a probability of
        about 1 in 9 million. Comparable within one process.

    Examples
    --------
    >>> found = fingerprints(pl.DataFrame({"a": [1.0, 2.0, 1.0]}), ["a"])
    >>> bool(found[0] == found[2]), bool(found[0] == found[1])
    (True, False)
    """
    schema = table.schema
    flat = [pl.col(name).list.join("\x1f") if isinstance(schema[name], pl.List) else pl.col(name) for name in columns]
    return table.select(flat).hash_rows(seed=0).to_numpy()


def groups(hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each group of equal rows a number.

    Parameters
    ----------
    hashes
        From `fingerprints`.

    Returns
    -------
    tuple
        For each row its group, and for each group its rows.
    """
    _, group, size = np.unique(hashes, return_inverse=True, return_counts=True)
    return group.astype(np.int64), size.astype(np.int64)


ROW = "row in the source"
COUNTED = "Rows are counted from 1, without the header: row 23 is line 24 of a CSV file that has one line a row."


def shown(
    table: pl.DataFrame, positions: Sequence[int], columns: Sequence[str], numbers: NDArray[np.int64]
) -> list[list[str | int]]:
    """Return rows to look at: where they stand in the source, and the first few of their values as people write them.

    Parameters
    ----------
    table
        Canonical rows.
    positions
        Rows, counted from 0.
    columns
        The columns to show.
    numbers
        For each row of the table its place in the source, counted from 1.

    Returns
    -------
    list
        Cells as text, cut to 40 letters.

    Examples
    --------
    >>> shown(pl.DataFrame({"pay": [47.0, 1.5], "name": ["a", None]}), [0, 1], ["pay", "name"], np.array([3, 9]))
    [[3, '47', 'a'], [9, '1.5', '']]
    """
    taken = table.select(columns)[list(positions)]
    cells = [[_written(value)[:40] for value in row] for row in taken.iter_rows()]
    return [[int(numbers[position]), *row] for position, row in zip(positions, cells, strict=True)]


def _written(value: object) -> str:
    """Write a value as a person would: a whole number without a point, a day without midnight, a list without marks."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < WHOLE else f"{value!r}"
    if isinstance(value, datetime):
        return str(value.date()) if value.time() == time.min else str(value)
    return ", ".join(map(_written, value)) if isinstance(value, list) else str(value)
