"""Rows that occur more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.same import COUNTED, ROW, fingerprints, groups, shown
from mulle.checks.shares import SHOWN, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count

COLUMNS = 6


@check
class Twins(DataCheck):
    """Ask how many rows have a twin: equal in all inputs and in the target."""

    name: ClassVar[str] = "data.twins"
    title: ClassVar[str] = "Twin rows"
    bar: ClassVar[float] = 0.05
    source: ClassVar[str] = "mulle default; twins stay on one side, so they cost rows, not honesty"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count rows that are there already."""
        names = seen.inputs()
        if not names or not seen.n_rows:
            return []
        hashes = fingerprints(seen.table, names)
        for column in seen.target.reshape(seen.n_rows, -1).T:
            hashes = hashes * np.uint64(0x9E3779B97F4A7C15) ^ np.ascontiguousarray(column).view(np.uint64)
        group, size = groups(hashes)
        extra = int(seen.n_rows - len(size))
        part = extra / seen.n_rows
        says = f"No row occurs twice among {seen.n_rows:,}."
        if extra:
            says = (
                f"{count(extra, 'row')} of {seen.n_rows:,} ({percent(part)}) repeat another row in all "
                "inputs and "
                f"the target; {len(size):,} rows differ, the most frequent one occurs {int(size.max()):,} "
                "times."
            )
        positions = np.flatnonzero(group == int(size.argmax()))[:SHOWN].tolist() if extra else []
        return [
            Check(
                name=self.name,
                status=Status.NOTE if extra else Status.PASS,
                says=says,
                fix="remove them where they are copies; leave them where different things look alike"
                if part > self.limit(seen)
                else "",
                value=part,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=seen.n_rows,
                evidence=table(
                    "The most frequent row",
                    [ROW, *names[:COLUMNS]],
                    shown(seen.table, positions, names[:COLUMNS], seen.numbers()),
                    note=COUNTED,
                )
                if extra
                else None,
            )
        ]
