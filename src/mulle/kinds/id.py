"""Ids: names of things, which tell a model nothing that would hold for new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from mulle.core.figure import Figure, Table
from mulle.core.schema import Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.picture import bars, levels_table
from mulle.kinds.reading import joined, read_distinct, text_of
from mulle.kinds.words import shared_words

_UUID = r"^\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?$|^[0-9a-fA-F]{24,64}$"
_AMOUNT = r"^\s*[+-]?[$€£¥₩]?(?:[1-9]\d{0,2}(?:[,.' ]\d{3})+|\d*)(?:[.,]\d+)?\s*%?\s*$"
_FEW = 20


@kind
class Id(Kind):
    """A name of a thing, as a customer's number or a UUID. It offers no views: no model sees it.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> dict(kinds.get("id").views)
    {}
    """

    name: ClassVar[str] = "id"
    wire: ClassVar[Wire] = "string"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.String
    views: ClassVar[Mapping[str, type[View]]] = {}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim UUIDs, text without spaces that never repeats, and whole numbers that never repeat and look counted."""
        seen = facts.n_rows - facts.n_missing
        if seen < _FEW or len(facts.values) == 0:
            return None
        why = f"{facts.n_unique:,} of {seen:,} values are unique"
        share = facts.n_unique / seen
        named = _named(facts.name)
        if facts.dtype.is_integer():
            return _from_numbers(facts, share, why, named=named)
        return _from_texts(facts, share, why, named=named) if facts.dtype == pl.String else None

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to String."""
        return joined([read_distinct(text_of(c), "id", options, pl.String, keep=lambda w: w or None) for c in columns])

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return words ``[rows, 1]``."""
        del options
        return shared_words(values[0])[:, None]

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return how many ids there are and which repeat."""
        return levels_table(values[0].name, values[0], shown=3)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return bars of the most frequent ids."""
        return bars(name, values[0], target)


def _named(name: str) -> bool:
    low = name.lower().strip()
    return (
        low in {"id", "key", "uuid", "guid", "index", "unnamed: 0", "rownames", "row", ""}
        or low.endswith(("_id", " id", ".id", "-id", "_no", "_nr", "number", "uuid", "_key", "번호"))
        or name.endswith(("Id", "ID"))
    )


def _from_numbers(facts: Facts, share: float, why: str, *, named: bool) -> Guess | None:
    """Claim whole numbers under an id's name, and those that simply count the rows."""
    low, high = facts.values.min(), facts.values.max()
    if not isinstance(low, int) or not isinstance(high, int) or share < 0.999:  # noqa: PLR2004
        return None
    counts_rows = low in {0, 1} and facts.values.is_sorted() and high - low <= 1.2 * facts.n_rows
    if named:
        return Guess(sure=0.95, why=f"{why}, under an id's name")
    if counts_rows:
        return Guess(sure=0.9, why=f"{why}, and they count the rows")
    return None


def _from_texts(facts: Facts, share: float, why: str, *, named: bool) -> Guess | None:
    """Claim UUIDs, and text that hardly ever repeats and isn't an amount."""
    if facts.values.str.contains(_UUID).all():
        return Guess(sure=0.97, why=f"UUIDs or long hexadecimal numbers; {why}")
    if not named and facts.values.str.contains(_AMOUNT).mean() == 1.0:
        return None
    spaces = facts.values.str.contains(r"\s").mean()
    digits = facts.values.str.contains(r"\d").mean()
    wordy = isinstance(spaces, float) and spaces > 0.1  # noqa: PLR2004
    if share <= 0.98:  # noqa: PLR2004
        return None
    if not wordy and (named or (isinstance(digits, float) and digits > 0.9)):  # noqa: PLR2004
        return Guess(sure=0.9, why=why)
    many = facts.n_missing == 0 and facts.n_rows >= 100  # noqa: PLR2004
    return Guess(sure=0.55, why=f"{why}: names") if many else None
