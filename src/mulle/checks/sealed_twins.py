"""Rows that stand on both sides of the seal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.same import COUNTED, ROW, fingerprints, shown
from mulle.checks.shares import SHOWN, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count
from mulle.splits.content import content

COLUMNS = 6
FEW_DIFFERENT = 0.5
"""When fewer than this share of the rows differ, the columns are so coarse that twins are natural."""

TOGETHER = (
    "name what must stay together (mulle set data.group=COLUMN), or take [data] key and group out, so that rows are "
    "sealed by their content"
)
SPELLING = (
    "write each value in one way in the source (dates as 2024-01-31), then delete mulle.lock to seal anew: twins are then "
    "found and kept on one side"
)


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
        spelt = _spelt_otherwise(seen, twin)
        coarse = n > spelt and own.n_unique() < FEW_DIFFERENT * len(own)
        above = (spelt / len(sealed) if coarse else part) > self.limit(seen)
        says = f"{count(n, 'row')} of {len(sealed):,} sealed ones ({percent(part)}) look like an unsealed row."
        if spelt:
            says += f" {spelt:,} of them only write the same values in another way: a date, a number, a word."
        if coarse:
            says += " The columns have so few values that different things look alike, so this is natural"
            says += " of the others." if spelt else "."
        status = Status.PASS if not n else Status.FAIL if above else Status.NOTE
        positions = np.flatnonzero(twin)[:SHOWN].tolist()
        return [
            Check(
                name=self.name,
                status=status,
                says=says,
                fix="" if status is not Status.FAIL else SPELLING if spelt else TOGETHER,
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


def _spelt_otherwise(seen: Seen, twin: NDArray[np.bool_]) -> int:
    """Count the sealed rows that have a twin among the values as they were read, and none as they stand in the file."""
    if seen.sealed_content is None or seen.raw is None or not twin.any():
        return 0
    read = list(dict.fromkeys(column for feature in seen.features for column in feature.columns))
    written = content(seen.raw.select(read).collect(), read)
    return int((twin & ~np.isin(seen.sealed_content, written)).sum())
