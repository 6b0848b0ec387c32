"""Somebody who watches a run and writes it down, line by line: for logs, pipes and dumb terminals."""

from __future__ import annotations

import textwrap
from collections import Counter
from time import perf_counter
from types import TracebackType
from typing import Self

import click

from mulle.cli import voice
from mulle.core.check import BLOCKING, Check, Outcome, Status, Verdict
from mulle.core.duration import spoken

MARKS = {Status.PASS: "✓", Status.FAIL: "✗", Status.UNANSWERED: "?", Status.NOTE: "·"}
COLOURS = {Status.PASS: "green", Status.FAIL: "red", Status.UNANSWERED: "yellow", Status.NOTE: "blue"}
VERDICTS = {Verdict.OPEN: "green", Verdict.SHUT: "red", Verdict.UNDECIDED: "yellow"}
INDENT = 11
"""Where the words of a stage begin; its name stands before."""
QUIET_S = 15.0
"""After so many seconds without a word, a line says how far it is."""


def shortened(words: str, letters: int) -> str:
    """Cut words to one line of so many letters.

    Examples
    --------
    >>> shortened("412 rows stand twice", 10)
    '412 rows…'
    """
    line = " ".join(words.split())
    return line if len(line) <= letters else line[: max(1, letters - 1)].rstrip() + "…"


def mark(status: Status) -> str:
    """Return a status as one coloured letter."""
    return click.style(MARKS[status], fg=COLOURS[status], bold=True)


def tally(counts: Counter[Status]) -> str:
    """Say how many checks passed, failed and stayed open: ``14 ✓  1 ✗  1 ?``.

    Examples
    --------
    >>> click.unstyle(tally(Counter({Status.PASS: 14, Status.FAIL: 1})))
    '14 ✓  1 ✗'
    """
    shown = (Status.PASS, Status.FAIL, Status.UNANSWERED)
    return "  ".join(
        click.style(f"{counts[status]} {MARKS[status]}", fg=COLOURS[status]) for status in shown if counts[status]
    )


class Lines:
    """Writes each stage with its question, each check that did not pass, each new best model, and the answer.

    Checks that pass are counted and not shown.
    """

    def __init__(self) -> None:
        self.name = ""
        self.label = ""
        self.done = 0.0
        self.total = 0.0
        self.best_says = ""
        self.counts: Counter[Status] = Counter()
        self.stage_began = self.label_began = self.last_word = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""

    def stage(self, name: str, question: str) -> None:
        """Write the stage and its question."""
        self.name, self.label, self.counts = name, "", Counter()
        self.done = self.total = 0.0
        self.stage_began = self.label_began = perf_counter()
        head = click.style(name.ljust(INDENT - 1), bold=True)
        self.write(f"{head} {click.style(shortened(question, self.room), dim=True)}")

    def progress(self, label: str, done: float, total: float) -> None:
        """Remember how far it is, and say so when nothing was said for a while."""
        if label != self.label:
            self.label_began = perf_counter()
        self.label, self.done, self.total = label, done, total
        if perf_counter() - self.last_word > QUIET_S:
            self.still_here()

    def still_here(self) -> None:
        """Say how far it is."""
        self.inner(click.style(f"{self.label} {self.percent}{self.left}", dim=True))

    def check(self, check: Check) -> None:
        """Count a check; show it unless it passed."""
        self.counts[check.status] += 1
        noted = check.status is Status.NOTE and self.name in {"problem", "data"}
        if noted or check.status in BLOCKING:
            says = check.says + ("  (overridden)" if check.override else "")
            self.told(f"{mark(check.status)} {click.style(check.name, bold=True)}  ", says)

    def best(self, says: str) -> None:
        """Write the new best model."""
        self.best_says = says
        self.inner(f"{click.style('best', fg='cyan')} {shortened(says, self.room - 5)}")

    def outcome(self, outcome: Outcome) -> None:
        """Write the answer of a stage, with its checks and seconds."""
        spent = outcome.seconds or perf_counter() - self.stage_began
        tail = "  ".join(filter(None, [tally(self.counts), click.style(spoken(spent), dim=True)]))
        room = self.room - len(click.unstyle(tail)) - 4
        arrow = click.style("→", fg=VERDICTS[outcome.verdict], bold=True)
        first, *rest = textwrap.wrap(outcome.answer, room) or [""]
        self.inner(f"{arrow} {first.ljust(room)}  {tail}")
        for line in rest:
            self.inner(f"  {line}")

    def told(self, head: str, says: str) -> None:
        """Write a sentence after its head, all of it: what does not fit stands below, two letters in."""
        indent = " " * len(click.unstyle(head))
        first, *rest = textwrap.wrap(
            says, max(self.room, len(indent) + 20), initial_indent=indent, subsequent_indent="  "
        )
        self.inner(head + first.strip())
        for line in rest:
            self.inner(line)

    @property
    def room(self) -> int:
        """Letters that a line within a stage may have."""
        return voice.width() - INDENT

    @property
    def percent(self) -> str:
        """How much of it is done."""
        return f"{min(1.0, self.done / self.total):.0%}" if self.total > 0 else ""

    @property
    def left(self) -> str:
        """About how long it will still take; empty while nobody can know."""
        spent = perf_counter() - self.label_began
        if self.total <= 0 or self.done <= 0 or spent < 1 or self.done >= self.total:
            return ""
        return f", about {spoken(max(1, round(spent * (self.total - self.done) / self.done)))} left"

    def inner(self, line: str) -> None:
        """Write a line below the stage's name."""
        self.write(" " * INDENT + line)

    def write(self, line: str) -> None:
        """Write a line that stays."""
        self.last_word = perf_counter()
        voice.say(line)
