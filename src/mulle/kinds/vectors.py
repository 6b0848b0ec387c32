"""Views of one feature that a step turned into a vector: hashed tokens, or pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json, from_json, to_json
from mulle.core.schema import Feature
from mulle.export.graph import Graph
from mulle.kinds.base import Values, View

Floats = NDArray[np.float64]
MAX_TOPICS = 100
_MIN_ROWS = 2
_OVERSAMPLING = 10
_POWER = 4


class _Vector(View):
    """A fitted view of one feature whose dataclass fields are its JSON."""

    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return from_json(cls, data)


def _take(g: Graph, source: str, kept: Sequence[int], width: int) -> str:
    return source if len(kept) == width else g.columns(source, kept)


@dataclass(frozen=True, kw_only=True)
class Varying(_Vector):
    """The step's own columns, without those that never vary among the training rows.

    Examples
    --------
    >>> note = Feature(name="note", kind="text", columns=["note"])
    >>> values = np.array([[0.0, 1.0], [0.0, 0.5]], np.float32)
    >>> Varying.fit([note], values, target=None, rng=np.random.default_rng(0)).kept
    (1,)
    """

    name: ClassVar[str] = "hashed"
    feature: str
    width: int
    kept: tuple[int, ...]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find the columns that vary."""
        del target, rng
        kept = np.flatnonzero(values.max(axis=0, initial=-1.0) > values.min(axis=0, initial=2.0))
        return cls(feature=features[0].name, width=values.shape[1], kept=tuple(kept.tolist() or [0]))

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column for each that varies."""
        return [(f"{self.feature} [{i}]", self.feature, 0) for i in self.kept]

    def emit(self, g: Graph, source: str) -> str:
        """Take the columns that vary."""
        return _take(g, source, self.kept, self.width)


@dataclass(frozen=True, kw_only=True)
class Standardised(_Vector):
    """The step's columns that vary, with mean 0 and one spread for all: pixels keep their proportions.

    Examples
    --------
    >>> photo = Feature(name="photo", kind="image", columns=["photo"])
    >>> values = np.array([[0.0, 1.0], [0.0, 0.5]], np.float32)
    >>> Standardised.fit([photo], values, target=None, rng=np.random.default_rng(0)).mean
    (0.75,)
    """

    name: ClassVar[str] = "scaled"
    feature: str
    width: int
    kept: tuple[int, ...]
    mean: tuple[float, ...]
    spread: float

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find the columns that vary, their means and their common spread."""
        varying = Varying.fit(features, values, target=target, rng=rng)
        held = values[:, list(varying.kept)].astype(np.float64)
        mean = held.mean(axis=0)
        spread = float(np.sqrt(((held - mean) ** 2).mean())) or 1.0
        kept, width = varying.kept, varying.width
        return cls(feature=varying.feature, width=width, kept=kept, mean=tuple(mean.tolist()), spread=spread)

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column for each that varies."""
        return [(f"{self.feature} [{i}]", self.feature, 0) for i in self.kept]

    def emit(self, g: Graph, source: str) -> str:
        """Subtract the means and divide by the spread."""
        value = _take(g, source, self.kept, self.width)
        value = g.node("Sub", value, g.const(np.asarray(self.mean, np.float32)[None, :]))
        return g.node("Div", value, g.const(np.float32(self.spread)))


@dataclass(frozen=True, kw_only=True)
class Topics(_Vector):
    """Hashed tokens weighed by rarity and brought to at most 100 directions (latent semantic analysis).

    The step's term weights times ``1 + ln((1 + rows) / (1 + rows with it))``, each row to length 1, times the leading
    right singular vectors. Fitted on a sample.

    References
    ----------
    S. Deerwester et al., "Indexing by latent semantic analysis", JASIS 41(6), 1990. Singular vectors by N. Halko,
    P.-G. Martinsson and J. Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011, algorithm 4.4.

    Examples
    --------
    >>> note = Feature(name="note", kind="text", columns=["note"])
    >>> values = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2]]
    >>> view = Topics.fit([note], values, target=None, rng=np.random.default_rng(0))
    >>> len(view.names())
    2
    """

    name: ClassVar[str] = "topics"
    feature: str
    width: int
    kept: tuple[int, ...]
    rarity: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    """``[kept, topics]``"""

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Weigh the buckets and find the directions."""
        del target
        rows_with = (values > 0).sum(axis=0)
        kept = np.flatnonzero(rows_with >= _MIN_ROWS)
        kept = kept if len(kept) else np.array([0])
        rarity = 1.0 + np.log((1 + len(values)) / (1 + rows_with[kept]))
        weighted = _unit(values[:, kept] * rarity.astype(np.float32))
        directions = _directions(weighted, min(MAX_TOPICS, len(kept), max(len(values) - 1, 1)), rng)
        return cls(
            feature=features[0].name,
            width=values.shape[1],
            kept=tuple(kept.tolist()),
            rarity=tuple(rarity.tolist()),
            directions=tuple(map(tuple, directions.tolist())),
        )

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column a direction."""
        n = len(self.directions[0]) if self.directions else 0
        return [(f"{self.feature}, topic {k}", self.feature, 0) for k in range(n)]

    def emit(self, g: Graph, source: str) -> str:
        """Weigh, bring to length 1, and project."""
        value = _take(g, source, self.kept, self.width)
        value = g.node("Mul", value, g.const(np.asarray(self.rarity, np.float32)[None, :]))
        square = g.node("ReduceSumSquare", value, g.const(np.array([1], np.int64)), keepdims=1)
        length = g.node("Max", g.node("Sqrt", square), g.const(np.float32(1e-12)))
        return g.node("MatMul", g.node("Div", value, length), g.const(np.asarray(self.directions, np.float32)))


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((values * values).sum(axis=1, keepdims=True))
    return np.asarray(values / np.maximum(length, 1e-12), np.float32)


def _directions(matrix: NDArray[np.float32], n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the leading right singular vectors ``[columns, n]``, each with its largest entry positive."""
    wide = min(n + _OVERSAMPLING, *matrix.shape)
    basis = np.linalg.qr(matrix @ rng.standard_normal((matrix.shape[1], wide)).astype(np.float32))[0]
    for _ in range(_POWER):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    _, size, right = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    right = right[:n][size[:n] > 1e-6 * max(float(size[0]), 1e-12)] if len(size) else right
    right = right if len(right) else np.zeros((1, matrix.shape[1]), np.float32)
    largest = np.abs(right).argmax(axis=1)
    signs = np.where(right[np.arange(len(right)), largest] < 0, -1.0, 1.0)
    return np.asarray((right * signs[:, None]).T, np.float32)
