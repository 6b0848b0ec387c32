"""Small things that doors say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mulle
from mulle import api
from mulle.core.errors import DataError


def test_a_dictionary_that_is_no_table_is_told_how_to_be_one() -> None:
    with pytest.raises(DataError, match="columns of equal length"):
        mulle.Project({"a": [1, 2, 3], "y": ["no", "yes"]}, target="y")


def test_compare_calls_a_text_a_text(tmp_path: Path) -> None:
    for name, best, value in (("r1", "Linear", 0.5), ("r2", "One rule", 0.6)):
        home = tmp_path / ".mulle" / "runs" / name
        home.mkdir(parents=True)
        outcome = {"stage": "baseline", "checks": [], "facts": {"best": best, "value": value}}
        (home / "run.json").write_text(json.dumps({"outcomes": [outcome], "page": ""}))
    found = {row["name"]: row["what"] for row in api.compare(tmp_path, "r1", "r2")}
    assert found == {"baseline.best": "text", "baseline.value": "number"}
