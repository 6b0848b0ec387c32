"""The honest estimate of what was chosen as the best of many, by a bootstrap that repeats the choice (BBC-CV).

The best of many looks better than it is, because it was chosen on the very rows that it is judged on. Each draw chooses
again on the rows that it holds, and judges the winner on those that it left out; the mean over the draws is what the
choice really is worth.

Source: Tsamardinos, Greasidou, Borboudakis, Bootstrapping the out-of-sample predictions for efficient and accurate
cross-validation, Machine Learning 107, 2018, algorithm 4. The interval is ours: see the decision page ``intervals``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import NotFittedError
from mulle.metrics.base import Metric, Weighted
from mulle.trials.bootstrap import Floats, Ints, numbered, unit_weights
from mulle.trials.estimate import Estimate, spread

N_DRAWS = 500
FEWEST_DRAWS = 100
MOST_ROWS = 200_000
WIDEN = 1.2
"""Factor on the standard error of a metric where folds train on each other's rows: the bootstrap does not see that. Set
by simulation; see the decision page ``intervals`` and ``benchmarks/intervals.py``."""
WIDEN_GAIN = 1.5
"""The same for a difference of two models, in which the luck of the training rows counts for more: the root of
(1/5 + 1/4) / (1/5). Source: Nadeau, Bengio, Inference for the generalization error, 2003, section 5.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What happened in each draw of a bootstrap that repeats the choice.

    Parameters
    ----------
    inside
        The metric of each configuration, and each baseline, on the drawn rows, ``[draws, configs + baselines]``.
    outside
        On the rows that were not drawn, the metric of the best configuration; with baselines, its gain over the best of
        them, ``[draws]``.
    """

    inside: Floats
    outside: Floats

    def luck(self, seen: float) -> float:
        """Return by how much a winner's value ``seen`` on all rows is above what its choice is worth."""
        outside = self.outside[np.isfinite(self.outside)]
        return seen - float(outside.mean()) if len(outside) else 0.0


