"""A kind of one's own, in one file: a number that is known by its name."""

from __future__ import annotations

from typing import ClassVar

import mulle
from mulle.kinds.base import Facts, Guess
from mulle.kinds.number import Number


@mulle.kind
class Score(Number):
    """A number that is named as a score."""

    name: ClassVar[str] = "score"
    like: ClassVar[str] = "number"
    reads_as: ClassVar[str] = "number"

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim a column by its name."""
        return Guess(sure=0.99, why="it is named as a score") if facts.name.endswith("_score") else None
