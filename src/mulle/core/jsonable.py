"""Dataclasses to plain JSON and back, by their own type hints. Nothing is pickled."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, TypeVar, cast

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
Read = Callable[[Any], Any]
T = TypeVar("T")
_PLAIN = frozenset({str, int, bool, type(None)})
"""What most values are, asked first: a schema of ten thousand columns holds a hundred thousand of them."""
_SCALARS = _PLAIN | {float}


def to_json(value: Any) -> Any:
    """Turn dataclasses, arrays, tuples and moments into plain JSON values.

    Parameters
    ----------
    value
        A dataclass, mapping, sequence, numpy value or JSON value.

    Returns
    -------
    Json
        Only dicts with string keys, lists, strings, numbers, booleans and None. NaN and infinity become None.

    Raises
    ------
    TypeError
        For anything else: a fault in our code.

    Examples
    --------
    >>> import numpy as np
    >>> to_json({"a": (1, np.float64(2.5)), "b": float("nan")})
    {'a': [1, 2.5], 'b': None}
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if isfinite(cast("float", value)) else None
    return _listed(cast("Sequence[Any]", value)) if kind is list or kind is tuple else _holding(value)


def _holding(value: Any) -> Any:
    """Turn what may hold others: a dataclass, a mapping, an array, any other sequence."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): to_json(held) for key, held in value.items()}
    value = value.tolist() if _is_numpys("ndarray", value) else value
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [to_json(held) for held in value]
    return _scalar(value)


def _listed(values: Sequence[Any]) -> list[Any]:
    """Turn a list, its values one by one only where they aren't all plain or all numbers."""
    held = set(map(type, values))
    if held <= _PLAIN:
        return list(values)
    if held == {float}:
        return [value if isfinite(value) else None for value in values]
    return [to_json(value) for value in values]


@cache
def _names(cls: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(field.name for field in dataclasses.fields(cls))


def _is_numpys(kind: str, value: object) -> bool:
    """Say whether a value is NumPy's; where nobody has imported that, which takes a while, none can be."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, kind))


def _scalar(value: Any) -> Json:
    if _is_numpys("generic", value):
        value = value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def indented(value: Json, line: str = "\n") -> str:
    """Write plain JSON for people, one value a line.

    It is what `json.dumps` writes with ``indent=1``, which takes Python's own slow way through every value; here whatever
    holds no further lists takes the fast one.

    Parameters
    ----------
    value
        Plain JSON; keys are strings.
    line
        What begins a line at this depth.

    Returns
    -------
    str
        The text, without a line's end.

    Raises
    ------
    ValueError
        For NaN and infinity.

    Examples
    --------
    >>> print(indented({"a": [1, 2]}))
    {
     "a": [
      1,
      2
     ]
    }
    """
    within = line + " "
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not held or set(map(type, held)) <= _SCALARS:
        text = _encoder(within).encode(value)
        return text if not held else f"{text[0]}{within}{text[1:-1]}{line}{text[-1]}"
    if isinstance(value, dict):
        parts = [f"{_encoder(within).encode(key)}: {indented(one, within)}" for key, one in value.items()]
        return f"{{{within}{f',{within}'.join(parts)}{line}}}"
    return f"[{within}{f',{within}'.join(indented(one, within) for one in held)}{line}]"


@cache
def _encoder(line: str) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(f",{line}", ": "))


def from_json(cls: type[T], data: Mapping[str, Any]) -> T:
    """Build a dataclass from what `to_json` gave.

    Parameters
    ----------
    cls
        The dataclass.
    data
        Its fields as plain JSON. Fields that are absent take their default.

    Returns
    -------
    T
        An instance, with sequences as tuples.
    """
    return cls(**{name: read(data[name]) for name, read in _readers(cast("Any", cls)) if name in data})


@cache
def _readers(cls: type) -> tuple[tuple[str, Read], ...]:
    """Return what reads each field of a dataclass. Its type hints are looked at once, not once a value."""
    hints = typing.get_type_hints(cls)
    return tuple((name, _reader(hints[name])) for name in _names(cls))


@cache
def _reader(hint: Any) -> Read:
    """Return what reads a value of that type; where nothing is, nothing stays."""
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        options = typing.get_args(hint)
        return lambda value: None if value is None else _reader(_pick(options, value))(value)
    if dataclasses.is_dataclass(hint):
        return lambda value: None if value is None else from_json(cast("type[Any]", hint), value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: None if value is None else hint(value)
    return _within(typing.get_args(hint))


def _within(args: tuple[Any, ...]) -> Read:
    """Return what reads a value of a plain type, or one that holds values of the types in ``args``."""

    def read(value: Any) -> Any:
        if type(value) in _SCALARS:
            return value
        if isinstance(value, list):
            return _tupled(args[0] if args else Any, value)
        if isinstance(value, dict) and args:
            inner = _reader(args[1])
            return {key: inner(held) for key, held in value.items()}
        return value

    return read


def _tupled(inner: Any, values: list[Any]) -> tuple[Any, ...]:
    """Read a list; one of words or of numbers needs no look at each."""
    if inner in _PLAIN_HINTS and set(map(type, values)) <= _SCALARS:
        return tuple(values)
    read = _reader(inner)
    return tuple([read(value) for value in values])


_PLAIN_HINTS = frozenset({str, int, float, bool, Any})


def _pick(options: tuple[Any, ...], value: object) -> Any:
    known = [o for o in options if o is not type(None)]
    shaped = [o for o in known if dataclasses.is_dataclass(o) or typing.get_origin(o) is not None]
    fitting = [o for o in shaped if _is_keyed(o) == isinstance(value, dict)]
    return (fitting or shaped or known)[0]


def _is_keyed(hint: Any) -> bool:
    """Whether values of that type stand in JSON as objects, not as lists."""
    origin = typing.get_origin(hint)
    return dataclasses.is_dataclass(hint) or (isinstance(origin, type) and issubclass(origin, Mapping))
