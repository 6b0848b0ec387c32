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


BLOCKING = (Status.FAIL, Status.UNANSWERED)
"""What keeps a gate from opening, in the order in which it is told."""


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

    @property
    def blocks(self) -> bool:
        """Whether it keeps its gate from opening: it failed or has no answer, and nobody passed it by name."""
        return self.status in BLOCKING and not self.override

    @property
    def passed_by_name(self) -> bool:
        """Whether a person passed what would keep the gate from opening; an override of a pass says nothing."""
        return self.status in BLOCKING and bool(self.override)


def blocking(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that keep a gate from opening, failures first.

    Examples
    --------
    >>> costs = Check(name="problem.costs", status=Status.UNANSWERED, says="Nobody said what mistakes cost.")
    >>> twins = Check(name="data.twins", status=Status.FAIL, says="9 rows are twins.")
    >>> [check.name for check in blocking([costs, twins])], blocking([twins.overridden("Two tills; ask Ana")])
    (['data.twins', 'problem.costs'], [])
    """
    return sorted((check for check in checks if check.blocks), key=lambda check: BLOCKING.index(check.status))


def overridden(checks: Iterable[Check], reasons: Mapping[str, str]) -> list[Check]:
    """Return checks as persons pass them now: those that are named with their reason, all others with none.

    Parameters
    ----------
    checks
        Passed by whatever was said before, or by nobody.
    reasons
        By name of the check. What is not among them any more is not passed any more.
    """
    return [check.overridden(reasons.get(check.name, "")) for check in checks]


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

    def overridden(self, reasons: Mapping[str, str]) -> Outcome:
        """Return the same outcome with its checks as persons pass them now: what was found is not found anew."""
        return replace(self, checks=overridden(self.checks, reasons))


def checks_of(outcomes: Iterable[Outcome]) -> list[Check]:
    """Return all checks of all stages, in order."""
    return [check for outcome in outcomes for check in outcome.checks]


def may_ship(outcomes: Sequence[Outcome]) -> bool:
    """Say whether what the stages judged may ship: every gate is open, and that of the sealed test is among them.

    Examples
    --------
    >>> data, sealed = (Outcome(stage=stage, question="", answer="") for stage in ("data", "assess"))
    >>> may_ship([data]), may_ship([data, sealed])
    (False, True)
    """
    assessed = any(outcome.stage == "assess" for outcome in outcomes)
    return assessed and verdict(checks_of(outcomes)) is Verdict.OPEN
