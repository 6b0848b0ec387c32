"""Free text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from mulle.core.figure import Figure, Table
from mulle.core.jsonable import Json
from mulle.core.schema import Feature, Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.picture import histogram, presence, table
from mulle.kinds.reading import joined, read_distinct, text_of
from mulle.kinds.vectors import Topics, Varying

WIDTH = 2048
_WORDS = 4.0


@kind
class Text(Kind):
    """Sentences, in any language. Seen as hashed word and character n-grams; see `mulle.runtime.tokenise`.

    Options: ``width``, ``word_ngrams``, ``char_ngrams``.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("text").step(Feature(name="note", kind="text", columns=["note"]))["width"]
    2048
    """

    name: ClassVar[str] = "text"
    wire: ClassVar[Wire] = "string"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.String
    views: ClassVar[Mapping[str, type[View]]] = {"hashed": Varying, "topics": Topics}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim texts that differ from row to row and have more than four words on average."""
        if facts.dtype != pl.String or len(facts.values) == 0:
            return None
        words = facts.values.str.count_matches(r"\S+").mean()
        seen = facts.n_rows - facts.n_missing
        share = facts.n_unique / max(seen, 1)
        if not isinstance(words, float) or words <= _WORDS or share < 0.2 or facts.n_unique < 20:  # noqa: PLR2004
            return None
        return Guess(sure=0.85, why=f"{words:.0f} words on average, {share:.0%} of the values differ")

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to String: stripped, in one Unicode form."""
        return joined(
            [read_distinct(text_of(c), "text", options, pl.String, keep=lambda t: t or None) for c in columns]
        )

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return texts ``[rows, 1]``; '' is missing."""
        del options
        return np.asarray(values[0].fill_null("").to_numpy(), dtype=object)[:, None]

    def step(self, feature: Feature) -> Mapping[str, Json] | None:
        """Return the tokenise step."""
        options = feature.options
        return {
            "op": "tokenise",
            "version": 1,
            "feature": feature.name,
            "analyzer": "text",
            "width": options.get("width", WIDTH),
            "word_ngrams": options.get("word_ngrams", [1, 2]),
            "char_ngrams": options.get("char_ngrams", [3, 5]),
            "max_chars": options.get("max_chars", 20_000),
        }

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return lengths in words and how many texts repeat."""
        column = values[0]
        there = column.drop_nulls()
        rows = presence(column)
        if len(there):
            words = there.str.count_matches(r"\S+").sort()
            rows += [("words, median", int(words[len(words) // 2])), ("words, most", int(words[-1]))]
            rows += [("different texts", there.n_unique())]
        return table(column.name, rows)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a histogram of the number of words."""
        return histogram(f"words in {name}", values[0].str.count_matches(r"\S+"), target)
