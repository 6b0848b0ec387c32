"""What the log knows of a Parquet file of older rows."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

NAME = re.compile(r"rows-(\d+)-(\d+)-[0-9a-f]+\.parquet")
"""Each attempt has a name of its own: a process that outlived its server must not write over another's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """One file of older rows: which ``seq`` it covers, and from when they are (seconds since 1970, UTC)."""

    file: str
    first: int
    last: int
    n_rows: int
    since: float
    until: float

    @classmethod
    def name(cls, first: int, last: int) -> str:
        """Return a new name for a file that covers ``first <= seq <= last``."""
        return f"rows-{first:012d}-{last:012d}-{secrets.token_hex(4)}.parquet"
