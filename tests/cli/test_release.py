"""What ``mulle release`` says: a step that is held up, which checks hold it up, and a trial that deals anew."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mulle.cli.main import cli
from mulle.core.clock import now
from mulle.export.bundle import write_bundle
from mulle.operate.release.state import KIND
from mulle.operate.release.steps import Releases
from mulle.store.log import Exposure, Feedback, Group, Log, Row
from mulle.store.tail import Tail

pytestmark = pytest.mark.usefixtures("project")

PAGE = """
[data]
source = "a.csv"
target = "b"
[[slices]]
name = "young"
where = "age < 30"
[release]
online_metric = "outcome"
smallest_effect = 1.0
whole_weeks = false
looks = 4
shadow_rows = 100
"""


@pytest.fixture
def project(tmp_path, toy_maker, monkeypatch):
    """Return a folder in which a candidate waits beside a champion."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mulle.toml").write_text(PAGE, encoding="utf-8")
    (tmp_path / ".mulle").mkdir()
    for name in ("old", "new"):
        write_bundle(tmp_path / name, toy_maker(stamp="ready", card=f"# {name}\n"))
        assert mulle("start", name).exit_code == 0
        if name == "old":
            assert mulle("promote").exit_code == 0
    return tmp_path


def mulle(*words):
    return CliRunner().invoke(cli, ["release", *words])


def held():
    return Releases(Path(".mulle").absolute()).state().challenger


def write(**entries):
    with Log.open(".mulle/log", tend=False) as log:
        log.append(Group(**entries))


def shadowed(n):
    told = json.dumps({"prediction": {"p": 0.5}, "decision": "yes"}).encode()
    shadow = json.dumps({"prediction": {"p": 0.5}, "decision": "yes", "champion_ms": 0.2, "ms": 0.3}).encode()
    rows = []
    for i in range(n):
        inputs = json.dumps({"age": 20 + i % 40, "job": "smith"}).encode()
        rows.append(Row(f"{i:028x}", now(), "a", 0, "champion", 1.0, "", f"u{i}", inputs, told))
        rows.append(Row(f"{i:028x}~shadow", now(), "b", 0, "shadow", 1.0, "", f"u{i}", b"{}", shadow))
    write(rows=rows)


def test_a_step_that_is_held_up_says_so_and_names_its_checks():
    mulle("shadow")
    shadowed(60)
    told = mulle("canary")
    assert told.exit_code == 1
    assert "No canary yet: nothing was changed" in told.output
    assert "release.shadow_rows: wait for more requests" in told.output
    assert json.loads(mulle("canary", "--json").output)["held_up"] == "canary"
    assert held().step == "shadow"


def test_a_shadow_is_told_by_slice_and_by_time():
    mulle("shadow")
    shadowed(160)
    told = mulle()
    assert told.exit_code == 0, told.output
    assert "on the slice 'young' they decide alike in 100.0% of 40 rows" in told.output
    assert "the shadow takes 0.3 ms a row at 95 % (the champion 0.2 ms)" in told.output
    assert mulle("canary").exit_code == 0


def came(n, *, gain):
    rng, trial = np.random.default_rng(1), held()
    rows, exposures, feedback = [], [], []
    for i in range(n):
        arm = "challenger" if rng.random() < trial.share else "champion"
        id_, at = f"{i:020x}{arm[:4].encode().hex()}", now()
        rows.append(Row(id_, at, "b", 0, arm, 0.5, trial.trial, f"u{i}", b"{}", b'{"decision":"yes"}'))
        exposures.append(Exposure(trial.trial, f"u{i}", arm, 0.5, at, "b"))
        value = json.dumps(float(rng.normal(gain * (arm == "challenger"), 3))).encode()
        feedback.append(Feedback(f"f{i}", id_, "outcome", value, "", at))
    write(rows=rows, exposures=exposures, feedback=feedback)


