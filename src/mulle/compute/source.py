"""The source and the libraries that may change a result, as hashes and versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from mulle.core.jsonable import to_json

DOORS = ("cli", "server", "report")
"""Rooms that only show what was found; their source changes no result."""

LIBRARIES = (
    "numpy",
    "polars",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "catboost",
    "onnx",
    "onnxruntime",
    "pillow",
)
"""Libraries whose version may change a result."""


def digest(value: object) -> str:
    """Return the sha256 of a value's canonical JSON.

    Returns
    -------
    str
        In hexadecimal.

    Examples
    --------
    >>> digest({"a": 1, "b": [2.5]}) == digest({"b": (2.5,), "a": 1})
    True
    """
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def code_hash(files: Iterable[Path] = ()) -> str:
    """Return a hash of all source that may change a result: Mulle's own but its doors, and the user's files.

    Parameters
    ----------
    files
        The user's code files, in the order in which they are imported.

    Returns
    -------
    str
        sha256 in hexadecimal.
    """
    return digest([own_code_hash(), files_hash(files)])


@cache
def own_code_hash() -> str:
    """Return the hash of Mulle's source as it was when first asked in this process."""
    return inner_hash(Path(__file__).parents[1])


def inner_hash(root: Path) -> str:
    """Return the hash of all Python source below a folder but that of the doors, by names and contents."""
    sources = [p.relative_to(root) for p in root.rglob("*.py")]
    inner = sorted(p.as_posix() for p in sources if p.parts[0] not in DOORS)
    return digest([[name, _content(root / name)] for name in inner])


def files_hash(files: Iterable[Path]) -> str:
    """Return the hash of the user's code files, by name and content; where they lie does not matter."""
    return digest([[path.name, _content(path)] for path in files])


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, _version(name)) for name in LIBRARIES)


def versions() -> dict[str, str]:
    """Return the versions that may change a result.

    Returns
    -------
    dict of str to str
        By library, and Python's to the minor.

    Examples
    --------
    >>> sorted(versions())[:2]
    ['catboost', 'lightgbm']
    """
    return {**dict(_versions()), "python": ".".join(platform.python_version_tuple()[:2])}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
