"""Commands that are shown work where they are shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import pytest

from mulle.cli.ending import ending
from mulle.cli.typed import program, typed

AWAY = Path("mulle-income/mulle.toml")


@pytest.mark.parametrize(
    ("command", "from_here"),
    [
        (
            "mulle predict income.zip NEW_ROWS.csv OUT.csv",
            "mulle predict mulle-income/income.zip NEW_ROWS.csv OUT.csv",
        ),
        ("mulle assess", "mulle assess -p mulle-income/mulle.toml"),
        ("mulle set data.keep='[\"id\"]'", "mulle set -p mulle-income/mulle.toml data.keep='[\"id\"]'"),
        ("bring more rows", "bring more rows"),
        ("mulle doctor", "mulle doctor"),
    ],
)
def test_a_command_names_the_project_that_lies_elsewhere(command: str, from_here: str) -> None:
    assert typed(command, AWAY) == from_here
    assert typed(command) == command


def test_a_folder_with_a_blank_is_quoted() -> None:
    assert typed("mulle run", Path("my work/mulle.toml")) == "mulle run -p 'my work/mulle.toml'"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand beside an environment whose `mulle` was called by its path."""
    script = tmp_path / ".venv" / "bin" / "mulle"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "demo"])
    return script


def test_a_mulle_that_the_shell_does_not_find_is_called_by_its_path(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    assert typed("mulle run") == ".venv/bin/mulle run"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert typed("mulle run") == "mulle run"


def test_python_m_mulle_is_told_by_the_script_beside_python_or_as_such(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/mulle/__main__.py"])
    installed.with_name("python").write_text("")
    monkeypatch.setattr(sys, "executable", str(installed.with_name("python")))
    monkeypatch.setenv("PATH", os.defpath)
    assert program() == ".venv/bin/mulle"
    installed.unlink()
    assert program() == ".venv/bin/python -m mulle"


def test_the_end_of_a_run_names_what_lies_in_another_folder(runs, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "mulle-income"
    run = runs.FakeRun(
        [runs.problem(runs.COSTS)],
        next="mulle predict income.zip NEW_ROWS.csv OUT.csv",
        zip=home / "income-draft.zip",
        zip_note="income.zip was left as it is",
    )
    shown = click.unstyle(ending(run, width=110, page=Path("mulle-income/mulle.toml")))
    assert "fix  mulle set -p mulle-income/mulle.toml costs.false_positive=1.5" in shown
    assert "next    mulle predict mulle-income/income.zip NEW_ROWS.csv OUT.csv" in shown
    assert "zip     mulle-income/income-draft.zip\n          income.zip was left as it is" in shown
