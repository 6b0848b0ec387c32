"""``profile.json``: what is usual in each column, as a bundle tells it without telling of anybody.

It holds typical values, ranges, and words that many rows share; it changes no answer. A form needs it, an explanation
compares with it, and a server counts by it what training never saw. A bundle without one still works: its golden rows
stand in, which are made up from the same columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

from mulle.core.errors import BundleError

PROFILE = "profile.json"
VERSION = 1
_FIX = "get the bundle again from where it was made"
_NO_COLUMN: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is usual.

    Parameters
    ----------
    columns
        By raw column: *kind*, *missing* (share, 0..1), and where the kind has them *typical*, *low*, *high*, *whole*,
        *levels* (pairs of a value and its number of rows, most frequent first), *complete*, *lengths*.
    target
        *classes* (number of rows by class) or *quantiles* of the development rows.
    prediction
        *quantiles* of the predictions on development rows, out of fold, by name of the output.
    n_rows
        On how many rows it was drawn up; 0 when there is no profile.
    origin
        Where it comes from, in words.
    """

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    prediction: Mapping[str, Any] = field(default_factory=dict)
    n_rows: int = 0
    origin: str = "nothing"

    @classmethod
    def read(cls, content: bytes, *, where: str) -> Profile:
        """Read the file.

        Parameters
        ----------
        content
            The bytes of ``profile.json``.
        where
            The bundle, for messages.

        Returns
        -------
        Profile
            Checked in its form; a value in it is only ever shown, or sent to the model as a caller would.

        Raises
        ------
        BundleError
            When it isn't a profile.

        Examples
        --------
        >>> held = b'{"version": 1, "n_rows": 50, "columns": {"age": {"kind": "number", "typical": 39}}}'
        >>> Profile.read(held, where="toy").typical(["age", "job"])
        {'age': 39, 'job': None}
        """
        try:
            held = json.loads(content)
            _check(held)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BundleError(f"{PROFILE} can't be read: {error}", where=where, fix=_FIX) from error
        return cls(
            columns=held["columns"],
            target=held.get("target", {}),
            prediction=held.get("prediction", {}),
            n_rows=held["n_rows"],
            origin="development rows",
        )

    @classmethod
    def of_golden(cls, rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> Profile:
        """Make do with made-up rows, where a bundle has no profile.

        Parameters
        ----------
        rows
            Golden rows.
        kinds
            The kind of each raw column.

        Returns
        -------
        Profile
            Typical values, ranges and words; nothing is said of how many rows share them.

        Examples
        --------
        >>> rows = [{"age": 30.0, "job": "smith"}, {"age": 40.0, "job": "smith"}, {"age": 50.0, "job": None}]
        >>> Profile.of_golden(rows, {"age": "number", "job": "category"}).typical(["age", "job"])
        {'age': 40.0, 'job': 'smith'}
        """
        columns = {name: _guessed(kind, [row.get(name) for row in rows]) for name, kind in kinds.items()}
        return cls(columns=columns, origin="golden rows")

    def column(self, name: str) -> Mapping[str, Any]:
        """Return what is told of a column; nothing when nothing is."""
        return self.columns.get(name, _NO_COLUMN)

    def typical(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return a row of typical values, None where none is told.

        Parameters
        ----------
        columns
            The raw columns that a row must have.

        Returns
        -------
        dict
            As a caller would send it.
        """
        return {name: self.column(name).get("typical") for name in columns}

    def known(self, name: str) -> frozenset[str] | None:
        """Return all words that training saw in a column; None where not all of them are told."""
        held = self.column(name)
        if held.get("kind") != "category" or not held.get("complete"):
            return None
        return frozenset(level for level, _ in held["levels"])


def _check(held: Any) -> None:
    if held["version"] != VERSION:
        raise ValueError(f"it has version {held['version']!r}; this Mulle reads version {VERSION}")
    if isinstance(held["n_rows"], bool) or not isinstance(held["n_rows"], int):
        raise TypeError("'n_rows' must be a whole number")
    for part in ("target", "prediction"):
        if not isinstance(held.get(part, {}), dict):
            raise TypeError(f"'{part}' must be an object")
    for name, column in held["columns"].items():
        _check_column(name, column)


def _check_column(name: str, column: Any) -> None:
    for key in ("typical", "low", "high"):
        if not isinstance(column.get(key), str | int | float | None):
            raise TypeError(f"'{key}' of column '{name}' must be a number or a text")
    if not isinstance(column["kind"], str):
        raise TypeError(f"'kind' of column '{name}' must be a text")
    for level, n_rows in column.get("levels", []):
        if not isinstance(level, str | bool) or not isinstance(n_rows, int):
            raise TypeError(f"a level of column '{name}' must be a word and a number of rows")


def _guessed(kind: str, values: Sequence[Any]) -> dict[str, Any]:
    held = [value for value in values if value is not None]
    told: dict[str, Any] = {"kind": kind}
    if kind in {"id", "text", "image", "list"} or not held:
        return told
    if kind in {"category", "boolean"}:
        levels = [level for level, _ in Counter(held).most_common() if isinstance(level, str | bool)]
        return {**told, "typical": levels[0] if levels else None, "levels": [[level, 0] for level in levels]}
    same = [value for value in held if type(value) is type(held[0]) and isinstance(value, str | int | float)]
    if not same:
        return told
    return {**told, "typical": median_low(same), "low": min(same), "high": max(same)}
