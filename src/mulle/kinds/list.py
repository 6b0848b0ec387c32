"""Lists of words: tags, genres, skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from mulle.core.figure import Figure, Table
from mulle.core.jsonable import Json
from mulle.core.schema import Feature, Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.picture import histogram, levels_table
from mulle.kinds.reading import joined, read_distinct, text_of
from mulle.kinds.vectors import Topics, Varying
from mulle.runtime.encode import SEPARATOR

WIDTH = 512


class OneHotItems(Varying):
    """A 0/1 column for each hashed item that occurs."""

    name: ClassVar[str] = "onehot"


@kind
class WordList(Kind):
    """Several words in one cell: a list, JSON, or text with a separator. Their order doesn't matter.

    Options: ``separator``, ``missing``, ``fold``, ``width``.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("list").read([pl.Series(['["a", "b"]', "a|c", None])], {}).values[0].to_list()
    [['a', 'b'], ['a', 'c'], None]
    """

    name: ClassVar[str] = "list"
    wire: ClassVar[Wire] = "string"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.List(pl.String)
    views: ClassVar[Mapping[str, type[View]]] = {"onehot": OneHotItems, "topics": Topics}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim lists, JSON lists, and words between separators that come again in other rows."""
        if isinstance(facts.dtype, pl.List | pl.Array):
            inner = getattr(facts.dtype, "inner", None)
            nested = inner is not None and inner.is_nested()
            return None if nested else Guess(sure=1.0, why="lists")
        if facts.dtype != pl.String or len(facts.values) == 0:
            return None
        values = facts.values.head(2000)
        if values.str.contains(r"^\s*\[.*\]\s*$").all():
            return Guess(sure=0.95, why="each value is a list in brackets")
        claims = [g for g in (_separated(facts, values, mark) for mark in "|;,") if g is not None]
        return max(claims, key=lambda g: g.sure, default=None)

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to lists of String; null where there is no item."""
        return joined([_read(text_of(c), options) for c in columns])

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return the items joined by the unit separator, ``[rows, 1]``."""
        del options
        joined_ = values[0].list.join(SEPARATOR).fill_null("")
        return np.asarray(joined_.to_numpy(), dtype=object)[:, None]

    def step(self, feature: Feature) -> Mapping[str, Json] | None:
        """Return the tokenise step."""
        width = feature.options.get("width", WIDTH)
        return {"op": "tokenise", "version": 1, "feature": feature.name, "analyzer": "list", "width": width}

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return the most frequent items."""
        return levels_table(values[0].name, values[0].explode(), rows=values[0])

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a histogram of the number of items."""
        return histogram(f"items in {name}", values[0].list.len(), target)


def _read(column: pl.Series, options: Mapping[str, Any]) -> Reading:
    held = read_distinct(column, "list", options, pl.String, keep=lambda text: text or None)
    lists = tuple(v.str.split(SEPARATOR) for v in held.values)
    return Reading(values=lists, faults=held.faults, samples=held.samples)


def _separated(facts: Facts, values: pl.Series, mark: str) -> Guess | None:
    """Claim when the mark is common and the items between it are few, short, and come again."""
    has = values.str.contains(mark, literal=True)
    share = has.mean()
    if not isinstance(share, float) or share < 0.3:  # noqa: PLR2004
        return None
    items = values.str.split(mark).explode().str.strip_chars()
    items = items.filter(items != "")
    n, different = len(items), items.n_unique()
    words = items.str.count_matches(r"\S+").mean()
    numbers = items.str.contains(r"^[\d.\s%$€+-]+$").mean()
    if not isinstance(words, float) or words > 2.5 or different > 0.5 * n or different >= facts.n_unique:  # noqa: PLR2004
        return None  # as many items as whole values: 'Austin, TX' is one word
    if not isinstance(numbers, float) or numbers > 0.5:  # noqa: PLR2004
        return None
    why = f"'{mark}' stands in {share:.0%} of the values of '{facts.name}', between {different:,} words that come again"
    return Guess(sure=0.8, why=why, options={"separator": mark})
