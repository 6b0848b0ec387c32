"""Thompson sampling in a trial: shares follow what is known, and what they make of the log is judged by batch."""

from __future__ import annotations

import numpy as np
import pytest

from mulle.core.check import Status
from mulle.core.clock import now
from mulle.core.project import ReleasePart
from mulle.export.bundle import write_bundle
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.deal import effect_of, in_batches, share_of
from mulle.operate.release.guards import feedback, guardrails, ratio_of
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog
from mulle.operate.release.state import Refused, after, stand
from mulle.operate.release.steps import Releases
from mulle.operate.release.trial import deal, look, next_deal
from mulle.operate.release.walk import Walk
from mulle.store.log import Exposure

from .people import BEGAN, DAY_S, challenger  # noqa: TID252  # tests have no package to be named by

OUTCOME = Metric.named("outcome")
PAGE = ReleasePart.model_validate(
    {"online_metric": "outcome", "smallest_effect": 0.1, "whole_weeks": False, "looks": 4, "mode": "thompson"}
)


def bandit(*shares, n_units=800, page=PAGE, looks=()):
    """Return a challenger whose trial has had these shares, a day each."""
    design = {"criteria": Criteria.of(page).as_json(), "n_units": n_units, "looks": page.looks, "mode": "thompson"}
    dealt = [{"at": BEGAN + i * DAY_S, "share": share, "n_units": i * 100} for i, share in enumerate(shares)]
    return challenger(
        share=shares[-1], design={**design, "floor": page.floor}, dealt=tuple(dealt), since=BEGAN, looks=looks
    )


def day(people, held, i, n, *, rng, told=lambda *_: {}, share=None, late=0.0):
    """Let n new units come on day i, dealt as on that day."""
    share = held.dealt[i]["share"] if share is None else share
    for k in range(n):
        arm, at = (CANDIDATE if rng.random() < share else CONTROL), BEGAN + i * DAY_S + 1.0 + late
        people.ask(f"day{i}-{late}-{k}", arm, at=at, trial=held.trial, **told(arm, rng))
        unit, p = f"day{i}-{late}-{k}", round(share if arm == CANDIDATE else 1 - share, 4)
        people.exposures[-1] = Exposure(held.trial, unit, arm, p, at, "b")


def seen(people, held):
    return in_batches(OnlineLog(people.write()).trial(held.trial, since=held.since), held)


def good_days(people, held, *, gain=0.0, n=400):
    """Later days are better for everybody, and the challenger gets most of them."""
    rng = np.random.default_rng(1)
    for i in range(len(held.dealt)):
        day(people, held, i, n, rng=rng, told=lambda arm, rng, i=i: {
            "outcome": float(rng.normal(10 + 4 * i + gain * (arm == CANDIDATE)))
        })  # fmt: skip


def test_good_days_make_no_arm_better(people):
    held = bandit(0.5, 0.9)
    good_days(people, held)
    found = seen(people, held)
    apart = {name: arm.counted(OUTCOME, found.feedback).moments.mean for name, arm in found.arms.items()}
    assert apart[CANDIDATE] - apart[CONTROL] > 1.0  # thrown together it looks better by far
    moments = found.moments(OUTCOME)
    assert moments[CANDIDATE].mean == pytest.approx(moments[CONTROL].mean, abs=0.2)
    assert effect_of(found, OUTCOME).value == pytest.approx(0.0, abs=0.2)
    guarded = ReleasePart.model_validate({"guardrails": {"outcome": {"margin": 0.5, "better": "lower"}}}).guarded
    assert guardrails(found, guarded)["outcome"].state == "safe"


def test_the_effect_is_that_within_batches(people):
    held = bandit(0.5, 0.9, 0.97)
    good_days(people, held, gain=1.0)
    found = effect_of(seen(people, held), OUTCOME)
    assert found.value == pytest.approx(1.0, abs=4 * found.se)
    assert found.n_units == 1200


def test_a_unit_that_a_late_server_dealt_by_the_share_before_is_in_the_batch_before(people):
    held = bandit(0.5, 0.9)
    day(people, held, 0, 100, rng=np.random.default_rng(1))
    day(people, held, 1, 100, rng=np.random.default_rng(2))
    day(people, held, 1, 40, rng=np.random.default_rng(3), share=0.5, late=0.2)
    sizes = [sum(len(arm.exposed) for arm in batch.seen.arms.values()) for batch in seen(people, held).batches]
    assert sizes == [140, 100]


def test_the_ratio_is_checked_by_the_shares_as_they_were(people):
    held = bandit(0.5, 0.9)
    for i in range(2):
        day(people, held, i, 1000, rng=np.random.default_rng(i))
    found = seen(people, held)
    assert not ratio_of(found, held).blocks
    unaware = in_batches(OnlineLog(people.folder).trial(held.trial, since=held.since), challenger(share=0.9))
    assert ratio_of(unaware, challenger(share=0.9)).blocks


