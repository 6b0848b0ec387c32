"""What decisions cost: per 1,000 rows, against doing nothing and against acting on every row.

A *false positive* is a row acted on without need; a *false negative* is a row that was missed. Right
decisions cost nothing here, so a false negative costs what is lost by missing it, less what acting costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.policies.base import Costs

Floats = NDArray[np.float64]

PER = 1000
POINTS = 200
RATIOS = np.geomspace(0.1, 100.0, 61)
"""What a missed row costs, in units of a row acted on without need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Both costs, known."""

    false_positive: float
    false_negative: float
    currency: str = ""

    @classmethod
    def of(cls, costs: Costs) -> Prices | None:
        """Return the prices, or None when one of them is not known."""
        if costs.false_positive is None or costs.false_negative is None:
            return None
        return cls(false_positive=costs.false_positive, false_negative=costs.false_negative, currency=costs.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Weighted mistakes at each threshold worth a look, thresholds falling.

    ``threshold[0]`` acts on no row, the last acts on all. ``false_positive`` and ``false_negative`` are the
    masses of rows, ``total`` is the mass of all rows.
    """

    threshold: Floats
    false_positive: Floats
    false_negative: Floats
    total: float

    def cost(self, prices: Prices) -> Floats:
        """Return the expected cost per 1,000 rows at each threshold."""
        mistakes = prices.false_positive * self.false_positive + prices.false_negative * self.false_negative
        return np.asarray(PER * mistakes / self.total, np.float64)

    def f1(self) -> Floats:
        """Return F1 at each threshold; 0 where no row is acted on."""
        positive = self.false_negative[0]
        hit = positive - self.false_negative
        return np.asarray(2 * hit / (hit + self.false_positive + positive), np.float64)

    def acted(self) -> Floats:
        """Return the share of rows acted on at each threshold."""
        hit = self.false_negative[0] - self.false_negative
        return np.asarray((hit + self.false_positive) / self.total, np.float64)


def curve(target: Floats, prediction: Floats, weight: Floats | None = None) -> Curve:
    """Count mistakes at each threshold between two distinct predictions.

    Parameters
    ----------
    target
        0 or 1, ``[rows]``; NaN rows are left out.
    prediction
        Probability of the positive class, ``[rows]`` or ``[rows, 1]``.
    weight
        ``[rows]``, or None when all rows count the same.

    Returns
    -------
    Curve
        Thresholds lie half-way between neighbours, so that rounding moves no decision.

    Raises
    ------
    DataError
        When no row has a known target.

    Examples
    --------
    >>> found = curve(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.8]))
    >>> found.threshold.round(3), found.false_negative
    (array([1. , 0.6, 0.3, 0. ]), array([2., 1., 0., 0.]))
    """
    p, y, w = _known(target, prediction, weight)
    order = np.argsort(-p, kind="stable")
    p, y, w = p[order], y[order], w[order]
    last = np.append(np.diff(p) != 0, True)
    true, false = np.append(0.0, np.cumsum(w * y)[last]), np.append(0.0, np.cumsum(w * (1 - y))[last])
    steps = p[last]
    above = np.nextafter(1.0, 2.0) if steps[0] >= 1 else 1.0
    threshold = np.concatenate([[above], (steps[:-1] + steps[1:]) / 2, [0.0]])
    return Curve(threshold=threshold, false_positive=false, false_negative=true[-1] - true, total=float(w.sum()))


def _known(target: Floats, prediction: Floats, weight: Floats | None) -> tuple[Floats, Floats, Floats]:
    p = np.asarray(prediction, np.float64).reshape(len(target), -1)[:, 0]
    kept = np.isfinite(target) & np.isfinite(p)
    if not kept.any():
        raise DataError(
            "no row has both a known target and a prediction",
            where="policy 'threshold'",
            fix="choose the threshold on rows whose target is known",
        )
    w = np.ones(len(p)) if weight is None else np.asarray(weight, np.float64)
    return p[kept], np.asarray(target, np.float64)[kept], w[kept]


