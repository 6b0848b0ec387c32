"""What each column of a raw table is: every kind may claim it, the surest claim wins, and says why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mulle.core.errors import ProjectError, UnknownName
from mulle.core.schema import Feature
from mulle.kinds.base import Facts, Guess, kinds
from mulle.runtime.encode import MISSING

SAMPLE = 10_000
_LAT = re.compile(r"^(?P<head>.*?)[ _.-]?(?:latitude|lat)(?P<tail>[ _.-]?\d*)$", re.IGNORECASE)
_LON = re.compile(r"^(?P<head>.*?)[ _.-]?(?:longitude|long|lon|lng)(?P<tail>[ _.-]?\d*)$", re.IGNORECASE)


def facts(table: pl.DataFrame, column: str) -> Facts:
    """Find what is known of a raw column before its kind is.

    Parameters
    ----------
    table
        Raw.
    column
        Its name.

    Returns
    -------
    Facts
        Blank texts count as missing; ``values`` are up to 10,000, evenly spread, in order.

    Examples
    --------
    >>> found = facts(pl.DataFrame({"a": ["x", " ", None, "x"]}), "a")
    >>> found.n_missing, found.n_unique
    (2, 1)
    """
    held = table[column]
    there = held.drop_nulls() if held.null_count() else held
    if held.dtype == pl.String:
        there = there.filter(there.str.contains(r"\S"))
    elif held.dtype.is_float():
        finite = np.isfinite(there.to_numpy())
        there = there if finite.all() else there.filter(pl.Series(finite))
    step = max(1, -(-len(there) // SAMPLE))
    return Facts(
        name=column,
        dtype=held.dtype,
        n_rows=len(held),
        n_missing=len(held) - len(there),
        n_unique=_n_unique(there),
        values=there.gather_every(step),
    )


def _n_unique(there: pl.Series) -> int:
    if there.dtype.is_nested() or there.dtype == pl.Object:
        return len({repr(v) for v in there.head(SAMPLE).to_list()})
    return there.n_unique()


def guess(
    table: pl.DataFrame,
    *,
    ignore: Sequence[str] = (),
    overrides: Mapping[str, str] | None = None,
    places: Sequence[Sequence[str]] = (),
) -> list[Feature]:
    """Say what each column is.

    Parameters
    ----------
    table
        Raw.
    ignore
        Columns that are no features: the target.
    overrides
        Column to kind, where a person knows better.
    places
        Pairs of columns that are a place: latitude, longitude. Others are found by name and range.

    Returns
    -------
    list of Feature
        In the order of the columns; a place stands where its latitude does.

    Raises
    ------
    UnknownName
        When an override names a column or a kind that isn't there.

    Examples
    --------
    >>> table = pl.DataFrame({"age": ["31", "1,200", "?"], "lat": [1.0, 2, 3], "lon": [1.0, 2, 3]})
    >>> [(f.name, f.kind) for f in guess(table)]
    [('age', 'number'), ('place', 'place')]
    """
    overrides = overrides or {}
    _known(overrides, table.columns)
    _known([c for pair in places for c in pair], table.columns)
    pairs = {pair[0]: pair[1] for pair in _pairs(table, ignore, overrides, places)}
    taken = set(pairs.values())
    given = {tuple(pair) for pair in places}
    features: list[Feature] = []
    for column in table.columns:
        if column in ignore or column in taken:
            continue
        if column in pairs:
            names = [c for c in table.columns if c not in {column, pairs[column]}]
            features.append(_place(column, pairs[column], names, given=(column, pairs[column]) in given))
        elif column in overrides:
            features.append(_overridden(facts(table, column), overrides[column]))
        else:
            features.append(_claimed(facts(table, column)))
    return features


def _known(names: Mapping[str, str] | Sequence[str], columns: Sequence[str]) -> None:
    for name in names:
        if name not in columns:
            raise UnknownName.among(name, columns, noun="column", where="mulle.toml, [data]")


def _claimed(found: Facts) -> Feature:
    """Take the surest claim."""
    best, name = Guess(sure=0.0, why=_nothing(found)), "category"
    for kind in kinds:
        claim = kind.recognise(found)
        if claim is not None and claim.sure > best.sure:
            best, name = claim, kind.name
    return Feature(name=found.name, kind=name, columns=(found.name,), options=dict(best.options), why=best.why)


def _nothing(found: Facts) -> str:
    if len(found.values) == 0:
        return "no value is there"
    return f"nothing better fits values of type {found.dtype}"


def _overridden(found: Facts, name: str) -> Feature:
    """Read the column as the page says, with the options that the kind itself would choose, or that suit."""
    kind = kinds.get(name, where="mulle.toml, [data] kinds")
    if kind.name == "formula":
        what, fix = f"'{found.name}' can't be read as a formula", "write the formula under [features]"
        raise ProjectError(what, where="mulle.toml, [data] kinds", fix=fix)
    claim = kind.recognise(found)
    options = dict(claim.options) if claim is not None else _options(found, name)
    return Feature(name=found.name, kind=name, columns=(found.name,), options=options, why="the page says so")


def _options(found: Facts, name: str) -> dict[str, Any]:
    """Find options for a kind that would not have claimed the column."""
    if name in {"category", "id"}:
        if found.dtype.is_numeric():
            return {"numbers": True}
        return _missing_words(found)
    if name == "boolean" and found.n_unique == 2:  # noqa: PLR2004
        levels = sorted(str(v).strip() for v in found.values.cast(pl.String).unique().to_list())
        return {"false": [levels[0]], "true": [levels[1]]}
    return {}


def _missing_words(found: Facts) -> dict[str, Any]:
    if found.dtype != pl.String:
        return {}
    words = sorted({w.strip() for w in found.values.unique().to_list() if w.strip().lower() in MISSING})
    return {"missing": words} if words else {}


def _pairs(
    table: pl.DataFrame, ignore: Sequence[str], overrides: Mapping[str, str], places: Sequence[Sequence[str]]
) -> list[tuple[str, str]]:
    """Return pairs of latitude and longitude: those given, and those whose names and ranges fit."""
    given = [(pair[0], pair[1]) for pair in places]
    used = {c for pair in given for c in pair} | set(ignore) | set(overrides)
    lons = {_stem(m): c for c in table.columns if (m := _LON.match(c)) and c not in used and _within(table[c], 360.0)}
    found = []
    for column in table.columns:
        match = _LAT.match(column)
        if match and column not in used and _stem(match) in lons and _within(table[column], 90.0):
            found.append((column, lons[_stem(match)]))
    return given + found


def _stem(match: re.Match[str]) -> str:
    return (match["head"] + match["tail"]).lower()


def _within(column: pl.Series, reach: float) -> bool:
    numbers = column.cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) == 0 or not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    values = numbers.to_numpy()
    inside = np.abs(values[np.isfinite(values)]) <= reach
    return bool(len(inside)) and float(inside.mean()) > 0.95  # noqa: PLR2004


def _place(lat: str, lon: str, others: Sequence[str], *, given: bool) -> Feature:
    match = _LAT.match(lat)
    stem = (match["head"] + match["tail"]).strip(" _.-") if match else ""
    name = stem if stem and stem not in others else "place"
    if name in others:
        name = f"{lat} × {lon}"
    why = "the page says so" if given else f"'{lat}' and '{lon}' are named and range as latitude and longitude do"
    return Feature(name=name, kind="place", columns=(lat, lon), why=why)