def test_a_trial_by_thompson_says_what_it_deals():
    rng, at = np.random.default_rng(0), now() - 9000.0
    told = b'{"decision":"yes"}'
    values = [json.dumps(float(rng.normal(0, 3))).encode() for _ in range(200)]
    write(
        rows=[Row(f"{i:028x}", at, "a", 0, "champion", 1.0, "", f"p{i}", b"{}", told) for i in range(200)],
        feedback=[Feedback(f"p{i}", f"{i:028x}", "outcome", one, "", at) for i, one in enumerate(values)],
    )
    begun = mulle("trial", "--mode", "thompson", "--override", "release.steps=it is only a test")
    assert begun.exit_code == 0, begun.output
    assert "trial, 50% of the units that come now, by Thompson sampling" in begun.output
    came(held().design["n_units"] // 4 + 5, gain=2.0)
    watched = mulle("watch", "--once")
    assert watched.exit_code == 0, watched.output
    assert "of the units that come meet the challenger; who has met a model keeps it." in watched.output
    assert held().share > 0.6
    assert held().looks == ()
    assert json.loads(mulle("--json").output)["challenger"]["dealt"][1]["share"] == held().share


@pytest.mark.slow
def test_the_watch_goes_on_after_a_look_that_failed_and_takes_back_what_does_harm(tmp_path):
    assert mulle("canary", "--share", "0.25", "--override", "release.steps=it is only a test").exit_code == 0
    (tmp_path / ".mulle" / "log").mkdir()
    (tmp_path / ".mulle" / "log" / "log.db").write_bytes(b"this is no database" * 500)
    command = [sys.executable, "-m", "mulle", "release", "watch", "--every", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert "this look failed, and nobody watches the challenger" in watching.stderr.readline()
            assert watching.poll() is None
            (tmp_path / ".mulle" / "log" / "log.db").unlink()
            failing()
            assert watching.wait(60) == 0
        finally:
            watching.kill()
        assert "release.guardrail.failed" in watching.stdout.read()
    assert held() is None


def failing():
    """Write what a challenger leaves that can answer nobody."""
    trial, rows, exposures = held(), [], []
    for i in range(400):
        arm = "challenger" if i % 4 == 0 else "champion"
        if arm == "challenger":
            rows.append(Row(f"{i:028x}~failed", now(), "b", 0, arm, 0.25, trial.trial, f"u{i}", b"{}", b"{}"))
        rows.append(Row(f"{i:028x}", now(), "a", 0, "champion", 0.25, trial.trial, f"u{i}", b"{}", b"{}"))
        exposures.append(Exposure(trial.trial, f"u{i}", arm, 0.25, now(), "b"))
    write(rows=rows, exposures=exposures)


def test_a_rollback_loads_nothing_that_trains_answers_or_draws(tmp_path):
    heavy = "{'mulle.api', 'mulle.loop', 'numpy', 'polars', 'pydantic', 'onnxruntime', 'onnx'}"
    code = (
        f"import atexit, sys; from mulle.cli.main import cli; "
        f"atexit.register(lambda: print(sorted({heavy} & set(sys.modules)))); cli(['release', 'rollback'])"
    )
    assert mulle("withdraw").exit_code == 0
    assert mulle("start", "new").exit_code == 0
    assert mulle("promote", "--override", "release.steps=it is only a test").exit_code == 0
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "before" not in done.stdout, "the former champion is back"


def test_a_rollback_needs_no_page_that_can_be_read(tmp_path):
    assert mulle("canary", "--share", "0.25", "--override", "release.steps=it is only a test").exit_code == 0
    (tmp_path / "mulle.toml").write_text("[release\n", encoding="utf-8")
    assert mulle("rollback").exit_code == 0
    assert held() is None


BY_NAME = ("--override", "release.steps=it is only a test")


def test_a_rollback_under_a_shadow_says_that_the_champion_went_and_how_to_have_it_again(tmp_path, toy_maker):
    assert mulle("promote", *BY_NAME).exit_code == 0
    write_bundle(tmp_path / "third", toy_maker(stamp="ready", card="# third\n"))
    assert mulle("start", "third").exit_code == 0
    assert mulle("shadow").exit_code == 0
    told = mulle("rollback", "--why", "complaints").output
    assert "was taken back" in told
    assert "(at the step 'shadow'), which nobody met, was withdrawn with it" in told
    undo = re.search(r"Undo: mulle release (start \S+), then mulle release (promote) --override", told)
    assert undo, told
    assert mulle(*undo[1].split()).exit_code == 0
    assert mulle(undo[2], *BY_NAME).exit_code == 0
    assert "new" in (Path(".mulle") / champion().folder / "card.md").read_text()


def test_how_to_have_a_champion_again_names_all_that_was_waved_through_for_it(tmp_path, toy_maker):
    mulle("withdraw")
    write_bundle(tmp_path / "draft", toy_maker(stamp="draft", card="# draft\n"))
    waved = ("--override", "release.assessed=the board agreed")
    assert mulle("start", "draft", *waved).exit_code == 0
    assert mulle("promote", *BY_NAME).exit_code == 0
    told = mulle("rollback").output
    undo = re.search(r'Undo: mulle release (start \S+) --override "release.assessed=REASON", then ', told)
    assert undo, told
    assert mulle(*undo[1].split(), *waved).exit_code == 0


def test_overrides_before_a_word_and_behind_it_hold_together():
    mulle("withdraw")
    mulle("start", "new")
    early, late = ("--override", "release.assessed=it was seen before"), BY_NAME
    assert mulle(*early, "canary", *late, "--share", "0.25").exit_code == 0
    (body,) = [body for _, body in Tail(Path(".mulle/ledger.db"), kind=KIND).since(0) if body["do"] == "canary"]
    assert set(body["overrides"]) == {"release.assessed", "release.steps"}


def test_a_withdrawal_says_who_went_and_who_goes_on():
    mulle("shadow")
    told = json.loads(mulle("withdraw", "--json").output)
    assert told["says"].endswith("(at the step 'shadow') was withdrawn; the champion goes on.")
    assert told["champion"]["bundle"] == champion().bundle


def champion():
    return Releases(Path(".mulle").absolute()).state().champion


def test_options_before_a_word_hold_for_it_as_behind_it(tmp_path, monkeypatch):
    mulle("shadow")
    monkeypatch.chdir(tmp_path.parent)
    assert json.loads(mulle("-p", str(tmp_path), "--json", "withdraw").output)["challenger"] is None
    refused = mulle("-p", str(tmp_path), "withdraw")
    assert (refused.exit_code, "no release is under way" in refused.output) == (2, True)
    assert mulle("-p", str(tmp_path), "start", str(tmp_path / "new")).exit_code == 0
    assert mulle("-p", str(tmp_path), *BY_NAME, "canary", "--share", "0.25").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--log", "elsewhere", "rollback"), (*BY_NAME, "withdraw"), (*BY_NAME, "estimate"),
        ("rollback", "--log", "elsewhere"), ("withdraw", *BY_NAME), ("estimate", *BY_NAME),
    ],
)  # fmt: skip
def test_an_option_that_would_do_nothing_is_refused_before_and_behind_the_word(words):
    refused = mulle(*words)
    assert (refused.exit_code, "no such option" in refused.output) == (2, True)
    assert held() is not None


def test_a_look_that_can_not_be_answered_yet_leaves_with_1_and_changes_nothing():
    assert mulle("canary", "--share", "0.25", *BY_NAME).exit_code == 0
    came(40, gain=0.0)
    told = mulle("watch", "--once", "--json")
    assert told.exit_code == 1
    assert {check["status"] for check in json.loads(told.output)["checks"]} == {"PASS", "UNANSWERED"}
    assert mulle().exit_code == 1
    assert held().step == "canary"
    assert mulle("promote").exit_code == 2
