"""How Mulle speaks at a terminal: results to stdout, words to stderr; colour and letters as it can show."""

from __future__ import annotations

import codecs
import json
import shutil
import sys
import textwrap
from typing import Any, Protocol, TextIO, runtime_checkable

import click

from mulle.core.errors import MulleError, ProjectError
from mulle.core.jsonable import to_json
from mulle.core.settings import environment, wants_colour


@runtime_checkable
class SpeaksJson(Protocol):
    """A result that knows its own JSON form."""

    def to_json(self) -> object:
        """Return plain JSON values."""


PLAIN = {
    "✓": "+", "✗": "x", "·": "-", "…": "...", "–": "-", "—": "-", "≥": ">=", "≤": "<=", "×": "x", "→": "->",
    "━": "=", "─": "-", "╸": "-", "╺": "-", "│": "|", "’": "'", "“": '"', "”": '"', "±": "+/-", "µ": "u",
    "€": "EUR",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ",
}  # fmt: skip
"""What is written where the terminal's encoding lacks a letter."""

WIDEST = 110
"""Lines longer than this are hard to read, however wide the window is."""

UNCUT = 100_000
"""Letters a line may have where no person reads it."""


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in letters), error.end


codecs.register_error("mulle.plain", _plainly)


def prepare(*streams: TextIO) -> None:
    """Let streams that cannot say every letter say the nearest one, so that no word ever ends a run."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="mulle.plain")


def coloured(stream: TextIO) -> bool:
    """Say whether a stream shows colour."""
    return wants_colour(is_terminal=stream.isatty())


def width() -> int:
    """Return how many letters a line may have."""
    return max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def room() -> int:
    """Return how many letters a line of a result may have: nothing is cut for what reads a pipe or a file."""
    piped = not sys.stdout.isatty() and not environment().get("COLUMNS")
    return UNCUT if piped else width()


def say(words: str = "") -> None:
    """Write words for a person, to stderr."""
    _write(sys.stderr, words)


def result(text: str) -> None:
    """Write a result, to stdout."""
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    # click.echo would write UTF-8 to a stream that asked for ASCII
    stream.write((text if coloured(stream) else click.unstyle(text)) + "\n")
    stream.flush()


def as_json(value: object) -> None:
    """Write a result for machines, to stdout: one JSON document."""
    plain = value.to_json() if isinstance(value, SpeaksJson) else to_json(value)
    wide = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _write(sys.stdout, json.dumps(plain, ensure_ascii=not wide, indent=2))


def tell(error: MulleError) -> None:
    """Write an error: what is wrong, where, and how to mend it; with ``--json`` to stdout too, as JSON."""
    say(worded(error, width=width()))
    if _MACHINES["listen"]:
        faults = (error.faults if isinstance(error, ProjectError) else ()) or (error,)
        told = [{"what": fault.what, "where": fault.where, "fix": fault.fix} for fault in faults]
        _write(sys.stdout, json.dumps({"errors": told}, indent=2))


_MACHINES = {"listen": False}


def for_machines(*, wanted: bool) -> None:
    """Remember whether a machine reads stdout, so that errors are told to it as well."""
    _MACHINES["listen"] = wanted


def worded(error: MulleError, *, width: int) -> str:
    """Lay an error out for a terminal.

    Parameters
    ----------
    error
        One fault, or several told together.
    width
        Letters a line.

    Returns
    -------
    str
        With colour marks, which `say` takes out where they are not wanted.

    Examples
    --------
    >>> error = ProjectError("key 'traget' is unknown", where="mulle.toml, line 2", fix="did you mean 'target'?")
    >>> print(click.unstyle(worded(error, width=60)))
    error  key 'traget' is unknown
    where  mulle.toml, line 2
    fix    did you mean 'target'?
    """
    faults = error.faults if isinstance(error, ProjectError) else ()
    if not faults:
        return _one(error, "error", width)
    count = click.style(f"{len(faults)} faults", fg="red", bold=True)
    told = [_one(fault, f"{i}.", width) for i, fault in enumerate(faults, 1)]
    return "\n\n".join([f"{count}, all told at once", *told])


def _one(error: MulleError, head: str, width: int) -> str:
    lines = [_row(head, error.what, width, {"fg": "red", "bold": True})]
    if error.where:
        lines.append(_row("where", error.where, width, {"dim": True}))
    lines.append(_row("fix", error.fix, width, {"fg": "green"}))
    return "\n".join(lines)


def _row(head: str, words: str, width: int, style: dict[str, Any]) -> str:
    first, *rest = words.split("\n")
    wrapped = textwrap.wrap(first, width - 7, break_on_hyphens=False, break_long_words=False) or [""]
    lines = [*wrapped, *rest]  # what has lines of its own, such as the faulty line of a file, keeps them
    body = "\n".join([lines[0], *(" " * 7 + line for line in lines[1:])])
    return click.style(head.ljust(5), **style) + "  " + body
