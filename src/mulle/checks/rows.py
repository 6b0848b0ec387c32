"""Too few rows to trust any figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.core.check import Check, Status
from mulle.core.count import count

HOPELESS = 50


@check
class Rows(DataCheck):
    """Ask whether there are enough rows with a known target."""

    name: ClassVar[str] = "data.rows"
    title: ClassVar[str] = "Number of rows"
    bar: ClassVar[float] = 200
    source: ClassVar[str] = "mulle default: below, a share is known to no better than ±7 points"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Fail below 50, leave it unanswered below the bar."""
        n, limit = int(seen.known.sum()), self.limit(seen)
        status = Status.PASS if n >= limit else Status.FAIL if n < min(HOPELESS, limit) else Status.UNANSWERED
        width = f" and {count(len(seen.inputs()), 'column')} beside it"
        return [
            Check(
                name=self.name,
                status=status,
                says=f"There are {count(n, 'row')} with a known target{width}.",
                fix="" if status is Status.PASS else f"bring more rows: {int(limit):,} or more",
                value=float(n),
                bar=self.bar_words(seen, "≥"),
                n_rows=n,
                needed_rows=None if status is Status.PASS else int(limit),
            )
        ]
