"""One unit beside which nothing else of a metric can be seen: a slip in its feedback would switch every guardrail off."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Check, Status
from mulle.operate.release.online import Metric, Seen
from mulle.trials.always import LEAST_UNITS

FAR = 10.0
"""A unit further from the others than this many times √n of their standard deviations makes 99 % of the spread by itself."""


def outliers(seen: Seen, names: Iterable[str]) -> list[Check]:
    """Return one check for each arm and metric in which a single unit drowns all others.

    Parameters
    ----------
    seen
        Of a canary or a trial.
    names
        Of the metrics that something depends on.

    Returns
    -------
    list of Check
        ``release.outlier.METRIC``, not answered: what is compared can't be told beside it. None of metrics that are bounded.
    """
    found = [_outlier(seen, name) for name in dict.fromkeys(names) if _unbounded(Metric.named(name))]
    return [check for check in found if check is not None]


def _unbounded(metric: Metric) -> bool:
    return metric.kind == "value" or (metric.kind == "outcome" and not metric.name)


def _outlier(seen: Seen, name: str) -> Check | None:
    for arm, counted in seen.counted(Metric.named(name)).items():
        far, i = furthest(counted.values)
        if far > FAR * math.sqrt(max(len(counted.values), 1)):
            what = (
                f"unit '{counted.units[i]}' of the {arm} lies {far:.2g} standard deviations from all others in '{name}'"
            )
            return Check(
                name=f"release.outlier.{name}",
                status=Status.UNANSWERED,
                says=f"{what}: beside it no guardrail and no verdict can tell anything",
                fix="if it is a slip: send its feedback again, as it should be; or mulle forget KEY",
                value=far,
            )
    return None


def furthest(values: NDArray[np.float64]) -> tuple[float, int]:
    """Return how far the furthest value lies from the others, in their standard deviations, and which one it is.

    Examples
    --------
    >>> furthest(np.array([0.0, 2.0] * 30 + [1e6]))
    (999999.0, 60)
    >>> furthest(np.array([0.0] * 60 + [1.0]))  # the others don't differ: nothing to measure by
    (0.0, 0)
    """
    if len(values) <= LEAST_UNITS:
        return 0.0, 0
    i = int(np.argmax(np.abs(values - np.median(values))))
    others = np.delete(values, i)
    spread = float(others.std())
    return (abs(float(values[i] - others.mean())) / spread, i) if spread > 0 else (0.0, 0)
