"""What if all had met one arm: from a canary's propensities, and only when the log tells."""

from __future__ import annotations

import numpy as np
import pytest

from mulle.core.project import ReleasePart
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.estimate import estimates
from mulle.operate.release.online import CANDIDATE, CONTROL, OnlineLog
from mulle.operate.release.state import Refused, Step

from .people import BEGAN, DAY_S, challenger  # noqa: TID252  # tests have no package to be named by

CRITERIA = Criteria.of(ReleasePart(online_metric="value:revenue"))


def canary(people, n, *, share, rng, past=False):
    held = challenger(Step.CANARY, share=share)
    for i in range(n):
        usual = float(rng.normal(10, 3))
        if past:
            people.ask(f"u{i}", at=BEGAN - DAY_S, value__revenue=usual)
        arm = CANDIDATE if rng.random() < share else CONTROL
        people.ask(
            f"u{i}", arm, trial=held.trial, value__revenue=usual + 2.0 * (arm == CANDIDATE) + float(rng.normal())
        )
    people.exposures = [
        one._replace(propensity=share if one.arm == CANDIDATE else 1 - share) for one in people.exposures
    ]
    return held, OnlineLog(people.write())


def test_a_canary_tells_what_all_would_have_brought(people):
    held, log = canary(people, 2000, share=0.25, rng=np.random.default_rng(1), past=True)
    ips, snips, robust = estimates(log, held, CRITERIA)
    for one in (ips, snips, robust):
        assert not one.refused, one.says
        assert one.interval.low < 12.0 < one.interval.high
    assert robust.se < snips.se < ips.se
    other = estimates(log, held, CRITERIA, arm="champion")[1]
    assert other.value == pytest.approx(10.0, abs=0.4)


def test_without_a_past_there_is_no_model_and_nothing_doubly_robust(people):
    held, log = canary(people, 800, share=0.25, rng=np.random.default_rng(2))
    assert [one.method for one in estimates(log, held, CRITERIA)] == ["ips", "snips"]


@pytest.mark.parametrize("share", [0.05, 0.08])
def test_a_small_canary_tells_the_whole_truth(people, share):
    held, log = canary(people, 6000, share=share, rng=np.random.default_rng(4))
    ips, snips = estimates(log, held, CRITERIA)
    for one in (ips, snips):
        assert one.interval.low < 12.0 < one.interval.high, one.says
        assert one.clipped == 0.0
    assert "weights cut" not in ips.says


def test_a_few_units_tell_nothing(people):
    held, log = canary(people, 800, share=0.05, rng=np.random.default_rng(3))
    assert all(one.refused and np.isnan(one.value) for one in estimates(log, held, CRITERIA))


@pytest.mark.parametrize(
    ("held", "match"),
    [
        (challenger(Step.SHADOW), "nobody meets the challenger"),
        (challenger(design={"n_units": 100, "looks": 2}), "a look that nobody counts"),
        (challenger(Step.CANARY), "no unit that met champion or challenger has 'value:revenue'"),
    ],
)
def test_where_an_estimate_would_mislead_it_is_refused(people, held, match):
    people.ask("ann")
    with pytest.raises(Refused, match=match):
        estimates(OnlineLog(people.write()), held, CRITERIA)
