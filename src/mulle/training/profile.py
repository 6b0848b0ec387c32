"""What is usual in each column, for ``profile.json``: what many rows share, and nothing that tells of a few.

A word is named when at least ten rows have it; the ends of a range leave at least ten rows beyond them, and at least
one in a hundred. Of names, texts and pictures only lengths are told. Read through the very readers that serve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.runtime import encode, formula
from mulle.runtime.frame import read_frame
from mulle.runtime.profile import VERSION
from mulle.training.ordered import is_whole, median, quantile

LEAST_ROWS = 10
"""Fewer rows than these are never told of."""
MOST_LEVELS = 50
LONGEST_LEVEL = 100
MOST_ROWS = 500_000
QUANTILES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.99)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400
Floats = NDArray[np.float64]


def profile(
    request: Sequence[Mapping[str, Any]],
    raw: pl.DataFrame,
    *,
    target: Floats,
    classes: Sequence[str],
    prediction: Mapping[str, Any],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Draw up a bundle's profile.

    Parameters
    ----------
    request
        The entries of the bundle's request schema.
    raw
        Development rows as they came; never sealed ones.
    target
        Of development rows: float64 ``[rows]``, positions of classes or numbers.
    classes
        Names of the classes; none where a number is predicted.
    prediction
        What `spread` told of the predictions.
    rng
        Chooses rows where there are very many.

    Returns
    -------
    dict
        Plain JSON; see `mulle.runtime.profile.Profile`.

    Examples
    --------
    >>> entry = {"name": "job", "kind": "category", "wire": "string", "columns": ["job"], "options": {}, "step": None}
    >>> raw = pl.DataFrame({"job": ["smith"] * 30 + ["clerk"] * 12 + ["king"]})
    >>> told = profile([entry], raw, target=np.zeros(43), classes=[], prediction={}, rng=np.random.default_rng(0))
    >>> told["columns"]["job"]
    {'kind': 'category', 'missing': 0.0, 'typical': 'smith', 'levels': [['smith', 30], ['clerk', 12]], 'complete': False}
    """
    n_rows = len(raw)
    if n_rows > MOST_ROWS:
        raw = raw[np.sort(rng.choice(n_rows, MOST_ROWS, replace=False))]
    there = {column.name: column for column in raw.get_columns()}  # asking the frame each time takes a square of them
    columns = {
        name: _column(entry, there[name], whole=n_rows == len(raw)) for name, entry in readers(request) if name in there
    }
    told = _classes(target, classes) if classes else _numbers_told(target)
    return {"version": VERSION, "n_rows": n_rows, "columns": columns, "target": told, "prediction": dict(prediction)}


