"""Ctrl-C leaves a partial run: what was finished is returned and kept, and the next run goes on from there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import psutil
import pytest
from tests.journeys.conftest import QUICK

import mulle
from mulle.compute.turn import Nobody
from mulle.core.check import Outcome
from mulle.store.workspace import Workspace

SOON_S = 60.0


class AtStage(Nobody):
    """Somebody who presses Ctrl-C when a stage begins."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended: list[str] = []

    def stage(self, name: str, question: str) -> None:  # noqa: ARG002  # the contract's names
        if name == self.name:
            raise KeyboardInterrupt

    def outcome(self, outcome: Outcome) -> None:
        self.ended.append(outcome.stage)


class AtWork(AtStage):
    """Somebody who presses Ctrl-C when the first model has been scored."""

    def best(self, says: str) -> None:  # noqa: ARG002  # the contract's name
        raise KeyboardInterrupt


def project(frame: pl.DataFrame, folder: Path) -> mulle.Project:
    return mulle.Project(frame, target="target", folder=folder, objective=QUICK)


def kept(folder: Path) -> Counter[str]:
    """Return how often each key stands in the ledger."""
    with Workspace.open(folder, write=False) as space:
        return Counter(row.key for row in space.ledger.units())


def test_an_interrupt_returns_the_partial_run(cancer: pl.DataFrame, tmp_path: Path) -> None:
    watch = AtStage("baseline")
    run = mulle.run(project(cancer, tmp_path), watch=watch, workers=2)
    assert run.interrupted
    assert [outcome.stage for outcome in run.outcomes] == ["problem", "data"] == watch.ended
    assert run.checks.unanswered
    assert run.bundle_path is None
    assert run.next == "mulle run"
    record = json.loads((run.home / "run.json").read_text("utf-8"))
    assert record["interrupted"]
    assert record["decision"]["because"][0].startswith("the run was stopped before its end")


def test_an_interrupt_before_anything_was_found_is_a_run_all_the_same(cancer: pl.DataFrame, tmp_path: Path) -> None:
    run = mulle.run(project(cancer, tmp_path), watch=AtStage("problem"), workers=2)
    assert run.interrupted
    assert not run.outcomes
    assert run.report is not None


@pytest.mark.slow
def test_after_an_interrupt_amid_the_search_the_next_run_goes_on(cancer: pl.DataFrame, tmp_path: Path) -> None:
    first = mulle.run(project(cancer, tmp_path), watch=AtWork(""), workers=2)
    assert [outcome.stage for outcome in first.outcomes] == ["problem", "data", "baseline"]
    before = kept(tmp_path)
    second = mulle.run(project(cancer, tmp_path), workers=2)
    assert not second.interrupted
    assert second.bundle.selftest().ok
    after = kept(tmp_path)
    assert set(before) < set(after)
    assert set(after.values()) == {1}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a signal to one process")
def test_ctrl_c_at_the_command_line_leaves_with_130_and_no_process_behind(cancer: pl.DataFrame, tmp_path: Path) -> None:
    cancer.write_parquet(tmp_path / "tumours.parquet")
    (tmp_path / "mulle.toml").write_text(
        '[data]\nsource = "tumours.parquet"\ntarget = "target"\n'
        '[objective]\nbudget = { trials = 4 }\nfamilies = ["linear", "extra_trees"]\n',
        "utf-8",
    )
    command = [sys.executable, "-P", "-m", "mulle", "run"]
    run = subprocess.Popen(  # our own module
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path, units=25, run=run)
    workers = psutil.Process(run.pid).children()
    assert workers
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=SOON_S)
    assert run.returncode == 130
    assert "stopped  after problem" in err
    assert "What was finished is kept: the same command goes on from there." in err
    assert "Traceback" not in err
    assert re.search(r"next    (\S+/)?mulle run\n", out), "as it can be typed here"
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert not list((tmp_path / ".mulle").glob("tmp/*"))


def wait_for(folder: Path, *, units: int, run: subprocess.Popen[str]) -> None:
    """Wait until so many pieces of work are on the shelf."""
    end = time.perf_counter() + SOON_S
    while len(list(folder.glob(".mulle/artifacts/*.files"))) < units:
        assert run.poll() is None
        assert time.perf_counter() < end
        time.sleep(0.02)
