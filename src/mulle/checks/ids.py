"""Names and numbers of single rows, used as if they could teach something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl

from mulle.checks.base import DataCheck, Seen, check, keep_command
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status

MIN_ROWS = 100
STEADY = 0.99
"""Share of steps of exactly one that makes sorted whole numbers a row count."""


@check
class Ids(DataCheck):
    """Ask whether a column names its row instead of describing it."""

    name: ClassVar[str] = "data.ids"
    title: ClassVar[str] = "Ids among the features"
    bar: ClassVar[float] = 0.95

    def look(self, seen: Seen) -> Sequence[Check]:
        """Leave out categories that are nearly all different, and running numbers."""
        if seen.n_rows < MIN_ROWS:
            return []
        limit = self.limit(seen)
        found = {series.name: why for _, series in seen.columns("category") if (why := _names(series, limit))}
        found |= {series.name: why for _, series in seen.columns("number") if (why := _counts(series))}
        if not found:
            return [Check(name=self.name, status=Status.PASS, says="No column names its row.", value=0.0)]
        return [
            Check(
                name=self.name,
                status=Status.NOTE,
                says=f"{named(list(found))}: an id, left out; it would be learnt by heart and help no new row.",
                bar=self.bar_words(seen, "different values <", percent=True),
                n_rows=seen.n_rows,
                evidence=table("Ids", ["column", "why"], found.items(), most=None),
                undo=keep_command(*found),
            )
        ]


def _names(series: pl.Series, limit: float) -> str:
    held = series.drop_nulls()
    if len(held) < MIN_ROWS or held.head(1000).n_unique() < limit * min(len(held), 1000):
        return ""
    part = held.n_unique() / len(held)
    return f"{percent(part)} of its values occur once" if part >= limit else ""


def _counts(series: pl.Series) -> str:
    head = series.head(1000).drop_nulls()
    if series.null_count() or head.n_unique() < len(head) or not bool((head == head.floor()).all()):
        return ""
    steps = np.diff(np.sort(series.to_numpy()))
    steady = float((steps == 1).mean()) if len(steps) else 0.0
    return f"it counts the rows: {percent(steady)} of its steps are 1" if steady >= STEADY else ""
