"""How much each row counts, as the page's weight column says."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError


def weights_of(column: pl.Series) -> NDArray[np.float64]:
    """Read how much each row counts, in fitting and in every number.

    Parameters
    ----------
    column
        The column that ``[data] weight`` names.

    Returns
    -------
    numpy.ndarray
        float64 ``[rows]``, 0 and up, not all 0.

    Raises
    ------
    DataError
        When a weight is missing, below 0 or no number, or all are 0.

    Examples
    --------
    >>> weights_of(pl.Series("people", ["1.5", "2"])).tolist()
    [1.5, 2.0]
    """
    weights = np.asarray(column.cast(pl.Float64, strict=False).to_numpy(), dtype=np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise DataError(
            f"the weight '{column.name}' is missing or below 0 in some rows",
            where="mulle.toml, [data] weight",
            fix="give every row a number of 0 or more",
        )
    return weights
