"""The walk over a log of simulated people: what breaks is taken back, what is not due is not done."""

from __future__ import annotations

import numpy as np
import pytest

from mulle.core.clock import now
from mulle.core.errors import StoreError, UnknownName
from mulle.core.project import ReleasePart
from mulle.export.bundle import write_bundle
from mulle.operate.release.online import CANDIDATE, CONTROL
from mulle.operate.release.state import WATCHED, Step
from mulle.operate.release.steps import Releases
from mulle.operate.release.walk import Walk

PAGE = {"online_metric": "outcome", "smallest_effect": 1.0, "whole_weeks": False, "looks": 2, "canary_units": 50}
WAVED = {"release.steps": "in a test of ours"}


@pytest.fixture
def walk(tmp_path, people, toy_maker):
    """Return a walk whose challenger is a candidate."""
    (tmp_path / ".mulle").mkdir()

    def make(overrides=WAVED, **changes):
        page = ReleasePart.model_validate({**PAGE, **changes})
        return Walk(home=tmp_path / ".mulle", page=page, log=people.folder, overrides=overrides, currency="EUR")

    for name in ("old", "new"):
        write_bundle(tmp_path / name, toy_maker(stamp="ready", card=f"# {name}\n"))
    make().start(tmp_path / "old")
    make().promote()
    make().start(tmp_path / "new")
    return make


def test_a_challenger_that_fails_every_request_is_withdrawn_by_the_watch(walk, people):
    held = walk().canary(0.05).state.challenger
    for i in range(2000):
        people.ask(f"a{i}", at=now(), trial=held.trial)
    for i in range(105):
        people.ask(f"b{i}", CANDIDATE, at=now(), trial=held.trial, failed=True)
    people.write()
    assert walk({}).stands().verdict == "shut"
    assert not walk({}).canary().moved
    watched = walk({}).watch()
    assert watched.moved
    assert watched.state.challenger is None


def test_a_canary_does_not_grow_twice_on_the_same_units(walk, people):
    held = walk().canary(0.01).state.challenger
    for i in range(5000):
        people.ask(f"u{i}", CONTROL if i >= 55 else CANDIDATE, at=now(), trial=held.trial)
    people.write()
    grown = walk({}).canary()
    assert (grown.moved, grown.state.challenger.share) == (True, 0.05)
    again = walk({}).canary()
    assert not again.moved
    assert "0 units met the canary" in again.evidence.says


def through_a_trial(walk, people):
    rng = np.random.default_rng(1)
    for i in range(200):
        people.ask(f"p{i}", at=now() - 90_000.0, outcome=float(rng.normal(10, 2)))
    people.write()
    held = walk().trial().state.challenger
    assert held.design["criteria"]["currency"] == "EUR"
    for i in range(int(held.design["n_units"]) // 2 + 20):
        for arm, mean in ((CONTROL, 10), (CANDIDATE, 14)):
            people.ask(f"{arm}{i}", arm, at=now(), trial=held.trial, outcome=float(rng.normal(mean, 2)))
    people.write()


def test_a_name_that_is_no_check_is_refused_before_a_look_is_counted(walk, people):
    through_a_trial(walk, people)
    with pytest.raises(UnknownName, match=r"release\.primry"):
        walk({"release.primry": "a slip of the pen"}).judge()
    assert walk().stands().state.challenger.looks == ()


def test_a_trial_is_looked_at_ruled_and_promoted(walk, people):
    through_a_trial(walk, people)
    judged = walk({}).judge()
    assert judged.evidence.ruling.decision == "promote"
    assert judged.evidence.ruling.money == {}
    again = walk({}).judge()  # the last planned look is taken: the verdict is told, nothing is counted
    assert (again.moved, again.evidence.ruling.decision, again.evidence.next) == (
        False,
        "promote",
        "mulle release promote",
    )
    assert len(again.state.challenger.looks) == len(judged.state.challenger.looks)
    assert walk({}).stands().evidence.next == "mulle release promote"
    with pytest.raises(UnknownName, match=r"release\.primry"):
        walk({"release.primry": "a slip of the pen"}).promote()
    promoted = walk({}).promote()
    assert promoted.moved
    assert promoted.state.challenger is None


def test_a_trial_that_begins_says_how_large_and_how_long_it_is(walk, people):
    rng = np.random.default_rng(1)
    for i in range(200):
        people.ask(f"p{i}", at=now() - 90_000.0, outcome=float(rng.normal(10, 2)))
    people.write()
    begun = walk().trial()
    n = begun.state.challenger.design["n_units"]
    assert begun.moved
    assert f"The trial counts {n:,} units, looked at 2 times at most" in begun.evidence.says
    assert f"{n:,} units arrive in " in begun.evidence.says


def test_a_champion_that_was_rolled_back_can_be_let_in_once_more(walk):
    first = walk().stands().state.champion.bundle
    walk().promote()
    second = walk().stands().state.champion
    assert second.bundle != first
    _, back = Releases(walk().home).back("rollback", why="complaints")
    assert (back.champion.bundle, back.undone) == (first, (second,))
    assert walk().start(walk().home / second.folder).state.challenger.step is Step.CANDIDATE


def test_a_log_in_which_nothing_was_written_since_the_step_began_is_said_to_be_another_one(walk, people):
    people.ask("long ago", at=now() - 9000.0)
    people.write()
    held = walk().canary(0.05).state.challenger
    found = {check.name: check for check in walk().stands().evidence.checks}
    assert found["release.log"].status == "UNANSWERED"
    assert str(people.folder) in found["release.log"].says
    assert "--log URL" in found["release.log"].fix
    people.ask("u1", at=now(), trial=held.trial)
    people.write()
    assert "release.log" not in {check.name for check in walk().stands().evidence.checks}


def test_a_look_that_fails_is_not_one_that_was_made(walk, people, tmp_path):
    walk().canary(0.05)
    mark = tmp_path / ".mulle" / WATCHED
    with pytest.raises(StoreError, match="log"):
        walk().watch()
    assert not mark.exists()
    people.ask("u1", at=now())
    people.write()
    walk().watch()
    assert mark.exists()
