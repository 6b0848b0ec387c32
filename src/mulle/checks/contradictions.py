"""Rows with the same inputs and another target: the ceiling of what any model can know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.same import COUNTED, ROW, fingerprints, groups, shown
from mulle.checks.shares import SHOWN, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count

COLUMNS = 5


@check
class Contradictions(DataCheck):
    """Ask how often rows that look alike have different targets."""

    name: ClassVar[str] = "data.contradictions"
    title: ClassVar[str] = "Contradictory targets"
    bar: ClassVar[float] = 0.1

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count contradictory rows and say what the best possible model could reach."""
        names = seen.inputs()
        known = np.flatnonzero(seen.known)
        if not names or seen.target.ndim > 1 or not len(known):
            return []
        target = seen.target[known]
        group, size = groups(fingerprints(seen.table, names)[known])
        mixed = _mixed(group, size, target)
        rows = mixed[group]
        n, part = int(rows.sum()), float(rows.mean())
        if not n:
            says = f"No two of {len(known):,} rows are the same in all inputs and differ in the target."
            return [Check(name=self.name, status=Status.PASS, says=says, value=0.0, n_rows=len(known))]
        first = np.flatnonzero(rows)
        first = first[np.argsort(group[first], kind="stable")][:SHOWN]
        cells = shown(seen.table, known[first].tolist(), names[:COLUMNS], seen.numbers())
        told = [[*row, self._word(seen, float(target[i]))] for row, i in zip(cells, first, strict=True)]
        return [
            Check(
                name=self.name,
                status=Status.NOTE,
                says=f"{count(n, 'row')} of {len(known):,} ({percent(part)}) look like another row with "
                "another target. " + _ceiling(seen, group, size, target),
                fix="bring columns that tell these rows apart, or correct the targets"
                if part > self.limit(seen)
                else "",
                value=part,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=len(known),
                evidence=table(
                    "Alike, with another target", [ROW, *names[:COLUMNS], seen.target_name], told, note=COUNTED
                ),
            )
        ]

    @staticmethod
    def _word(seen: Seen, value: float) -> str:
        return seen.classes[int(value)] if seen.classes else f"{value:g}"


def _mixed(group: NDArray[np.int64], size: NDArray[np.int64], target: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which groups hold more than one target."""
    low, high = np.full(len(size), np.inf), np.full(len(size), -np.inf)
    np.minimum.at(low, group, target)
    np.maximum.at(high, group, target)
    return np.asarray(low < high, np.bool_)


def _ceiling(seen: Seen, group: NDArray[np.int64], size: NDArray[np.int64], target: NDArray[np.float64]) -> str:
    if seen.classes:
        pairs, n = np.unique(group * len(seen.classes) + target.astype(np.int64), return_counts=True)
        most = np.zeros(len(size), np.int64)
        np.maximum.at(most, pairs // len(seen.classes), n)
        return f"So no model can be right on more than {percent(float(most.sum()) / len(target))} of these rows."
    mean = np.bincount(group, weights=target) / size
    within = float(((target - mean[group]) ** 2).sum())
    spread = float(((target - target.mean()) ** 2).sum())
    return f"So no model can explain more than {percent(1 - within / spread)} of the variance here."
