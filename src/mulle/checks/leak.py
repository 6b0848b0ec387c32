"""A column that gives the target away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.checks.base import DataCheck, Seen, check, ignore_command, keep_command
from mulle.checks.shares import named, table
from mulle.checks.single import FEW, Single, score_single, screened
from mulle.core.check import Check, Status
from mulle.core.figure import Cell

Floats = NDArray[np.float64]

MOST_SCORED = 300
"""Columns of numbers that are scored in full; of more, those that a first look finds most telling."""
CELLS = 4_000_000
MOST, LEAST = 50_000, 2_000
ENOUGH = 100
"""Rows of the rarest class (or of all) from which a near perfect score is no accident."""
ENOUGH_FEW = 30
"""The same for a column of few values, each of which names the target: a renamed copy."""
FEWEST = 20
"""Known rows below which nothing is asked: halves of it show anything."""
KINDS = ("number", "category", "boolean", "datetime", "place")


@check
class Leak(DataCheck):
    """Ask whether one column alone tells the target nearly perfectly.

    Such a column was most often filled in after the outcome was known. It is *proven* to leak when the lower
    end of its score's interval is above the bar on enough rows: then it is left out. With fewer rows it
    fails the gate until somebody says whether it is known in time.
    """

    name: ClassVar[str] = "data.leak"
    title: ClassVar[str] = "Columns that give the target away"
    bar: ClassVar[float] = 0.99
    source: ClassVar[str] = "mulle default: ROC AUC, share of what can be gained, or R² of one column"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Score each column alone, on a sample, on rows that it was not fitted on."""
        if seen.target.ndim > 1 or int(seen.known.sum()) < FEWEST:
            return []
        found, n, n_columns = self._scores(seen)
        limit = self.limit(seen)
        above = {name: one for name, one in found.items() if one.score > limit}
        proven = {name: one for name, one in above.items() if _proven(one, limit)}
        answers = [self._proven(seen, name, one, n) for name, one in proven.items()]
        rest = {name: one for name, one in found.items() if name not in proven}
        screened = f" {_SCREENED.format(n_columns, len(found))}" if len(found) < n_columns else ""
        return [*answers, self._rest(seen, rest, n, ("other " if proven else "", screened))]

    def _scores(self, seen: Seen) -> tuple[dict[str, Single], int, int]:
        """Return scores by column, the best first; the rows looked at; and how many columns there are."""
        columns = [(f, s) for f, s in seen.columns(*KINDS) if s.null_count() < len(s)]
        taken = seen.sample(max(LEAST, min(MOST, CELLS // max(len(columns), 1))))
        taken = taken[seen.known[taken]]
        target, k = seen.target[taken], len(seen.classes)
        rows = pl.Series(taken)
        asked = _worth_asking([s.gather(rows) for _, s in columns], target, k)
        found = {s.name: score_single(s, target, k, rng=seen.rng) for s in asked}
        ordered = sorted(found.items(), key=lambda pair: (-pair[1].score, pair[0]))
        return dict(ordered), len(taken), len(columns)

    def _proven(self, seen: Seen, name: str, one: Single, n: int) -> Check:
        told = seen.table[name].is_null().any() and _gaps_tell(seen, name, self.limit(seen))
        how = " Whether it is filled at all gives it away: it seems to be written after the outcome." if told else ""
        return Check(
            name=self.name,
            status=Status.NOTE,
            says=f"'{name}' alone gives '{seen.target_name}' away ({_measure(seen)} {one.score:.4f} on rows "
            "it was not "
            f"fitted on), so it is left out.{how}",
            fix=f"is it known when a prediction is asked for? Then: {keep_command(name)}",
            value=one.score,
            bar=self.bar_words(seen, "≤"),
            n_rows=n,
            evidence=table("Gives the target away", COLUMNS, [_row(name, one)], most=None),
            undo=keep_command(name),
        )

    def _rest(self, seen: Seen, found: dict[str, Single], n: int, words: tuple[str, str]) -> Check:
        other, screened = words
        suspects = [name for name, one in found.items() if one.score > self.limit(seen)]
        best = next(iter(found), "")
        says = f"No {other}column alone gives '{seen.target_name}' away."
        if best:
            says += f" The most telling one is '{best}': {_measure(seen)} {found[best].score:.3f}."
        if suspects:
            says = (
                f"{named(suspects)} alone tells '{seen.target_name}' nearly perfectly, but on too few rows "
                "to prove a leak."
            )
        return Check(
            name=self.name,
            status=Status.FAIL if suspects else Status.PASS,
            says=says + screened,
            fix=f"not known when a prediction is asked for? {ignore_command(*suspects)} Else override it "
            "with the reason"
            if suspects
            else "",
            value=found[best].score if best else None,
            bar=self.bar_words(seen, "≤"),
            n_rows=n,
            evidence=table(
                "What each column tells alone",
                COLUMNS,
                [_row(name, one) for name, one in found.items() if not suspects or name in suspects],
            )
            if best
            else None,
        )


COLUMNS = ["column", "score", "at least", "different values"]
_SCREENED = "Of {:,} columns the {:,} were scored that a first look at all of them found most telling."


def _worth_asking(columns: list[pl.Series], target: Floats, n_classes: int) -> list[pl.Series]:
    """Return all columns, or of very many numbers those whose quantile bins explain most of the target."""
    numbers = [i for i, s in enumerate(columns) if s.dtype.is_numeric()]
    if len(numbers) <= MOST_SCORED:
        return columns
    held = [np.asarray(columns[i].cast(pl.Float64).to_numpy(), np.float64) for i in numbers]
    told = screened(held, target, n_classes)
    best = {numbers[i] for i in np.argsort(-told, kind="stable")[:MOST_SCORED].tolist()}
    return [s for i, s in enumerate(columns) if i in best or not s.dtype.is_numeric()]


def _row(name: str, one: Single) -> list[Cell]:
    return [name, round(one.score, 4), round(one.low, 4), one.n_values]


def _proven(one: Single, limit: float) -> bool:
    return one.low > limit and one.n_least >= (ENOUGH_FEW if one.n_values <= FEW else ENOUGH)


def _gaps_tell(seen: Seen, name: str, limit: float) -> bool:
    known = seen.known
    gaps = seen.table[name].is_null().filter(pl.Series(known))
    return score_single(gaps, seen.target[known], len(seen.classes), rng=seen.rng).score > limit


def _measure(seen: Seen) -> str:
    return {0: "R²", 2: "ROC AUC"}.get(len(seen.classes), "share of what can be gained")
