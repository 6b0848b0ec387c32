"""``mulle explain``: why, in a table or as JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mulle.cli.main import cli

ROW = {"age": 60.0, "job": "smith", "lat": 10.0, "lon": 40.0}


@pytest.fixture
def row(tmp_path):
    path = tmp_path / "row.json"
    path.write_text(json.dumps(ROW), "utf-8")
    return path


def said(*words, given=None):
    return CliRunner().invoke(cli, [str(word) for word in words], input=given)


def test_it_says_what_each_column_adds_and_what_would_change_it(toy_folder, row):
    done = said("explain", toy_folder, row)
    assert done.exit_code == 0
    assert done.stdout.startswith("probability_yes ")
    assert "decision yes; a typical row has " in done.stdout
    for word in ("column", "typically", "effect", "home", "10.0, 40.0", "what would change the decision"):
        assert word in done.stdout


def test_json_adds_up(toy_folder, row, toy):
    told = json.loads(said("explain", toy_folder, row, "--json").stdout)
    assert told["base"] + sum(held["effect"] for held in told["effects"]) == pytest.approx(told["score"], abs=1e-9)
    assert told["score"] == toy.predict_one(ROW).prediction[0]


def test_a_row_comes_from_stdin_and_as_it_is_sent_to_a_server(toy_folder, row):
    as_file = said("explain", toy_folder, row).stdout
    assert said("explain", toy_folder, "-", given=json.dumps({"row": ROW})).stdout == as_file


def test_another_row_can_be_compared_with(toy_folder, row, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**ROW, "age": 20.0}), "utf-8")
    told = json.loads(said("explain", toy_folder, row, "--against", other, "--json").stdout)
    assert [held["feature"] for held in told["effects"]] == ["age"]


@pytest.mark.parametrize(
    ("content", "words"),
    [("[1]", "the file holds no row"), ("{", "the row is no JSON"), ('{"age": 1}', "missing"), (None, "can't be read")],
)
def test_what_is_no_row_is_told_with_what_to_do(toy_folder, tmp_path, content, words):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content, "utf-8")
    done = said("explain", toy_folder, path)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "fix" in done.stderr