def best_of(metric: Metric, values: Floats) -> int:
    """Return the position of the best value; the first among equals, and never one that is NaN unless all are.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> best_of(metrics.get("rmse"), np.array([np.nan, 2.0, 1.0]))
    2
    """
    worst = -np.inf
    signed = np.where(np.isnan(values), worst, values if metric.greater_is_better else -values)
    return int(np.argmax(signed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Rows that every configuration predicted, ready to be weighted.

    Made by `pool`.
    """

    target: NDArray[Any]
    predictions: Sequence[Floats]
    unit: Ints
    weight: Floats | None
    says: str

    def weighted(self, counts: Floats) -> Floats:
        """Return how much each row weighs when it stands in a draw so often."""
        return counts if self.weight is None else counts * self.weight


def pool(
    target: NDArray[Any],
    predictions: Sequence[Floats] | Floats,
    *,
    rng: np.random.Generator,
    units: NDArray[np.generic] | None = None,
    weight: Floats | None = None,
    most_rows: int = MOST_ROWS,
) -> Pool:
    """Keep the rows that all configurations predicted, and of very many rows a random part of the units.

    Parameters
    ----------
    target
        ``[rows]``.
    predictions
        ``[configs, rows, outputs]``; NaN where a row was not validated, as under hold-out.
    rng
        For the part that is kept.
    units, weight
        ``[rows]`` or None.
    most_rows
        More than these are thinned, by unit.

    Returns
    -------
    Pool
        With the positions of the rows that were kept, and a word on it when some were left out for their number.

    Raises
    ------
    NotFittedError
        When no row was predicted by all: a fault of ours.
    """
    there = np.isfinite(np.asarray(target, np.float64).reshape(len(target), -1)).all(axis=1)
    for prediction in predictions:
        there &= np.isfinite(prediction.reshape(len(target), -1)).all(axis=1)
    kept, says = np.flatnonzero(there), ""
    if not len(kept):
        raise NotFittedError("no row was predicted by all configurations", fix="score them on the same folds")
    unit = numbered(None if units is None else units[kept], len(kept))
    if len(kept) > most_rows:
        part = rng.random(int(unit.max()) + 1)[unit] < most_rows / len(kept)
        says = f"on {int(part.sum()):,} of {len(kept):,} rows, to save time"
        kept, unit = kept[part], numbered(unit[part], int(part.sum()))
    return Pool(
        target=target[kept],
        predictions=[prediction[kept] for prediction in predictions],
        unit=unit,
        weight=None if weight is None else weight[kept],
        says=says,
    )


def repeat_choice(
    metric: Metric,
    prepared: Sequence[Weighted],
    pool: Pool,
    *,
    rng: np.random.Generator,
    n_models: int,
    n_draws: int = N_DRAWS,
    seconds: float | None = None,
) -> Choices:
    """Draw units, choose the best on the drawn rows, and judge it on those left out; many times.

    Parameters
    ----------
    metric
        Chooses and judges.
    prepared
        `Metric.prepare` of each configuration, then of each baseline if there are any.
    pool
        The rows.
    rng
        For the draws.
    n_models
        How many of `prepared` are configurations; the rest are baselines, whose best is chosen anew too.
    n_draws
        How many.
    seconds
        Stop after this long, but not before 100 draws. None: never, so that a run replays exactly.

    Returns
    -------
    Choices
        As many draws as were done.
    """
    inside, outside = [], []
    began = perf_counter()
    for counts in unit_weights(pool.unit, len(pool.unit), n_draws, rng=rng):
        values = np.array([value_of(pool.weighted(counts)) for value_of in prepared])
        left = pool.weighted((counts == 0).astype(np.float64))
        judged = prepared[best_of(metric, values[:n_models])](left)
        if n_models < len(prepared):
            over = prepared[n_models + best_of(metric, values[n_models:])](left)
            judged = metric.gain(judged, over)
        inside.append(values)
        outside.append(judged)
        if seconds is not None and len(inside) >= FEWEST_DRAWS and perf_counter() - began > seconds:
            break
    return Choices(inside=np.array(inside), outside=np.array(outside))


def honest(
    metric: Metric,
    target: NDArray[Any],
    predictions: Sequence[Floats] | Floats,
    *,
    rng: np.random.Generator,
    units: NDArray[np.generic] | None = None,
    weight: Floats | None = None,
    ships: int | None = None,
    protocol: str = "kfold",
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
    seconds: float | None = None,
) -> Estimate:
    """Return the honest estimate of the configuration that was chosen, and its interval.

    Parameters
    ----------
    metric
        By which the choice was made.
    target
        ``[rows]``.
    predictions
        Out-of-fold predictions of *all* configurations that were scored, ``[configs, rows, outputs]``; NaN where a row
        was not validated. Of repeated folds, the mean over the repeats.
    rng
        For the draws.
    units
        ``[rows]``, equal for rows that are drawn together.
    weight
        ``[rows]``, of the rows themselves.
    ships
        The configuration that ships, when something else than the metric chose it. None: the best.
    protocol
        Of the folds. Where folds train on each other's rows the interval is a fifth wider.
    confidence
        Of the interval, 0..1.
    n_draws, seconds
        See `repeat_choice`.

    Returns
    -------
    Estimate
        Its `raw` is the metric of what ships before the correction.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random(300) < 0.5).astype(float)
    >>> coins = rng.random((12, 300, 1))  # twelve models that know nothing
    >>> found = honest(metrics.get("roc_auc"), y, coins, rng=rng, n_draws=200)
    >>> found.raw > 0.54, abs(found.value - 0.5) < 0.03
    (True, True)
    """
    held = pool(target, predictions, rng=rng, units=units, weight=weight)
    prepared = [metric.prepare(held.target, prediction) for prediction in held.predictions]
    full = np.array([value_of(held.weight) for value_of in prepared])
    winner = best_of(metric, full)
    best = winner if ships is None else ships
    done = repeat_choice(metric, prepared, held, rng=rng, n_models=len(prepared), n_draws=n_draws, seconds=seconds)
    luck = done.luck(float(full[winner])) if len(prepared) > 1 else 0.0
    if best != winner and metric.gain(luck, 0.0) < 0:
        luck = 0.0
    value = float(full[best]) - luck
    interval, sd = spread(
        metric,
        value,
        done.inside[:, best],
        target=held.target,
        unit=held.unit,
        confidence=confidence,
        widen=widening(protocol, WIDEN),
    )
    n_units = int(held.unit.max()) + 1
    return Estimate(
        value=value,
        interval=interval,
        raw=float(full[best]),
        n_rows=len(held.target),
        n_units=n_units,
        n_draws=len(done.inside),
        n_configs=len(prepared),
        sd=sd,
        says=_says(len(prepared), len(done.inside), n_units, held.says),
    )


def _says(n_configs: int, n_draws: int, n_units: int, thinned: str) -> str:
    choice = f"the choice among {n_configs} repeated in each" if n_configs > 1 else "no choice was made"
    return ", ".join(part for part in (f"{n_draws} draws of {n_units:,} units", choice, thinned) if part)


def widening(protocol: str, factor: float) -> float:
    """Return the factor on the standard error: 1 where no fold trains on another's validation rows."""
    return factor if protocol in {"kfold", "repeated"} else 1.0
