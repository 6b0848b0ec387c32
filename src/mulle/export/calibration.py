"""Calibration as nodes of a graph, in float64. What a calibration is stands in `mulle.trials.calibration`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.export.graph import Graph
from mulle.trials.calibration import EDGE

Floats = NDArray[np.float64]


def emit_calibration(g: Graph, prediction: str, calibration: Mapping[str, Any]) -> str:
    """Append a calibration to a graph.

    Parameters
    ----------
    g
        The graph.
    prediction
        A value with probabilities, double ``[rows, 1]``.
    calibration
        Its steps.

    Returns
    -------
    str
        The calibrated probabilities, double ``[rows, 1]``.
    """
    if calibration["kind"] == "platt":
        return _platt(g, prediction, float(calibration["a"]), float(calibration["b"]))
    return _steps(g, prediction, np.asarray(calibration["x"], np.float64), np.asarray(calibration["y"], np.float64))


def _platt(g: Graph, prediction: str, a: float, b: float) -> str:
    p = g.node("Clip", prediction, g.const(np.float64(EDGE)), g.const(np.float64(1 - EDGE)))
    logit = g.node("Log", g.node("Div", p, g.node("Sub", g.const(np.float64(1.0)), p)))
    line = g.node("Add", g.node("Mul", logit, g.const(np.float64(a))), g.const(np.float64(b)))
    return g.node("Sigmoid", line)


def _steps(g: Graph, prediction: str, x: Floats, y: Floats) -> str:
    """Sum the rise of each line up to the point: as many rises as there are lines, each cut off at its ends."""
    rise = np.diff(y) / np.diff(x)
    reached = g.node("Sub", prediction, g.const(x[:-1][None, :]))
    reached = g.node("Max", reached, g.const(np.float64(0.0)))
    reached = g.node("Min", reached, g.const(np.diff(x)[None, :]))
    risen = g.node("MatMul", reached, g.const(rise[:, None]))
    return g.node("Add", risen, g.const(np.float64(y[0])))
