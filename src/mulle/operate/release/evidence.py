"""What the log says of a challenger, as checks: enough seen, agreement, guardrails, and the trial's verdict."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mulle.core.check import Check, Interval, Status
from mulle.core.project import ReleasePart
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog, Seen
from mulle.operate.release.state import Challenger, Refused, Step
from mulle.store.log import Row
from mulle.trials.always import Guardrail, guard, missing
from mulle.trials.effect import Effect, effect
from mulle.trials.moments import Moments
from mulle.trials.power import WEEK, duration, size
from mulle.trials.ratio_check import RatioCheck, check_ratio
from mulle.trials.sequential import judge
from mulle.trials.verdict import Primary, Ruling, rule

DAY_S = 86_400.0
FAILURES = 0.01
"""The share of its requests that a challenger may fail more than the champion. Users don't meet it: the champion answers."""
FEW = 30
"""Rows below which a slice of the disagreement isn't told."""
FEEDBACK_ALPHA = 0.001


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


def evidence(challenger: Challenger, log: OnlineLog, page: ReleasePart, *, at: float) -> Evidence:
    """Read what the log holds of a challenger's present step.

    Parameters
    ----------
    challenger
        Whose step it is.
    log
        Of predictions and feedback.
    page
        ``[release]`` of the page.
    at
        Now, seconds since 1970.

    Returns
    -------
    Evidence
        Nothing is written: looking at a trial by this counts no look.
    """
    if challenger.step is Step.CANDIDATE:
        return Evidence(checks=(), says="The candidate has met nobody yet.", next="mulle release shadow")
    if challenger.step is Step.SHADOW:
        return of_shadow(log.pairs(since=challenger.since), page)
    seen = log.trial(challenger.trial, since=challenger.since)
    if challenger.step is Step.CANARY:
        return of_canary(seen, challenger, page)
    return progress(seen, challenger, page, at=at)


# ---------------------------------------------------------------- shadow


def of_shadow(pairs: Sequence[tuple[Row, Row]], page: ReleasePart) -> Evidence:
    """Compare what a shadow would have told with what was told."""
    told = [(json.loads(a.output), json.loads(b.output), json.loads(a.inputs)) for a, b in pairs]
    n = len(told)
    same = [_decisions_agree(a, b) for a, b, _ in told]
    checks = (_enough("release.shadow_rows", n, page.shadow_rows, "rows mirrored"), _agreement(same, page.agreement))
    says = f"The shadow answered {n:,} rows" + (f" and agreed in {sum(same) / n:.1%} of them." if n else ".")
    notes = _scores_apart(told) + _slices_apart([(inputs, ok) for (_, _, inputs), ok in zip(told, same, strict=True)])
    return Evidence(checks=checks, says=says, next="mulle release canary", notes=tuple(notes))


def _decisions_agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    one, other = a.get("decision"), b.get("decision")
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= 0.1 * max(1.0, abs(one))
    return bool(one == other)


def _enough(name: str, n: int, least: int, what: str) -> Check:
    if n >= least:
        return Check(name=name, status=Status.PASS, says=f"{n:,} {what}", value=n, bar=f"≥ {least:,}")
    says = f"{n:,} {what}; {least:,} are asked for"
    fix = "wait for more requests"
    return Check(
        name=name, status=Status.UNANSWERED, says=says, fix=fix, value=n, bar=f"≥ {least:,}", needed_rows=least
    )


def _agreement(same: Sequence[bool], bar: float) -> Check:
    n = len(same)
    if not n:
        says = "no row was answered by both"
        return Check(name="release.agreement", status=Status.UNANSWERED, says=says, fix="wait for more requests")
    share = sum(same) / n
    low, high = wilson(share, n)
    status = Status.PASS if low >= bar else Status.FAIL if high < bar else Status.UNANSWERED
    says = f"shadow and champion decide alike in {share:.1%} of {n:,} rows ({low:.1%} to {high:.1%})"
    fix = (
        "" if status is Status.PASS else "see below where they differ; a model that should decide otherwise: --override"
    )
    return Check(
        name="release.agreement",
        status=status,
        says=says,
        fix=fix,
        value=share,
        bar=f"≥ {bar:g}",
        interval=Interval(low=low, high=high),
        n_rows=n,
    )


def wilson(share: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0.9, 100)]
    [0.826, 0.945]

    Notes
    -----
    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def _scores_apart(told: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], Any]]) -> list[str]:
    apart = [
        abs(value - b["prediction"][name])
        for a, b, _ in told
        for name, value in a["prediction"].items()
        if name in b["prediction"]
    ]
    if not apart:
        return []
    apart.sort()
    return [f"Scores differ by {apart[len(apart) // 2]:.3g} in the middle, by {apart[-1]:.3g} at most."]


