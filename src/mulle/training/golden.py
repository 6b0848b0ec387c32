"""Made-up rows for a bundle's golden file: each column is drawn alone, so that no row is a person's.

Only what many rows share is drawn: numbers between the 1st and 99th percentile, rounded; words and categories that at
least twenty rows have. A tenth of the values are left out, so that missing values are proved too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mulle.core.schema import Feature
from mulle.training.ordered import is_whole, quantile

LEAST_ROWS = 20
MISSING = 0.1
Draw = Callable[[pl.Series, int, np.random.Generator], list[Any]]


def golden_rows(
    features: Sequence[Feature], table: pl.DataFrame, *, n: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Draw rows as a caller would send them.

    Parameters
    ----------
    features
        What is asked of the caller.
    table
        Canonical rows to learn ranges and frequent values from.
    n
        How many rows.
    rng
        Draws.

    Returns
    -------
    list of dict
        One value, or None, for each raw column.
    """
    there = {column.name: column for column in table.get_columns()}  # asking the frame each time takes a square of them
    columns = {name: _column(there[name], n, rng) for f in features for name in f.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:
    held = values.drop_nulls() if values.null_count() else values
    if not len(held):
        return [None] * n
    drawn = _draw_of(held.dtype)(held, n, rng)
    if held.dtype == pl.Binary:  # a row without its picture is rejected, not scored
        return drawn
    left_out = (rng.random(n) < MISSING).tolist()
    return [None if out else value for value, out in zip(drawn, left_out, strict=True)]


def _draw_of(dtype: pl.DataType) -> Draw:
    for known, draw in _DRAWS.items():
        if dtype == known:
            return draw
    return _words if dtype == pl.String else _numbers


def _numbers(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:
    ordered = np.sort(values.to_numpy())
    drawn = rng.uniform(quantile(ordered, 0.01), quantile(ordered, 0.99), n).tolist()
    whole = is_whole(ordered)
    return [float(round(v)) if whole else float(f"{v:.4g}") for v in drawn]


def _flags(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:  # noqa: ARG001  # one shape for all
    return [bool(v) for v in rng.integers(0, 2, n)]


def _moments(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:
    micros = values.cast(pl.Int64).to_numpy()
    low, high = int(np.quantile(micros, 0.01)), int(np.quantile(micros, 0.99))
    drawn = rng.integers(low, max(high, low + 1), n) // 1_000_000 * 1_000_000
    return [moment.isoformat() for moment in pl.Series(drawn).cast(pl.Datetime("us")).to_list()]


def _words(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:
    common = _common(values)
    if common:
        return [common[i] for i in rng.integers(0, len(common), n)]
    pieces = _common(values.str.split(" ").explode())
    if not pieces:
        return [""] * n
    return [" ".join(pieces[i] for i in rng.integers(0, len(pieces), 8)) for _ in range(n)]


def _common(values: pl.Series) -> list[Any]:
    counts = values.drop_nulls().value_counts(sort=True, name="n").filter(pl.col("n") >= LEAST_ROWS)
    return sorted(counts[counts.columns[0]].to_list()[:200])


def _lists(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:
    pieces = _common(values.explode())
    if not pieces:
        return [[] for _ in range(n)]
    return [[pieces[i] for i in rng.integers(0, len(pieces), 3)] for _ in range(n)]


def _pictures(values: pl.Series, n: int, rng: np.random.Generator) -> list[Any]:  # noqa: ARG001
    """Draw noise: no picture of anybody."""
    return [_noise(rng) for _ in range(n)]


def _noise(rng: np.random.Generator) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


_DRAWS: Mapping[Any, Draw] = {
    pl.Boolean: _flags,
    pl.Binary: _pictures,
    pl.Datetime: _moments,
    pl.List: _lists,
}
