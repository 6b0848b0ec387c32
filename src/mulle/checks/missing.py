"""Columns with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.checks.base import DataCheck, Seen, check, keep_command
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count
from mulle.core.figure import Cell

TELLING = 5.0
"""Standard errors by which the target differs between gaps and values for the gaps to be telling."""


@check
class Missing(DataCheck):
    """Ask whether a column is all but empty."""

    name: ClassVar[str] = "data.missing"
    also: ClassVar[tuple[str, ...]] = ("data.empty_columns",)
    title: ClassVar[str] = "Missing values"
    bar: ClassVar[float] = 0.95

    def look(self, seen: Seen) -> Sequence[Check]:
        """Leave out columns that are nearly empty and whose gaps say nothing about the target."""
        names = seen.inputs()
        counts = seen.table.select(pl.col(names).null_count()).row(0) if names else ()
        shares = {name: n / max(seen.n_rows, 1) for name, n in zip(names, counts, strict=True)}
        bar = self.limit(seen)
        high = [name for name, part in shares.items() if bar <= part < 1]
        telling = [name for name in high if _telling(seen, name)]
        empty = [name for name in high if name not in telling]
        answers = [self._gaps(seen, shares, telling)]
        if empty:
            answers.append(self._left_out(seen, shares, empty))
        return answers

    def _gaps(self, seen: Seen, shares: dict[str, float], telling: Sequence[str]) -> Check:
        gaps = sorted(((part, name) for name, part in shares.items() if part), reverse=True)
        says = "No column has gaps."
        if gaps:
            verb = "has" if len(gaps) == 1 else "have"
            says = (
                f"{count(len(gaps), 'column')} of the {len(shares):,} in the data {verb} gaps, most of all '{gaps[0][1]}' "
                f"({percent(gaps[0][0])} of the rows)."
            )
        if telling:
            says += f" Where {named(telling)} is empty the target differs: kept, although few rows have it."
        rows: list[list[Cell]] = [[name, percent(part), round(part * seen.n_rows)] for part, name in gaps]
        return Check(
            name=self.name,
            status=Status.NOTE if gaps else Status.PASS,
            says=says,
            value=gaps[0][0] if gaps else 0.0,
            bar=self.bar_words(seen, "<", percent=True),
            n_rows=seen.n_rows,
            evidence=table("Missing values", ["column", "missing", "rows"], rows) if gaps else None,
        )

    def _left_out(self, seen: Seen, shares: dict[str, float], empty: Sequence[str]) -> Check:
        return Check(
            name="data.empty_columns",
            status=Status.NOTE,
            says=f"{named(empty)} is left out: almost all of its values are missing, and its gaps tell nothing.",
            value=max(shares[name] for name in empty),
            bar=self.bar_words(seen, "<", percent=True),
            n_rows=seen.n_rows,
            evidence=table("Nearly empty", ["column", "missing"], [[n, percent(shares[n])] for n in empty], most=None),
            undo=keep_command(*empty),
        )


def _telling(seen: Seen, name: str) -> bool:
    known = seen.known
    gap = seen.table[name].is_null().to_numpy()[known]
    target = seen.target.reshape(seen.n_rows, -1)[known]
    if seen.classes and seen.target.ndim == 1 and len(seen.classes) > 2:  # noqa: PLR2004  # codes are no numbers
        target = (target == np.arange(len(seen.classes))).astype(np.float64)
    return bool(len(target) and max(_differs(column, gap) for column in target.T) > TELLING)


def _differs(target: NDArray[np.float64], gap: NDArray[np.bool_]) -> float:
    inside, outside = target[gap], target[~gap]
    if len(inside) < 2 or len(outside) < 2:  # noqa: PLR2004  # no variance of one
        return 0.0
    spread = float(target.var()) * (1 / len(inside) + 1 / len(outside))
    return abs(float(inside.mean() - outside.mean())) / np.sqrt(spread) if spread > 0 else 0.0
