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
from mulle.core.errors import MulleError, ProjectError

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


KEEPS = frozenset({"run", "check", "assess", "demo"})
"""Words whose finished work is found again when they are typed once more."""


def stopped(word: str, stages: Sequence[str] = ()) -> str:
    """Say what an interrupt left.

    Examples
    --------
    >>> click.unstyle(stopped("run", ["problem", "data"])).strip()
    'stopped  after problem and data. What was finished is kept: the same command goes on from there.'
    >>> click.unstyle(stopped("predict")).strip()
    'stopped  Nothing of it is kept: the same command begins again.'
    """
    after = f"after {' and '.join([', '.join(stages[:-1]), stages[-1]] if stages[1:] else stages)}. " if stages else ""
    return f"\n{click.style('stopped', fg='yellow', bold=True)}  {after}{_kept_of(word, begun=bool(stages))}"


def _kept_of(word: str, *, begun: bool) -> str:
    if word in KEEPS:
        return "What was finished is kept: the same command goes on from there."
    if word == "try" and begun:
        return "The page and what was finished are kept: mulle run goes on from there."
    return "Nothing of it is kept: the same command begins again."


def anyones(error: BaseException) -> int:
    """Say whose fault it is that nobody foresaw: of a file of the user's own, or ours; return the exit code."""
    from mulle.core.registry import users_fault  # noqa: PLC0415

    users = users_fault(error)
    if users is None:
        return ours(error)
    file = _kept("".join(traceback.format_exception(error)))
    voice.tell(ProjectError(users.what, where=users.where, fix=f"{users.fix}; the whole trace is in {file}"))
    return users.exit_code


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
