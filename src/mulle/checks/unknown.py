"""Targets that are not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import percent
from mulle.core.check import Check, Status
from mulle.core.count import count


@check
class Unknown(DataCheck):
    """Ask for how many rows the target is not known, and whether some are known too early to be true."""

    name: ClassVar[str] = "data.unknown_targets"
    also: ClassVar[tuple[str, ...]] = ("data.label_delay",)
    title: ClassVar[str] = "Unknown targets"
    dated: ClassVar[bool] = True
    bar: ClassVar[float] = 0.5

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count unknown targets, and targets that are younger than their delay."""
        n = seen.n_unknown + int((~seen.known).sum())
        total = seen.n_rows + seen.n_unknown
        part = n / max(total, 1)
        above = part > self.limit(seen)
        says = f"The target is known in all {count(total, 'row')}."
        if n:
            says = (
                f"The target of {count(n, 'row')} of {total:,} ({percent(part)}) is not known yet. They are "
                "not learnt "
                "from and never count as negative."
            )
        own = Check(
            name=self.name,
            status=Status.UNANSWERED if above else Status.NOTE if n else Status.PASS,
            says=says,
            fix="are rows with an unknown target like the others? Bring more outcomes, or override it with the reason"
            if above
            else "",
            value=part,
            bar=self.bar_words(seen, "≤", percent=True),
            n_rows=total,
        )
        return [own, *_early(seen)]


def _early(seen: Seen) -> list[Check]:
    if seen.moments is None or seen.now is None or not seen.label_delay_s or not seen.moments.dtype.is_temporal():
        return []
    edge = (seen.now - timedelta(seconds=seen.label_delay_s)).replace(tzinfo=None)
    young = (seen.moments > edge).fill_null(value=False).to_numpy()
    n = int((young & seen.known).sum())
    days = seen.label_delay_s / 86_400
    return [
        Check(
            name="data.label_delay",
            status=Status.UNANSWERED if n else Status.PASS,
            says=f"{count(n, 'row')} younger than the label delay of {days:g} days already have a target: an "
            "early 'no' "
            "may still become a 'yes'."
            if n
            else f"No row younger than the label delay of {days:g} days has a target already.",
            fix="empty the target of these rows at the source, or correct [data] label_delay" if n else "",
            value=float(n),
            bar="0 rows (the page's label_delay)",
            n_rows=seen.n_rows,
        )
    ]
