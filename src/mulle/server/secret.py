"""Files that only their owner may read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mulle.core.errors import StoreError


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, so that the old one or the new one is there, whatever happens.

    Parameters
    ----------
    path
        Where; its folder is there.
    content
        All of it.

    Raises
    ------
    StoreError
        When it can't be written. The old file stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError.of(error, where=path) from error
