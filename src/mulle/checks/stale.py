"""How old the rows are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.core.check import Check, Status
from mulle.core.count import count

DAY_S = 86_400
DATED = (pl.Datetime, pl.Date)


@check
class Stale(DataCheck):
    """Ask how old the newest rows are. It fails only when the page says how old they may be."""

    name: ClassVar[str] = "data.stale"
    title: ClassVar[str] = "Age of the rows"
    dated: ClassVar[bool] = True
    bar: ClassVar[float] = 365
    source: ClassVar[str] = "mulle default, in days; it is only said unless [checks] sets it"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Say from when to when the rows are, and how old the newest one is."""
        if seen.moments is None or not seen.moments.dtype.is_temporal() or not seen.moments.drop_nulls().len():
            return []
        first, last = _ends(seen.moments)
        says = f"The rows are from {first:%Y-%m-%d} to {last:%Y-%m-%d}."
        if seen.now is None:
            return [Check(name=self.name, status=Status.NOTE, says=says, n_rows=seen.n_rows)]
        age = (seen.now - last).total_seconds() / DAY_S
        old = age > self.limit(seen)
        future = age < -1
        said = self.name in seen.bars
        status = Status.FAIL if future or (old and said) else Status.NOTE if old else Status.PASS
        words = f" The newest is {count(round(-age), 'day')} in the future: a date was misread."
        return [
            Check(
                name=self.name,
                status=status,
                says=says + (words if future else f" The newest is {count(max(round(age), 0), 'day')} old."),
                fix="look at how the dates are written" if future else "bring newer rows" if old else "",
                value=age,
                bar=self.bar_words(seen, "≤"),
                n_rows=seen.n_rows,
            )
        ]


def _ends(moments: pl.Series) -> list[datetime]:
    """Return the first and the last moment, aware."""
    plain = moments.cast(pl.Datetime("us")) if moments.dtype == pl.Date else moments
    held = [end for end in (plain.min(), plain.max()) if isinstance(end, datetime)]
    return [end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC) for end in held]
