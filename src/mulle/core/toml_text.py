"""TOML as text: on which line a key stands, and how a value is written. The standard library says neither."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

Keys = tuple[str | int, ...]
"""A path into the page: ``("slices", 0, "where")``."""

_KEY = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\]|\\.)*+"|'[^']*+')"""
_DOTTED = rf"(?>{_KEY}(?:\s*+\.\s*+{_KEY})*+)"
_TABLE = re.compile(rf"^\s*+(\[\[?)\s*+({_DOTTED})\s*+\]")
_PAIR = re.compile(rf"^\s*+({_DOTTED})\s*+=")
_NAME = re.compile(_KEY)
_WORDS = re.compile(r'''"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|(?P<open>"""|\'\'\').*|"(?:[^"\\]|\\.)*"|'[^']*'|#.*''')
"""Strings that end on their line, a long one that does not, or a comment."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def parts_of(dotted: str) -> list[str]:
    """Split a dotted key, with quotes taken off.

    Returns
    -------
    list
        The names.

    Examples
    --------
    >>> parts_of('checks."data.missing"')
    ['checks', 'data.missing']
    """
    return [_unquoted(name) for name in _NAME.findall(dotted)]


def _unquoted(name: str) -> str:
    if name.startswith('"') and "\\" in name:
        with suppress(tomllib.TOMLDecodeError):
            return str(tomllib.loads(f"name = {name}")["name"])
    return name[1:-1] if name[0] in {'"', "'"} else name


def places(text: str) -> Iterator[tuple[Keys, int]]:
    r"""Walk through the tables and keys of a TOML text.

    Parameters
    ----------
    text
        The text; it may be faulty.

    Yields
    ------
    tuple
        The path of a table or key, and its line, counted from 1. Keys within ``{ … }`` are not walked.

    Examples
    --------
    >>> dict(places('[data]\ntarget = "y"\n[[slices]]\nname = "new"'))
    {('data',): 1, ('data', 'target'): 2, ('slices', 0): 3, ('slices', 0, 'name'): 4}
    """
    table: Keys = ()
    counts: dict[str, int] = {}
    for number, line in _statements(text):
        header = _TABLE.match(line)
        pair = _PAIR.match(line)
        if pair is not None:
            yield (*table, *parts_of(pair[1])), number
        elif header is not None:
            name = tuple(parts_of(header[2]))
            table = name
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                table = (*name, counts[header[2]])
            yield table, number


def _statements(text: str) -> Iterator[tuple[int, str]]:
    # Give the lines that begin something: not those inside a long string or an open bracket
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        rest = line
        if quote:
            _, closed, rest = line.partition(quote)
            if not closed:
                continue
        elif depth == 0:
            yield number, line
            if _TABLE.match(line) and not _PAIR.match(line):
                continue
        quote = _opened(rest)
        bare_ = _WORDS.sub("", rest)
        depth = max(0, depth + sum(map(bare_.count, "[{")) - sum(map(bare_.count, "]}")))


def _opened(line: str) -> str:
    # Return the triple quote that a line opens and does not close
    return next((found["open"] for found in _WORDS.finditer(line) if found["open"]), "")


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    r"""Find the line on which a key stands, or the nearest thing around it.

    Parameters
    ----------
    text
        A TOML text.
    path
        Tables, positions and key.

    Returns
    -------
    int | None
        The line, counted from 1; None when not even its table is there.

    Examples
    --------
    >>> line_of("[objective]\ncosts = { false_pos = 1 }", ("objective", "costs", "false_pos"))
    2
    """
    known: dict[str, int] = {}
    for keys, number in places(text):
        known.setdefault(_joined(keys), number)
    around = (_joined(path[:end]) for end in range(len(path), 0, -1))
    return next((known[name] for name in around if name in known), None)


def _joined(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))


def toml(value: object) -> str:
    """Write a plain value as TOML, on one line.

    Parameters
    ----------
    value
        Text, number, truth value, or a list or mapping of them.

    Returns
    -------
    str
        What stands right of the equals sign.

    Examples
    --------
    >>> toml({"false_positive": 1.5, "currency": "EUR"}), toml([["lat", "lon"]]), toml(True)
    ('{ false_positive = 1.5, currency = "EUR" }', '[["lat", "lon"]]', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{bare(str(key))} = {toml(held)}" for key, held in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004
        return str(int(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)


def bare(key: str) -> str:
    """Write one key, in quotes only where it needs them.

    Returns
    -------
    str
        The key as TOML.

    Examples
    --------
    >>> bare("target"), bare("data.missing")
    ('target', '"data.missing"')
    """
    return key if _BARE.fullmatch(key) else toml(key)
