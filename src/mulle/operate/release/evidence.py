"""What is known of a challenger, as checks that all have to pass for the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mulle.core.check import Check, Status
from mulle.core.project import ReleasePart
from mulle.operate.release.agreement import Terms, agreement
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.guards import guarded, guardrails, ratio_of, says_ratio, unitless
from mulle.operate.release.online import CANDIDATE, Seen
from mulle.operate.release.outlier import outliers
from mulle.operate.release.slices import Slices
from mulle.operate.release.state import Challenger
from mulle.store.log import Row
from mulle.trials.verdict import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known, and what it means for the next step.

    Parameters
    ----------
    checks
        All must pass for the next step.
    says
        One sentence.
    next
        The command that is due when they pass.
    notes
        Worth knowing: where the shadow disagrees, when the next look is.
    ruling
        Of a trial, once it was looked at.
    """

    checks: tuple[Check, ...]
    says: str
    next: str
    notes: tuple[str, ...] = ()
    ruling: Ruling | None = None


def of_shadow(
    pairs: Sequence[tuple[Row, Row]], page: ReleasePart, *, limit_ms: float | None = None, slices: Slices | None = None
) -> Evidence:
    """Say how often a shadow would have decided as the champion did, where it would not, and how fast it was.

    Parameters
    ----------
    pairs
        The row that was told, and the shadow's.
    page
        ``[release]`` of the page.
    limit_ms
        The page's ``limits.latency_ms_p95``.
    slices
        Of the page.
    """
    terms = Terms(alike=page.agreement, max_slowdown=page.max_slowdown, limit_ms=limit_ms, slices=slices or Slices())
    found = agreement(pairs, terms)
    enough = _enough("release.shadow_rows", found.n, page.shadow_rows, "rows mirrored")
    checks = (enough, found.check, found.latency, *found.slices)
    says = f"The shadow was asked for {found.n:,} rows" + (
        f" and agreed in {found.share:.1%} of them." if found.n else "."
    )
    return Evidence(checks=checks, says=says, next="mulle release canary", notes=found.notes)


def of_canary(seen: Seen, challenger: Challenger, page: ReleasePart, criteria: Criteria) -> Evidence:
    """Judge a canary by its guardrails, which may be looked at whenever one likes, since it got its present share."""
    n = len(seen.arms[CANDIDATE].exposed)
    checks = (
        _enough("release.canary_units", n, page.canary_units, "units met the canary at this share"),
        *says_ratio(ratio_of(seen, challenger)),
        *(guarded(name, one) for name, one in guardrails(seen, criteria.guardrails).items()),
        *outliers(seen, criteria.guardrails),
    )
    says = f"{n:,} units met the canary since it has {challenger.share:.0%} of all."
    due = "mulle release canary (grows), then: mulle release trial"
    return Evidence(checks=checks, says=says, next=due, notes=unitless(seen))


def _enough(name: str, n: int, least: int, what: str) -> Check:
    if n >= least:
        return Check(name=name, status=Status.PASS, says=f"{n:,} {what}", value=n, bar=f"≥ {least:,}")
    return Check(
        name=name,
        status=Status.UNANSWERED,
        says=f"{n:,} {what}; {least:,} are asked for",
        fix="wait for more requests",
        value=n,
        bar=f"≥ {least:,}",
        needed_rows=least,
    )
