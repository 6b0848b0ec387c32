"""A trial: planned from the log, looked at on its grid, and ruled by the criteria that were fixed when it began."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mulle.core.project import ReleasePart
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.deal import HALVES, effect_of, in_batches, share_of
from mulle.operate.release.evidence import Evidence
from mulle.operate.release.guards import feedback, guarded, guardrails, ratio_of, says_ratio, unitless
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog, Seen
from mulle.operate.release.outlier import outliers
from mulle.operate.release.state import Challenger, Refused
from mulle.trials.cuped import cuped
from mulle.trials.effect import Effect, effect
from mulle.trials.moments import Moments
from mulle.trials.power import WEEK, duration, size
from mulle.trials.primaries import judge_all
from mulle.trials.sequential import ALPHA
from mulle.trials.verdict import Primary, Ruling, rule

DAY_S = 86_400.0
BACK_DAYS = 28
"""How far back the log is read: for the plan, and for what was known of a unit before the trial."""
FEW = 30
"""Units below which no trial is planned, and nobody's past is used."""


# ---------------------------------------------------------------- the plan


def planned(log: OnlineLog, page: ReleasePart, criteria: Criteria, *, at: float) -> dict[str, Any]:
    """Return the design of a trial: how many units, how many days, from the page and from the log's traffic.

    Parameters
    ----------
    log
        Whose traffic and metric before the trial are taken.
    page
        ``[release]`` of the page.
    criteria
        By which it will be judged; they are frozen in the design.
    at
        Now.

    Returns
    -------
    dict
        For the event; JSON.

    Raises
    ------
    Refused
        When the page doesn't say by what to judge, or the log holds too little to plan by.
    """
    if not criteria.metrics or criteria.smallest_effect is None:
        what = "a trial needs an online metric and the smallest effect worth having"
        fix = 'mulle set release.online_metric="value:revenue" release.smallest_effect=0.05'
        raise Refused(what, where="mulle.toml, [release]", fix=fix)
    since, metric, bandit = at - BACK_DAYS * DAY_S, Metric.named(criteria.metrics[0]), page.mode == "thompson"
    before = log.untested(since=since)
    base = _base(before, metric, criteria.metrics[0])
    days = _without_leading(log.arrivals(since=since, until=at))
    left = 1.0 if bandit else _variance_left(log, metric, since=since, middle=(before.first + at) / 2)
    alpha, share = ALPHA / len(criteria.metrics), HALVES if bandit else page.share
    needed = size(base, criteria.smallest_effect, share=share, alpha=alpha, n_looks=page.looks, variance_left=left)
    taking_part = base.n / max(len(before.arms[CONTROL].exposed), 1)
    told = duration(needed.n_units, days, taking_part=taking_part, whole_weeks=page.whole_weeks) if any(days) else None
    return {
        "criteria": criteria.as_json(),
        "n_units": needed.n_units,
        "looks": page.looks,
        "days": told.days if told else None,
        "says": told.says if told else "",
        "base": base.mean,
        "variance_left": left,
        "mode": page.mode,
        "share": share,
        **({"floor": page.floor} if bandit else {}),
    }


def plan_of(design: Mapping[str, Any]) -> str:
    """Say what was planned.

    Examples
    --------
    >>> plan_of({"n_units": 1200, "looks": 4, "says": "1,200 units arrive in 9 days: 14 days, to end on a whole week"})
    'The trial counts 1,200 units, looked at 4 times at most: 1,200 units arrive in 9 days: 14 days, to end on a whole week.'
    """
    when = f": {design['says']}" if design["says"] else "; from the log nobody can tell how long that takes"
    return f"The trial counts {int(design['n_units']):,} units, looked at {design['looks']} times at most{when}."


def _base(before: Seen, metric: Metric, name: str) -> Moments:
    found = before.moments(metric)[CONTROL]
    if found.n < FEW or not found.variance > 0:
        what = f"the log holds '{name}' of {found.n} units: too few to plan a trial by"
        raise Refused(what, where="the log", fix="serve for a while and send feedback: POST /v1/feedback")
    return found


def _without_leading(days: Sequence[float]) -> list[float]:
    """Leave out the days before anybody came: a server that is three days old doesn't have 25 days without traffic."""
    first = next((i for i, n in enumerate(days) if n), len(days))
    return list(days[first:])