def test_units_that_get_lost_on_one_day_are_seen_among_the_others(people):
    held = bandit(0.5, 0.9)
    day(people, held, 0, 1000, rng=np.random.default_rng(1))
    day(people, held, 1, 3000, rng=np.random.default_rng(2))
    people.exposures = [
        one for i, one in enumerate(people.exposures) if one.at < BEGAN + DAY_S or one.arm == CONTROL or i % 3
    ]
    assert ratio_of(seen(people, held), held).p < 0.001


def test_feedback_that_is_still_on_its_way_blames_no_arm(people):
    """The challenger has most of the units that came last, whose feedback isn't there yet."""
    held, rng = bandit(0.5, 0.9), np.random.default_rng(1)
    for i, answered in enumerate((0.9, 0.1)):
        day(people, held, i, 600, rng=rng, told=lambda _, rng, a=answered: (
            {"outcome": 1.0} if rng.random() < a else {}
        ))  # fmt: skip
    found = seen(people, held)
    check = feedback(found, Criteria.of(PAGE))
    assert check.status == Status.PASS
    assert "compared by batch" in check.says
    unaware = OnlineLog(people.folder).trial(held.trial, since=held.since)
    assert feedback(unaware, Criteria.of(PAGE)).status == Status.FAIL


def test_feedback_that_one_arm_loses_is_seen_by_batch_too(people):
    held, rng = bandit(0.5, 0.9), np.random.default_rng(1)
    for i in range(2):
        day(people, held, i, 600, rng=rng, told=lambda arm, rng: (
            {"outcome": 1.0} if rng.random() < (0.9 if arm == CONTROL else 0.6) else {}
        ))  # fmt: skip
    assert feedback(seen(people, held), Criteria.of(PAGE)).status == Status.FAIL


