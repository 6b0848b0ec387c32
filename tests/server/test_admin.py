"""The operator's door: parameters change, bundles are swapped, and nothing bad ever comes into service."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mulle.core.errors import BundleError, StoreError
from mulle.export.bundle import Golden, PolicyPart
from mulle.policies import policies
from mulle.policies.graph import policy_graph
from mulle.runtime import Bundle
from mulle.runtime.difference import Difference
from mulle.server.admin import Admin, SwapRequest
from mulle.server.parameters import Tuning
from mulle.server.served import Lineup, Served
from mulle.server.service import Service
from mulle.server.swap import admitted
from mulle.store.log import Change, Log

from .live import live, with_golden  # noqa: TID252  # tests have no package to be named by


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    with live(small, tmp_path_factory.mktemp("admin")) as running:
        yield running


@pytest.fixture
def copy(small, tmp_path):
    return shutil.copytree(small, tmp_path / "copy")


# ------------------------------------------------------------------------------------------ the door


def test_the_door_is_shut_without_the_token(one):
    assert one.admin("GET", "status")[0] == 200
    for shown in ("", "Bearer ", "Bearer wrong", one.door["token"], "Basic " + one.door["token"]):
        assert one.admin("GET", "status", Authorization=shown)[0] == 401


def test_a_web_page_does_not_reach_the_door(one):
    assert one.admin("GET", "status", Host="evil.example")[0] == 421
    assert one.admin("POST", "parameters", {"threshold": 0.1}, Origin="https://evil.example")[0] == 403
    assert one.admin("POST", "parameters", {"threshold": 0.1}, Content_Type="text/plain")[0] == 415


def test_the_servers_own_port_has_no_admin_routes(one):
    assert one.ask("GET", "/admin/status")[0] == 404


def test_only_the_owner_reads_where_the_door_is(one):
    assert stat.S_IMODE((one.home / "admin.json").stat().st_mode) == 0o600


def test_a_token_of_the_operators_own_is_written_nowhere(small, tmp_path):
    token = "a" * 40
    with live(small, tmp_path, env={"MULLE_ADMIN_TOKEN": token}) as mine:
        assert mine.admin("GET", "status", Authorization=f"Bearer {token}")[0] == 200
        assert token not in (tmp_path / "admin.json").read_text()
        mine.stop()
    assert not (tmp_path / "admin.json").exists()


# ------------------------------------------------------------------------------------------ parameters


def test_a_change_is_in_force_at_once_has_a_version_and_survives_a_restart(small, tmp_path):
    with live(small, tmp_path) as first:
        before = first.predict()[1]
        status, told, _ = first.admin("POST", "parameters", {"threshold": 0.999, "who": "kim"})
        assert (status, told["serving"][0]["version"], told["survives"]) == (200, 1, True)
        after = first.predict()[1]
        assert (before["decision"], after["decision"], after["version"]) == ("yes", "no", 1)
        assert before["prediction"] == after["prediction"]
        first.process.kill()
        first.process.wait()
    with live(small, tmp_path) as second:
        assert second.predict()[1]["version"] == 1
        assert second.predict()[1]["decision"] == "no"
        assert second.admin("POST", "parameters", {"threshold": 0.4})[1]["serving"][0]["version"] == 2
        second.stop()
    with Log.open(tmp_path / "log") as log:
        changes = [change for chunk in log.read(Change) for change in chunk]
    assert [(change.version, json.loads(change.parameters), change.who) for change in changes] == [
        (1, {"threshold": 0.999}, "kim"),
        (2, {"threshold": 0.4}, ""),
    ]


def test_two_admins_at_once_never_get_the_same_version(one):
    def change(i: int) -> int:
        return one.admin("POST", "parameters", {"threshold": 0.3 + i / 1000})[1]["serving"][0]["version"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    with closing(sqlite3.connect(f"file:{one.home / 'log' / 'log.db'}?mode=ro", uri=True)) as database:
        versions = [version for (version,) in database.execute("SELECT version FROM changes ORDER BY seq")]
    assert len(versions) == len(set(versions)) >= 24
    assert versions == sorted(versions)


@pytest.mark.parametrize(
    "body",
    [{"treshold": 0.4}, {"threshold": "high"}, {}, {"who": "kim"}, {"threshold": None}, {"threshold": [1]}],
)
def test_what_the_policy_does_not_know_changes_nothing(one, body):
    before = one.admin("GET", "status")[1]["serving"]
    status, told, _ = one.admin("POST", "parameters", body)
    assert status == 422
    assert told["fix"]
    assert one.admin("GET", "status")[1]["serving"] == before


@pytest.mark.parametrize("threshold", [7, -1, 40, 1.0001, -0.0001, 1e308])
def test_a_threshold_that_decides_alike_on_every_row_changes_nothing(one, threshold):
    before = one.admin("GET", "status")[1]["serving"]
    status, told, _ = one.admin("POST", "parameters", {"threshold": threshold})
    assert (status, "between 0 and 1" in told["fix"]) == (422, True)
    assert ("40 % is 0.4" in told["fix"]) is (threshold == 40)
    assert one.admin("GET", "status")[1]["serving"] == before


@pytest.mark.parametrize("threshold", [0, 1])
def test_the_ends_of_the_range_are_in_it(one, threshold):
    assert one.admin("POST", "parameters", {"threshold": threshold})[0] == 200


def test_a_threshold_that_was_packaged_can_be_gone_back_to(bundles, tmp_path):
    held = {"threshold": 1.5}
    graph = policy_graph(policies.get("threshold"), held, 1)
    never = PolicyPart(name="threshold", content=graph, decides="class", parameters=held)
    with live(bundles("never", policy=never), tmp_path) as mine:
        assert mine.admin("POST", "parameters", {"threshold": 0.4})[0] == 200
        assert mine.admin("POST", "parameters", {"threshold": 1.5})[0] == 200


def test_without_a_log_a_change_holds_until_the_server_stops_and_that_is_said(small, tmp_path):
    with live(small, tmp_path, log="") as mine:
        told = mine.admin("POST", "parameters", {"threshold": 0.999})[1]
        assert (told["survives"], told["serving"][0]["version"]) == (False, 1)
        assert mine.predict()[1]["decision"] == "no"


@pytest.mark.slow
def test_without_a_log_several_workers_take_no_change_that_one_alone_would_hear_of(small, tmp_path):
    with live(small, tmp_path, log="", workers=2) as mine:
        end = time.monotonic() + 10
        while not (tmp_path / "admin.json").exists() and time.monotonic() < end:
            time.sleep(0.05)
        status, told, _ = mine.admin("POST", "parameters", {"threshold": 0.999})
        assert status == 409
        assert "--no-log" in told["fix"]


# ------------------------------------------------------------------------------------------ swapping


def test_what_changed_while_a_bundle_was_tried_is_not_thrown_out_without_a_word(bundles, monkeypatch):
    one, next_, third = (
        Bundle.load(bundles(name, card=f"# {name}\n", stamp="ready")) for name in ("one", "two", "three")
    )
    service = Service(lineup=Lineup(champion=Served(one)), log=None)
    meanwhile = Lineup(champion=Served(one), others={"challenger": Served(third, arm="challenger")})

    def tried(_, **__):
        service.lineup = meanwhile
        return next_

    monkeypatch.setattr("mulle.server.admin.admitted", tried)
    admin = Admin(service, Tuning(None), token="t" * 32, salt=lambda: b"s" * 16)
    try:
        with pytest.raises(StoreError, match="has changed while"):
            asyncio.run(admin._swapped(SwapRequest(path="x")))
        assert service.lineup is meanwhile
        service.lineup = Lineup(champion=Served(one))
        asyncio.run(admin._swapped(SwapRequest(path="x", force=True)))
        assert service.lineup.champion.bundle is next_
    finally:
        service.close()


def swap(one, path, **more):
    return one.admin("POST", "bundle", {"path": str(path), **more})


def test_a_swap_under_load_fails_no_request_and_each_answer_names_one_version(one, bundles):
    other = bundles("other", card="# Another\n", stamp="ready")
    old, over, answers = (
        Bundle.load(one.admin("GET", "status")[1]["serving"][0]["path"]).hash[:16],
        threading.Event(),
        [],
    )

    def ask() -> None:
        while not over.is_set():
            status, told, _ = one.predict()
            answers.append((status, told.get("bundle")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    status, told, _ = swap(one, other)
    time.sleep(0.3)
    over.set()
    for thread in threads:
        thread.join()
    new = Bundle.load(other).hash[:16]
    assert (status, told["serving"][0]["bundle"]) == (200, new)
    assert {status for status, _ in answers} == {200}
    assert {bundle for _, bundle in answers} == {old, new}


BAD = {
    "isn't there": (shutil.rmtree, "no bundle"),
    "was cut off": (lambda folder: (folder / "model.onnx").write_bytes(b"\x08\x07"), "hash differs"),
    "is of another kind": (lambda folder: (folder / "manifest.json").write_text("{}"), ""),
    "differs from its golden rows": (lambda folder: with_golden(folder, _shifted), "golden rows otherwise"),
    "proves nothing": (lambda folder: with_golden(folder, _emptied), "no golden rows"),
}


def _shifted(held) -> None:
    held["prediction"][0][0] += 0.01


def _emptied(held) -> None:
    held.update(rows=[], prediction=[], decision=[])


@pytest.mark.parametrize("name", BAD)
def test_a_bundle_that_is_no_good_never_comes_into_service(one, copy, name):
    spoil, why = BAD[name]
    spoil(copy)
    before = one.admin("GET", "status")[1]["serving"]
    status, told, _ = swap(one, copy)
    after = one.admin("GET", "status")[1]
    assert status == 422
    assert why in told["detail"]
    assert told["fix"]
    assert after["serving"] == before
    assert after["swap"]["last"]["result"] == "refused"
    assert one.predict()[0] == 200


def test_other_columns_are_told_and_need_a_word(one, bundles, toy_parts):
    request = [dict(entry) for entry in toy_parts().request]
    request[0] |= {"name": "years", "columns": ["years"]}
    rows = [{"years": 40, "job": "smith", "lat": 1.0, "lon": 2.0}]
    other = bundles("columns", request=request, golden=Golden(rows=rows))
    status, told, _ = swap(one, other)
    assert status == 422
    assert "it needs years; it no longer takes age" in told["detail"]
    before = one.admin("GET", "status")[1]["serving"][0]["path"]
    assert swap(one, other, force=True)[0] == 200
    assert swap(one, before, force=True)[0] == 200


def test_a_draft_and_one_that_answers_otherwise_are_told_and_need_a_word(one, bundles):
    before = one.admin("GET", "status")[1]["serving"][0]["path"]
    for name, said, changes in (
        ("draft", "is a draft", {"stamp": "draft"}),
        ("classes", "it answers with probability_no", {"stamp": "ready", "classes": ("yes", "no")}),
    ):
        other = bundles(name, card=f"# {name}\n", **changes)
        status, told, _ = swap(one, other)
        assert (status, said in told["detail"]) == (422, True), told
        assert one.admin("GET", "status")[1]["serving"][0]["path"] == before
        assert swap(one, other, force=True)[0] == 200
        assert swap(one, before, force=True)[0] == 200


@pytest.mark.slow
def test_a_bundle_that_hangs_is_killed_and_refused(looping, tmp_path):
    folder = shutil.copytree(looping, tmp_path / "hangs")
    with_golden(folder, lambda held: held["rows"][0].update(age=1e9))
    began = time.monotonic()
    with pytest.raises(BundleError, match=r"within 4 s"):
        admitted(folder, deadline_s=4.0)
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_bundle_that_is_too_slow_is_refused_by_its_own_page_or_by_the_one_in_service(looping, small, tmp_path):
    folder = shutil.copytree(looping, tmp_path / "slow")
    with_golden(folder, lambda held: [row.update(age=1000.05) for row in held["rows"]])
    in_service = Bundle.load(small)
    with pytest.raises(BundleError, match=r"the one in service(.|\n)*limits.latency_ms_p95"):
        admitted(folder, beside=in_service)
    manifest = json.loads((folder / "manifest.json").read_text())
    for limit, refused in ((5.0, True), (100_000.0, False)):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "page": {"limits": {"latency_ms_p95": limit}}}))
        if refused:
            with pytest.raises(BundleError, match=r"its own page allows 5 ms"):
                admitted(folder, beside=in_service)
        else:
            assert admitted(folder, beside=in_service).manifest.name == "toy"


def test_a_bundle_that_is_changed_while_it_is_tried_is_refused(copy, monkeypatch):
    from mulle.server import swap as module

    real = module._trial

    def trial(path, deadline_s):
        told = real(path, deadline_s)
        manifest = json.loads((copy / "manifest.json").read_text())
        (copy / "manifest.json").write_text(json.dumps({**manifest, "name": "other"}))
        return told

    monkeypatch.setattr(module, "_trial", trial)
    with pytest.raises(BundleError, match=r"changed while it was tried"):
        admitted(copy)


def test_differences_name_columns_and_types(toy, bundles, toy_parts):
    request = [dict(entry) for entry in toy_parts().request]
    request[1] |= {"kind": "id"}
    other = Bundle.load(bundles("types", request=request))
    assert not Difference.between(toy, toy)
    assert str(Difference.between(toy, other)) == "it reads differently job"
