"""What is added to a bundle's card after it was made: its stamp and why, what a person passed, and the sealed result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mulle.core.check import Check, Outcome, Status, Verdict

STAMP = "## May it be used?"
PASSED = "## What a person passed by name"
SEALED = "## On rows that nobody had seen"
_HEAD = re.compile(r"^(?=## )", re.MULTILINE)
_BLOCKS = {Status.FAIL, Status.UNANSWERED}


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
    >>> from mulle.core.check import Check
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
    if assessed and not closed:
        by_name = ", some passed by a person (see below)" if any(c.override for o in outcomes for c in o.checks) else ""
        yield f"It is stamped *ready*: every gate is open, that of the sealed test too{by_name}."
        return
    unseen = "" if assessed else " The sealed test was never opened for it (`mulle assess`)."
    yield "For a look only: it is stamped *draft*." + unseen + (" These gates are not open:" if closed else "")
    if closed:
        yield "\n".join(_why(outcome) for outcome in closed)


def _why(outcome: Outcome) -> str:
    what = "the sealed test" if outcome.stage == "assess" else outcome.stage
    word = "failed" if outcome.stage == "assess" and outcome.verdict is Verdict.SHUT else outcome.verdict
    return "\n".join([f"- **{what}: {word}**", *(f"  - {_told(check)}" for check in _blocking(outcome))])


def _blocking(outcome: Outcome) -> list[Check]:
    return [check for check in outcome.checks if check.status in _BLOCKS and not check.override]


def _told(check: Check) -> str:
    return f"`{check.name}` ({check.status}): {check.says}"


def _passed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    held = [check for o in outcomes for check in o.checks if check.override and check.status in _BLOCKS]
    if held:
        yield PASSED
        yield "\n".join(f"- `{check.name}` ({check.status}: {check.says}) Reason: {check.override}" for check in held)


_WORDS = {
    Verdict.OPEN: "It held.",
    Verdict.SHUT: "**It failed.**",
    Verdict.UNDECIDED: "Whether it held is not decided.",
}


def _sealed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.stage == "assess":
            yield SEALED
            yield " ".join([_WORDS[outcome.verdict], outcome.answer, *(c.says for c in _blocking(outcome))])
