"""Images, small enough to look at pixel by pixel."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import Json
from mulle.core.schema import Feature, Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.picture import classes_of, empty, presence, table
from mulle.kinds.reading import reading
from mulle.kinds.vectors import Standardised, Varying
from mulle.runtime import decode
from mulle.runtime.encode import Unreadable

MAX_SIDE = 32
"""Larger images are brought to this size: beyond it pixels alone teach a table's model nothing more."""
_LOOKED_AT = 50
_DRAWN = 24
_ENDINGS = r"(?i)\.(?:png|jpe?g|webp|bmp|gif)$"


class Pixels(Varying):
    """The pixels that vary."""

    name: ClassVar[str] = "pixels"


@kind
class Image(Kind):
    """A picture: its bytes, or a path to it when training. Pixels within 0…1; see `mulle.runtime.decode`.

    Options: ``size`` (height and width), ``channels`` (1 or 3), and ``root``, the folder of relative paths, which
    doesn't travel with the bundle.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> kinds.get("image").read([pl.Series([b"no image"])], {}).faults
    (0,)
    """

    name: ClassVar[str] = "image"
    wire: ClassVar[Wire] = "bytes"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Binary
    views: ClassVar[Mapping[str, type[View]]] = {"pixels": Pixels, "scaled": Standardised}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim bytes that can be decoded, and paths that end as images do."""
        if len(facts.values) == 0:
            return None
        if facts.dtype == pl.Binary:
            sizes = _sizes(facts.values.head(_LOOKED_AT).to_list())
            return None if not sizes else Guess(sure=1.0, why="images", options=_options(sizes))
        if facts.dtype == pl.String and facts.values.str.contains(_ENDINGS).all():
            return Guess(sure=0.98, why="paths of images", options={"size": [MAX_SIDE, MAX_SIDE], "channels": 3})
        return None

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read to Binary: the files' own bytes. A file that can't be decoded is a fault."""
        column = columns[0]
        root = Path(options["root"]) if options.get("root") else None
        held: list[bytes | None] = []
        faults: list[int] = []
        for i, value in enumerate(column.to_list()):
            held.append(_bytes(value, root))
            if held[-1] is None and value is not None:
                faults.append(i)
        values = pl.Series(column.name, held, dtype=pl.Binary)
        return reading(_named(column), values, pl.Series(faults, dtype=pl.UInt32))

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return bytes ``[rows, 1]``; b"" is missing."""
        del options
        out = np.empty((len(values[0]), 1), dtype=object)
        out[:, 0] = [v or b"" for v in values[0].to_list()]
        return out

    def step(self, feature: Feature) -> Mapping[str, Json] | None:
        """Return the decode step."""
        options: Mapping[str, Any] = feature.options
        height, width = map(int, options.get("size", [MAX_SIDE, MAX_SIDE]))
        channels = int(options.get("channels", 3))
        return {
            "op": "decode",
            "version": 1,
            "feature": feature.name,
            "size": [height, width],
            "channels": channels,
            "width": height * width * channels,
        }

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return how large the files are."""
        column = values[0]
        rows = presence(column)
        there = column.drop_nulls().bin.size().sort()
        if len(there):
            rows += [("bytes, median", int(there[len(there) // 2])), ("bytes, most", int(there[-1]))]
            rows += [("different images", column.drop_nulls().n_unique())]
        return table(column.name, rows)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return some images, with their class."""
        column = values[0]
        at = column.is_not_null().arg_true().head(_DRAWN).to_list()
        if not at:
            return empty(name)
        uris = [_uri(column[i]) for i in at]
        classes = None if target is None else classes_of(target)
        words = target if classes is None else classes
        labels = ["" if words is None else str(words[i]) for i in at]
        return Figure(
            name=f"distribution of {name}",
            title=f"What '{name}' looks like",
            says=f"The first {len(at)} of {len(column) - column.null_count():,} images.",
            x=Axis(label="", scale="category"),
            y=Axis(label=""),
            marks=[Mark(kind="images", name=name, x=labels, text=uris)],
        )


def _named(column: pl.Series) -> pl.Series:
    """Return what to show of faulty values: paths as they are, bytes by their number."""
    if column.dtype == pl.String:
        return column
    return pl.Series(column.name, [None if v is None else f"{len(v)} bytes" for v in column.to_list()], dtype=pl.String)


def _bytes(value: Any, root: Path | None) -> bytes | None:
    """Return an image's bytes once they were seen to decode."""
    if value is None:
        return None
    try:
        data = decode.content(value, root or (Path() if isinstance(value, str) else None))
        decode.pixels(data, (1, 1), 1)
    except Unreadable:
        return None
    return data


def _sizes(values: Sequence[bytes]) -> list[tuple[int, int, int]]:
    sizes = []
    for value in values:
        try:
            sizes.append(decode.measure(value))
        except Unreadable:
            continue
    return sizes if 2 * len(sizes) >= len(values) else []


def _options(sizes: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    """Keep the usual size when it is small, else the usual shape within 32 pixels; grey when all are grey."""
    height, width = float(np.median([s[0] for s in sizes])), float(np.median([s[1] for s in sizes]))
    shrink = min(1.0, MAX_SIDE / max(height, width))
    size = [max(1, round(height * shrink)), max(1, round(width * shrink))]
    return {"size": size, "channels": max(s[2] for s in sizes)}


def _uri(data: bytes) -> str:
    """Return a thumbnail as a data URI."""
    from PIL import Image as Pillow

    grid = (decode.pixels(data, (28, 28), 3) * 255).astype(np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(grid).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