@pytest.mark.parametrize(("gain", "lower", "low", "high"), [
    (0.3, False, 0.97, 0.99), (-0.3, False, 0.01, 0.03), (0.0, False, 0.02, 0.98), (0.3, True, 0.01, 0.03),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["number", "yes or no"])
def test_the_better_arm_gets_more_and_the_other_keeps_its_floor(people, gain, lower, low, high, kind):
    held, rng = bandit(0.5), np.random.default_rng(4)

    def told(arm, rng):
        mean = 0.4 + gain * (arm == CANDIDATE)
        return {"outcome": float(rng.normal(mean, 0.5) if kind == "number" else rng.random() < mean)}

    day(people, held, 0, 500, rng=rng, told=told)
    found = share_of(seen(people, held), OUTCOME, lower=lower)
    assert low <= found["share"] <= high
    assert found["share"] == pytest.approx(0.01 + 0.98 * found["chance"], abs=2e-4)


def test_the_page_says_how_little_an_arm_gets(people):
    held = bandit(0.5, page=PAGE.model_copy(update={"floor": 0.2}))
    day(people, held, 0, 500, rng=np.random.default_rng(5), told=lambda arm, rng: {
        "outcome": float(rng.normal(arm == CANDIDATE))
    })  # fmt: skip
    assert deal(OnlineLog(people.write()), held)["share"] == 0.8


def test_units_are_dealt_anew_when_that_is_due_and_something_is_known(people):
    held, rng = bandit(0.5), np.random.default_rng(6)
    day(people, held, 0, 150, rng=rng, told=lambda _, rng: {"outcome": float(rng.normal())})
    assert next_deal(held) == 200
    assert deal(OnlineLog(people.write()), held) is None
    day(people, held, 0, 100, rng=rng, late=9.0, told=lambda _, rng: {"outcome": float(rng.normal())})
    found = deal(OnlineLog(people.write()), held)
    assert found["n_units"] == 250
    assert set(found["found"]) == {"chance", CONTROL, CANDIDATE}
    assert deal(OnlineLog(people.folder), challenger(design=dict(held.design) | {"mode": "fixed"})) is None


def test_units_of_which_nothing_differs_are_not_dealt_anew(people):
    held = bandit(0.5)
    day(people, held, 0, 300, rng=np.random.default_rng(7), told=lambda *_: {"outcome": 3.0})
    with pytest.raises(Refused, match=r"can't be dealt anew[\s\S]*POST /v1/feedback"):
        deal(OnlineLog(people.write()), held)


def test_a_look_is_judged_by_batch(people):
    held = bandit(0.5, 0.9, 0.97, n_units=1200)
    good_days(people, held, gain=1.0)
    found, told = look(OnlineLog(people.write()), held, Criteria.of(PAGE), at=BEGAN + 4 * DAY_S)
    assert found["metrics"]["outcome"]["value"] == pytest.approx(1.0, abs=0.3)
    assert told.ruling.decision == "promote", told.says
    assert next(c for c in told.checks if c.name == "release.ratio").status == Status.PASS


EVENTS = [
    {"do": "start", "bundle": "a", "folder": "releases/a"}, {"do": "promote"},
    {"do": "start", "bundle": "b", "folder": "releases/b"},
    {"do": "trial", "share": 0.5, "salt": "s", "design": {"mode": "thompson"}, "at": 5.0},
]  # fmt: skip


def stood(*more):
    return stand(list(enumerate([*EVENTS, *more], 1)))


def test_dealing_anew_keeps_the_salt_the_trial_and_its_beginning():
    before = stood().challenger
    held = stood({"do": "deal", "share": 0.9, "n_units": 100, "at": 7.0, "found": {"chance": 0.91}}).challenger
    assert (held.salt, held.trial, held.since, held.share) == (before.salt, before.trial, before.since, 0.9)
    assert [(one["at"], one["share"], one["n_units"]) for one in held.dealt] == [(5.0, 0.5, 0), (7.0, 0.9, 100)]
    assert held.dealt[-1]["chance"] == 0.91


@pytest.mark.parametrize(
    ("body", "design", "match"),
    [
        ({"share": 0.9, "n_units": 100}, {}, r"are fixed[\s\S]*--mode thompson"),
        ({"share": 0.9, "n_units": 0}, {"mode": "thompson"}, "wait for more units"),
        ({"share": 0.9, "n_units": 100, "deal": 2}, {"mode": "thompson"}, "somebody else dealt"),
        ({"share": 1.0, "n_units": 100}, {"mode": "thompson"}, "units can't be dealt"),
    ],
)
def test_what_can_not_be_dealt_is_refused(body, design, match):
    *before, trial = EVENTS
    state = stand(list(enumerate([*before, {**trial, "design": design}], 1)))
    with pytest.raises(Refused, match=match):
        after(state, {"do": "deal", **body})


@pytest.fixture
def walk(tmp_path, people, toy_maker):
    (tmp_path / ".mulle").mkdir()

    def make(overrides=None, **changes):
        page = PAGE.model_copy(update={"smallest_effect": 1.0, "mode": "fixed", **changes})
        return Walk(home=tmp_path / ".mulle", page=page, log=people.folder, overrides=overrides or {})

    for name in ("old", "new"):
        write_bundle(tmp_path / name, toy_maker(stamp="ready", card=f"# {name}\n"))
    make().start(tmp_path / "old")
    make().promote()
    make().start(tmp_path / "new")
    return make


def begun(walk, people, rng):
    for i in range(200):
        people.ask(f"p{i}", at=now() - 90_000.0, outcome=float(rng.normal(10, 3)))
    people.write()
    return walk({"release.steps": "in a test of ours"}).trial("thompson").state.challenger


def come(people, held, n, *, gain, rng):
    for _ in range(n):
        people.n += 1
        arm = CANDIDATE if rng.random() < held.share else CONTROL
        unit, at = f"u{people.n}", now()
        people.ask(unit, arm, at=at, trial=held.trial, outcome=float(rng.normal(10 + gain * (arm == CANDIDATE), 3)))
        propensity = round(held.share if arm == CANDIDATE else 1 - held.share, 4)
        people.exposures[-1] = Exposure(held.trial, unit, arm, propensity, at, "b")
    people.write()


def test_a_trial_by_thompson_is_walked_to_its_end(walk, people):
    rng = np.random.default_rng(8)
    held = begun(walk, people, rng)
    assert (held.share, held.mode) == (0.5, "thompson")
    step = held.design["n_units"] // 4 + 1
    come(people, held, step // 2, gain=1.5, rng=rng)
    with pytest.raises(Refused, match="the look isn't due"):
        walk().judge()
    assert walk().watch().dealt is None
    come(people, held, step, gain=1.5, rng=rng)
    dealt = walk().watch()  # deals anew, and counts no look
    held = dealt.state.challenger
    assert held.share == dealt.dealt["share"] > 0.6
    assert (len(held.dealt), held.looks) == (2, ())
    assert any("A share is no verdict" in note for note in walk().stands().evidence.notes)
    for _ in range(3):
        come(people, held, step, gain=1.5, rng=rng)
        judged = walk().judge()
        held = judged.state.challenger
        if judged.evidence.ruling.decision == "promote":
            break
        assert judged.dealt["share"] == held.share
    assert judged.evidence.ruling.decision == "promote", judged.evidence.says
    assert walk().promote().moved


def test_the_page_or_the_command_says_how_a_trial_deals(walk, people):
    begun(walk, people, np.random.default_rng(9))
    waved = {"release.steps": "in a test of ours"}
    for mode, page, found in (("fixed", "thompson", "fixed"), (None, "thompson", "thompson"), (None, "fixed", "fixed")):
        Releases(walk().home).back("withdraw", why="once more")
        walk().start(walk().home.parent / "new")
        assert walk(waved, mode=page).trial(mode).state.challenger.mode == found
