"""Where no answer exists: what ends a turn before anything is sealed or written.

It is asked of the whole target, because nothing is known of sides yet, and tells nothing of it but that there is an
answer. Whatever is merely bad is left to checks, which stop shipping and not looking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from mulle.core.errors import DataError
from mulle.tasks.labels import read_labels, rows
from mulle.tasks.positive import choose_positive

MOST_CLASSES = 200
"""Different values beyond which a target surely has more than one, and is not read further."""


def need_answer(target: pl.Series, *, where: str, inputs: Iterable[str], positive: str | None = None) -> None:
    """Refuse data from which nothing can be learnt, whatever is tried.

    Parameters
    ----------
    target
        The raw target of all rows.
    where
        The source, for the message.
    inputs
        The columns that a model may use.
    positive
        The positive class that the page names.

    Raises
    ------
    DataError
        For one row, no input, a target that is empty or has one value, a positive class that does not occur.

    Examples
    --------
    >>> need_answer(pl.Series("churned", ["no", "No "]), where="churn.csv", inputs=["age"])
    Traceback (most recent call last):
    ...
    mulle.core.errors.DataError: the target 'churned' has one class: 'no' in all 2 rows
      where: churn.csv, column 'churned'
      fix:   bring rows of another class too, or choose another target: mulle set data.target=COLUMN
    """
    if len(target) == 1:
        raise DataError(
            "there is one row, and nothing can be learnt from a single one",
            where=where,
            fix="bring more rows: some hundreds at least",
        )
    if not list(inputs):
        raise DataError(
            f"there is no column but '{target.name}' to learn from",
            where=where,
            fix="bring columns that are known before the target is, or ignore fewer of them",
        )
    if _n_values(target) <= MOST_CLASSES:
        _need_two(target, read_labels(_finite(target)).counts, where=f"{where}, column '{target.name}'")
        if positive is not None:
            choose_positive(read_labels(target).counts, asked=positive, column=target.name)


def _need_two(target: pl.Series, counts: Mapping[str, int], *, where: str) -> None:
    other = "choose another target: mulle set data.target=COLUMN"
    if not counts:
        raise DataError(
            f"the target '{target.name}' is empty in all {rows(len(target))}",
            where=where,
            fix=f"bring rows whose target is known, or {other}",
        )
    if len(counts) == 1:
        (only, n), *_ = counts.items()
        noun, shown = ("value", only) if target.dtype.is_float() else ("class", f"'{only}'")
        known = " where it is known" if n < len(target) else ""
        raise DataError(
            f"the target '{target.name}' has one {noun}: {shown} in all {rows(n)}{known}",
            where=where,
            fix=f"bring rows of another {noun} too, or {other}",
        )


def _finite(target: pl.Series) -> pl.Series:
    return target.filter(target.is_finite()) if target.dtype.is_float() else target


def _n_values(target: pl.Series) -> int:
    """Count different values; a type that names no classes, which its task refuses in its own words, has many."""
    if target.dtype.is_nested() or target.dtype.is_temporal() or target.dtype == pl.Binary:
        return MOST_CLASSES + 1
    return target.n_unique()
