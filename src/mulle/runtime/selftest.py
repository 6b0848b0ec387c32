"""Golden rows: made-up rows with the trainer's answers, by which a bundle proves itself."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mulle.core.errors import BundleError
from mulle.runtime.answer import Decision, Prediction, Predictions
from mulle.runtime.manifest import GOLDEN

TOLERANCE = 1e-5
"""Answers agree within this × max(1, abs(answer))."""


class Testable(Protocol):
    """The part of a bundle that says how it did."""

    where: str

    def selftest(self) -> Agreement:
        """Answer the golden rows and compare."""


class Answering(Protocol):
    """The part of a bundle that is needed to test it."""

    where: str

    def predict(self, source: Any) -> Predictions:
        """Answer for many rows."""

    def predict_one(self, row: Mapping[str, Any]) -> Prediction:
        """Answer for one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a bundle's answers are from those it was packaged with.

    ``worst`` is the largest difference in units of the tolerance: up to 1 is well. ``n_decisions`` counts the
    decisions that differ. Both the answers for many rows and those for one row are compared.
    """

    n_rows: int
    worst: float
    n_decisions: int

    @property
    def ok(self) -> bool:
        """Tell whether all answers agree. No golden rows is no proof, so it isn't ok."""
        return self.n_rows > 0 and self.worst <= 1.0 and self.n_decisions == 0


def excess(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return the largest difference between two arrays in units of the tolerance.

    Parameters
    ----------
    ours, theirs
        Of one shape; ``theirs`` sets the scale.

    Returns
    -------
    float
        Up to 1 is well. Infinite when the shapes differ, or when only one of two values is a number.

    Examples
    --------
    >>> round(excess([1.0, 200.0], [1.0, 200.001]), 2)
    0.5
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
        return float("inf")
    known = np.isfinite(b)
    return float((np.abs(a - b)[known] / (TOLERANCE * np.maximum(1, np.abs(b[known])))).max(initial=0.0))


def agreement(bundle: Answering, content: bytes) -> Agreement:
    """Answer golden rows with a bundle and compare.

    Parameters
    ----------
    bundle
        An open bundle, under the parameters that it was packaged with.
    content
        ``golden/rows.json``, or nothing.

    Returns
    -------
    Agreement
        Of all rows together.

    Raises
    ------
    BundleError
        When the file can't be read.
    """
    if not content:
        return Agreement(n_rows=0, worst=0.0, n_decisions=0)
    rows, prediction, decision = _read(content, bundle.where)
    many = bundle.predict(rows)
    singles = [bundle.predict_one(row) for row in rows]
    worst = max(excess(many.prediction, prediction), excess([single.prediction for single in singles], prediction))
    wrong = _differing(many.decision, decision) + _differing([single.decision for single in singles], decision)
    return Agreement(n_rows=len(rows), worst=worst, n_decisions=wrong)


def golden_rows(content: bytes, where: str) -> list[dict[str, Any]]:
    """Return the rows of ``golden/rows.json``; none where there is no such file.

    Raises
    ------
    BundleError
        When the file can't be read.
    """
    return _read(content, where)[0] if content else []


def _differing(ours: Sequence[Any] | NDArray[Any], theirs: Sequence[Decision]) -> int:
    pairs = zip(ours, theirs, strict=True)
    return sum(not _same(a, b) for a, b in pairs)


def _same(a: Any, b: Decision) -> bool:
    if isinstance(b, int | float):
        return excess([float(a)], [float(b)]) <= 1.0
    return bool(a == b)


def _read(content: bytes, where: str) -> tuple[list[dict[str, Any]], NDArray[np.float64], list[Decision]]:
    try:
        held = json.loads(content)
        rows = [row_from_json(row) for row in held["rows"]]
        prediction = np.asarray(held["prediction"], np.float64)
        decision = list(held["decision"])
        if not len(rows) == len(prediction) == len(decision):
            raise ValueError("rows and answers differ in number")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{GOLDEN} can't be read: {error}"
        raise BundleError(what, where=where, fix="get the bundle again from where it was made") from error
    return rows, prediction, decision


def row_to_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write a row as plain JSON values; bytes as ``{"base64": …}``, moments as ISO text, no number as None.

    Parameters
    ----------
    row
        Raw values by column, as frames give them.

    Returns
    -------
    dict
        The same row, for ``json.dumps``.

    Examples
    --------
    >>> row_from_json(row_to_json({"image": b"png", "age": 3}))
    {'image': b'png', 'age': 3}
    """
    return {str(name): _to_json(value) for name, value in row.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.datetime64):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(held) for held in value]
    if isinstance(value, bytes | bytearray):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)


def row_from_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Read a row back from what `row_to_json` gave.

    Parameters
    ----------
    row
        Plain JSON values by column.

    Returns
    -------
    dict
        The row, bytes as bytes again.

    Raises
    ------
    ValueError
        When bytes aren't written in base64.
    """
    try:
        return {name: _from_json(value) for name, value in row.items()}
    except (binascii.Error, KeyError) as error:
        raise ValueError(f"a value isn't base64: {error}") from error


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(held) for held in value]
    return base64.b64decode(value["base64"], validate=True) if isinstance(value, dict) else value


def prove(bundle: Testable) -> None:
    """Refuse a bundle that doesn't answer its golden rows as it did when it was made.

    Parameters
    ----------
    bundle
        Open.

    Raises
    ------
    BundleError
        When it has no golden rows, gives no number, or differs.
    """
    where = Path(bundle.where).name
    agreed = bundle.selftest()
    if agreed.n_rows == 0:
        raise BundleError("it has no golden rows, so nothing proves it", where=where, fix="package it again")
    if not math.isfinite(agreed.worst):
        what = "it gives no number for a golden row"
        raise BundleError(what, where=where, fix="look at the model: what does it do with that row?")
    if not agreed.ok:
        what = f"it answers its golden rows otherwise than when it was made: {_how(agreed.worst, agreed.n_decisions)}"
        raise BundleError(what, where=where, fix="get the bundle again from where it was made")


def _how(worst: float, n_decisions: int) -> str:
    return f"off by {worst:.3g} × the tolerance, {n_decisions} decisions differ"
