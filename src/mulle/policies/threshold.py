"""Act when the probability is high enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.export.graph import Graph
from mulle.policies.base import Chosen, Costs, Policy, policy
from mulle.policies.money import Curve, Prices, curve, expected_cost, mistakes, money

CLEAR = 2.5
"""Standard errors by which the threshold that was best on the rows must beat the one that follows from the
costs. More than 2, because it was picked among many."""


Rows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]
"""Targets, predictions and how much each row counts."""


@policy
class Threshold(Policy):
    """Act when the probability of the positive class is at least the threshold.

    Examples
    --------
    >>> target = np.array([0.0, 0.0, 1.0, 1.0])
    >>> p = np.array([[0.1], [0.4], [0.35], [0.8]])
    >>> chosen = Threshold().choose(target, p, Costs(false_positive=1.0, false_negative=4.0))
    >>> chosen.parameters
    {'threshold': 0.2}
    """

    name: ClassVar[str] = "threshold"
    title: ClassVar[str] = "Act above a threshold"
    tasks: ClassVar[frozenset[str]] = frozenset({"binary"})
    decides: ClassVar[Literal["class", "value"]] = "class"
    weighs_costs: ClassVar[bool] = True

    def choose(
        self,
        target: NDArray[np.float64],
        prediction: NDArray[np.float64],
        costs: Costs,
        weight: NDArray[np.float64] | None = None,
    ) -> Chosen:
        """Choose by expected cost; with a cost unknown by F1, and say so."""
        found = curve(target, prediction, weight)
        prices = Prices.of(costs)
        if prices is None:
            return _by_f1(found, costs)
        if prices.false_positive + prices.false_negative == 0:
            return Chosen(parameters={"threshold": 0.5}, why="Mistakes cost nothing, so any threshold will do: 0.5.")
        return _by_cost(found, (target, prediction, weight), prices)

    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:
        """Append: probability ≥ threshold, as 0 or 1."""
        (score,) = scores.values()
        flat = g.node("Reshape", score, g.const([-1], np.int64))
        return g.cast(g.node("GreaterOrEqual", flat, parameters["threshold"]), "int64")

    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:
        """Say what the threshold means."""
        threshold = parameters["threshold"]
        if threshold > 1:
            return f"No row is ever called '{classes[1]}'."
        if threshold <= 0:
            return f"Every row is called '{classes[1]}'."
        return f"A row is called '{classes[1]}' when its probability is {100 * threshold:.3g} % or more."


def _by_f1(found: Curve, costs: Costs) -> Chosen:
    best = int(found.f1().argmax())
    missing = [
        words
        for words, held in (
            ("acting without need (costs.false_positive)", costs.false_positive),
            ("missing a row (costs.false_negative)", costs.false_negative),
        )
        if held is None
    ]
    why = (
        f"NOT chosen by cost, because nobody said what {' and '.join(missing)} costs: "
        f"{found.threshold[best]:.3f} gives the highest F1 on these rows ({found.f1()[best]:.3f}), "
        "a balance of precision and recall."
    )
    facts: dict[str, Json] = {"by": "f1", "f1": float(found.f1()[best]), "acted": float(found.acted()[best])}
    return Chosen(parameters={"threshold": float(found.threshold[best])}, why=why, facts=facts)


def _by_cost(found: Curve, rows: Rows, prices: Prices) -> Chosen:
    target, prediction, weight = rows
    closed = prices.false_positive / (prices.false_positive + prices.false_negative)
    cost = found.cost(prices)
    empirical = float(found.threshold[int(cost.argmin())])
    known = Costs(false_positive=prices.false_positive, false_negative=prices.false_negative)
    at_closed = expected_cost(target, prediction, closed, known, weight=weight)
    gain, error = _paired(rows, (closed, empirical), prices)
    clear = gain > CLEAR * error
    currency = prices.currency
    why = (
        f"By cost: with calibrated probabilities {closed:.3f} = {prices.false_positive:g} / "
        f"({prices.false_positive:g} + {prices.false_negative:g}) is best; it costs "
        f"{money(at_closed, currency)} per 1,000 rows here. On these very rows {empirical:.3f} was cheapest, "
        f"{money(float(cost.min()), currency)}, "
    )
    why += "clearly so: taken." if clear else "not clearly so: the one that follows from the costs is taken."
    facts: dict[str, Json] = {
        "by": "empirical" if clear else "closed form",
        "closed_form": closed,
        "empirical": empirical,
        "cost_closed_form": at_closed,
        "cost_empirical": float(cost.min()),
        "cost_nothing": float(cost[0]),
        "cost_everything": float(cost[-1]),
    }
    return Chosen(parameters={"threshold": empirical if clear else closed}, why=why, facts=facts)


def _paired(rows: Rows, thresholds: tuple[float, float], prices: Prices) -> tuple[float, float]:
    """Return how much less a row costs at the second threshold than at the first, and the standard error."""
    target, prediction, weight = rows
    p = prediction.reshape(len(target), -1)[:, 0]
    kept = np.isfinite(target) & np.isfinite(p)
    first, second = (mistakes(target[kept], p[kept], t, prices) for t in thresholds)
    gain = first - second
    w = np.ones(len(gain)) if weight is None else weight[kept]
    mean = float(np.average(gain, weights=w))
    return mean, float(np.sqrt(np.square(w * (gain - mean)).sum()) / w.sum())
