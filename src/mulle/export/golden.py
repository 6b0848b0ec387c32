"""Made-up rows for a bundle's proof: each column drawn alone from a rough picture of itself, so that no row is a person's.

The rough picture, a *sampler*, is plain JSON. It holds no value that fewer than `LEAST_ROWS` rows have: numbers and moments
are drawn between rounded quantiles, words only where they are frequent, and texts are shuffled frequent words.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.jsonable import Json

Sampler = Mapping[str, Any]
LEAST_ROWS = 20
"""A word that fewer rows have may point at somebody, and stays out."""
_QUANTILES = np.linspace(0.02, 0.98, 13)
_MOST_WORDS = 60
_LEAST_MISSING = 0.03
_UNSEEN = 0.04
_MANY_WORDS = 4.0
_DIGITS = 3


def sampler_of(column: pl.Series, *, least_rows: int = LEAST_ROWS) -> dict[str, Json]:
    """Take the rough picture of a column.

    Parameters
    ----------
    column
        Read values: numbers, booleans, moments, strings, lists of strings, or binary (pictures); null where missing.
    least_rows
        How many rows must have a word for it to be used.

    Returns
    -------
    dict
        A sampler, as plain JSON.

    Examples
    --------
    >>> sampler_of(pl.Series(["a"] * 30 + ["somebody"] + [None] * 9))["values"]
    ['a']
    """
    known = column.drop_nulls()
    missing = max(_LEAST_MISSING, 1 - len(known) / max(len(column), 1)) if column.dtype != pl.Binary else 0.0
    return {"missing": round(min(missing, 0.5), 3), **_picture(known, least_rows)}


def _picture(known: pl.Series, least_rows: int) -> dict[str, Json]:
    dtype = known.dtype
    if dtype == pl.Binary:
        return {"draw": "pictures"}
    if dtype == pl.Boolean:
        return {"draw": "booleans", "share": round(float(known.cast(pl.Float64).mean() or 0), 2)}  # type: ignore[arg-type]
    if dtype.is_temporal():
        seconds = known.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.Float64)
        return {"draw": "moments", "values": [float(round(v / 3600) * 3600) for v in _quantiles(seconds)]}
    if dtype.is_numeric():
        whole = bool(len(known)) and bool((known.cast(pl.Float64) % 1 == 0).all())
        return {
            "draw": "numbers",
            "values": [_rounded(v) for v in _quantiles(known.cast(pl.Float64))],
            "whole": whole,
        }
    if isinstance(dtype, pl.List):
        return {"draw": "lists", **_frequent(chain.from_iterable(known.to_list()), least_rows)}
    return _words(known.cast(pl.String), least_rows)


def _words(known: pl.Series, least_rows: int) -> dict[str, Json]:
    sample = known.head(20_000).to_list()
    if sample and sum(text.count(" ") + 1 for text in sample) / len(sample) > _MANY_WORDS:
        once_a_row = chain.from_iterable(set(text.split()) for text in sample)
        return {"draw": "texts", **_frequent(once_a_row, least_rows)}
    return {"draw": "words", **_frequent(known.to_list(), least_rows)}


def _frequent(words: Any, least_rows: int) -> dict[str, Json]:
    counted = [
        (w, n) for w, n in Counter(words).most_common(_MOST_WORDS) if w is not None and n >= least_rows
    ]
    return {"values": [w for w, _ in counted], "counts": [n for _, n in counted]}


def _quantiles(values: pl.Series) -> list[float]:
    finite = values.filter(values.is_finite())
    return [] if not len(finite) else [float(finite.quantile(float(q)) or 0) for q in _QUANTILES]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def golden_rows(samplers: Mapping[str, Sampler], n: int, *, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw made-up rows, each column on its own.

    Parameters
    ----------
    samplers
        For each raw column what `sampler_of` gave.
    n
        How many rows. The first has everything missing that may be missing.
    rng
        What draws them.

    Returns
    -------
    list
        Rows as a caller would send them: numbers, true and false, words, moments as ISO text, lists, pictures as bytes.

    Examples
    --------
    >>> samplers = {"age": {"draw": "numbers", "values": [20.0, 60.0], "whole": True, "missing": 0}}
    >>> rows = golden_rows(samplers, 3, rng=np.random.default_rng(0))
    >>> all(20 <= row["age"] <= 60 for row in rows[1:])
    True
    """
    columns = {name: _draw(sampler, n, rng) for name, sampler in samplers.items()}
    return [{name: values[i] for name, values in columns.items()} for i in range(n)]


def _draw(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    values = _DRAWS[sampler["draw"]](sampler, n, rng)
    if sampler["draw"] == "pictures":
        return values
    absent = rng.random(n) < sampler["missing"]
    absent[0] = True
    return [None if absent[i] else value for i, value in enumerate(values)]


def _between(sampler: Sampler, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    grid = np.asarray(sampler["values"] or [0.0], np.float64)
    return np.interp(rng.random(n), np.linspace(0, 1, len(grid)), grid)


def _numbers(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    drawn = _between(sampler, n, rng)
    return [int(v) for v in drawn.round()] if sampler.get("whole") else [_rounded(v) for v in drawn.tolist()]


def _moments(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    seconds = _between(sampler, n, rng).round().tolist()
    return [datetime.fromtimestamp(v, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for v in seconds]


def _booleans(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    return (rng.random(n) < sampler["share"]).tolist()


def _some(sampler: Sampler, n: int, rng: np.random.Generator) -> list[str]:
    """Draw words by how frequent they are, and now and then one that nobody has seen."""
    values: Sequence[str] = sampler["values"]
    made_up = [f"made-up {i}" for i in rng.integers(0, 1000, n).tolist()]
    if not values:
        return made_up
    counts = np.asarray(sampler["counts"], np.float64)
    picked = rng.choice(len(values), size=n, p=counts / counts.sum()).tolist()
    unseen = rng.random(n) < _UNSEEN
    return [made_up[i] if unseen[i] else values[at] for i, at in enumerate(picked)]


def _lists(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    return [_some(sampler, size, rng) for size in rng.integers(0, 5, n).tolist()]


def _texts(sampler: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    return [" ".join(_some(sampler, size, rng)) for size in rng.integers(3, 25, n).tolist()]


def _pictures(_: Sampler, n: int, rng: np.random.Generator) -> list[Any]:
    return [grey_png(rng.integers(0, 256, (16, 16), dtype=np.uint8)) for _ in range(n)]


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a grey picture as PNG, the plainest way.

    Parameters
    ----------
    pixels
        ``[height, width]``.

    Returns
    -------
    bytes
        A whole file.

    Examples
    --------
    >>> grey_png(np.zeros((2, 2), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\x00" + row.tobytes() for row in pixels))
    chunks = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


_DRAWS = {
    "numbers": _numbers, "moments": _moments, "booleans": _booleans, "words": _some,
    "lists": _lists, "texts": _texts, "pictures": _pictures,
}  # fmt: skip
