"""Values that are there and cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.same import COUNTED, ROW
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count
from mulle.core.figure import Cell


@check
class Faults(DataCheck):
    """Ask whether values were lost because they could not be read as what their column is."""

    name: ClassVar[str] = "data.faults"
    title: ClassVar[str] = "Values that cannot be read"
    bar: ClassVar[float] = 0.01
    source: ClassVar[str] = "mulle default: more is a wrong guess of the column's kind, not a typing error"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Compare the worst column's share of unreadable values with the bar."""
        lost = sorted(
            ((len(fault.positions), fault) for fault in seen.faults if fault.positions),
            key=lambda pair: -pair[0],
        )
        total = max(seen.n_rows + seen.n_unknown, 1)
        worst = lost[0][0] / total if lost else 0.0
        above = worst > self.limit(seen)
        if not lost:
            says = "Every value could be read as what its column is."
        else:
            columns = [fault.column for _, fault in lost]
            n = sum(n for n, _ in lost)
            says = (
                f"{count(n, 'value')} in {named(columns)} could not be read and count as missing; the worst "
                "column "
                f"lost {percent(worst)} of its values."
            )
        rows: list[list[Cell]] = [
            [fault.column, seen.raw_number(position), sample]
            for _, fault in lost
            for position, sample in zip(fault.positions, fault.samples, strict=False)
        ]
        kind = f'name its kind (mulle set data.kinds.{lost[0][1].column}="category")' if lost else ""
        return [
            Check(
                name=self.name,
                status=Status.FAIL if above else Status.NOTE if lost else Status.PASS,
                says=says,
                fix=f"correct the values, or {kind}" if lost else "",
                value=worst,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=total,
                evidence=table("Unreadable values", ["column", ROW, "value"], rows, note=COUNTED) if lost else None,
            )
        ]
