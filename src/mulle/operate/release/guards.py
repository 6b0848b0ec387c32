"""What may be looked at whenever one likes: guardrails, the arms' proportion, and whether feedback comes from both alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mulle.core.check import Check, Status
from mulle.core.online import LARGEST
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.deal import counts
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, Seen
from mulle.operate.release.state import Challenger
from mulle.trials.always import Guardrail, guard, missing
from mulle.trials.ratio_check import RatioCheck, check_ratio, check_ratio_over

FAILURES = 0.01
"""The share of its requests that a challenger may fail more than the champion. Users rarely meet it: the champion answers."""
FEEDBACK_ALPHA = 0.001
LEAST_EXPECTED = 5.0
"""Units with feedback, and without, expected in each arm, below which nothing is said of the difference."""


def guardrails(seen: Seen, wanted: Mapping[str, tuple[float, str]]) -> dict[str, Guardrail]:
    """Return all guardrails: failures, which nobody has to declare, and those that are wanted.

    Parameters
    ----------
    seen
        Of a canary or a trial.
    wanted
        Margin and direction by metric.

    Returns
    -------
    dict
        By metric; of failures none where nobody failed: there is nothing to be unsure of.
    """
    every = {"failed": (FAILURES, "lower"), **wanted}
    found = {name: _guard(seen, name, *every[name], n=len(every)) for name in every}
    if found["failed"].state in {"open", "missing"} and not seen.arms[CANDIDATE].failed:
        del found["failed"]
    return found


def _guard(seen: Seen, name: str, margin: float, better: str, *, n: int) -> Guardrail:
    moments = seen.moments(Metric.named(name))
    a, b = moments[CONTROL], moments[CANDIDATE]
    if not (a.n and b.n):
        return missing(name, margin)
    return guard(name, a, b, margin=margin, greater_is_better=better == "higher", n_guardrails=n)


def guarded(name: str, found: Guardrail) -> Check:
    """Return a guardrail as a check of a step; one that is still open holds nothing up there."""
    status = {"breached": Status.FAIL, "safe": Status.PASS, "missing": Status.UNANSWERED}.get(found.state, Status.NOTE)
    fix = {"breached": "mulle release withdraw", "missing": "send feedback for both arms"}.get(found.state, "")
    return Check(name=f"release.guardrail.{name}", status=status, says=found.says, fix=fix, interval=found.interval)


def ratio_of(seen: Seen, challenger: Challenger) -> RatioCheck:
    """Compare the units of each arm with the shares that they were to get, and remember what earlier looks found."""
    shares = {CONTROL: round(1 - challenger.share, 4), CANDIDATE: challenger.share}
    before = min((float(one.get("ratio_p", 1.0)) for one in challenger.looks), default=1.0)
    if seen.batches:
        return check_ratio_over(counts(seen), before=before)
    return check_ratio({name: len(arm.exposed) for name, arm in seen.arms.items()}, shares, before=before)


def says_ratio(found: RatioCheck) -> list[Check]:
    """Return the ratio as a check of a step; too few units to tell hold nothing up there."""
    if not found.blocks:
        return [Check(name="release.ratio", status=Status.PASS, says=found.says, value=found.p)]
    if not (found.p < found.alpha or found.always_p < found.alpha):
        return []
    fix = "find why units of one arm are lost"
    return [Check(name="release.ratio", status=Status.FAIL, says=found.says, fix=fix, value=found.p)]


def feedback(seen: Seen, criteria: Criteria) -> Check | None:
    """Ask whether the same share of the units of both arms has feedback.

    Where a metric is a mean over what was told, feedback that one arm loses would choose who is counted; then nothing is
    decided. A sum over all units may well come with feedback only where there is something to count: there it is a note.

    Parameters
    ----------
    seen
        Of the trial.
    criteria
        Of the trial.

    Returns
    -------
    Check
        ``release.feedback``; None with too few units to tell.

    Notes
    -----
    Two proportions, pooled, normal: α = .001 as for the ratio of units. Where shares changed on the way, batch by batch:
    Cochran, Some methods for strengthening the common χ² tests, Biometrics 10, 1954.
    """
    parts = [_told(batch.seen) for batch in seen.batches] or [_told(seen)]
    if sum(part.least for part in parts) < LEAST_EXPECTED:
        return None
    z = sum(part.apart for part in parts) / math.sqrt(sum(part.variance for part in parts))
    p, every = math.erfc(abs(z) / math.sqrt(2)), _told(seen)
    by_arm = " and ".join(f"{every.told[name] / n:.1%} of {n:,} ({name})" for name, n in every.n.items())
    by_arm += ", compared by batch" if len(parts) > 1 else ""
    if p >= FEEDBACK_ALPHA:
        return Check(name="release.feedback", status=Status.PASS, says=f"feedback from {by_arm}", value=p)
    sums = all(Metric.named(name).is_sum for name in criteria.metrics)
    return Check(
        name="release.feedback",
        status=Status.NOTE if sums else Status.FAIL,
        says=f"feedback comes from {by_arm}: not alike (p = {p:.2g})",
        fix="find why feedback of one arm is lost, or why one arm asks for it more",
        value=p,
        bar=f"p ≥ {FEEDBACK_ALPHA:g}",
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """Units, and those with feedback, by arm."""

    n: Mapping[str, int]
    told: Mapping[str, int]

    @property
    def share(self) -> float:
        return sum(self.told.values()) / max(sum(self.n.values()), 1)

    @property
    def least(self) -> float:
        """The fewest units that are expected with feedback, or without, in an arm."""
        return min(self.n.values()) * min(self.share, 1 - self.share)

    @property
    def apart(self) -> float:
        """By how many units with feedback the candidate is ahead of what is expected."""
        return self.told[CANDIDATE] - self.n[CANDIDATE] * self.share

    @property
    def variance(self) -> float:
        """Of `apart`."""
        return self.share * (1 - self.share) * self.n[CONTROL] * self.n[CANDIDATE] / max(sum(self.n.values()), 1)


def _told(seen: Seen) -> _Told:
    told = {name: arm.n_told(seen.feedback) for name, arm in seen.arms.items()}
    return _Told({name: len(arm.exposed) for name, arm in seen.arms.items()}, told)


def unitless(seen: Seen) -> tuple[str, ...]:
    """Say how many requests met the arms and count nowhere, as nobody knows whose they were."""
    n = sum(arm.unitless for arm in seen.arms.values())
    says = (
        f"{n:,} rows named no unit and count nowhere: send `unit` with the request, or set a key: mulle set data.key=…"
    )
    return ((says,) if n else ()) + unread(seen)


def unread(seen: Seen) -> tuple[str, ...]:
    """Say how much feedback is no number anybody can count by."""
    says = f"{seen.unread:,} values of feedback are beyond ±{LARGEST:g} and count nowhere: send them again as they should be"
    return (says,) if seen.unread else ()


def silent(challenger: Challenger, where: str) -> Check:
    """Return the check of a log in which nothing was written since a step began."""
    return Check(
        name="release.log",
        status=Status.UNANSWERED,
        says=f"nothing was logged in {where} since the {challenger.step} began",
        fix="if servers keep their log elsewhere, say where: mulle release --log URL; else wait for requests",
    )
