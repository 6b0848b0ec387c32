"""What is added to a bundle's card after it was made: what a person passed by name, and the sealed result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mulle.core.check import Outcome, Status

PASSED = "## What a person passed by name"
SEALED = "## On rows that nobody had seen"


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
        Markdown, with a section on overridden checks and one on the sealed test, where there are any.

    Examples
    --------
    >>> from mulle.core.check import Check
    >>> check = Check(name="data.twins", status=Status.FAIL, says="9 rows are twins.", override="Two tills; ask Ana")
    >>> print(carded("# Churn\n", [Outcome(stage="data", question="", answer="", checks=[check])]))
    # Churn
    <BLANKLINE>
    ## What a person passed by name
    <BLANKLINE>
    - `data.twins` (FAIL: 9 rows are twins.) Reason: Two tills; ask Ana
    <BLANKLINE>
    """
    first = min((card.find(f"\n{head}") for head in (PASSED, SEALED) if f"\n{head}" in card), default=len(card))
    added = [*_sealed(outcomes), *_passed(outcomes)]
    return "\n\n".join([card[:first].strip(), *added]) + "\n"


def _passed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    kept = {Status.FAIL, Status.UNANSWERED}
    held = [check for outcome in outcomes for check in outcome.checks if check.override and check.status in kept]
    if held:
        yield PASSED
        yield "\n".join(f"- `{check.name}` ({check.status}: {check.says}) Reason: {check.override}" for check in held)


def _sealed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.stage == "assess":
            yield SEALED
            yield outcome.answer
