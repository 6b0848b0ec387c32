"""What stands at the end of a run: the gates, the numbers, whether to ship, and the next thing to type."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import click

from mulle.cli.lines import VERDICTS, mark
from mulle.cli.typed import PAGE, program, typed
from mulle.core.check import BLOCKING, Check, Outcome, Status, Verdict, blocking, checks_of, may_ship

SHUT = 1
UNANSWERED = (
    "Nothing failed. What is open has no answer yet, because nobody said what is good enough or the rows can't tell; "
    "an open question is never a pass."
)


class Ended(Protocol):
    """What the end needs to know of a run. `mulle.api` gives it."""

    @property
    def id(self) -> str:
        """The run's name."""

    @property
    def stamp(self) -> str:
        """Draft or ready."""

    @property
    def next(self) -> str:
        """The next thing to type."""

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped by hand."""

    @property
    def verdict(self) -> Verdict:
        """Of all gates together."""

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What each stage left."""

    @property
    def headline(self) -> Sequence[tuple[str, str, str]]:
        """The numbers that matter: label, value, note."""

    @property
    def report(self) -> Path | None:
        """The drawn report."""

    @property
    def bundle_path(self) -> Path | None:
        """The packaged bundle."""

    @property
    def zip(self) -> Path | None:
        """The same as one file beside the page."""

    @property
    def zip_note(self) -> str:
        """What to know about that file."""

    def to_json(self) -> object:
        """Return all of it as plain JSON."""


def exit_code(run: Ended, *, strict: bool) -> int:
    """Return 1 for a shut gate where that counts, else 0."""
    return SHUT if strict and run.verdict is Verdict.SHUT else 0


def ending(run: Ended, *, width: int, page: Path = PAGE) -> str:
    """Lay the end of a run out as text.

    Parameters
    ----------
    run
        The run.
    width
        Letters a line.
    page
        The project file as seen from here, for the commands to type.

    Returns
    -------
    str
        Blocks with an empty line between them: gates, numbers, whether to ship and why not, where to go.
    """
    blocks = [
        _gates(run.outcomes, width),
        _numbers(run.headline, width),
        _done(run.outcomes, width, page),
        _ship(run, width, page),
        _ways(run, width, page),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)


def _gates(outcomes: Sequence[Outcome], width: int) -> Iterator[str]:
    rows = [(one.stage, one.verdict, _why(one)) for one in outcomes]
    if not rows:
        return
    first = max(len("gate"), *(len(stage) for stage, _, _ in rows))
    second = max(len(verdict) for _, verdict, _ in rows)
    yield click.style(f"  {'gate'.ljust(first)}  {'verdict'.ljust(second)}  why", dim=True)
    for stage, verdict, why in rows:
        said = click.style(verdict.ljust(second), fg=VERDICTS[verdict], bold=True)
        yield from _hung(f"  {stage.ljust(first)}  {said}  ", why, width)


def _why(outcome: Outcome) -> str:
    # Name what keeps a gate from opening; what each of them says stands below
    standing = blocking(outcome.checks)
    names = ", ".join(check.name for check in standing)
    return f"{_counted(standing)}: {names}" if standing else outcome.answer


def _counted(checks: Iterable[Check]) -> str:
    counts = Counter(check.status for check in checks)
    return ", ".join(f"{counts[status]} {status}" for status in BLOCKING if counts[status])


def _numbers(headline: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    if not headline:
        return
    first = max(len(label) for label, _, _ in headline)
    second = max(len(value) for _, value, _ in headline)
    for label, value, note in headline:
        head = f"  {label.ljust(first)}  {click.style(value.rjust(second), bold=True)}  "
        yield from _hung(head, note, width)


def _done(outcomes: Sequence[Outcome], width: int, page: Path) -> Iterator[str]:
    """Say what was done about the data without being asked, each with the command that undoes it."""
    done = [check for one in outcomes for check in one.checks if check.undo]
    if not done:
        return
    yield f"  {click.style('done about the data', bold=True)}"
    for check in done:
        yield from _hung(f"    {click.style(check.name, bold=True)}  ", check.says, width, at=6)
        yield from _hung(f"      {click.style('undo', fg='green')}  ", typed(check.undo, page), width)


def _ship(run: Ended, width: int, page: Path) -> Iterator[str]:
    standing = blocking(checks_of(run.outcomes))
    yield from _hung(f"  {click.style('ship?', bold=True)} ", ship(run), width)
    if standing and all(check.status is Status.UNANSWERED for check in standing):
        yield from _hung("    ", UNANSWERED, width)
    for check in standing:
        head = f"    {mark(check.status)} {click.style(check.name, bold=True)}  "
        yield from _hung(head, check.says, width, at=6)
        if check.fix:
            yield from _hung(f"      {click.style('fix', fg='green')}  ", typed(check.fix, page), width)


def ship(run: Ended) -> str:
    """Say in a few words whether the bundle may ship: ``no: 1 FAIL, 3 UNANSWERED``.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    str
        Yes only when every gate is open and the bundle is stamped ready.
    """
    standing = blocking(checks_of(run.outcomes))
    if run.interrupted and not standing:
        return click.style("not yet: the run was stopped", fg="yellow", bold=True)
    if standing:
        colour = "red" if standing[0].status is Status.FAIL else "yellow"
        return click.style(f"no: {_counted(standing)}", fg=colour, bold=True)
    if _ready(run):
        return click.style("yes", fg="green", bold=True) + _passed_by_name(run.outcomes)
    return click.style("not yet: the sealed test has not been opened for this bundle", fg="yellow", bold=True)


def _ready(run: Ended) -> bool:
    return run.stamp == "ready" and may_ship(run.outcomes)


def _passed_by_name(outcomes: Iterable[Outcome]) -> str:
    """Say which checks a person passed: a yes that hides them would be half a yes."""
    names = [check.name for check in checks_of(outcomes) if check.passed_by_name]
    if not names:
        return ""
    return f", with {len(names)} {'check' if len(names) == 1 else 'checks'} passed by a person: {', '.join(names)}"


def _ways(run: Ended, width: int, page: Path) -> Iterator[str]:
    bundle, next_ = _near(run.bundle_path), typed(run.next, page)
    ways = {"run": run.id, "report": _near(run.report), "bundle": bundle, "zip": _near(run.zip), "next": next_}
    if bundle and _ready(run):
        ways["serve"] = f"{program()} serve {bundle}"
    for name, way in ways.items():
        if way:
            words = click.style(way, fg="cyan", bold=True) if name in ("next", "serve") else way
            yield f"  {click.style(name.ljust(6), dim=True)}  {words}"
        if name == "zip" and run.zip_note:
            yield from _hung(" " * 10, run.zip_note, width)


def _near(path: Path | None) -> str:
    # Name a path the short way, from here
    if path is None:
        return ""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _hung(head: str, words: str, width: int, *, at: int | None = None) -> list[str]:
    # Hang words on a head: the lines after the first begin below them
    used = len(click.unstyle(head))
    indent = used if at is None else at
    room = max(20, width - used)
    lines = textwrap.wrap(words, room if at is None else width - indent, initial_indent=" " * (used - indent))
    lines = [line.strip() for line in lines] or [""]
    return [(head + lines[0]).rstrip(), *(" " * indent + line for line in lines[1:])]
