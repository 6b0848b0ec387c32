"""From raw values to a graph's inputs: whole columns at once, or one row as fast as Python can.

Both ways read each value by the same function of `mulle.runtime.encode`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.runtime import encode
from mulle.runtime.frame import Frame, missing_columns
from mulle.runtime.layout import NUMBERS, STRINGS, Layout, width_of

Entry = Mapping[str, Any]
Feeds = dict[str, NDArray[Any]]
_BLOCK_ROWS = 20_000
_BLOCK_VALUES = 8_000_000
"""Values of one block of rows in the graph's inputs: 64 MB as float64."""


@dataclass(slots=True)
class Wires:
    """Encoded columns: wire values by feature, and why rows can't be scored, by position."""

    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


class Encoder:
    """Reads raw values as a bundle's request schema says and packs them for its graphs.

    Parameters
    ----------
    request
        Entries of the schema, those with a step before the graph included.
    """

    def __init__(self, request: Sequence[Entry]) -> None:
        self.layout = Layout.of(request)
        self.columns = tuple(dict.fromkeys(name for entry in request for name in entry["columns"]))
        self._request = tuple(request)
        plain = [entry for entry in request if not entry.get("step")]
        # a reader and its column where there is one, or a reader and all of its columns
        numbers = [e for e in plain if e["wire"] == "number"]
        self._all_numbers = tuple((encode.one(e), tuple(e["columns"]), width_of(e)) for e in numbers)
        self._numbers = tuple((read, names[0]) for read, names, _ in self._all_numbers if len(names) == 1)
        self._numbers_only = len(self._numbers) == len(numbers)
        self._strings = tuple(_one_column(e) for e in plain if e["wire"] == "string")
        self._steps = tuple((encode.one(e), e) for e in request if e.get("step"))

    # ---------------------------------------------------------------- one row

    def one(self, row: Mapping[str, Any]) -> Feeds:
        """Read one row.

        Parameters
        ----------
        row
            Raw values by column.

        Returns
        -------
        dict
            The graph's inputs, one row each.

        Raises
        ------
        DataError
            When a column is missing, or a value can't be read.
        """
        try:
            return self._feeds(row)
        except KeyError:
            raise missing_columns([n for n in self.columns if n not in row], list(row)) from None
        except TypeError as error:
            if isinstance(row, Mapping):
                raise
            what = f"a {type(row).__name__} is no row"
            raise DataError(what, fix="give a dict of values by column name") from error

    def _feeds(self, row: Mapping[str, Any]) -> Feeds:
        feeds: Feeds = {}
        if self._all_numbers:
            feeds[NUMBERS] = np.array([self._row_numbers(row)])
        if self._strings:
            feeds[STRINGS] = np.array([[read((row[name],)) for read, name in self._strings]], dtype=object)
        for i, (read, entry) in enumerate(self._steps):
            feeds[f"tensor_{i}"] = _step_one(entry, read([row[name] for name in entry["columns"]]))
        return feeds

    def _row_numbers(self, row: Mapping[str, Any]) -> list[float]:
        if self._numbers_only:
            return [read((row[name],)) for read, name in self._numbers]
        values: list[float] = []
        for read, names, width in self._all_numbers:
            held = read([row[name] for name in names])
            values.extend(held if width > 1 else (held,))
        return values

    # ---------------------------------------------------------------- many rows

    def many(self, frame: Frame) -> Wires:
        """Read whole columns.

        Parameters
        ----------
        frame
            With all columns of the schema.

        Returns
        -------
        Wires
            Wire values by feature, ``[rows, columns]``; steps before the graph have not run yet.
        """
        wires = Wires()
        for entry in self._request:
            columns = [frame.columns[name] for name in entry["columns"]]
            values, bad = encode.wire(entry, columns)
            wires.values[entry["name"]] = values
            for i in np.flatnonzero(bad).tolist():
                wires.reasons.setdefault(i, _reason(entry, [column[i] for column in columns]))
        return wires

    def blocks(self, wires: Wires, n_rows: int) -> Iterator[tuple[slice, Feeds]]:
        """Pack wire values for the graph, block by block, so that wide tensors never stand in memory at once.

        Parameters
        ----------
        wires
            As `many` gave them. Rows whose step fails get a reason in it.
        n_rows
            The number of rows.

        Yields
        ------
        tuple
            Which rows, and the graph's inputs for them.
        """
        width = sum(w for _, w in self.layout.tensors) + len(self.layout.numbers) + len(self.layout.strings)
        size = max(1, min(_BLOCK_ROWS, _BLOCK_VALUES // max(width, 1)))
        for start in range(0, n_rows, size):
            rows = slice(start, min(start + size, n_rows))
            block = {name: values[rows] for name, values in wires.values.items()}
            for _, entry in self._steps:
                block[entry["name"]], bad = _step_many(entry, block[entry["name"]][:, 0])
                for i in np.flatnonzero(bad).tolist():
                    wires.reasons.setdefault(start + i, _no_picture(entry))
            yield rows, self.layout.pack(block)

    def probe(self) -> Feeds:
        """Return one row in which nothing is known, to try a graph with."""
        feeds: Feeds = {}
        if self.layout.numbers:
            feeds[NUMBERS] = np.full((1, len(self.layout.numbers)), np.nan)
        if self.layout.strings:
            feeds[STRINGS] = np.full((1, len(self.layout.strings)), "", dtype=object)
        for i, (_, width) in enumerate(self.layout.tensors):
            feeds[f"tensor_{i}"] = np.zeros((1, width), np.float32)
        return feeds

    def input_types(self) -> dict[str, str]:
        """Return the types of the graph's inputs by name, in onnxruntime's words."""
        words = {"O": "tensor(string)", "f8": "tensor(double)", "f4": "tensor(float)"}
        return {name: words[array.dtype.str.lstrip("<>|=")] for name, array in self.probe().items()}


def _one_column(entry: Entry) -> tuple[Callable[[Sequence[Any]], Any], str]:
    return encode.one(entry), entry["columns"][0]


def _step_one(entry: Entry, value: Any) -> NDArray[np.float32]:
    values = np.empty(1, dtype=object)
    values[0] = value
    tensor, bad = _step_many(entry, values)
    if bad[0]:
        raise DataError(_NO_PICTURE, where=f"column '{entry['columns'][0]}'", fix=_FIX_PICTURE)
    return tensor


def _step_many(entry: Entry, values: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    step = entry["step"]
    if step["op"] == "tokenise":
        from mulle.runtime import tokenise  # only bundles that read text need it  # noqa: PLC0415

        return tokenise.run(step, values), np.zeros(len(values), bool)
    from mulle.runtime import decode  # only bundles that read images need it, and Pillow  # noqa: PLC0415

    return decode.run(step, values)


_NO_PICTURE = "this is no picture that can be read"
_FIX_PICTURE = "send the bytes of a PNG or JPEG file, or base64 of them; paths are not followed"


def _no_picture(entry: Entry) -> str:
    return f"column '{entry['columns'][0]}': {_NO_PICTURE}"


def _reason(entry: Entry, values: Sequence[Any]) -> str:
    """Say why a row can't be read, by reading it once more alone."""
    try:
        encode.one(entry)(values)
    except DataError as error:
        return f"{error.where}: {error.what}"
    return f"column '{entry['columns'][0]}': the value can't be read"
