"""Files that are written as they lie in this package, with values in place of ``@{name}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_PLACE = re.compile(r"@\{([^{}\n]+)\}")


def content(name: str) -> bytes:
    """Return a file of this room as it lies there.

    Parameters
    ----------
    name
        Relative to the room: ``browser/wire.mjs``.

    Returns
    -------
    bytes
        Its content.
    """
    return files("mulle.deploy").joinpath(*name.split("/")).read_bytes()


def filled(name: str, values: Mapping[str, str]) -> bytes:
    """Return a file of this room with values in its places.

    Parameters
    ----------
    name
        Relative to the room.
    values
        By the name of the place; they are written as they are, so they must be fit to stand there.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    KeyError
        When a place has no value.
    """
    return fill(content(name).decode(), values).encode()


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values into the places of a text.

    Parameters
    ----------
    text
        With places ``@{name}``.
    values
        By name.

    Returns
    -------
    str
        Without places.

    Raises
    ------
    KeyError
        When a place has no value.

    Examples
    --------
    >>> fill("listen on @{host}:@{port}", {"host": "127.0.0.1", "port": "8080"})
    'listen on 127.0.0.1:8080'
    """
    return _PLACE.sub(lambda match: values[match[1]], text)
