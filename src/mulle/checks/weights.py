"""Columns that look like the weights of a survey."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check, ignore_command
from mulle.checks.shares import named
from mulle.core.check import Check, Status

NAME = re.compile(r"(^|_)(weight|wgt|wt|pweight|iweight)s?($|_)|wgt|fnl", re.IGNORECASE)
DIFFERENT = 0.3
MIN_ROWS = 200
SAMPLE = 50_000


@check
class Weights(DataCheck):
    """Ask whether a number says how many people a row stands for, instead of what it is."""

    name: ClassVar[str] = "data.weights"
    title: ClassVar[str] = "Survey weights among the features"
    bar: ClassVar[float] = 0.05
    source: ClassVar[str] = "mulle default: rank correlation with the target"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Note positive numbers of many values, named like a weight, that say nothing about the target."""
        if seen.target.ndim > 1 or int(seen.known.sum()) < MIN_ROWS:
            return []
        found = [s.name for _, s in seen.columns("number") if NAME.search(s.name) and self._idle(seen, s)]
        if not found:
            return []
        return [
            Check(
                name=self.name,
                status=Status.NOTE,
                says=f"{named(found)} looks like the weight of a survey: positive, nearly all different, and "
                "without a "
                "relation to the target. It makes twin rows look different.",
                fix=f"{ignore_command(*found)} or mulle set data.weight={found[0]}",
                bar=self.bar_words(seen, "≤"),
                n_rows=seen.n_rows,
            )
        ]

    def _idle(self, seen: Seen, series: pl.Series) -> bool:
        taken = seen.sample(SAMPLE)
        taken = taken[seen.known[taken]]
        held = series.gather(pl.Series(taken))
        low = held.min()
        if held.null_count() or low is None or float(low) <= 0 or held.n_unique() < DIFFERENT * len(held):  # type: ignore[arg-type]
            return False
        pair = pl.DataFrame({"held": held.rank(), "target": pl.Series(seen.target[taken]).rank()})
        return abs(float(pair.select(pl.corr("held", "target")).item())) <= self.limit(seen)
