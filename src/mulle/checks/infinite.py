"""Numbers without end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count


@check
class Infinite(DataCheck):
    """Ask whether numbers are infinite, most often a division by zero at the source."""

    name: ClassVar[str] = "data.infinite"
    title: ClassVar[str] = "Infinite numbers"
    bar: ClassVar[float] = 0.01

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count them in the rows as they came."""
        asked, found = _infinite(seen)
        if not asked:
            return []
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


def _infinite(seen: Seen) -> tuple[bool, dict[str, int]]:
    """Say whether there are numbers at all, and count infinite ones by column: floats as they came, texts as read."""
    frame = seen.table.lazy() if seen.raw is None else seen.raw
    schema = frame.collect_schema()
    numbers = {s.name for _, s in seen.columns() if s.dtype.is_numeric()}
    names = sorted(name for name in numbers if name in schema and schema[name].is_float())
    counts = frame.select([pl.col(name).is_infinite().sum() for name in names]).collect() if names else pl.DataFrame()
    found = {name: int(n) for name, n in zip(names, counts.row(0) if names else (), strict=True) if n}
    for fault in seen.faults:
        if fault.infinite:
            found[fault.column] = max(found.get(fault.column, 0), fault.infinite)
    return bool(numbers or found), found