def expected_cost(
    target: Floats, prediction: Floats, threshold: float, costs: Costs, *, weight: Floats | None = None
) -> float:
    """Return what decisions at a threshold cost per 1,000 rows.

    Parameters
    ----------
    target
        0 or 1, ``[rows]``; NaN rows are left out.
    prediction
        Probability of the positive class, ``[rows]`` or ``[rows, 1]``.
    threshold
        Rows at or above it are acted on.
    costs
        Both must be known.
    weight
        ``[rows]``, or None.

    Returns
    -------
    float
        In the costs' currency.

    Raises
    ------
    DataError
        When a cost is not known.

    Examples
    --------
    >>> costs = Costs(false_positive=1.0, false_negative=10.0)
    >>> expected_cost(np.array([0.0, 1.0]), np.array([0.6, 0.4]), 0.5, costs)
    5500.0
    """
    prices = Prices.of(costs)
    if prices is None:
        raise DataError(
            "what mistakes cost is not known",
            where="[objective] costs",
            fix="mulle set costs.false_positive=1 and mulle set costs.false_negative=10, with your numbers",
        )
    p, y, w = _known(target, prediction, weight)
    return float(PER * (w * mistakes(y, p, threshold, prices)).sum() / w.sum())


def mistakes(target: Floats, prediction: Floats, threshold: float, prices: Prices) -> Floats:
    """Return the cost of each row at a threshold, ``[rows]``."""
    acted = prediction >= threshold
    wrong = np.where(acted, prices.false_positive * (1 - target), prices.false_negative * target)
    return np.asarray(wrong, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Costs per 1,000 rows of the policy and of the two ways to do without a model.

    Parameters
    ----------
    policy
        Of decisions at the threshold.
    nothing
        Of acting on no row.
    everything
        Of acting on each row.
    acted
        Share of rows that the policy acts on.
    currency
        Of all costs.
    """

    policy: float
    nothing: float
    everything: float
    acted: float
    currency: str

    @property
    def saves(self) -> float:
        """What the policy saves per 1,000 rows against doing nothing."""
        return self.nothing - self.policy

    @property
    def saves_over_best(self) -> float:
        """What it saves against the cheaper way to do without a model; below 0 the model is not worth it."""
        return min(self.nothing, self.everything) - self.policy

    @property
    def says(self) -> str:
        """The worth in one sentence."""
        cheaper = "doing nothing" if self.nothing <= self.everything else "acting on every row"
        verb = "saves" if self.saves_over_best >= 0 else "loses"
        return (
            f"Per 1,000 rows the decisions cost {money(self.policy, self.currency)}; doing nothing costs "
            f"{money(self.nothing, self.currency)}, acting on every row "
            f"{money(self.everything, self.currency)}. Against {cheaper} the model {verb} "
            f"{money(abs(self.saves_over_best), self.currency)}."
        )


def worth(target: Floats, prediction: Floats, threshold: float, costs: Costs, *, weight: Floats | None = None) -> Worth:
    """Compare decisions at a threshold with doing nothing and with acting on every row.

    Parameters
    ----------
    target, prediction, threshold, costs, weight
        As for `expected_cost`.

    Returns
    -------
    Worth
        Per 1,000 rows.

    Raises
    ------
    DataError
        When a cost is not known.

    Examples
    --------
    >>> costs = Costs(false_positive=1.0, false_negative=10.0, currency="EUR")
    >>> worth(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]), 0.35, costs).saves
    2500.0
    """
    p, y, w = _known(target, prediction, weight)
    each = [expected_cost(y, p, t, costs, weight=w) for t in (threshold, np.inf, -np.inf)]
    acted = float(w[p >= threshold].sum() / w.sum())
    return Worth(policy=each[0], nothing=each[1], everything=each[2], acted=acted, currency=costs.currency)


def money(value: float, currency: str) -> str:
    """Write an amount with its currency.

    Returns
    -------
    str
        Cents only below 100.

    Examples
    --------
    >>> money(1234.5, "EUR"), money(2.5, "")
    ('1,234 EUR', '2.50')
    """
    amount = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"  # noqa: PLR2004  # said above
    return f"{amount} {currency}".strip()


def money_figure(
    target: Floats, prediction: Floats, threshold: float, costs: Costs, *, weight: Floats | None = None
) -> Figure:
    """Draw what decisions cost at every threshold; with a cost unknown, at every ratio of the two.

    Parameters
    ----------
    target, prediction, threshold, costs, weight
        As for `expected_cost`, but costs may be unknown.

    Returns
    -------
    Figure
        ``money`` or ``money_by_ratio``.
    """
    if Prices.of(costs) is None:
        return ratio_figure(target, prediction, weight=weight)
    return threshold_figure(target, prediction, threshold, costs, weight=weight)


def threshold_figure(
    target: Floats, prediction: Floats, threshold: float, costs: Costs, *, weight: Floats | None = None
) -> Figure:
    """Draw the expected cost per 1,000 rows against the threshold.

    Parameters
    ----------
    target, prediction, threshold, costs, weight
        As for `expected_cost`.

    Returns
    -------
    Figure
        With rules at the chosen threshold, at doing nothing and at acting on every row.

    Raises
    ------
    DataError
        When a cost is not known.
    """
    found = worth(target, prediction, threshold, costs, weight=weight)
    p, y, w = _known(target, prediction, weight)
    at = np.linspace(0, 1, POINTS + 1)
    cost = [expected_cost(y, p, float(t), costs, weight=w) for t in at]
    unit = f" in {costs.currency}" if costs.currency else ""
    return Figure(
        name="money",
        title="What decisions cost at each threshold",
        says=f"{found.says} At the threshold of {threshold:.3f}, {found.acted:.1%} of the rows are acted on.",
        x=Axis(label="threshold: act when the probability is at least this", low=0, high=1, percent=True),
        y=Axis(label=f"expected cost per 1,000 rows{unit}", low=0),
        marks=[
            Mark(kind="line", name="decisions of the model", x=at.tolist(), y=cost),
            Mark(kind="rule", name="doing nothing", y=[found.nothing], role="reference"),
            Mark(kind="rule", name="acting on every row", y=[found.everything], role="muted"),
            Mark(kind="rule", name=f"chosen: {threshold:.3f}", x=[threshold], role="good"),
        ],
    )


def ratio_figure(target: Floats, prediction: Floats, *, weight: Floats | None = None) -> Figure:
    """Draw what the best threshold would save, for every ratio of the two costs that may turn out to be true.

    Parameters
    ----------
    target, prediction, weight
        As for `expected_cost`.

    Returns
    -------
    Figure
        In units of one false positive, against the cheaper way to do without a model.
    """
    found = curve(target, prediction, weight)
    rows = [_at_ratio(found, float(ratio)) for ratio in RATIOS]
    saved = [row[1] for row in rows]
    best = int(np.argmax(saved))
    worthwhile = [float(r) for r, s in zip(RATIOS, saved, strict=True) if s > 0]
    says = (
        "What mistakes cost is not said yet, so this is money in units of one false positive. If a missed "
        f"row costs {_ratio(RATIOS[best])} times as much as a row acted on without need, the model saves "
        f"{saved[best]:,.1f} units per 1,000 rows against the better of doing nothing and acting on all."
        f"{_between(worthwhile)}"
    )
    return Figure(
        name="money_by_ratio",
        title="What the model would be worth, whatever mistakes cost",
        says=says,
        x=Axis(label="cost of a missed row ÷ cost of acting without need", scale="log"),
        y=Axis(label="saved per 1,000 rows, in false positives", low=0),
        marks=[Mark(kind="line", name="saved by the model", x=RATIOS.tolist(), y=saved)],
        table=_ratio_table(rows),
    )


def _ratio(ratio: float) -> str:
    return f"{float(f'{ratio:.2g}'):,g}"


def _between(worthwhile: Sequence[float]) -> str:
    """Say for which ratios the model is worth using."""
    if not worthwhile:
        return " At no ratio that is drawn is the model worth using."
    if len(worthwhile) == len(RATIOS):
        return f" It is worth using at every ratio that is drawn, from {_ratio(RATIOS[0])} to {_ratio(RATIOS[-1])}."
    return f" It is worth using where that is between {_ratio(worthwhile[0])} and {_ratio(worthwhile[-1])} times."


def _at_ratio(found: Curve, ratio: float) -> tuple[float, float, float, float]:
    """Return ratio, saved units, best threshold and share acted on."""
    cost = found.cost(Prices(false_positive=1.0, false_negative=ratio))
    best = int(cost.argmin())
    saved = float(min(cost[0], cost[-1]) - cost[best])
    return ratio, saved, float(found.threshold[best]), float(found.acted()[best])


def _ratio_table(rows: Sequence[tuple[float, float, float, float]]) -> Table:
    shown = [[float(f"{r:.2g}"), round(saved, 2), t, acted] for r, saved, t, acted in rows[::10]]
    return Table(
        title="Worth by ratio of the costs",
        columns=["missed ÷ needless", "saved per 1,000", "threshold", "share acted on"],
        rows=shown,
        note="The best threshold on these rows for each ratio: a little too good for new ones.",
    )
