"""What is said when a command does not complete: a word that isn't one, an interrupt, a fault of ours."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from mulle import __version__
from mulle.cli import voice
from mulle.core.errors import MulleError

OUR_FAULT = 3


def from_usage(error: click.ClickException) -> MulleError:
    """Turn what click found into our form.

    Examples
    --------
    >>> from_usage(click.UsageError("Missing argument 'OUT'.")).what
    "missing argument 'OUT'"
    """
    context = getattr(error, "ctx", None)
    word = context.command_path if context is not None else "mulle"
    said = " ".join(error.format_message().split()).rstrip(".")
    what, _, hint = said.partition(". Did you mean")
    options = hint.strip(" ?:")
    fix = f"did you mean {options}? " if options else ""
    return MulleError(what[:1].lower() + what[1:], where=word, fix=f"{fix}{word} --help shows how it is used")


def stopped(stages: Sequence[str] = ()) -> str:
    """Say what an interrupt left.

    Examples
    --------
    >>> click.unstyle(stopped(["problem", "data"])).strip()
    'stopped  after problem and data. What was finished is kept: the same command goes on from there.'
    """
    after = f"after {' and '.join([', '.join(stages[:-1]), stages[-1]] if stages[1:] else stages)}. " if stages else ""
    kept = "What was finished is kept: the same command goes on from there."
    return f"\n{click.style('stopped', fg='yellow', bold=True)}  {after}{kept}"


def ours(error: BaseException) -> int:
    """Write the trace of a fault of ours into a file, say where it is, and return the exit code."""
    told = "".join(traceback.format_exception(error))
    head = f"mulle {__version__}, python {platform.python_version()}, {platform.platform()}\n"
    file = _kept(f"{head}mulle {_typed(sys.argv[1:])}\n\n{told}")
    says = f"{type(error).__name__}: {getattr(error, 'what', error)}"
    voice.tell(
        MulleError(
            f"this is a fault of Mulle, not yours: {says}",
            where=str(file) if file else "no folder could be written to, so the trace follows",
            fix="open an issue and attach that file; it holds the trace, without values of options",
        )
    )
    if file is None:
        voice.say(told)
    return OUR_FAULT


def _typed(arguments: list[str]) -> str:
    # Repeat the command without values, which may be secret
    return " ".join(word.partition("=")[0] + ("=…" if "=" in word else "") for word in arguments)


def _kept(text: str) -> Path | None:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    project = Path.cwd() / ".mulle"
    homes = [project / "faults"] if project.is_dir() or Path("mulle.toml").is_file() else []
    for home in [*homes, Path(tempfile.gettempdir()) / "mulle-faults"]:
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            file = home / f"{moment}.txt"
            file.write_text(text, "utf-8")
            return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return None
