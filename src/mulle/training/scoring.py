"""What a fitted scorer says of a matrix, through its own graph: the very nodes that will ship."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.export.graph import Graph
from mulle.export.links import emit_link
from mulle.export.scorer import Scorer
from mulle.runtime.session import Session

Floats = NDArray[np.float64]
SCORE_CHUNK = 8192


def predict(scorer: Scorer, loss: Loss, matrix: NDArray[np.float32]) -> Floats:
    """Score a matrix through the scorer's own graph, link included.

    Parameters
    ----------
    scorer
        A fitted scorer.
    loss
        Whose link turns raw scores into predictions.
    matrix
        float32 ``[rows, columns]``.

    Returns
    -------
    numpy.ndarray
        Predictions, float64 ``[rows, outputs]``.
    """
    return _run(matrix, loss.n_outputs, lambda g, source: emit_prediction(g, scorer, loss, source))


def native(scorer: Scorer, matrix: NDArray[np.float32]) -> Floats:
    """Score a matrix through the scorer's own graph, in the scorer's own space: no link, float64 ``[rows, outputs]``."""
    return _run(matrix, scorer.n_outputs, scorer.emit)


def _run(matrix: NDArray[np.float32], n_outputs: int, emit: Callable[[Graph, str], str]) -> Floats:
    g = Graph()
    source = g.input("matrix", "float", [None, matrix.shape[1]])
    g.output(emit(g, source), "scores", "double", [None, n_outputs])
    session = Session(g.to_bytes(), where="a fitted model")
    chunks = range(0, max(len(matrix), 1), SCORE_CHUNK)
    parts = [session.run(["scores"], {"matrix": matrix[i : i + SCORE_CHUNK]})[0] for i in chunks]
    return np.concatenate(parts).reshape(len(matrix), n_outputs)


def emit_prediction(g: Graph, scorer: Scorer, loss: Loss, matrix: str) -> str:
    """Append a scorer and, where it leaves raw scores, the link; return predictions in float64."""
    value = scorer.emit(g, matrix)
    return emit_link(g, value, loss) if scorer.space == "raw" else value