def _variance_left(log: OnlineLog, metric: Metric, *, since: float, middle: float) -> float:
    """Return what CUPED leaves of the variance, from the log's later half given its earlier one; 1 where it can't help."""
    later = log.untested(since=middle).counted(metric)[CONTROL]
    past = _pasts(log, metric, since=since, until=middle)
    values, before = later.values, np.array([past.get(unit, math.nan) for unit in later.units])
    if len(values) < 2 * FEW or np.isfinite(before).sum() < FEW:
        return 1.0
    return min(cuped(values[::2], values[1::2], before[::2], before[1::2]).variance_left, 1.0)


def _pasts(log: OnlineLog, metric: Metric, *, since: float, until: float) -> dict[str, float]:
    """Return the metric of each unit before a moment, whoever answered; feedback that came later isn't used."""
    return log.untested(since=since, until=until, arm=None).each(metric)


# ---------------------------------------------------------------- under way


def criteria_of(challenger: Challenger) -> Criteria:
    """Return what was fixed when the trial began.

    Raises
    ------
    Refused
        When its design doesn't hold that.
    """
    fixed = (challenger.design or {}).get("criteria")
    if fixed is None:
        what = "the trial's design doesn't say by what it is judged: an older version began it"
        raise Refused(what, where="mulle release", fix="mulle release withdraw, then begin anew")
    return Criteria.frozen(fixed)


def progress(log: OnlineLog, challenger: Challenger, now: Criteria, *, at: float) -> Evidence:
    """Say how far a trial is, without looking at what it shows: only guardrails and proportions may be seen.

    Parameters
    ----------
    log
        Of predictions and feedback.
    challenger
        In its trial.
    now
        What the page says now; where it differs from what was fixed, that is said.
    at
        Now, seconds since 1970.

    Returns
    -------
    Evidence
        No look is counted.
    """
    design, fixed = challenger.design or {}, criteria_of(challenger)
    seen = _seen(log, challenger)
    told = feedback(seen, fixed)
    checks = (
        *says_ratio(ratio_of(seen, challenger)),
        *([told] if told else []),
        *(guarded(name, one) for name, one in guardrails(seen, fixed.guardrails).items()),
        *outliers(seen, [*fixed.metrics, *fixed.guardrails]),
    )
    n = _n_counted(seen, fixed)
    days = (at - challenger.since) / DAY_S
    says = f"{n:,} of {int(design['n_units']):,} planned units in {days:.1f} days."
    notes = (*_due_notes(challenger, fixed), *_changed(fixed, now), *unitless(seen))
    due = "mulle release judge" if next_look(challenger) else _due(again(log, challenger), over=True)
    return Evidence(checks=checks, says=says, next=due, notes=notes)


def _n_counted(seen: Seen, fixed: Criteria) -> int:
    """Return how many units the first metric counts: those by which the trial was planned."""
    return sum(len(one.units) for one in seen.counted(Metric.named(fixed.metrics[0])).values())


def _due_notes(challenger: Challenger, fixed: Criteria) -> list[str]:
    due, deal = next_look(challenger), next_deal(challenger)
    if due is None:
        return ["All looks that were planned are taken; the verdict stands: mulle release judge tells it again."]
    looks, weeks = (challenger.design or {})["looks"], ", of whole weeks" if fixed.whole_weeks else ""
    says = (
        f"Look {len(challenger.looks) + 1} of at most {looks} is due from {due:,} units on{weeks}: mulle release judge"
    )
    if deal is None:
        return [says]
    return [says, f"Units are dealt anew from {deal:,} units on: mulle release watch, or judge. A share is no verdict."]


def _changed(fixed: Criteria, now: Criteria) -> tuple[str, ...]:
    names = ", ".join(fixed.changed(now))
    says = f"The page says otherwise since the trial began ({names}); what was fixed then counts."
    return (says,) if names else ()


def next_look(challenger: Challenger) -> int | None:
    """Return the number of units from which on the next look is due: looks are spread evenly over the plan.

    Examples
    --------
    >>> from mulle.operate.release.state import Version
    >>> version, design = Version(bundle="aa", folder="releases/aa"), {"n_units": 1000, "looks": 5}
    >>> [
    ...     next_look(Challenger(number=1, version=version, design=design, looks=looks))
    ...     for looks in ((), ({"n_units": 450},), ({"n_units": 1003},))
    ... ]
    [200, 600, None]
    """
    last = challenger.looks[-1]["n_units"] if challenger.looks else 0
    return next((n for n in _grid(challenger) if n > last), None)


