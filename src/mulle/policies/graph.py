"""A policy as a graph of its own: built here, and run here for the trainer; the runtime runs the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.export.graph import Graph
from mulle.policies.base import Policy
from mulle.runtime.session import Session, scalar


def policy_graph(policy: Policy, parameters: Mapping[str, float], n_outputs: int) -> bytes:
    """Build the graph of a policy over one score.

    Parameters
    ----------
    policy
        Which.
    parameters
        Their names become scalar inputs, ``parameter_<name>``.
    n_outputs
        Columns of the score.

    Returns
    -------
    bytes
        An ONNX model: ``score`` (double ``[rows, outputs]``) and parameters in, ``decision`` (``[rows]``) out.
    """
    g = Graph()
    score = g.input("score", "double", [None, n_outputs])
    named = {name: g.input(f"parameter_{name}", "double", []) for name in parameters}
    decision = policy.emit(g, {"score": score}, named)
    g.output(decision, "decision", "int64" if policy.decides == "class" else "double", [None])
    return g.to_bytes()


def decide(graph: bytes, parameters: Mapping[str, float], prediction: NDArray[np.float64]) -> NDArray[Any]:
    """Run a policy's graph.

    Parameters
    ----------
    graph
        From `policy_graph`.
    parameters
        Their values.
    prediction
        float64 ``[rows, outputs]``.

    Returns
    -------
    numpy.ndarray
        ``[rows]``: class codes (int64) or values (float64).

    Examples
    --------
    >>> from mulle.policies import policies
    >>> parameters = {"threshold": 0.3}
    >>> graph = policy_graph(policies.get("threshold"), parameters, 1)
    >>> decide(graph, parameters, np.array([[0.2], [0.4]])).tolist()
    [0, 1]
    """
    session = Session(graph, where="policy.onnx")
    feeds = {"score": prediction} | {f"parameter_{name}": scalar(value) for name, value in parameters.items()}
    return session.run(["decision"], feeds)[0]
