"""What checks see is read back from finished work, and what they propose survives its JSON."""

import json

import numpy as np
import polars as pl
import pytest

from mulle.checks import Seen, checks, leave_out
from mulle.core.check import Check, Status
from mulle.core.jsonable import from_json, to_json
from mulle.core.schema import Feature, Schema
from mulle.core.work import Ref
from mulle.splits.content import content

N = 400


@pytest.fixture
def inputs(tmp_path):
    """Write the folders that the data stage hands to its checks."""
    y = (np.arange(N) % 2).astype(float)
    table = pl.DataFrame({"copy": y * 2, "age": np.random.default_rng(0).normal(size=N), "when": range(N)})
    table = table.with_columns(pl.col("when").cast(pl.Datetime("us")))
    features = [Feature(name=name, kind="number", columns=[name]) for name in ("copy", "age")]
    schema = Schema(features=features, target="left", task="binary", classes=("no", "yes"), time="when")
    folders = {name: tmp_path / name for name in ("rows", "schema", "sealed", "side")}
    for folder in folders.values():
        folder.mkdir()
    table.write_parquet(folders["rows"] / "rows.parquet")
    table.head(100).write_parquet(folders["sealed"] / "rows.parquet")
    np.save(folders["sealed"] / "content.npy", content(table.head(100), ["copy", "age"]))
    table.with_columns(age=pl.lit(float("inf"))).write_parquet(folders["side"] / "raw.parquet")
    np.save(folders["rows"] / "target.npy", y)
    for name, places in {"rows": np.arange(N) * 2, "side": np.arange(N) * 2, "sealed": np.arange(100) * 2 + 1}.items():
        np.save(folders[name] / "position.npy", places)
    fault = {"feature": "age", "column": "age", "positions": [3], "samples": ["old"]}
    counts = {"n_rows": N, "n_unknown": 7, "faults": [fault]}
    (folders["rows"] / "rows.json").write_text(json.dumps(counts))
    (folders["schema"] / "schema.json").write_text(json.dumps(to_json(schema)))
    return {name: Ref(hash=name, path=folder) for name, folder in folders.items()}


def test_all_that_the_stage_wrote_is_seen(inputs):
    seen = Seen.of(inputs, bars={"data.rows": 1.0}, rng=np.random.default_rng(0))
    assert (seen.n_rows, seen.n_unknown, seen.task, seen.target_name) == (N, 7, "binary", "left")
    assert seen.sealed.height == 100
    assert seen.moments.name == "when"
    assert seen.shared() == ["copy", "age"]
    assert checks.get("data.faults").look(seen)[0].value == pytest.approx(1 / (N + 7))
    assert checks.get("data.infinite").look(seen)[0].status is Status.FAIL


def test_rows_of_evidence_are_numbered_as_they_stand_in_the_source(inputs):
    seen = Seen.of(inputs, bars={}, rng=np.random.default_rng(0))
    fault = checks.get("data.faults").look(seen)[0]
    assert list(fault.evidence.rows[0]) == [
        "age",
        7,
        "old",
    ]  # row 3 of the side, counted from 0, is row 6 of the source
    assert "row in the source" in fault.evidence.columns
    twins = checks.get("data.twins_across_sides").look(seen)[0]
    assert [row[0] for row in twins.evidence.rows[:3]] == [2, 4, 6]
    assert "row 23 is line 24 of a CSV file" in twins.evidence.note


def test_without_a_seal_nothing_is_asked_about_it(inputs):
    del inputs["sealed"]
    seen = Seen.of(inputs, bars={}, rng=np.random.default_rng(0))
    assert not checks.get("data.sides").look(seen)
    assert not checks.get("data.twins_across_sides").look(seen)


def test_a_leak_that_went_through_json_is_still_left_out(inputs):
    seen = Seen.of(inputs, bars={}, rng=np.random.default_rng(0))
    answers = [from_json(Check, json.loads(json.dumps(to_json(a)))) for a in checks.get("data.leak").look(seen)]
    assert [left.column for left in leave_out(answers, keep=[])[1]] == ["copy"]
    assert leave_out(answers, keep=["copy"])[1] == []


def test_what_the_reader_left_aside_and_did_is_told_with_line_numbers(inputs, tmp_path):
    aside = [{"file": "a.csv", "line": 15 + i, "why": "3 fields, not 5", "text": f"{i};2;3"} for i in range(7)]
    notes = ["'a.csv': 7 lines don't fit the header and were kept aside", "'a.csv' was read as CP949 (Korean)"]
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "read.json").write_text(json.dumps({"n_rows": 500, "notes": notes, "faults": aside}))
    inputs["source"] = Ref(hash="source", path=tmp_path / "source")
    seen = Seen.of(inputs, bars={}, rng=np.random.default_rng(0))
    read, lines = checks.get("data.lines").look(seen)
    assert (read.name, read.status, read.says) == ("data.source", Status.NOTE, "'a.csv' was read as CP949 (Korean).")
    assert lines.status is Status.NOTE
    assert "7 lines of 'a.csv' don't fit the header and were kept aside: 15 (3 fields, not 5), 16" in lines.says
    assert lines.says.endswith(", … and 2 more.")
    assert list(lines.evidence.rows[0]) == ["a.csv", 15, "3 fields, not 5", "0;2;3"]
    assert lines.value == pytest.approx(7 / 507)
