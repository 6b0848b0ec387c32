"""The source and the libraries that may change a result, as hashes and versions."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Iterator
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
    """Return the hash of the user's code files and of the modules beside them that they import, by name and content.

    Where they lie does not matter. What is installed counts by its version, as far as `versions` knows it.

    Returns
    -------
    str
        sha256 in hexadecimal.
    """
    return digest([[name, _content(path)] for name, path in neighbours(files).items()])


def neighbours(files: Iterable[Path]) -> dict[str, Path]:
    """Return the user's files, then each module that they import and that lies beside them, and what those import.

    Imports are read from the source, so one within a function counts too; one by a computed name does not.

    Parameters
    ----------
    files
        The user's code files.

    Returns
    -------
    dict of str to Path
        By name below the folder that they are imported from.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> _ = (folder / "mine.py").write_text("import json, costs")
    >>> _ = (folder / "costs.py").write_text("EUR = 1.5")
    >>> list(neighbours([folder / "mine.py"]))
    ['mine.py', 'costs.py']
    """
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(file.name, file)
        roots = [file.parent, *(above for above in file.resolve().parents[1:] if str(above) in sys.path)]
        waiting = [(root, path) for path in [file] for root in roots]
        while waiting:
            root, path = waiting.pop(0)
            fresh = [p for p in _imported(path, root) if p.relative_to(root).as_posix() not in found]
            found |= {p.relative_to(root).as_posix(): p for p in fresh}
            waiting += [(below, p) for p in fresh for below in roots]
    return found


def _imported(file: Path, root: Path) -> list[Path]:
    """Return the modules below a folder that one file imports; a file that can't be read imports none."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    paths = [path for name in _names(tree, file, root) for path in _module(root, name)]
    return list(dict.fromkeys(paths))


def _names(tree: ast.AST, file: Path, root: Path) -> Iterator[str]:
    """Give the dotted names that are imported, relative ones made whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else root
            inside = above.relative_to(root).parts if above.is_relative_to(root) else ()
            base = ".".join([*inside, *filter(None, [node.module])])
            yield from ([base] if base else [])
            yield from (".".join(filter(None, [base, alias.name])) for alias in node.names)


def _module(root: Path, name: str) -> list[Path]:
    """Return the file of a module below a folder and of the packages above it, as far as they are there."""
    parts = name.split(".")
    packages = [root.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    return [path for path in (*packages, root.joinpath(*parts).with_suffix(".py")) if path.is_file()]


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
        By library, and by each distribution that offers parts of its own; Python's to the minor.

    Examples
    --------
    >>> sorted(versions())[:2]
    ['catboost', 'lightgbm']
    """
    return {**dict(_versions()), **_parts_of_others(), "python": ".".join(platform.python_version_tuple()[:2])}


def _parts_of_others() -> dict[str, str]:
    """Return the version of each distribution that offers parts (``mulle.models``, ``mulle.metrics``, …)."""
    groups = [group for group in metadata.entry_points().groups if group.startswith("mulle.")]
    offered = [entry for group in groups for entry in metadata.entry_points(group=group)]
    return {entry.dist.name: entry.dist.version for entry in offered if entry.dist is not None}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
