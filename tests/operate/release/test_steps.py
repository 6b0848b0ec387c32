"""Steps on the disk: what is let in, what is kept, what is removed."""

from __future__ import annotations

import os

import pytest

from mulle.core.clock import now
from mulle.export.bundle import write_bundle
from mulle.operate.release.state import KIND, Refused
from mulle.operate.release.steps import UNUSED, UNUSED_S, Releases
from mulle.store.tail import Tail


@pytest.fixture
def releases(tmp_path):
    (tmp_path / ".mulle").mkdir()
    return Releases(tmp_path / ".mulle")


@pytest.fixture
def bundle(tmp_path, toy_maker):
    def make(folder, **changes):
        write_bundle(tmp_path / folder, toy_maker(**{"stamp": "ready", "card": f"# {folder}\n", **changes}))
        return tmp_path / folder

    return make


def otherwise(bundle, releases, folder, **changes):
    with pytest.raises(Refused, match=r"than the champion: [\s\S]*release\.request") as refused:
        releases.start(bundle(folder, **changes))
    return refused.value.what.partition(": ")[2]


def test_a_bundle_that_answers_otherwise_is_let_in_only_by_name(releases, bundle):
    releases.start(bundle("old", page={"data": {"target": "income"}}))
    releases.do("promote")
    page = {"data": {"target": "income"}, "objective": {"metric": "log_loss"}}
    told = otherwise(bundle, releases, "classes", page=page, classes=("yes", "no"))
    assert "it answers with probability_no, decision instead of probability_yes, decision" in told
    assert "its classes are yes, no instead of no, yes" in told
    told = otherwise(bundle, releases, "target", page={"data": {"target": "age"}})
    assert told == "it predicts age instead of income"
    assert otherwise(bundle, releases, "name", page=page, name="new") == "it is called new instead of toy"
    assert releases.start(bundle("metric", page=page)).challenger.version.request == ""


def other_request(toy_maker):
    request = toy_maker().request
    return [{**entry, "kind": "text"} if entry["columns"] == ["job"] else entry for entry in request]


def test_a_bundle_that_takes_other_requests_is_let_in_only_by_name(releases, bundle, toy_maker):
    releases.start(bundle("old"))
    releases.do("promote")
    changed = bundle("new", request=other_request(toy_maker))
    with pytest.raises(Refused, match=r"asks or answers otherwise than the champion: it reads differently job"):
        releases.start(changed)
    reason = "all clients send it since May"
    assert releases.start(changed, request=reason).challenger.version.request == reason


def test_a_reason_is_kept_only_where_one_was_needed(releases, bundle):
    state = releases.start(bundle("ready"), override="the board agreed", request="it differs not")
    assert (state.challenger.version.override, state.challenger.version.request) == ("", "")


def test_a_copy_that_nobody_needs_goes_only_after_a_while(releases, bundle):
    releases.start(bundle("old"))
    releases.do("promote")
    folder = releases.version_folder(releases.start(bundle("new")).challenger.version)
    releases.do("withdraw")
    assert folder.is_dir()
    mark = folder.with_name(folder.name + UNUSED)
    os.utime(mark, (now() - UNUSED_S - 1, now() - UNUSED_S - 1))
    releases.start(bundle("newer"))
    releases.do("withdraw")
    assert not folder.exists()
    assert not mark.exists()


def test_each_reason_stands_in_the_ledger_under_one_key_by_its_check(releases, bundle):
    releases.start(bundle("draft", stamp="draft"), override="the board agreed")
    releases.do("promote")
    (started, promoted) = [body for _, body in Tail(releases.home / "ledger.db", kind=KIND).since(0)]
    assert started["overrides"] == {"release.assessed": "the board agreed"}
    assert not {"override", "request"} & {*started, *promoted}
