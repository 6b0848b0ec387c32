"""Shares of rows: in words, and with the interval that holds the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


def share(value: float) -> str:
    """Write a share as a percentage with two or three telling digits.

    Returns
    -------
    str
        ``"23.9 %"``; never ``"0.0 %"`` for what isn't nothing.

    Examples
    --------
    >>> share(0.2393), share(0.00042), share(1.0)
    ('23.9 %', '0.042 %', '100 %')
    """
    percent = 100 * value
    if percent in {0, 100}:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if abs(percent) >= 1 else f"{percent:.2g} %"


def wilson(hits: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's 95 % interval of shares.

    Parameters
    ----------
    hits
        Rows that had the property, one number a share.
    n
        Rows looked at, more than 0.

    Returns
    -------
    tuple
        Lower and upper ends, within 0 and 1.

    Notes
    -----
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22
    (1927), p. 209-212.

    Examples
    --------
    >>> low, high = wilson(np.array([8.0]), np.array([10.0]))
    >>> [round(float(low[0]), 3), round(float(high[0]), 3)]
    [0.49, 0.943]
    """
    p = hits / n
    middle = p + Z95**2 / (2 * n)
    half = Z95 * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    return np.clip((middle - half) / scale, 0, 1), np.clip((middle + half) / scale, 0, 1)
