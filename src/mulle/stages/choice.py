"""The choice: from all that was scored to what would ship. Simple first; more only where it clearly helps.

The linear baseline stands until something beats it by more than one standard error of the paired gain, the luck of choosing
among many taken out, and that of the training rows counted where folds share them, by the factor of the gain that the report
tells. A proposal of the search must gain over the portfolio's best once its luck is taken out. An ensemble replaces the best
single configuration only where the page sets no limit on speed, and only where the interval of its gain excludes zero.

Source of the rule of one standard error: L. Breiman, J. Friedman, R. Olshen, C. Stone, *Classification and
Regression Trees*, 1984, section 3.4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mulle.compute.turn import Turn
from mulle.core.errors import DataError
from mulle.stages.base import Framed, Prepared, Scored, Searched
from mulle.training.ensemble import select
from mulle.training.search import PROPOSED
from mulle.trials.paired import Gain, paired_gain

Floats = NDArray[np.float64]

ENSEMBLE_ROWS = 20_000
"""Rows on which members are drawn, at most; the gain is judged on all of them."""
ENSEMBLE_CANDIDATES = 10
MOST_PARAMETERS = 400_000
"""Stored numbers over all folds that a member of an ensemble may have."""


def choose(turn: Turn, framed: Framed, prepared: Prepared, scored: Sequence[Scored]) -> tuple[Searched, str]:
    """Choose what would ship.

    Parameters
    ----------
    turn
        For randomness.
    framed, prepared
        The metric; targets and units.
    scored
        Baselines and configurations, out of fold on the same folds.

    Returns
    -------
    Searched
        The members with their weights.
    str
        Why these, in words.

    Raises
    ------
    DataError
        When nothing that can ship was fitted.
    """
    able = [i for i, s in enumerate(scored) if s.folds and np.isfinite(s.value)]
    if not able:
        raise DataError(
            "no configuration could be fitted within the budget",
            where="mulle.toml, [objective] budget",
            fix="give more time: mulle set objective.budget=5m",
        )
    judge = _Judge(turn, framed, prepared)
    best = min(able, key=lambda i: framed.metric.error(scored[i].value))
    best, note = _if_it_lasts(judge, framed, scored, (able, best))
    simple = next((i for i in able if scored[i].baseline), best)
    if simple != best:
        ours = [scored[i].prediction for i in able]
        gain = judge.gain(ours, scored[simple].prediction, ships=able.index(best), protocol=prepared.protocol)
        if gain.value <= gain.sd:
            words = f"{scored[best].title} gains {gain.value:+.4f}, with a standard error of {gain.sd:.4f}"
            return _alone(scored, simple), f"{scored[simple].title} was kept, as nothing beats it clearly: {words}."
    searched, words = _with_ensemble(judge, framed, scored, best)
    return searched, f"{note}{words}"


def _if_it_lasts(
    judge: _Judge, framed: Framed, scored: Sequence[Scored], found: tuple[Sequence[int], int]
) -> tuple[int, str]:
    """Take a proposal of the search only where it gains over the best of the portfolio once its luck is taken out."""
    able, best = found
    known = [i for i in able if scored[i].config.rank < PROPOSED]
    if best in known or not known:
        return best, ""
    first = min(known, key=lambda i: framed.metric.error(scored[i].value))
    gain = judge.gain([scored[i].prediction for i in able], scored[first].prediction, ships=able.index(best))
    if gain.value > 0:
        return best, ""
    return first, f"{scored[best].title} scored best, but by luck: without it {scored[first].title} is as good. "


def _alone(scored: Sequence[Scored], i: int) -> Searched:
    return Searched(scored=scored, members=((i, 1.0),), prediction=scored[i].prediction)


def _with_ensemble(judge: _Judge, framed: Framed, scored: Sequence[Scored], best: int) -> tuple[Searched, str]:
    alone = _alone(scored, best)
    limits = judge.turn.page.limits
    if limits.latency_ms_p95 is not None or limits.rows_per_second is not None:
        return alone, "No ensemble was tried: the page asks for speed ([limits]), and an ensemble costs it."
    near = _near(framed, scored, best)
    if len(near) < 2:  # noqa: PLR2004
        return alone, "One configuration was left to choose from, so there is no ensemble."
    drawn = judge.members([scored[i] for i in near])
    members = tuple((near[i], weight) for i, weight in drawn)
    if len(members) == 1:
        return alone, "Averaging configurations gained nothing over the best one alone."
    prediction = np.sum([weight * scored[i].prediction for i, weight in members], axis=0)
    gain = judge.gain([prediction], alone.prediction)
    words = f"{gain.value:+.4f} ({gain.interval.low:+.4f} to {gain.interval.high:+.4f})"
    if gain.interval.low <= 0:
        return (
            alone,
            f"An ensemble of {len(members)} was not kept: over the best one alone its gain is not clear, {words}.",
        )
    kept = Searched(scored=scored, members=members, prediction=prediction)
    return kept, f"An ensemble of {len(members)} was kept: over the best one alone its gain is clear, {words}."


def _near(framed: Framed, scored: Sequence[Scored], best: int) -> list[int]:
    """Return the best configurations that predicted the same rows, best first."""
    n = scored[best].rows.sum()
    able = [i for i, s in enumerate(scored) if s.folds and s.rows.sum() == n and (i == best or _is_small(s))]
    return sorted(able, key=lambda i: framed.metric.error(scored[i].value))[:ENSEMBLE_CANDIDATES]


def _is_small(one: Scored) -> bool:
    """Return whether a configuration may join others: what ships must open and answer fast."""
    return sum(int(ref.json("fold.json")["n_parameters"]) for ref in one.folds) <= MOST_PARAMETERS


class _Judge:
    """Compares predictions on the rows that both have."""

    def __init__(self, turn: Turn, framed: Framed, prepared: Prepared) -> None:
        self.turn, self.metric, self.prepared = turn, framed.metric, prepared

    def gain(
        self, ours: Sequence[Floats], theirs: Floats, *, ships: int | None = None, protocol: str = "holdout"
    ) -> Gain:
        """Return the paired gain of one of ours over theirs, the choice among ours repeated in each draw.

        Its error is by default the plain one, of the rows at hand: between candidates of the search that is what decides.
        """
        rows = np.isfinite(theirs).all(axis=1)
        for prediction in ours:
            rows &= np.isfinite(prediction).all(axis=1)
        return paired_gain(
            self.metric,
            self.prepared.target[rows],
            [prediction[rows] for prediction in ours],
            [theirs[rows]],
            rng=self.turn.rng("choice"),
            units=self.prepared.units[rows],
            weight=self.prepared.weight_of(rows),
            ships=ships,
            protocol=protocol,
            seconds=None if self.turn.deadline is None else 3.0,
        )

    def members(self, near: Sequence[Scored]) -> list[tuple[int, float]]:
        """Draw an ensemble's members greedily, on a sample where rows are very many."""
        rows = np.flatnonzero(near[0].rows)
        if len(rows) > ENSEMBLE_ROWS:
            rows = np.sort(self.turn.rng("ensemble rows").choice(rows, ENSEMBLE_ROWS, replace=False))
        target, weight = self.prepared.target[rows], self.prepared.weight_of(rows)

        def error(prediction: Floats) -> float:
            return self.metric.error(self.metric(target, prediction, weight))

        return select([s.prediction[rows] for s in near], error)
