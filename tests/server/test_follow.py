"""A server follows what is released: what it can't serve it leaves, and a way back is always open."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from mulle.core.clock import now
from mulle.operate.release.state import KIND, WATCHED
from mulle.operate.release.steps import Releases
from mulle.server import follow
from mulle.server.follow import Follower
from mulle.server.served import Lineup, Served
from mulle.store.ledger import Ledger

BY_NAME = {"overrides": {"release.steps": "in a test"}}


@pytest.fixture
def releases(tmp_path):
    (tmp_path / ".mulle").mkdir()
    return Releases(tmp_path / ".mulle")


@pytest.fixture
def bundle(bundles):
    return lambda name, **changes: bundles(name, stamp="ready", card=f"# {name}\n", **changes)


def started(releases, path):
    return releases.start(path).challenger.version


def promoted(releases, path):
    version = started(releases, path)
    releases.do("promote", **BY_NAME)
    return version


def test_an_event_that_can_not_be_followed_is_not_swallowed(releases, bundle, monkeypatch):
    promoted(releases, bundle("old"))
    follower = Follower(releases.home)
    follower.first()
    new = started(releases, bundle("new"))
    releases.do("canary", share=0.25, salt="s")
    with monkeypatch.context() as broken:
        broken.setattr(follow, "trial_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            follower.catch_up()
    assert follower.catch_up().others["challenger"].bundle.hash == new.bundle
    assert follower.catch_up() is None


def test_an_old_ledger_with_a_share_that_nobody_can_deal_does_not_stop_a_server(releases, bundle):
    champion = promoted(releases, bundle("old"))
    started(releases, bundle("new"))
    with Ledger.open(releases.home / "ledger.db", write=True) as ledger:
        ledger.append(KIND, {"do": "canary", "share": 0.12345, "salt": "s", "at": now()})
    assert Follower(releases.home).first().champion.bundle.hash == champion.bundle


def test_rollbacks_after_a_restart_try_nothing_and_refuse_nothing(releases, bundle, monkeypatch):
    versions = [promoted(releases, bundle(name)) for name in ("one", "two", "three")]
    follower = Follower(releases.home)
    follower.first()
    monkeypatch.setattr(follow, "admitted", lambda *_, **__: pytest.fail("a former champion was tried again"))
    for version in versions[1::-1]:
        releases.do("rollback")
        assert follower.catch_up().champion.bundle.hash == version.bundle
    follower = Follower(releases.home)
    follower.first()
    follower.warm()
    monkeypatch.setattr(follow, "opened", lambda _: pytest.fail("it was open already"))
    promoted(releases, bundle("four"))
    assert versions[0].bundle in follower._open


def test_former_champions_are_open_before_anybody_needs_them(releases, bundle, monkeypatch):
    first, _, _ = (promoted(releases, bundle(name)) for name in ("one", "two", "three"))
    follower = Follower(releases.home)
    follower.first()
    follower.warm()
    monkeypatch.setattr(follow, "opened", lambda _: pytest.fail("it was open already"))
    releases.do("rollback")
    releases.do("rollback")
    assert follower.catch_up().champion.bundle.hash == first.bundle


def test_a_challenger_that_takes_other_requests_meets_nobody(releases, bundle, toy_maker):
    champion = promoted(releases, bundle("old"))
    request = [{**entry, "kind": "text"} if entry["columns"] == ["job"] else entry for entry in toy_maker().request]
    other = bundle("other", request=request)
    reason = {"request": "all clients send it since May"}
    version = releases.start(other, **reason).challenger.version
    releases.do("canary", share=0.25, salt="s")
    follower = Follower(releases.home)
    assert follower.first().others["challenger"].bundle.hash == version.bundle
    releases.do("withdraw")
    with Ledger.open(releases.home / "ledger.db", write=True) as ledger:  # as an older one wrote it: nobody agreed
        ledger.append(KIND, {"do": "start", "bundle": version.bundle, "folder": version.folder, "at": now()})
    releases.do("canary", share=0.25, salt="s")
    follower = Follower(releases.home)
    lineup = follower.first()
    assert lineup.others == {}
    assert lineup.champion.bundle.hash == champion.bundle
    assert "asks or answers otherwise" in follower.faults[version.bundle]


def test_what_was_wrong_with_a_bundle_that_is_gone_is_forgotten(releases, bundle, monkeypatch):
    promoted(releases, bundle("old"))
    version = started(releases, bundle("broken"))
    (releases.version_folder(version) / "manifest.json").write_text("{}")
    releases.do("canary", share=0.25, salt="s")
    follower = Follower(releases.home)
    assert follower.first().others == {}
    monkeypatch.setattr(follow, "AGAIN_S", 0.0)
    releases.do("withdraw")
    assert follower.catch_up() is not None
    assert follower.catch_up() is None
    assert follower.faults == {}


def test_two_shadows_are_asked_for_different_units(toy):
    def mirrored(salt):
        lineup = Lineup(champion=Served(toy), shadow=Served(toy, "shadow"), shadow_share=0.1, shadow_salt=salt)
        return {i for i in range(5000) if lineup.mirrors(f"unit {i}")}

    one, other = mirrored("one"), mirrored("other")
    assert 400 < len(one) < 600
    assert len(one & other) < 100
    assert one == mirrored("one")


def test_a_challenger_that_units_meet_is_unwatched_since_it_was_last_looked_at(releases, bundle):
    promoted(releases, bundle("old"))
    started(releases, bundle("new"))
    follower = Follower(releases.home)
    follower.first()
    assert follower.unwatched_s() == 0.0, "a candidate meets nobody"
    releases.do("canary", share=0.25, salt="s", **BY_NAME)
    follower.catch_up()
    (releases.home / WATCHED).touch()
    os.utime(releases.home / WATCHED, (now() - 900.0,) * 2)
    assert follower.unwatched_s() < 60.0, "it only began"
    later = replace(follower.state.challenger, since=now() - 5000.0)
    follower.state = replace(follower.state, challenger=later)
    assert 890.0 < follower.unwatched_s() < 960.0
    (releases.home / WATCHED).unlink()
    assert follower.unwatched_s() > 4900.0
