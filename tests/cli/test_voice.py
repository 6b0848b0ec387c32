"""How errors and words look at a terminal."""

# ruff: noqa: ARG001  # fixtures are asked for by name; the stand-in keeps the signatures

import io
import subprocess
import sys

import click
import pytest

from mulle.cli import voice
from mulle.cli.ending import ending, ship
from mulle.cli.grid import grid, pairs
from mulle.core.errors import ProjectError
from mulle.core.settings import wants_colour

LONG = ProjectError(
    "column 'age' holds 412 values that are no numbers, such as 'unknown', 'n/a' and 'ask Ana'",
    where="people.csv, column age, rows 3, 17, 112, 118 and 408 more",
    fix="mulle set data.kinds.age=category, or clean the column; mulle check shows the rows",
)


def test_an_error_is_laid_out_within_the_width():
    assert click.unstyle(voice.worded(LONG, width=60)) == (
        "error  column 'age' holds 412 values that are no numbers,\n"
        "       such as 'unknown', 'n/a' and 'ask Ana'\n"
        "where  people.csv, column age, rows 3, 17, 112, 118 and 408\n"
        "       more\n"
        "fix    mulle set data.kinds.age=category, or clean the\n"
        "       column; mulle check shows the rows"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 110])
def test_no_line_of_an_error_is_wider_than_the_terminal(width):
    told = voice.worded(ProjectError.together([LONG, LONG]), width=width)
    assert max(len(click.unstyle(line)) for line in told.splitlines()) <= width


def test_several_faults_are_numbered():
    told = click.unstyle(voice.worded(ProjectError.together([LONG, LONG]), width=80))
    assert told.startswith("2 faults, all told at once\n\n1.     column 'age'")
    assert "\n\n2.     column 'age'" in told


def test_a_faulty_line_of_a_file_keeps_its_place():
    error = ProjectError("not TOML\n     2 | target = churned\n       |          ^", where="x", fix="y")
    lines = click.unstyle(voice.worded(error, width=80)).splitlines()
    assert lines[2].index("^") - lines[1].index("t") == 9


def test_letters_that_a_terminal_lacks_are_said_in_plain_ones():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    voice.prepare(stream)
    stream.write("✓ 3 × ≥ 0.5 – 물")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ 3 x >= 0.5 - ?"


def test_a_whole_command_speaks_ascii_where_it_must(project):
    done = subprocess.run(
        [sys.executable, "-m", "mulle", "doctor"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONUTF8": "0"},
    )
    assert done.stdout.decode("ascii").startswith("+ mulle")


@pytest.mark.parametrize(
    ("told", "is_terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_follows_what_the_person_asked_for(monkeypatch, told, is_terminal, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(is_terminal=is_terminal) is coloured


def test_the_end_of_a_run_reads_like_this(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = runs.FakeRun([runs.problem(runs.COSTS), runs.data(runs.TWINS), runs.model()])
    assert (
        click.unstyle(ending(run, width=80))
        == """\
  gate     verdict    why
  problem  undecided  1 UNANSWERED: problem.costs
  data     shut       1 FAIL: data.twins
  model    open       catboost (depth 6), 14 configurations tried.

  average precision      0.831  0.822 – 0.840; best baseline (linear) 0.769
  worth              1,240 EUR  per 1,000 rows, against doing nothing

  ship? no: 1 FAIL, 1 UNANSWERED
    ✗ data.twins  412 rows stand twice, 57 of them on both sides of the split,
      so that the model would be asked what it was told.
      fix  mulle set data.key='["person", "year"]'
    ? problem.costs  Nobody said what mistakes cost.
      fix  mulle set costs.false_positive=1.5 costs.false_negative=20

  run     2026-11-22-1
  report  report.html
  bundle  .mulle/runs/2026-11-22-1/bundle
  next    mulle set costs.false_negative=20"""
    )


@pytest.mark.parametrize("width", [60, 80, 110])
def test_no_line_of_the_end_is_wider_than_the_terminal(runs, width):
    run = runs.FakeRun([runs.problem(runs.COSTS), runs.data(runs.TWINS), runs.model()])
    told = [line for line in click.unstyle(ending(run, width=width)).splitlines() if "fix  mulle" not in line]
    assert max(map(len, told)) <= width


def test_ship_says_yes_only_when_every_gate_is_open_and_the_seal_was_opened(runs):
    assert click.unstyle(ship(runs.FakeRun([runs.data(), runs.sealed()], stamp="ready"))) == "yes"
    assert click.unstyle(ship(runs.FakeRun([runs.data()], stamp="ready"))).startswith("not yet")
    assert click.unstyle(ship(runs.FakeRun([runs.data()]))).startswith("not yet")
    assert click.unstyle(ship(runs.FakeRun([runs.problem(runs.COSTS)], stamp="ready"))) == "no: 1 UNANSWERED"


def test_a_yes_names_the_checks_that_a_person_passed(runs):
    passed = runs.TWINS.overridden("agreed with Ana, two tills")
    run = runs.FakeRun([runs.data(passed), runs.sealed()], stamp="ready")
    assert click.unstyle(ship(run)) == "yes, with 1 check passed by a person: data.twins"
    assert "ship? yes, with 1 check passed by a person: data.twins" in click.unstyle(ending(run, width=80))


def test_a_run_that_ended_before_any_stage_still_has_an_end(runs):
    assert "ship?" in ending(runs.FakeRun([], headline=[], report=None, bundle_path=None), width=80)


def test_rows_without_a_line_and_values_of_any_sort_are_shown():
    assert grid([], width=80) == ""
    shown = pairs({"a": None, "b": True, "c": 0.123456, "d": {"x": 1}, "e": [1, 2], "f": "y" * 200}, width=40)
    assert [line.split(maxsplit=1)[1] for line in click.unstyle(shown).splitlines()][:5] == [
        "–", "yes", "0.1235", "x 1", "1, 2",
    ]  # fmt: skip
    assert all(len(line) <= 40 for line in click.unstyle(shown).splitlines())
