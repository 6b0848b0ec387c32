"""The same scores for every row, for a model that found nothing to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.export.graph import Graph


def emit_constant(g: Graph, matrix: str, scores: NDArray[Any]) -> str:
    """Append the nodes that repeat ``scores`` for each row, whatever the matrix holds, even no column.

    Parameters
    ----------
    g
        The graph.
    matrix
        Any matrix, for its number of rows.
    scores
        ``[outputs]``.

    Returns
    -------
    str
        A float64 value ``[rows, outputs]``.

    Examples
    --------
    >>> g = Graph()
    >>> matrix = g.input("matrix", "float", [None, 0])
    >>> g.output(emit_constant(g, matrix, np.array([0.5])), "y", "double", [None, 1])
    >>> [node.op_type for node in g.build().graph.node]
    ['Shape', 'Concat', 'Expand', 'Identity']
    """
    n_rows = g.node("Shape", matrix, start=0, end=1)
    shape = g.node("Concat", n_rows, g.const([len(scores)], np.int64), axis=0)
    return g.node("Expand", g.const(np.asarray(scores, np.float64)[None, :]), shape)
