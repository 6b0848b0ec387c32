"""Classes with few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count


@check
class Balance(DataCheck):
    """Ask whether each class has enough rows to learn from and to judge."""

    name: ClassVar[str] = "data.rare_classes"
    title: ClassVar[str] = "Imbalance and rare classes"
    bar: ClassVar[float] = 100
    source: ClassVar[str] = "mulle default: from 100 rows on, recall is known to about ±10 points"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Leave it unanswered when a class has fewer rows than the bar, and say how many rows would do."""
        if not seen.classes or seen.target.ndim > 1 or not seen.known.any():
            return []
        codes = seen.target[seen.known].astype(np.int64)
        n = np.bincount(codes, minlength=len(seen.classes))
        order = np.argsort(n, kind="stable").tolist()
        rare = [seen.classes[i] for i in order if n[i] < self.limit(seen)]
        least = int(n[order[0]])
        needed = int(np.ceil(self.limit(seen) * len(codes) / max(least, 1)))
        says = (
            f"The most frequent class, '{seen.classes[order[-1]]}', has {percent(n[order[-1]] / len(codes))} "
            "of the rows, "
            f"the rarest, '{seen.classes[order[0]]}', {percent(least / len(codes))} ({count(least, 'row')})."
        )
        return [
            Check(
                name=self.name,
                status=Status.UNANSWERED if rare else Status.PASS,
                says=says,
                fix=f"bring more rows of {named(rare)} (about {needed:,} rows as these are), or join it with "
                "a like class"
                if rare
                else "",
                value=float(least),
                bar=self.bar_words(seen, "≥"),
                n_rows=len(codes),
                needed_rows=needed if rare else None,
                evidence=table(
                    "Classes",
                    ["class", "rows", "share"],
                    [[seen.classes[i], int(n[i]), n[i] / len(codes)] for i in order],
                ),
            )
        ]
