"""Predicted against true numbers: figures and the table of errors by range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.tasks.shares import share

Floats = NDArray[np.float64]

POINTS = 2000
BINS = 30
RANGES = 5


def predicted_figure(values: Floats, prediction: Floats) -> Figure:
    """Draw predicted against true values.

    Parameters
    ----------
    values, prediction
        ``[rows]``.

    Returns
    -------
    Figure
        At most 2,000 points, evenly taken over the range of the true value.
    """
    order = np.argsort(values, kind="stable")
    if len(order) > POINTS:
        order = order[np.linspace(0, len(order) - 1, POINTS).round().astype(np.int64)]
    low = float(min(values.min(), prediction.min()))
    high = float(max(values.max(), prediction.max()))
    error = prediction - values
    spread = float(((values - values.mean()) ** 2).sum())
    explained = 1 - float((error**2).sum()) / spread if spread else 0.0
    sampled = f" {POINTS:,} of {len(values):,} rows are drawn." if len(values) > POINTS else ""
    says = (
        f"The predictions explain {share(explained)} of the target's variance (R²); half of them are off by "
        f"less than {_number(float(np.median(np.abs(error))))}.{sampled}"
    )
    return Figure(
        name="predicted",
        title="Predicted against true",
        says=says,
        x=Axis(label="true value"),
        y=Axis(label="predicted value"),
        marks=[
            Mark(kind="points", name="rows", x=values[order].tolist(), y=prediction[order].tolist()),
            Mark(kind="line", name="perfect", x=[low, high], y=[low, high], role="reference"),
        ],
        table=range_table(values, prediction),
    )


def residuals_figure(values: Floats, prediction: Floats) -> Figure:
    """Draw how errors are spread.

    Parameters
    ----------
    values, prediction
        ``[rows]``.

    Returns
    -------
    Figure
        Bars between the 1st and 99th percentile; the rest is counted in the outermost bars.
    """
    error = prediction - values
    low, high = np.quantile(error, [0.01, 0.99])
    edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])
    counts = np.histogram(np.clip(error, edges[0], edges[-1]), bins=edges)[0] / len(error)
    middle = ((edges[:-1] + edges[1:]) / 2).tolist()
    mean, above = float(error.mean()), float((error > 0).mean())
    inner = np.quantile(error, [0.05, 0.95])
    says = (
        f"Nine in ten errors lie between {_number(float(inner[0]))} and {_number(float(inner[1]))}. The mean "
        f"error is {_number(mean)}, and {share(above)} of the predictions are too high."
    )
    return Figure(
        name="residuals",
        title="How far off predictions are",
        says=says,
        x=Axis(label="error (predicted less true, in the target's unit)"),
        y=Axis(label="share of rows", low=0, percent=True),
        marks=[
            Mark(kind="bars", name="errors", x=middle, y=counts.tolist()),
            Mark(kind="rule", name="no error", x=[0.0], role="reference"),
        ],
    )


def range_table(values: Floats, prediction: Floats) -> Table:
    """Table the errors by range of the true value.

    Parameters
    ----------
    values, prediction
        ``[rows]``.

    Returns
    -------
    Table
        Five ranges of about equally many rows; fewer where values repeat.

    Examples
    --------
    >>> x = np.arange(10.0)
    >>> range_table(x, x + 1).rows[0]
    [0.0, 1.8, 2, 1.0, 1.0, 1.0]
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, RANGES + 1)))
    edges = edges if len(edges) > 1 else np.array([edges[0], edges[0]])
    group = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    error = prediction - values
    rows: list[list[Cell]] = []
    for i in np.unique(group).tolist():
        held = error[group == i]
        typical = float(np.median(np.abs(held)))
        mean, root = float(held.mean()), float(np.sqrt((held**2).mean()))
        rows.append([_round(edges[i]), _round(edges[i + 1]), len(held), mean, typical, root])
    return Table(
        title="Errors by range of the true value",
        columns=["from", "to", "rows", "mean error", "typical error", "RMSE"],
        rows=rows,
        note="Mean error: predicted less true. Typical error: the median of its size.",
    )


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _number(value: float) -> str:
    """Write a number with about three telling digits and no exponent in the ordinary range."""
    size = abs(value)
    if size >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"
