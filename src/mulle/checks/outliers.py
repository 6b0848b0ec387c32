"""Numbers far away from all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import named, table
from mulle.core.check import Check, Status
from mulle.core.figure import Cell

SKEWED = 10.0
"""Skewness from which a few values decide a mean."""


@check
class Outliers(DataCheck):
    """Ask whether numbers lie absurdly far from the rest, or are so skewed that means mislead."""

    name: ClassVar[str] = "data.outliers"
    title: ClassVar[str] = "Outliers and skew"
    bar: ClassVar[float] = 20
    source: ClassVar[str] = "mulle default, in interquartile ranges; a normal column has none beyond 4"

    def look(self, seen: Seen) -> Sequence[Check]:
        """List columns with values further from the nearest quartile than the bar, the farthest first."""
        names = [s.name for _, s in seen.columns("number") if s.dtype.is_float()]
        if not names:
            return []
        rows = sorted(_spreads(seen.table, names), key=lambda row: (-row[1], row[0]))
        far = [row for row in rows if row[1] > self.limit(seen)]
        skewed = [row[0] for row in rows if abs(row[4]) > SKEWED]
        says = f"No number lies absurdly far from the rest in {len(names):,} numeric columns."
        if far:
            name, ranges, low, high, _ = far[0]
            says = (
                f"{named([row[0] for row in far])}: values far from all others. In '{name}' they reach from "
                f"{low:,.6g} to "
                f"{high:,.6g}, {ranges:,.0f} interquartile ranges beyond the middle half of the values."
            )
        if skewed:
            says += f" {named(skewed)}: very skewed; views that need it even it out."
        cells: list[list[Cell]] = [[n, round(r, 1), lo, hi, round(s, 2)] for n, r, lo, hi, s in far]
        return [
            Check(
                name=self.name,
                status=Status.NOTE if far or skewed else Status.PASS,
                says=says,
                fix="typing errors, or a code such as 9999 for 'missing'? Empty them at the source" if far else "",
                value=rows[0][1] if rows else 0.0,
                bar=self.bar_words(seen, "≤"),
                n_rows=seen.n_rows,
                evidence=table("Far from all others", ["column", "ranges away", "lowest", "highest", "skew"], cells)
                if far
                else None,
            )
        ]


def _spreads(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[str, float, float, float, float]]:
    """Return for each column: name, interquartile ranges to the farthest value, lowest, highest, skewness."""
    c = pl.col(names)
    stats = [c.quantile(0.25), c.quantile(0.75), c.min(), c.max(), c.skew()]
    columns = [frame.select(stat).row(0) for stat in stats]
    found = []
    for name, q1, q3, low, high, skew in zip(names, *columns, strict=True):
        if low is None:
            continue
        # without a middle half that spreads (mostly zeros), only the skew can tell
        ranges = max(q1 - low, high - q3) / (q3 - q1) if q3 > q1 else 0.0
        found.append((name, ranges, low, high, skew if skew is not None and skew == skew else 0.0))  # noqa: PLR0124
    return found
