"""A share of rows, and how sure it is when rows of one unit are not independent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mulle.trials.delta import ratio


def wilson(share: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0.9, 100)]
    [0.826, 0.945]

    Notes
    -----
    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def as_many(units: Sequence[str], hit: Sequence[bool]) -> float:
    """Return how many independent rows would tell as much: as many as there are units, where each unit's rows are alike.

    Parameters
    ----------
    units
        ``[rows]``, whose each row is.
    hit
        ``[rows]``, what is counted.

    Examples
    --------
    >>> round(as_many([f"unit {i // 2}" for i in range(80)], [i % 4 < 2 for i in range(80)]))
    39
    """
    rows: dict[str, list[bool]] = defaultdict(list)
    for unit, ok in zip(units, hit, strict=True):
        rows[unit].append(ok)
    share, n_units = sum(hit) / len(hit), len(rows)
    found = ratio(np.array([sum(one) for one in rows.values()]), np.array([len(one) for one in rows.values()]))
    if n_units == 1 or not found.se > 0:
        return float(n_units)
    return float(np.clip(share * (1 - share) / found.se**2, 1.0, len(hit)))
