"""Online metrics from a log: by unit, by arm, whatever order things came in."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mulle.core.errors import ProjectError
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog
from mulle.store.log import Exposure, Feedback, Group, Log, Row

TRIAL = "release-1-trial"


def row(id_, unit, arm, decision="yes", at=10.0, trial=TRIAL):
    output = json.dumps({"prediction": {"p": 0.5}, "decision": decision}).encode()
    return Row(id_, at, "b", 0, arm, 0.5, trial, unit, b"{}", output)


def told(id_, kind, value, at=11.0):
    return Feedback(f"{id_}{kind}{value}", id_, kind, json.dumps(value).encode(), "", at)


def exposed(unit, arm):
    return Exposure(TRIAL, unit, arm, 0.5, 10.0, "b")


@pytest.fixture
def kept(tmp_path):
    def make(**group):
        with Log.open(tmp_path / "log", tend=False) as log:
            log.append(Group(**group))
        return OnlineLog(tmp_path / "log").trial(TRIAL, since=0.0)

    return make


def test_rows_of_one_unit_count_together(kept):
    rows = [
        row("1", "ann", CONTROL),
        row("2", "ann", CONTROL, "no"),
        row("3", "bob", CONTROL),
        row("4", "cat", CANDIDATE),
    ]
    feedback = [
        told("1", "outcome", "yes"),
        told("2", "outcome", "yes"),
        told("3", "outcome", "no"),
        told("4", "outcome", "yes"),
    ]
    exposures = [exposed("ann", CONTROL), exposed("bob", CONTROL), exposed("cat", CANDIDATE)]
    found = kept(rows=rows, feedback=feedback, exposures=exposures).moments(Metric.named("correct"))
    assert (found[CONTROL].n, found[CANDIDATE].n) == (2, 1)
    assert found[CONTROL].mean == pytest.approx(1 / 3)


def test_no_feedback_yet_is_never_a_no(kept):
    rows = [row("1", "ann", CONTROL), row("2", "bob", CONTROL)]
    seen = kept(
        rows=rows, feedback=[told("1", "outcome", "yes")], exposures=[exposed("ann", CONTROL), exposed("bob", CONTROL)]
    )
    assert seen.moments(Metric.named("correct"))[CONTROL].n == 1
    assert math.isnan(seen.moments(Metric.named("value:revenue"))[CONTROL].mean)
    assert len(seen.arms[CONTROL].exposed) == 2


def test_a_correction_counts_instead_of_what_was_said_before(kept):
    seen = kept(
        rows=[row("1", "ann", CONTROL)],
        feedback=[told("1", "outcome", "no"), told("1", "correction", "yes", at=12.0)],
        exposures=[exposed("ann", CONTROL)],
    )
    assert seen.moments(Metric.named("correct"))[CONTROL].mean == 1.0


def test_a_unit_stays_in_its_arm_whoever_answered_it(kept):
    rows = [row("1~failed", "ann", CANDIDATE), row("1", "ann", CONTROL), row("2", "bob", CONTROL)]
    seen = kept(
        rows=rows,
        feedback=[told("1", "value:revenue", 4.0), told("2", "value:revenue", 2.0)],
        exposures=[exposed("ann", CANDIDATE), exposed("bob", CONTROL)],
    )
    revenue = seen.moments(Metric.named("value:revenue"))
    assert (revenue[CANDIDATE].mean, revenue[CONTROL].mean) == (4.0, 2.0)
    failed = seen.moments(Metric.named("failed"))
    assert (failed[CANDIDATE].mean, failed[CONTROL].mean) == (1.0, 0.0)


def test_other_trials_do_not_count(kept):
    seen = kept(rows=[row("1", "ann", CONTROL), row("2", "bob", CONTROL, trial="another")])
    assert set(seen.arms[CONTROL].asked) == {"ann"}


@pytest.mark.parametrize(
    ("metric", "feedback", "value"),
    [
        ("outcome:yes", {"outcome": "yes"}, 1.0),
        ("outcome:yes", {"outcome": True}, 0.0),
        ("outcome:true", {"outcome": True}, 1.0),
        ("outcome:1", {"outcome": 1}, 1.0),
        ("outcome", {"outcome": 3.5}, 3.5),
        ("outcome", {"outcome": "much"}, None),
        ("correct", {}, None),
        ("value:x", {"value:x": 0.0}, 0.0),
    ],
)
def test_a_metric_reads_feedback_as_its_name_says(metric, feedback, value):
    assert Metric.named(metric).of(feedback, decision="yes") == value


@pytest.mark.parametrize("name", ["value", "revenue", "correct:yes", "latency:p95", ""])
def test_a_name_that_means_nothing_is_refused(name):
    with pytest.raises(ProjectError, match="is no online metric"):
        Metric.named(name)


def test_arrivals_count_each_unit_on_its_first_day(tmp_path):
    day = 86_400.0
    rows = [
        row(str(i), unit, CONTROL, at=at)
        for i, (unit, at) in enumerate([("a", 1), ("b", 2), ("a", day + 1), ("c", 2 * day)])
    ]
    with Log.open(tmp_path / "log", tend=False) as log:
        log.append(Group(rows=rows))
    assert OnlineLog(tmp_path / "log").arrivals(since=0.0, until=5 * day) == [2.0, 0.0, 1.0, 0.0, 0.0]
    assert np.isfinite(OnlineLog(tmp_path / "log").arrivals(since=0.0, until=9 * day)).all()


@pytest.mark.parametrize("slip", [b"9" * 400, b"-" + b"9" * 5000, b"1.7e308", b"1e999", b"NaN", b"{"])
@pytest.mark.parametrize("kind", ["outcome", "value:revenue"])
def test_feedback_of_an_older_log_that_nobody_can_count_by_counts_nowhere_and_is_told(kept, kind, slip):
    rows = [row(f"p{i}", f"u{i}", (CONTROL, CANDIDATE)[i % 2]) for i in range(4)]
    feedback = [told(f"p{i}", kind, 3.0) for i in range(4)]
    feedback.append(Feedback("slip", "p1", kind, slip, "", 12.0))
    seen = kept(rows=rows, exposures=[exposed(one.unit, one.arm) for one in rows], feedback=feedback)
    assert seen.unread == 1
    assert {arm: found.mean for arm, found in seen.moments(Metric.named(kind)).items()} == {CONTROL: 3, CANDIDATE: 3}