def _grid(challenger: Challenger) -> list[int]:
    design = challenger.design or {}
    n_units, n_looks = int(design["n_units"]), int(design["looks"])
    return [math.ceil(n_units * k / n_looks) for k in range(1, n_looks + 1)]


def next_deal(challenger: Challenger) -> int | None:
    """Return the number of units from which on units are dealt anew; None where shares are fixed, or the plan is at its end.

    Examples
    --------
    >>> from mulle.operate.release.state import Version
    >>> version, began = Version(bundle="aa", folder="releases/aa"), {"at": 0.0, "share": 0.5, "n_units": 0}
    >>> design = {"n_units": 1000, "looks": 5, "mode": "thompson"}
    >>> next_deal(Challenger(number=1, version=version, design=design, dealt=(began,)))
    200
    """
    if challenger.mode != "thompson":
        return None
    last = challenger.dealt[-1]["n_units"]
    return next((n for n in _grid(challenger)[:-1] if n > last), None)


def deal(log: OnlineLog, challenger: Challenger) -> dict[str, Any] | None:
    """Return how units are dealt from now on, under Thompson sampling; None where that isn't due.

    Parameters
    ----------
    log
        Of predictions and feedback.
    challenger
        In its trial.

    Returns
    -------
    dict
        For the event: ``share``, ``n_units`` that count by now, and what was found. It is no look: nothing is decided by it.

    Raises
    ------
    Refused
        When it is due, and the metric isn't known of both arms.
    """
    due = next_deal(challenger)
    if due is None:
        return None
    fixed, seen = criteria_of(challenger), _seen(log, challenger)
    n = _n_counted(seen, fixed)
    if n < due:
        return None
    floor = float((challenger.design or {})["floor"])
    found = share_of(seen, Metric.named(fixed.metrics[0]), lower=fixed.better == "lower", floor=floor)
    return {"share": found.pop("share"), "n_units": n, "found": found}


def _seen(log: OnlineLog, challenger: Challenger, *, until: float | None = None) -> Seen:
    """Read a trial, in batches where its shares change on the way."""
    return in_batches(log.trial(challenger.trial, since=challenger.since, until=until), challenger)


def look(
    log: OnlineLog, challenger: Challenger, now: Criteria, *, at: float, overrides: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], Evidence]:
    """Look at a trial: what is found counts, and has to be recorded.

    Parameters
    ----------
    log
        Of predictions and feedback.
    challenger
        In its trial.
    now
        What the page says now.
    at
        Now, seconds since 1970.
    overrides
        Reasons by the name of a check.

    Returns
    -------
    tuple
        The look, for the event, and what all looks together say.

    Raises
    ------
    Refused
        When the look isn't due yet, or its metrics aren't known of both arms. Nothing was counted.
    """
    fixed, due = criteria_of(challenger), next_look(challenger)
    days = _days(challenger, fixed, at)
    if due is None:
        fix = "the verdict stands: mulle release promote, or mulle release withdraw"
        raise Refused("all looks that were planned are taken", where="mulle release", fix=fix)
    until = challenger.since + days * DAY_S if fixed.whole_weeks else None
    seen = _seen(log, challenger, until=until)
    n = _n_counted(seen, fixed)
    if n < due:
        what = f"the look isn't due: {n:,} units count, the next look is at {due:,}"
        raise Refused(what, where="mulle release", fix="wait; looking more often would make chance look like a gain")
    found = {name: _measured(log, seen, challenger, name) for name in fixed.metrics}
    told = {"n_units": n, "at": at, "days": days, "ratio_p": ratio_of(seen, challenger).always_p, "metrics": found}
    ruling = _ruled(log, challenger, [*challenger.looks, told], overrides)
    notes = _changed(fixed, now)
    left = next_look(replace(challenger, looks=(*challenger.looks, told)))
    then = _due(ruling, over=left is None)
    return told, Evidence(checks=ruling.checks, says=ruling.says, next=then, notes=notes, ruling=ruling)


def _days(challenger: Challenger, fixed: Criteria, at: float) -> float:
    """Return how many days a look covers: whole weeks, where they are wanted."""
    days = (at - challenger.since) / DAY_S
    if not fixed.whole_weeks:
        return days
    weeks = math.floor(days / WEEK)
    if not weeks:
        what = f"the look isn't due: {days:.1f} days are no whole week, some weekdays would count more than others"
        raise Refused(what, where="mulle release", fix=f"wait {WEEK - days:.1f} days more")
    return float(weeks * WEEK)


