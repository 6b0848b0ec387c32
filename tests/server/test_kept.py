"""Who has met a model keeps it, though the trial deals its units anew: after a restart, and where a log is slow, too."""

from __future__ import annotations

import pytest

from mulle.core.clock import now
from mulle.core.errors import StoreError
from mulle.operate.release.steps import Releases
from mulle.server import follow
from mulle.server.follow import Follower
from mulle.store.log import Exposure, Group, Log

UNITS = [f"unit {i}" for i in range(1000)]


@pytest.fixture
def releases(tmp_path, bundles):
    """Return releases whose challenger is in a trial by Thompson sampling."""
    (tmp_path / ".mulle").mkdir()
    releases = Releases(tmp_path / ".mulle")
    for name in ("old", "new"):
        releases.start(bundles(name, stamp="ready", card=f"# {name}\n"))
        if name == "old":
            releases.do("promote")
    releases.do("trial", share=0.5, salt="a salt", design={"mode": "thompson"})
    return releases


@pytest.fixture
def log(tmp_path):
    """Return the folder of an empty log."""
    Log.open(tmp_path / "log", tend=False).close()
    return tmp_path / "log"


def follower(releases, folder="log"):
    return Follower(releases.home, log_url=str(releases.home.parent / folder))


def expose(log, lineup, units):
    """Let units meet the arm that they are picked for, and write that down."""
    met = {unit: lineup.pick(unit) for unit in units}
    exposures = [
        Exposure(lineup.trial.name, unit, served.arm, chance, now(), served.name)
        for unit, (served, chance) in met.items()
    ]
    with Log.open(log, tend=False) as writing:
        writing.append(Group(exposures=exposures))
    return {unit: (served.arm, chance) for unit, (served, chance) in met.items()}


def picks(lineup, units):
    return {unit: (served.arm, chance) for unit, (served, chance) in ((unit, lineup.pick(unit)) for unit in units)}


def test_who_came_before_keeps_the_arm_and_its_propensity(releases, log):
    following = follower(releases)
    early, late = UNITS[:500], UNITS[500:]
    met = expose(log, following.first(), early)
    releases.do("deal", share=0.9, n_units=500)
    lineup = following.catch_up()
    assert picks(lineup, early) == met
    arms = [arm for arm, _ in picks(lineup, late).values()]
    assert 430 < arms.count("challenger") < 470
    assert {chance for _, chance in picks(lineup, late).values()} == {0.9, 0.1}
    releases.do("deal", share=0.2, n_units=900)
    again = following.catch_up()
    assert picks(again, early) == met
    assert again.trial.name == lineup.trial.name


def test_a_server_that_was_started_anew_remembers_too(releases, log):
    met = expose(log, follower(releases).first(), UNITS)
    releases.do("deal", share=0.95, n_units=500)
    assert picks(follower(releases).first(), UNITS) == met


def test_what_another_process_dealt_a_moment_ago_is_learnt_a_moment_later(releases, log, monkeypatch):
    monkeypatch.setattr(follow, "SETTLED_S", 0.0)
    following = follower(releases)
    before = following.first()
    releases.do("deal", share=0.9, n_units=500)
    following.catch_up()
    met = expose(log, before, UNITS)  # by one that hadn't heard of it
    assert picks(following.catch_up(), UNITS) == met
    assert following.catch_up() is None


def test_while_nobody_can_tell_who_met_whom_units_are_dealt_as_before(releases, log, monkeypatch):
    following = follower(releases)
    expose(log, following.first(), UNITS)
    releases.do("deal", share=0.9, n_units=500)
    with monkeypatch.context() as broken:
        broken.setattr(follow, "kept", unreadable)
        with pytest.raises(StoreError, match="wait"):
            following.catch_up()
    assert following.catch_up().trial.assign.arms.shares["challenger"] == 0.9


def test_a_server_whose_log_can_not_be_read_starts_nevertheless(releases, monkeypatch, caplog):
    releases.do("deal", share=0.9, n_units=500)
    monkeypatch.setattr(follow, "kept", unreadable)
    assert follower(releases).first().trial.kept == {}
    assert "units may meet the other one" in caplog.text


def unreadable(*_, **__):
    raise StoreError("the log is locked", where="log", fix="wait")


def test_a_trial_of_fixed_shares_reads_no_log(releases, monkeypatch):
    monkeypatch.setattr(follow, "kept", lambda *_, **__: pytest.fail("it was read"))
    assert follower(releases).first().trial.kept == {}
