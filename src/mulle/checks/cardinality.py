"""Categories with very many values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import table
from mulle.core.check import Check, Status
from mulle.core.count import count
from mulle.core.figure import Cell

RARE = 10
"""Rows below which a value is seen too rarely to be learnt by itself."""


@check
class Cardinality(DataCheck):
    """Ask whether a category has so many values that most of them are seen too rarely to be learnt."""

    name: ClassVar[str] = "data.cardinality"
    title: ClassVar[str] = "Categories with many values"
    bar: ClassVar[float] = 1000

    def look(self, seen: Seen) -> Sequence[Check]:
        """List categories with more values than the bar."""
        columns = [s for _, s in seen.columns("category")]
        if not columns:
            return []
        rows: list[list[Cell]] = []
        for series in columns:
            counts = series.drop_nulls().value_counts(sort=False)["count"]
            rows.append([series.name, len(counts), int((counts < RARE).sum()) if len(counts) else 0])
        rows.sort(key=lambda row: (-int(row[1] or 0), str(row[0])))
        high = [row for row in rows if int(row[1] or 0) > self.limit(seen)]
        says = f"The category with the most values is '{rows[0][0]}': {count(int(rows[0][1] or 0), 'value')}."
        if high:
            says += (
                f" {int(rows[0][2] or 0):,} of them occur in fewer than 10 rows: they are seen through the "
                "mean target "
                "of each value (fitted out of fold) and how frequent it is, not one by one."
            )
        return [
            Check(
                name=self.name,
                status=Status.NOTE if high else Status.PASS,
                says=says,
                value=float(rows[0][1] or 0),
                bar=self.bar_words(seen, "≤"),
                n_rows=seen.n_rows,
                evidence=table("Categories with many values", ["column", "values", "in fewer than 10 rows"], high)
                if high
                else None,
            )
        ]
