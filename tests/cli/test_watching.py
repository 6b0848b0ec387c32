"""Who watches a run: lines for logs, a moving block for terminals; both leave the same clean transcript."""

# ruff: noqa: ARG001  # fixtures are asked for by name; the stand-in keeps the signatures

import contextlib
import io
import re
from time import perf_counter

import click
import pytest
from rich.console import Console

from mulle.cli.lines import QUIET_S, Lines
from mulle.cli.live import LiveView

TRANSCRIPT = """\
problem    What is asked, and is it well asked?
           ? problem.costs  Nobody said what mistakes cost.
           → Yes or no for each of 48,842 people: earns more than 50,000 a year?                     1 ?  0.2s
data       Can these rows answer it?
           ✗ data.twins  412 rows stand twice, 57 of them on both sides of the split, so that the model would
             be asked what it was told.
           → Yes, after two columns were left out.                                              1 ✓  1 ✗  2.3s
"""


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")


@pytest.fixture
def run(runs):
    return runs.FakeRun([runs.problem(runs.COSTS), runs.data(runs.TWINS), runs.model()])


def test_lines_tell_stages_failures_and_answers_and_count_what_passes(runs, run, capsys):
    with Lines() as watch:
        runs.watched(run, watch)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(TRANSCRIPT)
    assert "data.rows" not in told.err


def test_lines_name_each_new_best_model(runs, run, capsys):
    with Lines() as watch:
        runs.watched(run, watch)
    assert capsys.readouterr().err.count("best catboost: average precision") == 2


def test_lines_say_how_far_it_is_only_after_a_while(capsys):
    watch = Lines()
    watch.stage("model", "What learns it best?")
    watch.progress("catboost", 1, 4)
    assert "catboost" not in capsys.readouterr().err
    watch.last_word = perf_counter() - QUIET_S - 1
    watch.label_began = perf_counter() - 30
    watch.progress("catboost", 1, 4)
    assert re.search(r"catboost 25%, about 1m30s left", capsys.readouterr().err)


def test_time_left_is_not_guessed_from_nothing():
    watch = Lines()
    watch.stage("model", "?")
    watch.progress("catboost", 0, 0)
    assert (watch.percent, watch.left) == ("", "")
    watch.progress("catboost", 5, 4)
    assert watch.percent == "100%"


def test_an_overridden_check_is_shown_as_such(runs, capsys):
    watch = Lines()
    watch.stage("data", "?")
    watch.check(runs.TWINS.overridden("agreed with Ana"))
    assert "✗ data.twins" in capsys.readouterr().err


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=110, height=30, color_system="standard", record=True)


def test_the_live_view_leaves_the_same_transcript(runs, run, terminal):
    with LiveView(terminal) as watch:
        runs.watched(run, watch)
    text = click.unstyle(terminal.export_text())
    kept = [
        line.rstrip()
        for line in text.splitlines()
        if re.match(r"(problem|data|model) |           [?✗→b]|             be asked", line)
    ]
    assert kept[: len(TRANSCRIPT.splitlines())] == TRANSCRIPT.splitlines()
    assert sum("best catboost" in line for line in kept) == 1  # the last one only


def test_the_block_shows_what_is_done_how_far_and_the_best_model(runs, terminal):
    watch = LiveView(terminal)
    watch.stage("model", "What learns it best?")
    watch.progress("catboost, configuration 3", 5, 20)
    watch.label_began = perf_counter() - 10
    watch.best("catboost: 0.83")
    terminal.print(watch.draw())
    text = terminal.export_text()
    assert "catboost, configuration 3" in text
    assert "25%, about 30s left" in text
    assert "best catboost: 0.83" in text


def test_the_block_is_gone_after_an_interrupt(runs, terminal):
    watch = LiveView(terminal)
    with contextlib.suppress(KeyboardInterrupt), watch:
        watch.stage("model", "What learns it best?")
        raise KeyboardInterrupt
    assert not watch.block.is_started
