"""What is added to a bundle's card after it was made: its stamp and why, what a person passed, and the sealed result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mulle.core.check import Check, Outcome, Verdict, blocking, checks_of, may_ship

STAMP = "## May it be used?"
PASSED = "## What a person passed by name"
SEALED = "## On rows that nobody had seen"
_HEAD = re.compile(r"^(?=## )", re.MULTILINE)


def carded(card: str, outcomes: Sequence[Outcome]) -> str:
    r"""Return a card with what is known now; what was added before is replaced.

    Parameters
    ----------
    card
        Markdown.
    outcomes
        All that the stages found.

    Returns
    -------
    str
        Markdown: first whether it may be used and, for a draft, which gates are not open and why; at the end the sealed
        test and the overridden checks, where there are any.

    Examples
    --------
    >>> from mulle.core.check import Check, Status
    >>> check = Check(name="data.twins", status=Status.FAIL, says="9 rows are twins.", override="Two tills; ask Ana")
    >>> print(carded("# Churn\n", [Outcome(stage="data", question="", answer="", checks=[check])]))
    # Churn
    <BLANKLINE>
    ## May it be used?
    <BLANKLINE>
    For a look only: it is stamped *draft*. The sealed test was never opened for it (`mulle assess`).
    <BLANKLINE>
    ## What a person passed by name
    <BLANKLINE>
    - `data.twins` (FAIL: 9 rows are twins.) Reason: Two tills; ask Ana
    <BLANKLINE>
    """
    title, *parts = _HEAD.split(card)
    kept = [part.strip() for part in parts if part.split("\n", 1)[0] not in {STAMP, PASSED, SEALED}]
    return "\n\n".join([title.strip(), *_stamp(outcomes), *kept, *_sealed(outcomes), *_passed(outcomes)]) + "\n"


def _stamp(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Say what the stamp is; of a draft, why: each gate that isn't open with what keeps it so."""
    assessed = any(outcome.stage == "assess" for outcome in outcomes)
    closed = [outcome for outcome in outcomes if outcome.verdict is not Verdict.OPEN]
    yield STAMP
    if may_ship(outcomes):
        by_name = ", some passed by a person (see below)" if _by_name(outcomes) else ""
        yield f"It is stamped *ready*: every gate is open, that of the sealed test too{by_name}."
        return
    unseen = "" if assessed else " The sealed test was never opened for it (`mulle assess`)."
    yield "For a look only: it is stamped *draft*." + unseen + (" These gates are not open:" if closed else "")
    if closed:
        yield "\n".join(_why(outcome) for outcome in closed)


def _why(outcome: Outcome) -> str:
    what = "the sealed test" if outcome.stage == "assess" else outcome.stage
    word = "failed" if outcome.stage == "assess" and outcome.verdict is Verdict.SHUT else outcome.verdict
    return "\n".join([f"- **{what}: {word}**", *(f"  - {_told(check)}" for check in blocking(outcome.checks))])


def _told(check: Check) -> str:
    return f"`{check.name}` ({check.status}): {check.says}"


def _passed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    if held := _by_name(outcomes):
        yield PASSED
        yield "\n".join(f"- `{check.name}` ({check.status}: {check.says}) Reason: {check.override}" for check in held)


def _by_name(outcomes: Sequence[Outcome]) -> list[Check]:
    return [check for check in checks_of(outcomes) if check.passed_by_name]


_WORDS = {
    Verdict.OPEN: "It held.",
    Verdict.SHUT: "**It failed.**",
    Verdict.UNDECIDED: "Whether it held is not decided.",
}


def _sealed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.stage == "assess":
            yield SEALED
            yield " ".join([_WORDS[outcome.verdict], outcome.answer, *(c.says for c in blocking(outcome.checks))])
