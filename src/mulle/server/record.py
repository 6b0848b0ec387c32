"""What is kept of a row: the columns in use, some of them hashed or left out, large values by their hash alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mulle.core.settings import environment
from mulle.server.wire import Row, encode

LARGE = 4096
"""Characters from which on a text is kept by its hash."""


SALT, SALT_FILE = "MULLE_LOG_SALT", "log-salt"


class Recorder:
    """Turns rows into what the log keeps.

    Parameters
    ----------
    columns
        Those that the bundle uses, and its key.
    leave_out
        Columns that are never kept.
    hashed
        Columns that are kept by a keyed hash: equal values stay equal, and nobody can guess them back without the
        salt.
    salt
        Secret, of this project.

    Examples
    --------
    >>> recorder = Recorder(columns=("age", "name"), hashed=["name"], leave_out=[], salt=b"s" * 16)
    >>> recorder.inputs({"age": 39, "name": "Kim", "fax": "no"})
    b'{"age":39,"name":{"hash":"6b2f93002f191393"}}'
    """

    def __init__(
        self, *, columns: Collection[str], leave_out: Collection[str], hashed: Collection[str], salt: bytes
    ) -> None:
        self._kept = tuple(name for name in dict.fromkeys(columns) if name not in leave_out)
        self._hashed = frozenset(hashed) & frozenset(self._kept)
        self._whole = not leave_out and not self._hashed
        self._names = frozenset(self._kept)
        self._salt = salt

    def inputs(self, row: Row) -> bytes:
        """Return a row as JSON, as the log keeps it."""
        if self._whole and row.keys() == self._names:
            kept: Mapping[str, Any] = row
        else:
            kept = {name: self._value(name, row[name]) for name in self._kept if name in row}
        told = encode(kept)
        return told if len(told) < LARGE else encode({name: self._small(value) for name, value in kept.items()})

    def _value(self, name: str, value: Any) -> Any:
        return {"hash": self._hash(value)} if name in self._hashed and value is not None else value

    def _small(self, value: Any) -> Any:
        if isinstance(value, str | list) and len(value) > LARGE // 4:
            return {"hash": self._hash(value), "length": len(value)}
        return value

    def _hash(self, value: Any) -> str:
        return keyed(value, self._salt)


def keyed(value: Any, salt: bytes) -> str:
    """Return the keyed hash of a value, 16 hex digits."""
    return blake2b(encode(value), key=salt, digest_size=8).hexdigest()


def hashed_unit(unit: str, salt: bytes) -> str:
    """Return what the log knows a unit by, where its key column is hashed; `mulle forget` asks for the same.

    A unit is a text in the log: a customer 7 and a customer "7" are one, as they are without hashing.
    """
    return keyed(unit, salt)


def salts_known(home: Path) -> list[bytes]:
    """Return each salt by which columns may have been hashed: the environment's, and the one that is kept in ``.mulle``.

    A server elsewhere may have used one of its own, which nobody knows here.
    """
    told, file = environment().get(SALT), home / SALT_FILE
    return [*([_of_words(told)] if told else []), *([file.read_bytes()] if file.is_file() else [])]


def _of_words(told: str) -> bytes:
    return blake2b(told.encode(), digest_size=32).digest()


def salt_of(home: Path) -> bytes:
    """Return the salt of hashed columns: ``MULLE_LOG_SALT``, else one that is made once and kept in ``.mulle``.

    Who has it can guess values back by trying; who loses it can't join old entries with new ones.
    """
    told = environment().get(SALT)
    if told:
        return _of_words(told)
    file = home / SALT_FILE
    home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        held = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(held, "wb") as out:
            out.write(secrets.token_bytes(32))
    return file.read_bytes()
