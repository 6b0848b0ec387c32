"""Where shadow and champion differ: on the slices that the page declares, over the inputs that the log holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mulle.core.check import Check, Interval, Status
from mulle.core.errors import DataError, MulleError
from mulle.core.project import SlicePart
from mulle.core.schema import Feature
from mulle.kinds.expression import evaluate_sql
from mulle.kinds.preparation import canonical
from mulle.operate.release.share import as_many, wilson

FEW = 30
"""Rows below which a slice of the disagreement isn't told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The page's slices, and how the logged inputs are read.

    Parameters
    ----------
    parts
        ``[[slices]]`` of the page.
    request
        Of the champion's manifest: which columns are read as what.
    """

    parts: Sequence[SlicePart] = ()
    request: Sequence[Mapping[str, Any]] = ()

    def rows_of(self, part: SlicePart, inputs: Sequence[Mapping[str, Any]]) -> list[bool]:
        """Return which rows are in a slice.

        Parameters
        ----------
        part
            The slice.
        inputs
            Each row as the log keeps it.

        Raises
        ------
        DataError
            When it asks for a column that the log doesn't hold, or holds as a hash.
        """
        where = f"mulle.toml, [[slices]] {part.name}"
        table = canonical([one for one in self._features(inputs) if _asked(one, part.where)], _raw(inputs))[0]
        if not table.width:
            names = sorted({name for row in inputs for name in row})
            what, fix = "none of its columns is in the log", f"the log holds: {', '.join(names[:20])}"
            raise DataError(what, where=where, fix=fix)
        found = evaluate_sql(table, part.where, where=where)
        if len(found) != len(inputs) or not (found.dtype == pl.Boolean or found.dtype.is_numeric()):
            what, fix = f"{part.where!r} gives no answer of its own for each row", "compare row by row: age < 30"
            raise DataError(what, where=where, fix=fix)
        return found.fill_null(value=False).cast(pl.Boolean).to_list()

    def _features(self, inputs: Sequence[Mapping[str, Any]]) -> list[Feature]:
        """Return what can be read: a column that was left out of the log, or is kept as a hash, can't."""
        there = {name for row in inputs for name in row}
        there -= {name for row in inputs for name, value in row.items() if isinstance(value, dict)}
        features = [
            Feature(
                name=one["name"],
                kind=one["kind"],
                columns=one["columns"],
                options=one["options"],
                origin="derived" if one["kind"] == "formula" else "request",
            )
            for one in self.request
        ]
        return [one for one in features if there.issuperset(one.columns)]


def _asked(feature: Feature, expression: str) -> bool:
    """Say whether an expression may ask for a feature: to read the others would only take time."""
    return any(name in expression for name in feature.stored)


def _raw(inputs: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in inputs for name in row)
    return pl.DataFrame([_column(name, [row.get(name) for row in inputs]) for name in names])


def _column(name: str, values: list[Any]) -> pl.Series:
    try:
        return pl.Series(name, values)
    except (TypeError, pl.exceptions.PolarsError):  # clients send numbers, and texts for them
        return pl.Series(name, values, dtype=pl.Object)


def by_slice(
    slices: Slices, inputs: Sequence[Mapping[str, Any]], same: Sequence[bool], units: Sequence[str]
) -> tuple[list[Check], list[str]]:
    """Tell in how many rows of each declared slice shadow and champion decide alike.

    Parameters
    ----------
    slices
        Of the page.
    inputs
        ``[rows]``, as the log keeps them.
    same
        ``[rows]``, whether they decide alike.
    units
        ``[rows]``, whose each row is.

    Returns
    -------
    list of Check
        ``release.agreement.NAME``, the slice that differs most first. They gate nothing: a candidate may well be there to
        decide otherwise on one slice.
    list of str
        Slices that can't be told, and why.
    """
    found: list[Check] = []
    unknown: list[str] = []
    for part in slices.parts if inputs else ():
        try:
            rows = slices.rows_of(part, inputs)
        except MulleError as error:  # a kind of the user's own may not be there either
            unknown.append(f"On the slice '{part.name}' nothing can be told: {error.what}.")
            continue
        found.append(_told(part, [ok for ok, mine in zip(same, rows, strict=True) if mine], [
            unit for unit, mine in zip(units, rows, strict=True) if mine
        ]))  # fmt: skip
    return sorted(found, key=lambda check: 1.0 if check.value is None else check.value), unknown


def _told(part: SlicePart, same: Sequence[bool], units: Sequence[str]) -> Check:
    name, n = f"release.agreement.{part.name}", len(same)
    if n < FEW:
        says = f"on the slice '{part.name}' there are {n:,} rows: too few to tell"
        return Check(name=name, status=Status.NOTE, says=says, n_rows=n)
    share = sum(same) / n
    low, high = wilson(share, as_many(units, same))
    return Check(
        name=name,
        status=Status.NOTE,
        says=f"on the slice '{part.name}' they decide alike in {share:.1%} of {n:,} rows ({low:.1%} to {high:.1%})",
        value=share,
        interval=Interval(low=low, high=high),
        n_rows=n,
    )
