"""Sealed rows that are unlike the rows to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.figure import Cell, Table
from mulle.drift.adversarial import SMALL, Told, tell_apart


@check
class Sides(DataCheck):
    """Ask whether a model can tell sealed rows from the others by their inputs."""

    name: ClassVar[str] = "data.sides"
    title: ClassVar[str] = "Sides that differ"
    bar: ClassVar[float] = 0.55
    source: ClassVar[str] = "mulle default: ROC AUC of a model that tells the sides apart; 0.5 is chance"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Fail when the lower end of the area is above the bar, unless sealed rows are newer on purpose."""
        names = seen.shared()
        if seen.sealed is None or not names:
            return []
        told = tell_apart(seen.table.select(names), seen.sealed.select(names), rng=seen.rng)
        if told is None:
            return [self._not_asked(seen, seen.sealed.height)]
        differ = told.interval.low > self.limit(seen)
        status = Status.PASS if not differ else Status.NOTE if seen.by_time else Status.FAIL
        return [
            Check(
                name=self.name,
                status=status,
                says=_words(told, differ=differ, by_time=seen.by_time),
                fix="seal by what makes rows belong together (data.group), or by time (data.time), or leave "
                "out columns "
                "that only say when a row was written"
                if status is Status.FAIL
                else "",
                value=told.auc,
                bar=self.bar_words(seen, "lower end ≤"),
                interval=told.interval,
                n_rows=told.n_rows,
                evidence=_evidence(told),
            )
        ]

    def _not_asked(self, seen: Seen, n: int) -> Check:
        if min(n, seen.n_rows) >= SMALL:
            says = "Whether the sides differ was not asked: there is no column of numbers or words to compare them by."
            return Check(name=self.name, status=Status.NOTE, says=says, n_rows=n)
        return Check(
            name=self.name,
            status=Status.NOTE,
            says=f"{n:,} sealed rows and {seen.n_rows:,} others are too few to ask whether the sides differ.",
            bar=self.bar_words(seen, "lower end ≤"),
            n_rows=n,
            needed_rows=SMALL,
        )


def _words(told: Told, *, differ: bool, by_time: bool) -> str:
    area = (
        f"A model tells a sealed row from another in {percent(told.auc)} of the pairs "
        f"({percent(told.interval.low)} to "
        f"{percent(told.interval.high)}; chance is 50 %; {told.n_rows:,} rows looked at)."
    )
    if not differ:
        return f"{area} The sides are alike."
    columns = named([name for name, share, _ in told.columns if share >= 0.05])  # noqa: PLR2004
    why = " Sealed rows are newer on purpose, so this is how much the world moves." if by_time else ""
    return f"{area} They differ in {columns}.{why}"


def _evidence(told: Told) -> Table:
    rows: list[list[Cell]] = [[name, round(share, 3), round(area, 3)] for name, share, area in told.columns]
    return table("Columns that tell the sides apart", ["column", "share of the gain", "AUC alone"], rows)