def readers(request: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each raw column with how it is read; a column of its own before one that only a formula reads.

    Parameters
    ----------
    request
        The entries of a request schema.

    Yields
    ------
    tuple
        The column's name, and an entry of that one column.

    Examples
    --------
    >>> entry = {"name": "home", "kind": "place", "columns": ["lat", "lon"], "options": {}}
    >>> [(name, held["options"]["axis"]) for name, held in readers([entry])]
    [('lat', 0), ('lon', 1)]
    """
    seen: set[str] = set()
    for entry in sorted(request, key=lambda held: held["kind"] == formula.KIND):
        parts = encode.reads_of(entry) if entry["kind"] == formula.KIND else encode.parts_of(entry)
        for name, part in zip(entry["columns"], parts, strict=True):
            if name not in seen:
                seen.add(name)
                yield name, {**part, "columns": [name]}


def spread(prediction: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Tell how predictions are spread.

    Parameters
    ----------
    prediction
        ``[rows, outputs]``; NaN where there is none.
    names
        Of the outputs.

    Returns
    -------
    dict
        *levels* of the quantiles, and *quantiles* by output.

    Examples
    --------
    >>> told = spread(np.linspace(0, 1, 1001)[:, None], ["probability_yes"])
    >>> told["levels"][1], told["quantiles"]["probability_yes"][1]
    (0.05, 0.05)
    """
    held = prediction[np.isfinite(prediction).all(axis=1)]
    if len(held) < 2 * LEAST_ROWS:
        return {}
    values = np.quantile(held, QUANTILES, axis=0)
    told = {name: [_short(v) for v in values[:, i]] for i, name in enumerate(names)}
    return {"levels": list(QUANTILES), "quantiles": told, "n_rows": len(held), "of": "rows out of fold"}


# ------------------------------------------------------------------------------------------------ columns


def _column(entry: Mapping[str, Any], raw: pl.Series, *, whole: bool) -> dict[str, Any]:
    kind = entry["kind"]
    if kind == "image":
        return {"kind": kind, "missing": _short(raw.null_count() / max(len(raw), 1))}
    values = encode.wire(entry, [read_frame({raw.name: raw}, [raw.name]).columns[raw.name]])[0][:, 0]
    if kind in encode.NUMERIC:
        return {"kind": kind, **_TOLD[kind](values)}
    there = [value for value in values.tolist() if value]
    told = {"kind": kind, "missing": _short(1 - len(there) / max(len(values), 1))}
    if kind in {"id", "text"}:
        return told | _lengths(there)
    if kind == "list":
        return told | _levels([item for value in there for item in value.split(encode.SEPARATOR)], whole=whole)
    return told | {"typical": _most(there, len(values))} | _levels(there, whole=whole)


def _most(there: Sequence[str], n_rows: int) -> str | None:
    """Return the most frequent word, unless most rows have none or too few have that one."""
    if not there or len(there) < n_rows / 2:
        return None
    word, n = Counter(there).most_common(1)[0]
    return word if n >= LEAST_ROWS and len(word) <= LONGEST_LEVEL else None


def _levels(there: Sequence[str], *, whole: bool) -> dict[str, Any]:
    counted = sorted(Counter(there).items(), key=lambda pair: (-pair[1], pair[0]))
    named = [[word, n] for word, n in counted[:MOST_LEVELS] if n >= LEAST_ROWS and len(word) <= LONGEST_LEVEL]
    return {"levels": named, "complete": whole and len(named) == len(counted)}


def _lengths(there: Sequence[str]) -> dict[str, Any]:
    if len(there) < 2 * LEAST_ROWS:
        return {}
    lengths = np.sort(np.array([len(value) for value in there], np.float64))
    low, high = _ends(lengths)
    return {"lengths": [int(low), int(median(lengths)), int(high)]}


def _flags(values: Floats) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    n_true = int(known.sum())
    counted = [(True, n_true), (False, len(known) - n_true)]
    levels = [[flag, n] for flag, n in sorted(counted, key=lambda pair: -pair[1]) if n >= LEAST_ROWS]
    usual = levels[0][0] if levels and len(known) >= len(values) / 2 else None
    return {"missing": _missing(values), "typical": usual, "levels": levels, "complete": len(levels) == 2}  # noqa: PLR2004


def _numbers(values: Floats) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    told: dict[str, Any] = {"missing": _missing(values)}
    if len(known) < 2 * LEAST_ROWS:
        return told
    known, whole = np.sort(known), is_whole(known)
    low, high = _ends(known)
    usual = median(known) if len(known) >= len(values) / 2 else None
    shown = [None if v is None else (round(v) if whole else _short(v)) for v in (usual, low, high)]
    return told | dict(zip(("typical", "low", "high"), shown, strict=True)) | {"whole": whole}


def _moments(values: Floats) -> dict[str, Any]:
    told = _numbers(values)
    if "low" not in told:
        return told
    days = bool((values[np.isfinite(values)] % _DAY_S == 0).all())
    for key in ("typical", "low", "high"):
        told[key] = None if told[key] is None else _iso(float(told[key]), days=days)
    return {**told, "whole": days}


def _iso(seconds: float, *, days: bool) -> str:
    moment = _EPOCH + timedelta(seconds=round(seconds))
    return moment.date().isoformat() if days else moment.isoformat().replace("+00:00", "Z")


_TOLD = {"number": _numbers, "place": _numbers, "boolean": _flags, "datetime": _moments}


def _ends(known: Floats) -> tuple[float, float]:
    """Return, of numbers in order, the 1 % and 99 % quantiles, or further in where fewer than ten rows would lie beyond."""
    edge = min(0.5, max(0.01, LEAST_ROWS / len(known)))
    return quantile(known, edge), quantile(known, 1 - edge)


def _missing(values: Floats) -> float:
    return _short(1 - float(np.isfinite(values).mean())) if len(values) else 0.0


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")


# ------------------------------------------------------------------------------------------------ target


def _classes(target: Floats, classes: Sequence[str]) -> dict[str, Any]:
    if target.ndim != 1:
        return {}
    counted = Counter(int(code) for code in target[np.isfinite(target)])
    return {"classes": {name: counted[i] if counted[i] >= LEAST_ROWS else None for i, name in enumerate(classes)}}


def _numbers_told(target: Floats) -> dict[str, Any]:
    known = target[np.isfinite(target)] if target.ndim == 1 else target[:0, 0]
    if len(known) < 2 * LEAST_ROWS:
        return {}
    edge = LEAST_ROWS / len(known)
    levels = [level for level in QUANTILES if edge <= level <= 1 - edge]
    return {"levels": levels, "quantiles": [_short(v) for v in np.quantile(known, levels)]}
