"""A look into an ONNX file without the onnx library, for pointers to data outside itself.

ONNX Runtime would follow such a pointer to any file of the machine. A bundle may hold none.

Source: the protocol buffer encoding, https://protobuf.dev/programming-guides/encoding, and the field numbers
in onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

# what to walk into: for each kind of message, field number → kind of the message there
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_MAX_DEPTH = 64
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def points_outside(content: bytes) -> bool:
    """Tell whether any tensor of the model keeps its data in another file.

    Parameters
    ----------
    content
        An ONNX model.

    Returns
    -------
    bool
        True when there is external data.

    Raises
    ------
    ValueError
        When the bytes aren't an ONNX model.

    Examples
    --------
    >>> points_outside(b"")
    False
    """
    # external data is always named by an entry "location"; without that word there is nothing to walk for
    if b"location" not in content:
        return False
    return _walk(memoryview(content), "model", 0)


def _walk(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("the model is nested too deeply")
    if kind == "tensor":
        return any(field in {_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION} for field, _ in _fields(message))
    inner = _FIELDS[kind]
    return any(
        _walk(held, inner[field], depth + 1) for field, held in _fields(message) if field in inner and held is not None
    )


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        held: memoryview | None = None
        if wire == _BYTES:
            size, at = _varint(message, at)
            held, at = message[at : at + size], at + size
        elif wire == _VARINT:
            value, at = _varint(message, at)
            if tag >> 3 == _TENSOR_DATA_LOCATION and value == 0:
                continue  # DEFAULT: the data is in the tensor itself
        elif wire in {_EIGHT, _FOUR}:
            at += 8 if wire == _EIGHT else 4
        else:
            raise ValueError("this is no ONNX model")
        if at > end:
            raise ValueError("the model is cut off")
        yield tag >> 3, held


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("the model is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # the high bit says that more follows  # noqa: PLR2004
            return value, at
        shift += 7
