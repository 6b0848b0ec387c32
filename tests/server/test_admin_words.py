"""`mulle admin`: the command line finds the door of the server that runs on its project."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest
from click.testing import CliRunner

from mulle.cli.main import cli

from .live import live  # noqa: TID252  # tests have no package to be named by


@pytest.fixture
def told(small, tmp_path):
    """Return a way to type words beside a server that runs."""
    with live(small, tmp_path / ".mulle") as one:
        page = str(tmp_path / "mulle.toml")

        def type_(*words: str):
            return CliRunner().invoke(cli, ["admin", *words, "-p", page])

        type_.server = one
        yield type_


def test_parameters_are_changed_and_shown(told):
    assert "as packaged" in told("status").stdout
    changed = told("set", "threshold=0.999", "--json")
    assert json.loads(changed.stdout)["serving"][0]["parameters"] == {"threshold": 0.999}
    assert "version 1" in told("status").stdout
    assert told.server.predict()[1]["decision"] == "no"


def test_the_state_is_told_in_words(told):
    said = told("status").stdout
    assert "0 requests inside, 0 waiting outside" in said
    assert "log         goes on; 0 waiting to be written" in said
    assert "CAN'T BE WRITTEN" not in said


@pytest.mark.slow
def test_a_log_that_can_not_be_written_is_said_in_words(told, tmp_path):
    with closing(sqlite3.connect(tmp_path / ".mulle" / "log" / "log.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert told.server.predict()[0] == 200
        wait_for(lambda: "CAN'T BE WRITTEN: " in told("status").stdout)
        assert json.loads(told("status", "--json").stdout)["log"]["fault"]
    wait_for(lambda: "goes on" in told("status").stdout)


def wait_for(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_refused_swap_names_what_is_typed(told, bundles):
    refused = told("swap", str(bundles("draft", card="# draft\n", stamp="draft")))
    assert (refused.exit_code, "fix    mulle assess says why; or: --force" in refused.stderr) == (2, True)
    assert "last swap   refused" in told("status").stdout


def test_what_is_no_change_or_no_bundle_is_told_with_a_fix(told, tmp_path):
    assert "write threshold=0.4" in told("set", "threshold").stderr
    wrong = told("set", "treshold=0.4")
    assert (wrong.exit_code, "did you mean 'threshold'" in wrong.stderr) == (2, True)
    (tmp_path / "empty").mkdir()
    refused = told("swap", str(tmp_path / "empty"))
    assert (refused.exit_code, "no bundle" in refused.stderr) == (2, True)
    assert told.server.predict()[0] == 200


def test_without_a_server_the_words_say_how_to_start_one(tmp_path):
    nobody = CliRunner().invoke(cli, ["admin", "status", "-p", str(tmp_path / "mulle.toml")])
    assert (nobody.exit_code, "mulle serve" in nobody.stderr) == (2, True)
