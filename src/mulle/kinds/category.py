"""Categories: one word of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from mulle.core.count import count
from mulle.core.figure import Figure, Table
from mulle.core.schema import Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.levels import Codes, Frequency, OneHot, TargetMeans
from mulle.kinds.picture import bars, levels_table
from mulle.kinds.reading import joined, read_distinct, text_of
from mulle.kinds.words import shared_words
from mulle.runtime.encode import MISSING


@kind
class Category(Kind):
    """One word of several; the words have no order.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("category").read([pl.Series([" a", "?", "a"])], {"missing": ["?"]}).values[0].to_list()
    ['a', None, 'a']
    """

    name: ClassVar[str] = "category"
    wire: ClassVar[Wire] = "string"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.String
    views: ClassVar[Mapping[str, type[View]]] = {
        "codes": Codes,
        "onehot": OneHot,
        "target": TargetMeans,
        "frequency": Frequency,
    }

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim words that repeat."""
        if isinstance(facts.dtype, pl.Categorical | pl.Enum):
            return Guess(sure=0.9, why=f"a categorical column of {count(facts.n_unique, 'level')}")
        if facts.dtype != pl.String or len(facts.values) == 0:
            return None
        seen = facts.n_rows - facts.n_missing
        why = f"{count(facts.n_unique, 'different word')} in {count(seen, 'value')}"
        share = facts.n_unique / max(seen, 1)
        options, more = _options(facts)
        return Guess(sure=0.6 if share < 0.5 else 0.3, why=why + more, options=options)  # noqa: PLR2004

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to String: stripped, in one Unicode form."""
        readings = [
            read_distinct(text_of(c), "category", options, pl.String, keep=lambda word: word or None) for c in columns
        ]
        return joined(readings)

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return words ``[rows, 1]``; '' is missing."""
        del options
        return shared_words(values[0])[:, None]

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return levels and the most frequent ones."""
        return levels_table(values[0].name, values[0])

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return bars of the most frequent levels."""
        return bars(name, values[0], target)


def _options(facts: Facts) -> tuple[dict[str, Any], str]:
    """Find the words that mean missing, and levels that differ in case only."""
    words = facts.values.unique().to_list()
    bare = sorted({w.strip() for w in words})
    missing = [w for w in bare if w and w.lower() in MISSING]
    options: dict[str, Any] = {"missing": missing} if missing else {}
    more = f"; {', '.join(repr(w) for w in missing)} taken as missing" if missing else ""
    if len({w.lower() for w in bare}) < len(bare):
        options["fold"] = True
        more += "; words that differ in case only are taken as one"
    return options, more
