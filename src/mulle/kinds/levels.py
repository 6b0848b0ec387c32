"""Views of one column of words: codes, one-hot, target means, frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.jsonable import Json, from_json, to_json
from mulle.core.schema import Feature
from mulle.export.graph import ML, Graph
from mulle.kinds.base import Values, View

Floats = NDArray[np.float64]
MAX_CODES = 255
"""Levels that the codes view takes at most: as many as LightGBM and CatBoost bin by default."""
MAX_ONEHOT = 100
MIN_ONEHOT = 5
MAX_TARGET = 50_000
INNER_FOLDS = 5
PLAIN_ROWS = 200
"""Rows from which on a level's mean is that of all its training rows for these rows too: the target of one of them is at
most half a percent of it, and five means of one level, one an inner fold, are noise that trees learn by heart."""
_MISSING = ""


def factor(values: Values) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return the levels that occur (most frequent first, '' never among them), each row's code, and the counts.

    Parameters
    ----------
    values
        Words, ``[rows, 1]`` or ``[rows]``; '' is missing.

    Returns
    -------
    tuple
        Levels, codes ``[rows]`` (-1 where missing), and rows of each level.

    Examples
    --------
    >>> levels, codes, n = factor(np.array([["a"], [""], ["b"], ["b"]], dtype=object))
    >>> levels, codes.tolist(), n.tolist()
    (['b', 'a'], [1, -1, 0, 0], [2, 1])
    """
    words = pl.Series("word", values.ravel(), dtype=pl.String)
    counts = words.filter(words != _MISSING).value_counts(name="rows")
    counts = counts.sort(["rows", "word"], descending=[True, False])
    index = counts.select("word", code=pl.int_range(pl.len(), dtype=pl.Int64))
    codes = words.to_frame().join(index, on="word", how="left", maintain_order="left")["code"].fill_null(-1)
    return counts["word"].to_list(), codes.to_numpy(), counts["rows"].to_numpy().astype(np.int64)


def _distinct(values: Values) -> int:
    words = pl.Series("word", values.ravel(), dtype=pl.String)
    return words.n_unique() - int((words == _MISSING).any())


class _OneColumn(View):
    """A fitted view of one feature whose dataclass fields are its JSON."""

    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return from_json(cls, data)


def _encode(g: Graph, source: str, levels: Sequence[str], codes: Sequence[int], *, other: int) -> str:
    """Append the lookup of words as int64 codes."""
    if not levels:
        return _constant(g, source, other)
    return g.node(
        "LabelEncoder",
        source,
        domain=ML,
        keys_strings=list(levels),
        values_int64s=list(codes),
        default_int64=other,
    )


def _constant(g: Graph, source: str, value: int) -> str:
    return g.node(
        "LabelEncoder", source, domain=ML, keys_strings=[_MISSING], values_int64s=[value], default_int64=value
    )


def _encode_floats(g: Graph, source: str, levels: Sequence[str], values: Sequence[float], *, other: float) -> str:
    return g.node(
        "LabelEncoder",
        source,
        domain=ML,
        keys_strings=list(levels),
        values_floats=[float(v) for v in values],
        default_float=float(other),
    )


