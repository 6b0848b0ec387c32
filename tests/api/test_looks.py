"""A look at the data hides no run; and in Python things say what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mulle
from mulle import api
from mulle.api.turns import Checks, last_run
from mulle.core.check import Check, Status
from mulle.export.bundle import write_bundle
from mulle.runtime.answer import Predictions


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Path]:
    """Write what a run leaves, under a name that says when."""

    def write(name: str, until: str = "", verdict: str = "shut") -> Path:
        home = tmp_path / ".mulle" / "runs" / name
        home.mkdir(parents=True)
        check = {"name": "evaluate.gain", "status": "FAIL", "says": "no gain"}
        held: dict[str, Any] = {
            "id": name,
            "project": "churn",
            "started": "",
            "stamp": "draft",
            "verdict": verdict,
            "page": "",
            "until": until,
        }
        held |= {"decision": {"next": "mulle set budget=5m"}}
        outcome = {"stage": "evaluate", "question": "How good?", "answer": "So good.", "facts": {"estimate": 0.8}}
        held |= {"outcomes": [outcome | {"checks": [] if until else [check]}]}
        (home / "run.json").write_text(json.dumps(held), "utf-8")
        return home

    return write


def test_a_check_does_not_hide_the_run_before_it(runs: Callable[..., Path], tmp_path: Path) -> None:
    full = runs("r1")
    runs("r2", until="data", verdict="open")
    assert last_run(tmp_path) == full
    said = api.status(tmp_path)
    assert (said["run"], said["estimate"], said["open"]) == ("r1", 0.8, "evaluate.gain")
    assert said["checked since"] == "r2: open"
    assert said["next"] == "mulle set budget=5m"


def test_a_check_alone_is_what_there_is(runs: Callable[..., Path], tmp_path: Path) -> None:
    look = runs("r1", until="data")
    assert last_run(tmp_path) == look
    assert "checked since" not in api.status(tmp_path)


def test_a_run_after_a_check_is_the_last(runs: Callable[..., Path], tmp_path: Path) -> None:
    runs("r1", until="data")
    full = runs("r2")
    assert last_run(tmp_path) == full
    assert "checked since" not in api.status(tmp_path)


def test_every_public_name_is_offered_for_completion() -> None:
    assert set(mulle.__all__) <= set(dir(mulle))


def test_checks_say_how_many_and_which_need_a_look() -> None:
    failed = Check(name="data.twins", status=Status.FAIL, says="412 rows stand twice.")
    held = Checks([Check(name="data.rows", status=Status.PASS, says="enough"), failed])
    assert repr(held) == "<Checks: 1 PASS, 1 FAIL; look at data.twins>"
    assert repr(Checks([failed.overridden("agreed")])) == "<Checks: 1 FAIL>"


def test_projects_bundles_and_answers_are_tables_in_a_notebook(tmp_path: Path, toy_parts: Callable[..., Any]) -> None:
    project = mulle.Project("a.csv", target="<b>y</b>", folder=tmp_path)
    assert "<td>&lt;b&gt;y&lt;/b&gt;</td>" in project._repr_html_()
    bundle = write_bundle(tmp_path / "toy", toy_parts())
    assert "<td>probability_yes, decision</td>" in bundle._repr_html_()
    answers = bundle.predict(toy_parts().golden.rows)
    assert repr(answers).startswith(f"<Predictions of {len(answers)} rows")
    assert answers._repr_html_().count("<tr>") == 1 + min(len(answers), 10)
    numbers = Predictions(
        prediction=np.ones((20, 1)),
        decision=np.ones(20),
        rejected=np.zeros(20, bool),
        reasons={},
        columns=["prediction"],
    )
    assert repr(numbers) == "<Predictions of 20 rows>"
    assert numbers._repr_html_().count("<tr>") == 11