def _slices_apart(rows: Sequence[tuple[Mapping[str, Any], bool]]) -> list[str]:
    """Name the three values of a column in which the two differ most."""
    n: dict[tuple[str, str], int] = defaultdict(int)
    same: dict[tuple[str, str], int] = defaultdict(int)
    for inputs, ok in rows:
        for name, value in inputs.items():
            if isinstance(value, str | bool):
                n[name, str(value)] += 1
                same[name, str(value)] += ok
    worst = sorted((same[key] / n[key], key) for key in n if n[key] >= FEW and same[key] < n[key])[:3]
    return [
        f"Where {name} is '{value}' they agree in {share:.0%} of {n[name, value]:,} rows."
        for share, (name, value) in worst
    ]


# ---------------------------------------------------------------- canary


def of_canary(seen: Seen, challenger: Challenger, page: ReleasePart) -> Evidence:
    """Judge a canary by its guardrails, which may be looked at whenever one likes."""
    n = len(seen.arms[CANDIDATE].exposed)
    found = guardrails(seen, page)
    checks = (
        _enough("release.canary_units", n, page.canary_units, "units met the canary"),
        *_ratio(ratio_of(seen, challenger)),
        *(_guarded(name, one) for name, one in found.items()),
    )
    says = f"{n:,} units met the canary, {challenger.share:.0%} of all."
    return Evidence(checks=checks, says=says, next="mulle release canary (grows), then: mulle release trial")


def guardrails(seen: Seen, page: ReleasePart) -> dict[str, Guardrail]:
    """Return all guardrails: failures, which nobody has to declare, and those of the page."""
    wanted = {"failed": FAILURES, **page.guardrails}
    found = {}
    for name, margin in wanted.items():
        moments = seen.moments(Metric.named(name))
        a, b = moments[CONTROL], moments[CANDIDATE]
        better = name != "failed"
        found[name] = (
            guard(name, a, b, margin=margin, greater_is_better=better, n_guardrails=len(wanted))
            if a.n and b.n
            else missing(name, margin)
        )
    if found["failed"].state == "open" and not seen.arms[CANDIDATE].failed:
        del found["failed"]  # nobody failed: nothing to be unsure of
    return found


def ratio_of(seen: Seen, challenger: Challenger) -> RatioCheck:
    """Compare the units of each arm with the shares that they were to get.

    A canary grows: only units that were assigned under the present shares count, as their propensity tells.
    """
    shares = {CONTROL: round(1 - challenger.share, 4), CANDIDATE: challenger.share}
    counts = {
        name: sum(math.isclose(propensity, shares[name], abs_tol=1e-6) for propensity in arm.exposed.values())
        for name, arm in seen.arms.items()
    }
    return check_ratio(counts, shares)


def _ratio(found: RatioCheck) -> list[Check]:
    """Return the ratio as a check of a canary; too few units to tell hold nothing up there."""
    if not found.blocks:
        return [Check(name="release.ratio", status=Status.PASS, says=found.says, value=found.p)]
    wrong = found.p < found.alpha or found.always_p < found.alpha
    if not wrong:
        return []
    fix = "find why units of one arm are lost"
    return [Check(name="release.ratio", status=Status.FAIL, says=found.says, fix=fix, value=found.p)]


def _guarded(name: str, found: Guardrail) -> Check:
    status = {"breached": Status.FAIL, "safe": Status.PASS}.get(found.state, Status.NOTE)
    if found.state == "missing":
        status = Status.UNANSWERED
    fix = {"breached": "mulle release withdraw", "missing": "send feedback for both arms"}.get(found.state, "")
    return Check(name=f"release.guardrail.{name}", status=status, says=found.says, fix=fix, interval=found.interval)


# ---------------------------------------------------------------- trial


def planned(log: OnlineLog, page: ReleasePart, *, at: float, back_days: int = 28) -> dict[str, Any]:
    """Return the design of a trial: how many units, how many days, from the page and from the log's traffic.

    Parameters
    ----------
    log
        Whose traffic and metric before the trial are taken.
    page
        ``[release]`` of the page.
    at
        Now.
    back_days
        How far back the log is read.

    Returns
    -------
    dict
        For the event; JSON.

    Raises
    ------
    Refused
        When the page doesn't say by what to judge, or the log holds too little to plan by.
    """
    if not page.online_metric or page.smallest_effect is None:
        what = "a trial needs an online metric and the smallest effect worth having"
        fix = 'mulle set release.online_metric="value:revenue" release.smallest_effect=0.05'
        raise Refused(what, where="mulle.toml, [release]", fix=fix)
    since = at - back_days * DAY_S
    base = _before(log, page, since)
    needed = size(base, page.smallest_effect, share=page.share, n_looks=page.looks)
    days = log.arrivals(since=since, until=at)
    told = duration(needed.n_units, days, whole_weeks=page.whole_weeks) if any(days) else None
    return {
        "metric": page.online_metric,
        "better": page.better,
        "smallest_effect": page.smallest_effect,
        "n_units": needed.n_units,
        "looks": page.looks,
        "days": told.days if told else None,
        "says": told.says if told else "",
        "base": base.mean,
    }