def _measured(log: OnlineLog, seen: Seen, challenger: Challenger, name: str) -> dict[str, Any]:
    """Return a metric's effect, with what was known of each unit before the trial taken out of its variance."""
    metric = Metric.named(name)
    counted = seen.counted(metric)
    a, b = counted[CONTROL], counted[CANDIDATE]
    if challenger.mode == "thompson":
        return _told(name, effect_of(seen, metric), n=(len(a.units), len(b.units)))
    past = _pasts(log, metric, since=challenger.since - BACK_DAYS * DAY_S, until=challenger.since)
    before = [np.array([past.get(unit, math.nan) for unit in one.units]) for one in (a, b)]
    left, known = 1.0, min(int(np.isfinite(one).sum()) for one in before)
    found = effect(a.moments, b.moments)
    if known >= FEW:
        adjusted = cuped(a.values, b.values, *before)
        left, found = adjusted.variance_left, effect(adjusted.control, adjusted.candidate)
    return _told(name, found, n=(len(a.units), len(b.units)), left=left)


def _told(name: str, found: Effect | None, *, n: tuple[int, int], left: float = 1.0) -> dict[str, Any]:
    if found is None or not found.known:
        what = f"'{name}' is not known of both arms ({n[0]:,} and {n[1]:,} units), or no unit differs"
        raise Refused(what, where="mulle release", fix="send feedback for both arms: POST /v1/feedback")
    return {"value": found.value, "se": found.se, "base": found.base, "variance_left": left}


def again(log: OnlineLog, challenger: Challenger, overrides: Mapping[str, str] | None = None) -> Ruling:
    """Return the verdict of the looks that were taken; guardrails and proportions as they stand now."""
    return _ruled(log, challenger, challenger.looks, overrides)


def verdict_of(log: OnlineLog, challenger: Challenger, overrides: Mapping[str, str] | None = None) -> Evidence:
    """Tell the verdict of a trial whose looks are all taken, once more; no look is counted."""
    ruling = again(log, challenger, overrides)
    note = "All looks that were planned are taken; this counted none."
    return Evidence(checks=ruling.checks, says=ruling.says, next=_due(ruling, over=True), notes=(note,), ruling=ruling)


def _due(ruling: Ruling, *, over: bool) -> str:
    """Return what comes next; after the last look nothing is to be waited for."""
    known = {"promote": "mulle release promote", "keep": "mulle release withdraw"}
    return known.get(ruling.decision, "mulle release withdraw" if over else "mulle release judge")


def _ruled(
    log: OnlineLog, challenger: Challenger, looks: Sequence[Mapping[str, Any]], overrides: Mapping[str, str] | None
) -> Ruling:
    fixed = criteria_of(challenger)
    seen = _seen(log, challenger)
    found = guardrails(seen, fixed.guardrails)
    return rule(
        ratio=ratio_of(seen, challenger),
        primaries=_primaries(fixed, looks, int((challenger.design or {})["n_units"])),
        guardrails={name: one if one.state != "missing" else None for name, one in found.items()},
        days=float(looks[-1]["days"]),
        whole_weeks=fixed.whole_weeks,
        overrides=overrides,
        feedback=feedback(seen, fixed),
    )


def _primaries(fixed: Criteria, looks: Sequence[Mapping[str, Any]], n_planned: int) -> list[Primary]:
    """Judge the metrics by Holm's steps; the share of the first one's units stands for the information of all."""
    lower = fixed.better == "lower"
    effects = {name: [_effect(one, name, lower=lower) for one in looks] for name in fixed.metrics}
    results = judge_all(effects, n_planned)
    return [
        Primary(
            name=name,
            result=results[name],
            least=fixed.smallest_effect if i == 0 else None,
            worth=fixed.worth if i == 0 else None,
            currency=fixed.currency,
            per=Metric.named(name).noun,
            lower=lower,
        )
        for i, name in enumerate(fixed.metrics)
    ]


def _effect(one: Mapping[str, Any], name: str, *, lower: bool) -> Effect:
    told = one["metrics"][name]
    found = Effect(value=told["value"], se=told["se"], base=told["base"], n_units=int(one["n_units"]))
    return found.flipped() if lower else found
