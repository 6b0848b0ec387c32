"""Rows that stand on both sides of the seal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.same import COUNTED, ROW, fingerprints, shown
from mulle.checks.shares import SHOWN, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count

COLUMNS = 6
FEW_DIFFERENT = 0.5
"""When fewer than this share of the rows differ, the columns are so coarse that twins are natural."""


@check
class SealedTwins(DataCheck):
    """Ask whether sealed rows have a twin among the rows to learn from. Their targets are not read."""

    name: ClassVar[str] = "data.twins_across_sides"
    title: ClassVar[str] = "Twins across the sides"
    bar: ClassVar[float] = 0.01
    source: ClassVar[str] = "mulle default; by content there are none"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Compare the share of sealed rows with a twin to the bar."""
        names = seen.shared()
        if seen.sealed is None or not seen.sealed.height or not names:
            return []
        own, sealed = (pl.Series(fingerprints(table_, names)) for table_ in (seen.table, seen.sealed))
        twin = sealed.is_in(own.implode()).to_numpy()
        n, part = int(twin.sum()), float(twin.mean())
        coarse = bool(n) and own.n_unique() < FEW_DIFFERENT * len(own)
        above = part > self.limit(seen)
        says = f"{count(n, 'row')} of {len(sealed):,} sealed ones ({percent(part)}) look like an unsealed row."
        if coarse and n:
            says += " The columns have so few values that different things look alike, so this is natural."
        status = Status.PASS if not n else Status.FAIL if above and not coarse else Status.NOTE
        positions = np.flatnonzero(twin)[:SHOWN].tolist()
        return [
            Check(
                name=self.name,
                status=status,
                says=says,
                fix="name what must stay together (mulle set data.group=COLUMN), or take [data] key and "
                "group "
                "out, so that rows are sealed by their content"
                if status is Status.FAIL
                else "",
                value=part,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=len(sealed),
                evidence=table(
                    "Sealed rows with a twin",
                    [ROW, *names[:COLUMNS]],
                    shown(seen.sealed, positions, names[:COLUMNS], seen.sealed_numbers()),
                    note=COUNTED,
                )
                if n
                else None,
            )
        ]
