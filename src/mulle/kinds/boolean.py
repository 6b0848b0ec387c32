"""Yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from mulle.core.figure import Figure, Table
from mulle.core.schema import Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.numeric import Filled, Plain, Scaled
from mulle.kinds.picture import bars, presence, table
from mulle.kinds.reading import joined, read_distinct, reading, text_of
from mulle.runtime.encode import FALSE, MISSING, TRUE


@kind
class Boolean(Kind):
    """True or false, in any of the usual words.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("boolean").read([pl.Series(["Yes ", "no", None])], {}).values[0].to_list()
    [True, False, None]
    """

    name: ClassVar[str] = "boolean"
    wire: ClassVar[Wire] = "number"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Boolean
    views: ClassVar[Mapping[str, type[View]]] = {"plain": Plain, "filled": Filled, "scaled": Scaled}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim booleans, 0 and 1, and two words of which one means yes and the other no."""
        if facts.dtype == pl.Boolean:
            return Guess(sure=1.0, why="true and false")
        if facts.dtype.is_numeric():
            levels = set(facts.values.unique().to_list()) if facts.n_unique == 2 else set()  # noqa: PLR2004
            return Guess(sure=0.9, why="only 0 and 1") if levels == {0, 1} else None
        if facts.dtype != pl.String or facts.n_unique > 20:  # noqa: PLR2004
            return None
        words = {v.strip().lower() for v in facts.values.unique().to_list()}
        words = words if words & TRUE and words & FALSE and words <= TRUE | FALSE else words - MISSING
        if words & TRUE and words & FALSE and words <= TRUE | FALSE:
            return Guess(sure=0.95, why=f"only the words {', '.join(repr(w) for w in sorted(words))}")
        return None

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to Boolean."""
        return joined([_read(text_of(c), options) for c in columns])

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return float64 ``[rows, 1]``: 1, 0 or NaN."""
        del options
        return pl.DataFrame([v.cast(pl.Float64).alias(str(i)) for i, v in enumerate(values)]).to_numpy()

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return how many are true and false."""
        column = values[0]
        n_true = int(column.sum())
        n_false = len(column) - column.null_count() - n_true
        return table(column.name, [*presence(column), ("true", n_true), ("false", n_false)])

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return bars of true and false."""
        return bars(name, values[0].cast(pl.String), target)


def _read(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    if column.dtype == pl.Boolean:
        return reading(column, column, None)
    return read_distinct(column, "boolean", options, pl.Boolean, keep=_there)


def _there(value: float) -> bool | None:
    return None if value != value else value == 1.0  # noqa: PLR0124  # NaN