@dataclass(frozen=True, kw_only=True)
class Codes(_OneColumn):
    """Whole codes by frequency, for families that split on sets of levels: 0 missing, 1 rare or unseen, 2… the levels.

    A level that occurs once gets the code of the unseen ones, so that training knows that code too.

    Examples
    --------
    >>> job = Feature(name="job", kind="category", columns=["job"])
    >>> values = np.array([["a"], ["a"], [""], ["b"]], dtype=object)
    >>> Codes.fit([job], values, target=None, rng=np.random.default_rng(0)).levels
    ('a',)
    """

    name: ClassVar[str] = "codes"
    fallback: ClassVar[str] = "target"
    feature: str
    levels: tuple[str, ...]

    @classmethod
    def suits(cls, values: Values, *, surely: bool = False) -> bool:
        """Say whether there are few enough levels."""
        return _distinct(values) <= (MAX_CODES // 2 if surely else MAX_CODES)

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Order the levels by how often they occur."""
        del target, rng
        levels, _, n = factor(values)
        return cls(feature=features[0].name, levels=tuple(w for w, c in zip(levels, n, strict=True) if c > 1))

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column of codes."""
        return [(self.feature, self.feature, len(self.levels) + 2)]

    def emit(self, g: Graph, source: str) -> str:
        """Look the word up."""
        codes = [0, *range(2, len(self.levels) + 2)]
        return g.cast(_encode(g, source, [_MISSING, *self.levels], codes, other=1), "float")


@dataclass(frozen=True, kw_only=True)
class OneHot(_OneColumn):
    """A 0/1 column for each level with at least 5 rows (100 at most), one for all others, one for missing.

    Examples
    --------
    >>> job = Feature(name="job", kind="category", columns=["job"])
    >>> values = np.array([["a"]] * 6 + [["b"]], dtype=object)
    >>> view = OneHot.fit([job], values, target=None, rng=np.random.default_rng(0))
    >>> [name for name, *_ in view.names()]
    ["job = 'a'", 'job = other']
    """

    name: ClassVar[str] = "onehot"
    feature: str
    levels: tuple[str, ...]
    gaps: bool

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Choose the levels that get a column."""
        del target, rng
        levels, codes, n = factor(values)
        kept = [w for w, c in zip(levels[:MAX_ONEHOT], n, strict=False) if c >= MIN_ONEHOT]
        return cls(feature=features[0].name, levels=tuple(kept), gaps=bool((codes < 0).any()))

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the levels, other, and missing where it occurred."""
        words = [*[f"'{w}'" for w in self.levels], "other", *(["missing"] if self.gaps else [])]
        return [(f"{self.feature} = {w}", self.feature, 0) for w in words]

    def emit(self, g: Graph, source: str) -> str:
        """Look the word up and compare it with each code."""
        n = len(self.levels)
        codes = _encode(g, source, [_MISSING, *self.levels], [n + 1, *range(n)], other=n)
        wanted = np.arange(n + 1 + self.gaps, dtype=np.int64)[None, :]
        return g.cast(g.node("Equal", codes, g.const(wanted)), "float")


@dataclass(frozen=True, kw_only=True)
class TargetMeans(_OneColumn):
    """The target's mean of each level, drawn to the overall mean the more, the fewer rows the level has.

    ``(sum + m · mean) / (rows + m)`` with ``m`` the variance within levels over the variance between them, estimated
    by the method of moments and kept in 1…100. Missing counts as a level. Training rows get means in which they took
    no part (5 inner folds), but for levels of 200 rows or more. Levels of one row, and those beyond the 50,000 most
    frequent, get the overall mean.

    References
    ----------
    D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD Explorations 3(1),
    2001.

    Examples
    --------
    >>> job = Feature(name="job", kind="category", columns=["job"])
    >>> values = np.array([["a"], ["a"], ["b"], ["b"]], dtype=object)
    >>> target = np.array([[1.0], [1.0], [0.0], [0.0]])
    >>> view = TargetMeans.fit([job], values, target=target, rng=np.random.default_rng(0))
    >>> [round(m[0], 3) for m in view.means], view.prior
    ([0.833, 0.167], (0.5,))
    """

    name: ClassVar[str] = "target"
    uses_target: ClassVar[bool] = True
    feature: str
    levels: tuple[str, ...]
    means: tuple[tuple[float, ...], ...]
    prior: tuple[float, ...]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find the smoothed means of the levels."""
        del rng
        assert target is not None  # noqa: S101  # the contract of uses_target
        words, held = _kept_levels(values)
        means, prior, n = _smoothed(held, target, len(words) + 1)
        kept = np.flatnonzero(n[:-1] > 1)
        return cls(
            feature=features[0].name,
            levels=tuple(words[i] for i in kept),
            means=tuple(map(tuple, means[kept].tolist())),
            prior=tuple(prior.tolist()),
        )

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column an output."""
        if len(self.prior) == 1:
            return [(f"{self.feature} by target", self.feature, 0)]
        return [(f"{self.feature} by target {k}", self.feature, 0) for k in range(len(self.prior))]

    def emit(self, g: Graph, source: str) -> str:
        """Look the means up."""
        if not self.levels:
            codes = _constant(g, source, 0)
        elif len(self.prior) == 1:
            return _encode_floats(g, source, self.levels, [m[0] for m in self.means], other=self.prior[0])
        else:
            codes = _encode(g, source, self.levels, range(len(self.levels)), other=len(self.levels))
        rows = g.const(np.array([*self.means, self.prior], np.float32))
        flat = g.node("Reshape", codes, g.const(np.array([-1], np.int64)))
        return g.node("Gather", rows, flat, axis=0)

    def out_of_fold(
        self, values: Values, target: NDArray[np.float64], *, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return for each training row the means of the other four inner folds; of its whole level, where that is large."""
        words, held = _kept_levels(values)
        fold = rng.permutation(len(held)) % INNER_FOLDS
        out = np.empty((len(held), target.shape[1]), np.float32)
        for k in range(INNER_FOLDS):
            mine = fold == k
            means, prior, n = _smoothed(held[~mine], target[~mine], len(words) + 1)
            known = (n > 0) & (np.arange(len(n)) < len(words))
            out[mine] = np.where(known[held[mine], None], means[held[mine]], prior)
        means, _, n = _smoothed(held, target, len(words) + 1)
        large = ((n >= PLAIN_ROWS) & (np.arange(len(n)) < len(words)))[held]
        out[large] = means[held[large]]
        return out


def _kept_levels(values: Values) -> tuple[list[str], NDArray[np.int64]]:
    """Return missing and the levels of more than one row, and codes; all other levels share one code after the last."""
    levels, codes, n = factor(values)
    n_kept = min(int((n > 1).sum()), MAX_TARGET)
    return [_MISSING, *levels[:n_kept]], np.minimum(codes + 1, n_kept + 1)


def _smoothed(codes: NDArray[np.int64], target: Floats, n_levels: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return smoothed means ``[levels, outputs]``, the overall mean ``[outputs]``, and the rows of each level."""
    n = np.bincount(codes, minlength=n_levels).astype(np.int64)
    prior = target.mean(axis=0) if len(target) else np.zeros(target.shape[1])
    total = np.zeros((n_levels, target.shape[1]))
    for k, column in enumerate(target.T):
        total[:, k] = np.bincount(codes, weights=column, minlength=n_levels)
    pull = _pull(codes, target, total, n)
    return (total + pull * prior) / (n[:, None] + pull), prior, n


def _pull(codes: NDArray[np.int64], target: Floats, total: Floats, n: NDArray[np.int64]) -> Floats:
    """Return ``m`` for each output; see `TargetMeans`."""
    rows, seen = len(codes), n > 0
    mean: Floats = total / np.maximum(n, 1)[:, None]
    within = ((target - mean[codes]) ** 2).sum(axis=0) / max(rows - int(seen.sum()), 1)
    spread = (n[:, None] * (mean - target.mean(axis=0)) ** 2)[seen].sum(axis=0) if rows else np.zeros(1)
    room = max(rows - float((n.astype(float) ** 2).sum()) / max(rows, 1), 1e-9)
    between = np.maximum((spread - (int(seen.sum()) - 1) * within) / room, 1e-12)
    return np.asarray(np.clip(within / between, 1.0, 100.0), np.float64)


@dataclass(frozen=True, kw_only=True)
class Frequency(_OneColumn):
    """The logarithm of how often the word occurred among the training rows; 0 for unseen ones.

    Examples
    --------
    >>> job = Feature(name="job", kind="category", columns=["job"])
    >>> view = Frequency.fit([job], np.array([["a"], ["a"]], object), target=None, rng=np.random.default_rng(0))
    >>> [round(v, 3) for v in view.logs]
    [0.0, 1.099]
    """

    name: ClassVar[str] = "frequency"
    feature: str
    levels: tuple[str, ...]
    logs: tuple[float, ...]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Count the levels."""
        del target, rng
        levels, codes, n = factor(values)
        words = [_MISSING, *levels[:MAX_TARGET]]
        logs = np.log1p([int((codes < 0).sum()), *n[:MAX_TARGET]])
        return cls(feature=features[0].name, levels=tuple(words), logs=tuple(logs.tolist()))

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column."""
        return [(f"{self.feature}, how frequent", self.feature, 0)]

    def emit(self, g: Graph, source: str) -> str:
        """Look the logarithm up."""
        return _encode_floats(g, source, self.levels, self.logs, other=0.0)
