"""What would change a decision: for each column alone, the nearest value within its usual range that flips it.

Numbers and moments are tried on a grid over the range that most rows lie in, then between the last value that doesn't
flip and the first that does; words are tried one by one. It says what the model would answer, not what would happen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mulle.runtime.answer import Decision

N_GRID = 24
N_FINE = 12
MOST = 6
MOST_COLUMNS = 60
_WORD = 0.5
"""How far another word is, in units of a number's usual range: no word is nearer to another."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]
Told = tuple[Decision, float]
Found = tuple[str, Any, Decision, float]
Decide = Callable[[Sequence[Row]], Sequence[Told]]


def nearest(row: Row, columns: Mapping[str, Mapping[str, Any]], decided: Decision, decide: Decide) -> list[Found]:
    """Find the nearest changes of one column that flip a decision.

    Parameters
    ----------
    row
        Raw values by column.
    columns
        What the profile tells of each column that may change; see `mulle.runtime.profile.Profile`.
    decided
        What is decided for the row.
    decide
        Answers rows: a decision and a score each.

    Returns
    -------
    list of tuple
        Column, value, decision and score, the nearest first; one a column.

    Examples
    --------
    >>> def decide(rows):
    ...     return [("old" if row["age"] >= 40 else "young", row["age"] / 100) for row in rows]
    >>> nearest({"age": 30}, {"age": {"kind": "number", "low": 18, "high": 70, "whole": True}}, "young", decide)
    [('age', 40, 'old', 0.4)]
    """
    axes = [Axis(name, row[name], told) for name, told in list(columns.items())[:MOST_COLUMNS] if name in row]
    asked = [(axis, value) for axis in axes for value in axis.values()]
    _hear(asked, row, decide)
    fine = [(axis, value) for axis in axes for value in axis.between(decided)]
    _hear(fine, row, decide)
    held = [(axis.far(value), axis.name, value, told) for axis in axes for value, told in axis.best(decided)]
    held.sort(key=lambda found: (found[0], found[1]))
    return [(name, value, *told) for _, name, value, told in held[:MOST]]


def _hear(asked: Sequence[tuple[Axis, Any]], row: Row, decide: Decide) -> None:
    rows = [{**row, axis.name: value} for axis, value in asked]
    for (axis, value), told in zip(asked, decide(rows) if rows else (), strict=True):
        axis.heard.append((value, told))


class Axis:
    """The values that one column may take, and what was answered for them."""

    def __init__(self, name: str, value: Any, told: Mapping[str, Any]) -> None:
        self.name, self.value, self._told = name, value, told
        self.heard: list[tuple[Any, Told]] = []
        self._moments = told.get("kind") == "datetime"
        self._low, self._high = self._number(told.get("low")), self._number(told.get("high"))
        self._at = self._number(value)

    def values(self) -> Iterator[Any]:
        """Yield the values to try first."""
        for level, _ in self._told.get("levels", ()):
            if level != self.value and self._told["kind"] != "list":
                yield level
        if self._low is not None and self._high is not None and self._high > self._low:
            yield from self._grid(self._low, self._high, N_GRID)

    def between(self, decided: Decision) -> Iterator[Any]:
        """Yield values between the nearest that flips the decision and the one before it."""
        if self._at is None or self._low is None:
            return
        for side in (-1, 1):
            held = sorted((side * (self._of(v) - self._at), t[0] != decided) for v, t in self.heard)
            ahead = [(far, flips) for far, flips in held if far > 0]
            first = next((i for i, (_, flips) in enumerate(ahead) if flips), None)
            if first is not None:
                start = ahead[first - 1][0] if first else 0.0
                yield from self._grid(self._at + side * start, self._at + side * ahead[first][0], N_FINE)

    def best(self, decided: Decision) -> list[tuple[Any, Told]]:
        """Return the nearest value that flips the decision; of words the one that most rows have."""
        flips = [(value, told) for value, told in self.heard if told[0] != decided]
        return sorted(flips, key=lambda held: self.far(held[0]))[:1]

    def far(self, value: Any) -> float:
        """Return how far a value is, in units of the usual range."""
        if self._low is None or self._high is None or self._at is None:
            return _WORD
        return abs(self._of(value) - self._at) / (self._high - self._low)

    def _grid(self, start: float, stop: float, n: int) -> Iterator[Any]:
        assert self._low is not None and self._high is not None  # noqa: S101, PT018  # there is a range
        whole = self._told.get("whole")
        unit = (86_400.0 if whole else 1.0) if self._moments else 1.0
        digits = 0 if whole or self._moments else _digits(self._high - self._low)
        drawn = [start + (stop - start) * i / n for i in range(n + 1)]
        known = {self._at} | {self._of(value) for value, _ in self.heard}
        for value in dict.fromkeys(round(v / unit, digits) * unit for v in drawn):
            if value not in known:
                yield self._said(value)

    def _of(self, value: Any) -> float:
        number = self._number(value)
        return math.inf if number is None else number

    def _number(self, value: Any) -> float | None:
        if self._moments and isinstance(value, str):
            return _seconds(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            return float(value)
        except OverflowError:  # a word that is written as a whole number of hundreds of digits
            return None

    def _said(self, value: float) -> Any:
        if not self._moments:
            return int(value) if self._told.get("whole") else value
        moment = _EPOCH + timedelta(seconds=value)
        return moment.date().isoformat() if self._told.get("whole") else moment.isoformat().replace("+00:00", "Z")


def _digits(span: float) -> int:
    """Return decimals that show a thousandth of a range."""
    return max(0, 3 - math.floor(math.log10(span)))


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH).total_seconds()
