"""From raw scores to predictions: the same three links in the graph and in numpy, both in float64."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.export.graph import Graph


def emit_link(g: Graph, raw: str, loss: Loss) -> str:
    """Append the nodes that turn raw scores into predictions.

    Parameters
    ----------
    g
        The graph.
    raw
        Raw scores, float64 ``[rows, loss.n_outputs]``.
    loss
        Atomic, or of parts; each part's columns go through its own link.

    Returns
    -------
    str
        Predictions, float64 ``[rows, loss.n_outputs]``. Identity appends nothing.

    Examples
    --------
    >>> from mulle.core.loss import squared
    >>> emit_link(Graph(), "raw", squared())
    'raw'
    """
    if loss.parts and any(part.link != "sigmoid" for part in loss.parts):
        sides = _sides(loss)
        pieces = [g.columns(raw, range(begin, end)) for begin, end in sides]
        return g.concat([emit_link(g, p, part) for p, part in zip(pieces, loss.parts, strict=True)])
    if loss.link == "identity":
        return raw
    return g.node("Sigmoid", raw) if loss.link == "sigmoid" else g.node("Softmax", raw, axis=1)


def apply_link(raw: NDArray[Any], loss: Loss) -> NDArray[np.float64]:
    """Turn raw scores into predictions; the numpy twin of `emit_link`.

    Parameters
    ----------
    raw
        ``[rows, loss.n_outputs]``.
    loss
        Atomic, or of parts.

    Returns
    -------
    NDArray
        Predictions, float64 of the same shape.

    Examples
    --------
    >>> from mulle.core.loss import logistic, softmax
    >>> apply_link(np.array([[0.0], [2.0]]), logistic()).round(3).tolist()
    [[0.5], [0.881]]
    >>> apply_link(np.array([[1.0, 1.0]]), softmax(2)).tolist()
    [[0.5, 0.5]]
    """
    raw = np.asarray(raw, np.float64)
    if loss.parts:
        sides = zip(_sides(loss), loss.parts, strict=True)
        return np.concatenate([apply_link(raw[:, begin:end], part) for (begin, end), part in sides], axis=1)
    if loss.link == "sigmoid":
        return _sigmoid(raw)
    return _softmax(raw) if loss.link == "softmax" else raw


def _sides(loss: Loss) -> list[tuple[int, int]]:
    """Return the first column of each part, and the one after its last."""
    stops = np.cumsum([0, *(part.n_outputs for part in loss.parts)]).tolist()
    return list(pairwise(stops))


def _sigmoid(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    small = np.exp(-np.abs(raw))
    return np.where(raw >= 0, 1.0, small) / (1.0 + small)


def _softmax(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.exp(raw - raw.max(axis=1, keepdims=True))
    held: NDArray[np.float64] = power / power.sum(axis=1, keepdims=True)
    return held