def _before(log: OnlineLog, page: ReleasePart, since: float) -> Moments:
    metric = Metric.named(page.online_metric)
    found = log.untested(since=since).moments(metric)[CONTROL]
    if found.n < FEW or not found.variance > 0:
        what = f"the log holds '{page.online_metric}' of {found.n} units: too few to plan a trial by"
        raise Refused(what, where="the log", fix="serve for a while and send feedback: POST /v1/feedback")
    return found


def progress(seen: Seen, challenger: Challenger, page: ReleasePart, *, at: float) -> Evidence:
    """Say how far a trial is, without looking at what it shows: only guardrails and the ratio may be seen."""
    design = challenger.design or {}
    n, wanted = _n_units(seen), int(design.get("n_units", 0))
    due = next_look(challenger)
    checks = (
        *_ratio(ratio_of(seen, challenger)),
        *(_guarded(name, one) for name, one in guardrails(seen, page).items()),
    )
    notes = [
        f"Look {len(challenger.looks) + 1} of {design.get('looks')} is due from {due:,} units on: mulle release judge"
    ]
    days = (at - challenger.since) / DAY_S
    says = f"{n:,} of {wanted:,} planned units in {days:.1f} days."
    return Evidence(checks=checks, says=says, next="mulle release judge", notes=tuple(notes))


def _n_units(seen: Seen) -> int:
    return sum(len(arm.exposed) for arm in seen.arms.values())


def next_look(challenger: Challenger) -> int:
    """Return the number of units from which on the next look is due; looks are spread evenly over the plan."""
    design = challenger.design or {}
    k, n = len(challenger.looks) + 1, int(design["looks"])
    return math.ceil(int(design["n_units"]) * min(k, n) / n)


def look(
    challenger: Challenger, log: OnlineLog, page: ReleasePart, *, at: float, overrides: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], Evidence]:
    """Look at a trial: what is found counts, and has to be recorded.

    Parameters
    ----------
    challenger
        In its trial.
    log
        Of predictions and feedback.
    page
        ``[release]`` of the page.
    at
        Now.
    overrides
        Reasons by the name of a check.

    Returns
    -------
    tuple
        The look, for the event, and what all looks together say.

    Raises
    ------
    Refused
        When the look isn't due yet.
    """
    seen, days = _whole(challenger, log, page, at)
    design = challenger.design or {}
    moments = seen.moments(Metric.named(str(design["metric"])))
    a, b = moments[CONTROL], moments[CANDIDATE]
    n, due = a.n + b.n, next_look(challenger)
    if n < due:
        what = f"the look isn't due: {n:,} units have feedback, the next look is at {due:,}"
        raise Refused(what, where="mulle release", fix="wait; looking more often would make chance look like a gain")
    found = effect(a, b) if design["better"] == "higher" else effect(a, b).flipped()
    told = {"n_units": n, "value": found.value, "se": found.se, "base": found.base, "at": at}
    ruling = ruled(seen, challenger, page, looks=[*challenger.looks, told], days=days, overrides=overrides)
    return told, Evidence(checks=ruling.checks, says=ruling.says, next=_due(ruling), ruling=ruling)


def again(
    challenger: Challenger, log: OnlineLog, page: ReleasePart, *, at: float, overrides: Mapping[str, str] | None = None
) -> Ruling:
    """Return the verdict of the looks that were taken; guardrails and ratio as they stand now."""
    seen, days = _whole(challenger, log, page, at)
    return ruled(seen, challenger, page, looks=challenger.looks, days=days, overrides=overrides)


def _whole(challenger: Challenger, log: OnlineLog, page: ReleasePart, at: float) -> tuple[Seen, float]:
    """Read a trial up to its last whole week, where whole weeks are wanted and one is over."""
    days = (at - challenger.since) / DAY_S
    weeks = math.floor(days / WEEK)
    if not page.whole_weeks or not weeks:
        return log.trial(challenger.trial, since=challenger.since), days
    until = challenger.since + weeks * WEEK * DAY_S
    return log.trial(challenger.trial, since=challenger.since, until=until), weeks * WEEK


def _due(ruling: Ruling) -> str:
    return {"promote": "mulle release promote", "keep": "mulle release withdraw"}.get(
        ruling.decision, "mulle release judge"
    )


def ruled(
    seen: Seen,
    challenger: Challenger,
    page: ReleasePart,
    *,
    looks: Sequence[Mapping[str, Any]],
    days: float,
    overrides: Mapping[str, str] | None = None,
) -> Ruling:
    """Return the verdict of a trial after some looks."""
    design = challenger.design or {}
    effects = [Effect(value=one["value"], se=one["se"], base=one["base"], n_units=int(one["n_units"])) for one in looks]
    result = judge(effects, int(design["n_units"])) if all(one.known for one in effects) else None
    primary = Primary(
        name=str(design["metric"]),
        result=result,
        least=page.smallest_effect,
        worth=page.worth,
        currency=str(design.get("currency", "")),
    )
    found = guardrails(seen, page)
    return rule(
        ratio=ratio_of(seen, challenger),
        primaries=[primary],
        guardrails={name: one if one.state != "missing" else None for name, one in found.items()},
        days=days,
        whole_weeks=page.whole_weeks,
        overrides=overrides,
    )
