"""Numbers without end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import count, named, percent, table
from mulle.core.check import Check, Status


@check
class Infinite(DataCheck):
    """Ask whether numbers are infinite, most often a division by zero at the source."""

    name: ClassVar[str] = "data.infinite"
    title: ClassVar[str] = "Infinite numbers"
    bar: ClassVar[float] = 0.01

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count them in the rows as they came."""
        frame = seen.table.lazy() if seen.raw is None else seen.raw
        schema = frame.collect_schema()
        names = [s.name for _, s in seen.columns() if s.name in schema and schema[s.name].is_float()]
        if not names:
            return []
        counts = frame.select([pl.col(name).is_infinite().sum() for name in names]).collect().row(0)
        found = {name: int(n) for name, n in zip(names, counts, strict=True) if n}
        total = max(seen.n_rows + seen.n_unknown, 1)
        worst = max(found.values(), default=0) / total
        above = worst > self.limit(seen)
        return [
            Check(
                name=self.name,
                status=Status.FAIL if above else Status.NOTE if found else Status.PASS,
                says=f"{count(sum(found.values()), 'number')} in {named(list(found))} without end count as missing."
                if found
                else "All numbers are finite.",
                fix="look for a division by zero where the column is made" if found else "",
                value=worst,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=total,
                evidence=table(
                    "Infinite numbers",
                    ["column", "rows", "share"],
                    [[k, n, percent(n / total)] for k, n in found.items()],
                )
                if found
                else None,
            )
        ]
