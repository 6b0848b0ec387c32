"""A check asks one thing and shows its evidence; a gate joins checks into a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mulle.core.figure import Cell, Figure, Table


class Status(StrEnum):
    """What a check found."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    UNANSWERED = "UNANSWERED"
    """Nobody said what would be good enough, or the data cannot tell yet. Never a pass."""
    NOTE = "NOTE"
    """Worth knowing; gates nothing."""


class Verdict(StrEnum):
    """What a gate says: open, shut, or undecided."""

    OPEN = "open"
    SHUT = "shut"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A range that holds the truth with the stated confidence."""

    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question, its answer and its evidence.

    Parameters
    ----------
    name
        Dotted and stable, so that it can be overridden by name: ``"data.twins_across_sides"``.
    status
        What was found.
    says
        One sentence for a person: what was seen, with the numbers.
    fix
        What to do, ideally something to type. Empty only when there is nothing to do.
    value
        The number that was compared, if there is one.
    bar
        What it was compared with, and where that default comes from: ``"≤ 0.05 (mulle default)"``.
    interval
        Of the value.
    n_rows
        On how many rows the answer rests.
    needed_rows
        For an undecided answer: about how many rows would decide it.
    evidence
        Rows to look at, or the numbers behind the answer.
    undo
        The command that undoes what was done about it, when something was done.
    override
        The reason somebody gave for passing it all the same.

    Examples
    --------
    >>> check = Check(name="data.rows", status=Status.FAIL, says="40 rows are too few.", fix="bring more rows")
    >>> verdict([check])
    <Verdict.SHUT: 'shut'>
    """

    name: str
    status: Status
    says: str
    fix: str = ""
    value: float | None = None
    bar: str = ""
    interval: Interval | None = None
    n_rows: int | None = None
    needed_rows: int | None = None
    evidence: Table | None = None
    undo: str = ""
    override: str = ""

    def overridden(self, reason: str) -> Check:
        """Return the same check, passed by a person for a reason that stays on the record."""
        return replace(self, override=reason)


def verdict(checks: Iterable[Check]) -> Verdict:
    """Join checks into the verdict of a gate.

    Parameters
    ----------
    checks
        All checks of the stage. Overridden ones count as passed; notes do not count.

    Returns
    -------
    Verdict
        Shut when any failed, else undecided when any is unanswered, else open.
    """
    found = {Status(check.status) for check in checks if not check.override}
    if Status.FAIL in found:
        return Verdict.SHUT
    return Verdict.UNDECIDED if Status.UNANSWERED in found else Verdict.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage leaves for people to read. The report draws it; nothing in it is computed again.

    ``facts`` are the stage's numbers for machines (and for the opening of the report); ``notes`` are
    paragraphs for people.
    """

    stage: str
    question: str
    answer: str
    checks: Sequence[Check] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, Cell | Sequence[Cell] | Mapping[str, Cell]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict, from the checks."""
        return verdict(self.checks)
