"""How large a folder is, as it lies and as it travels."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass

WARN_MB = 5.0
"""Megabytes (10^6 bytes), gzipped, over which a browser folder is called too large for a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One file: bytes raw, and gzipped."""

    name: str
    raw: int
    gzipped: int


def sizes(files: Mapping[str, bytes]) -> list[Size]:
    """Measure files, largest first.

    Parameters
    ----------
    files
        Content by name.

    Returns
    -------
    list of Size
        One a file.

    Examples
    --------
    >>> [(one.name, one.raw) for one in sizes({"a": b"x", "b": b"xyz"})]
    [('b', 3), ('a', 1)]
    """
    measured = [
        Size(name=name, raw=len(held), gzipped=len(gzip.compress(held, 9, mtime=0))) for name, held in files.items()
    ]
    return sorted(measured, key=lambda one: -one.gzipped)


def gzipped_mb(measured: list[Size]) -> float:
    """Return the megabytes (10^6 bytes) that all files take gzipped.

    Examples
    --------
    >>> gzipped_mb([Size(name="a", raw=9_000_000, gzipped=3_000_000)])
    3.0
    """
    return sum(one.gzipped for one in measured) / 1e6
