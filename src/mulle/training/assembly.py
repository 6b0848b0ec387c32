"""From the fitted parts of a choice to the one graph that ships.

Folds of one configuration are merged into one scorer: the views that they share are emitted once, and the columns that
differ between folds (views fitted with the target) stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.core.schema import Feature
from mulle.core.work import Ref
from mulle.export.calibration import emit_calibration
from mulle.export.forms import load_scorer
from mulle.export.graph import Graph
from mulle.export.links import apply_link
from mulle.export.scorer import Scorer
from mulle.kinds import preparation as prepare_
from mulle.kinds.preparation import Preparation
from mulle.runtime.layout import Layout
from mulle.training.scoring import emit_prediction, native
from mulle.trials.calibration import calibrated

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One configuration of the choice: its weight, its shared views, and its folds. Its parts are read once."""

    weight: float
    prepared: Ref
    folds: Sequence[Ref]

    @cached_property
    def shared(self) -> Preparation:
        """The views that all folds share."""
        return Preparation.from_json(self.prepared.json("preparation.json"))

    @cached_property
    def parts(self) -> tuple[tuple[Scorer, Preparation | None], ...]:
        """Each fold's scorer, and the views of its own where it has some."""
        return tuple((_scorer(fold), _extra(fold)) for fold in self.folds)


def assemble(members: Sequence[Member], *, layout: Layout, loss: Loss, calibration: Mapping[str, Any] | None) -> bytes:
    """Build the graph from encoded columns to calibrated predictions.

    Parameters
    ----------
    members
        The configurations that ship together, with weights that sum to 1.
    layout
        How encoded features are packed into the inputs.
    loss
        Whose link gives predictions.
    calibration
        What `mulle.trials.calibration` fitted, or None.

    Returns
    -------
    bytes
        A checked ONNX model with the output ``prediction``, double ``[rows, outputs]``.
    """
    g = Graph()
    values = prepare_.declare(g, layout)
    parts = [_weighted(g, member, loss, layout, values) for member in members]
    prediction = parts[0] if len(parts) == 1 else g.node("Sum", *parts)
    if calibration is not None:
        prediction = emit_calibration(g, prediction, calibration)
    g.output(prediction, "prediction", "double", [None, loss.n_outputs])
    return g.to_bytes()


def _weighted(g: Graph, member: Member, loss: Loss, layout: Layout, values: Mapping[str, str]) -> str:
    shared = member.shared
    matrix = [part for part in [shared.emit(g, layout, values)] if part is not None]
    width = len(shared.columns)
    base, columns, scorers = list(range(width)), [], []
    for scorer, extra in member.parts:
        scorers.append(scorer)
        if extra is None:
            columns.append(base)
            continue
        part = extra.emit(g, layout, values)
        if part is not None:
            matrix.append(part)
        columns.append([*base, *range(width, width + len(extra.columns))])
        width += len(extra.columns)
    merged = type(scorers[0]).merge(scorers, columns)
    prediction = emit_prediction(g, merged, loss, g.concat(matrix))
    return prediction if member.weight == 1.0 else g.node("Mul", prediction, g.const(np.float64(member.weight)))


def _scorer(fold: Ref) -> Scorer:
    return load_scorer(fold.json("fold.json")["form"], fold.path / "scorer.npz")


def _extra(fold: Ref) -> Preparation | None:
    if not (fold.path / "preparation.json").exists():
        return None
    return Preparation.from_json(fold.json("preparation.json"))


def answer(
    members: Sequence[Member],
    *,
    features: Sequence[Feature],
    table: pl.DataFrame,
    loss: Loss,
    calibration: Mapping[str, Any] | None,
) -> Floats:
    """Return what the trainer says of some rows: every part run on its own, joined by numpy.

    This is what the one graph that ships is held against; nothing but the parts themselves is shared with it.

    Parameters
    ----------
    members
        As for `assemble`.
    features
        The features in use.
    table
        Canonical rows.
    loss
        Whose link gives predictions.
    calibration
        As for `assemble`.

    Returns
    -------
    numpy.ndarray
        Predictions, float64 ``[rows, outputs]``.
    """
    wires = prepare_.wires(features, table)
    total = sum(member.weight * _member_answer(member, loss, wires) for member in members)
    prediction = np.asarray(total, dtype=np.float64)
    return prediction if calibration is None else calibrated(prediction, calibration)


def _member_answer(member: Member, loss: Loss, wires: Mapping[str, NDArray[Any]]) -> Floats:
    shared = member.shared.run(wires)
    scores, space = [], "raw"
    for scorer, extra in member.parts:
        matrix = shared if extra is None else np.hstack([shared, extra.run(wires)])
        scores.append(native(scorer, matrix))
        space = scorer.space
    mean = np.mean(scores, axis=0)
    return apply_link(mean, loss) if space == "raw" else mean
