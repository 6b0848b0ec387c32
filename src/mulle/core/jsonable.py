"""Dataclasses to plain JSON and back, by their own type hints. Nothing is pickled."""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, cast

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
T = TypeVar("T")
_PLAIN = frozenset({str, int, bool, type(None)})
"""What most values are, asked first: a schema of ten thousand columns holds a hundred thousand of them."""
_LEAVES = frozenset({str, int, float, bool})


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
    if type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: to_json(held) for name, held in pairs}
    if isinstance(value, Mapping):
        return {str(key): to_json(held) for key, held in value.items()}
    value = value.tolist() if _is_numpys("ndarray", value) else value
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [to_json(held) for held in value]
    return _scalar(value)


def _is_numpys(kind: str, value: object) -> bool:
    """Say whether a value is NumPy's; where nobody has imported that, which takes a while, none can be."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, kind))


def _scalar(value: Any) -> Json:
    if _is_numpys("generic", value):
        value = value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


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
    hints = _hints(cls)
    names = {f.name for f in dataclasses.fields(cast("Any", cls))}
    return cls(**{k: _typed(hints[k], v) for k, v in data.items() if k in names})


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if type(value) is hint and type(value) in _PLAIN:
        return value
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return _typed(_pick(typing.get_args(hint), value), value)
    if dataclasses.is_dataclass(hint):
        return from_json(cast("type[Any]", hint), value)
    return _within(hint, value)


def _within(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(value, list):
        inner = (typing.get_args(hint) or (Any,))[0]
        if inner in _LEAVES and all(type(held) is inner for held in value):
            return tuple(value)
        return tuple(_typed(inner, held) for held in value)
    if isinstance(value, dict) and typing.get_args(hint):
        inner = typing.get_args(hint)[1]
        return {key: _typed(inner, held) for key, held in value.items()}
    return value


def _pick(options: tuple[Any, ...], value: object) -> Any:
    known = [o for o in options if o is not type(None)]
    shaped = [o for o in known if dataclasses.is_dataclass(o) or typing.get_origin(o) is not None]
    fitting = [o for o in shaped if _is_keyed(o) == isinstance(value, dict)]
    return (fitting or shaped or known)[0]


def _is_keyed(hint: Any) -> bool:
    """Whether values of that type stand in JSON as objects, not as lists."""
    origin = typing.get_origin(hint)
    return dataclasses.is_dataclass(hint) or (isinstance(origin, type) and issubclass(origin, Mapping))
