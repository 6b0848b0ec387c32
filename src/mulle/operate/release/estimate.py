"""What the online metric would be had everybody met one arm: estimated from the propensities in the log."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from mulle.operate.release.criteria import Criteria
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog
from mulle.operate.release.state import Challenger, Refused, Step
from mulle.operate.release.trial import BACK_DAYS, DAY_S, FEW, criteria_of, next_look
from mulle.trials.off_policy import Method, OffPolicy, off_policy

Target = Literal["champion", "challenger"]


def estimates(
    log: OnlineLog, challenger: Challenger, criteria: Criteria, *, arm: Target = "challenger"
) -> list[OffPolicy]:
    """Estimate the first online metric as if all units had met one arm.

    Parameters
    ----------
    log
        Of predictions, exposures and feedback.
    challenger
        In its canary, or in its trial once all looks are taken: before, this would be a look that nobody counts.
    criteria
        Of the page; those of the design count in a trial.
    arm
        Whom all would have met.

    Returns
    -------
    list of OffPolicy
        By IPS, by SNIPS and, where the past of enough units is known, doubly robust with each unit's own metric before the
        release as the model. Each is refused below an effective sample size of 100.

    Raises
    ------
    Refused
        When nobody met the challenger yet, no metric is named, or the trial isn't over.

    Notes
    -----
    A unit's propensity is that of its first exposure. It doesn't know what one unit's arm does to another unit.
    No weight is cut: an arm's propensities are a few, and none is tiny. Cut at 10, a canary of 5 % would tell half of the
    truth.
    """
    fixed = _allowed(challenger, criteria)
    metric = Metric.named(fixed.metrics[0])
    seen = log.trial(challenger.trial, since=challenger.since)
    units: list[str] = []
    reward, propensity, target = np.empty(0), np.empty(0), np.empty(0)
    for name, counted in seen.counted(metric).items():
        known = seen.arms[name].exposed
        kept = [i for i, unit in enumerate(counted.units) if unit in known]
        mine = [counted.units[i] for i in kept]
        units += mine
        reward = np.append(reward, counted.values[kept])
        propensity = np.append(propensity, [known[unit] for unit in mine])
        target = np.append(target, np.full(len(mine), float(name == arm)))
    if not units:
        what = f"no unit that met {CONTROL} or {CANDIDATE} has '{fixed.metrics[0]}'"
        raise Refused(what, where="the log", fix="wait for feedback: POST /v1/feedback")
    past = log.untested(since=challenger.since - BACK_DAYS * DAY_S, until=challenger.since, arm=None).each(metric)
    before = np.array([past.get(unit, math.nan) for unit in units])
    methods: list[Method] = ["ips", "snips"]
    found = [off_policy(reward, propensity, target, method=method, clip=math.inf) for method in methods]
    if np.isfinite(before).sum() < FEW:
        return found
    model = np.where(np.isfinite(before), before, np.nanmean(before))
    robust = off_policy(
        reward, propensity, target, method="doubly robust", predicted=model, predicted_target=model, clip=math.inf
    )
    return [*found, robust]


def _allowed(challenger: Challenger, criteria: Criteria) -> Criteria:
    if challenger.step not in {Step.CANARY, Step.TRIAL}:
        what = f"nobody meets the challenger at its step '{challenger.step}'"
        raise Refused(what, where="mulle release estimate", fix="mulle release canary")
    if challenger.step is Step.TRIAL:
        if next_look(challenger) is not None:
            what = "the trial isn't over: an estimate now would be a look that nobody counts"
            raise Refused(what, where="mulle release estimate", fix="mulle release judge")
        return criteria_of(challenger)
    if not criteria.metrics:
        fix = 'mulle set release.online_metric="value:revenue"'
        raise Refused("no online metric is named", where="mulle.toml, [release]", fix=fix)
    return criteria
