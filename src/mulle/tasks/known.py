"""Only rows whose target is known can be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows:
    """Target, prediction ``[rows, outputs]`` and decision of rows whose target is known."""

    values: Floats
    prediction: Floats
    decision: Floats | None


def known_rows(values: Floats, prediction: Floats, decision: Floats | None = None) -> KnownRows:
    """Leave out rows whose target or prediction is not known.

    Parameters
    ----------
    values
        ``[rows]``, NaN where unknown.
    prediction
        ``[rows, outputs]`` or ``[rows]``, NaN where a row was not predicted.
    decision
        ``[rows]``, if there is one.

    Returns
    -------
    KnownRows
        Arrays of equal length.

    Examples
    --------
    >>> known_rows(np.array([1.0, np.nan]), np.array([0.9, 0.1])).prediction
    array([[0.9]])
    """
    wide = prediction[:, None] if prediction.ndim == 1 else prediction
    kept = np.isfinite(values) & np.isfinite(wide).all(axis=1)
    made = None if decision is None else np.asarray(decision, np.float64)[kept]
    return KnownRows(values=values[kept], prediction=wide[kept], decision=made)
