"""How encoded features are packed into a graph's inputs: one matrix of numbers, one of strings, one tensor a step.

Packed inputs cost one array each, whatever the number of columns. The same layout serves training and serving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.runtime.formula import KIND as FORMULA

NUMBERS = "numbers"
STRINGS = "strings"


def width_of(entry: Mapping[str, Any]) -> int:
    """Return how many wire values an entry has a row: one a raw column, but one in all for a formula.

    Examples
    --------
    >>> [width_of({"kind": kind, "columns": ["a", "b"]}) for kind in ("formula", "place")]
    [1, 2]
    """
    return 1 if entry.get("kind") == FORMULA else len(entry["columns"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which wire values stand where.

    Parameters
    ----------
    numbers
        Feature and position within the feature, for each column of the input ``numbers`` (float64 ``[rows, n]``).
    strings
        Feature for each column of the input ``strings`` (str ``[rows, n]``).
    tensors
        Feature and width of each input ``tensor_<i>`` (float32 ``[rows, width]``), made by a step before the graph.

    Examples
    --------
    >>> entries = [
    ...     {"name": "age", "wire": "number", "columns": ["age"]},
    ...     {"name": "job", "wire": "string", "columns": ["job"]},
    ... ]
    >>> layout = Layout.of(entries)
    >>> layout.numbers, layout.strings
    ((('age', 0),), ('job',))
    """

    numbers: tuple[tuple[str, int], ...] = ()
    strings: tuple[str, ...] = ()
    tensors: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, request: Sequence[Mapping[str, Any]]) -> Layout:
        """Lay out the entries of a bundle's request schema: ``name``, ``wire``, ``columns`` and perhaps ``step``."""
        tensors = [(e["name"], int(e["step"]["width"])) for e in request if e.get("step")]
        plain = [e for e in request if not e.get("step")]
        numbers = [(e["name"], i) for e in plain if e["wire"] == "number" for i in range(width_of(e))]
        strings = [e["name"] for e in plain if e["wire"] == "string"]
        return cls(numbers=tuple(numbers), strings=tuple(strings), tensors=tuple(tensors))

    def pack(self, wires: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the graph's feeds from wire values by feature (tensors already made by their steps)."""
        feeds: dict[str, NDArray[Any]] = {}
        if self.numbers:
            feeds[NUMBERS] = np.column_stack([wires[name][:, i] for name, i in self.numbers])
        if self.strings:
            feeds[STRINGS] = np.column_stack([wires[name][:, 0] for name in self.strings])
        for i, (name, _) in enumerate(self.tensors):
            feeds[f"tensor_{i}"] = wires[name]
        return feeds
