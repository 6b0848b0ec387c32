"""What a profile tells: what many rows share, never what few have."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.training.profile import LEAST_ROWS, MOST_LEVELS, profile, spread


def entry(name, kind, wire="number", **options):
    return {"name": name, "kind": kind, "wire": wire, "columns": [name], "options": options, "step": None}


def told(entries, raw, **more):
    given_ = {"target": np.zeros(len(raw)), "classes": [], "prediction": {}, "rng": np.random.default_rng(0)}
    return profile(entries, pl.DataFrame(raw), **{**given_, **more})["columns"]


@given(st.lists(st.sampled_from(["a", "b", "c", "rare", "secret"]), min_size=1, max_size=120))
@settings(max_examples=60, deadline=None)
def test_a_word_that_fewer_than_ten_rows_have_is_never_named(words):
    held = told([entry("w", "category", "string")], {"w": words})["w"]
    written = json.dumps(held)
    for word in set(words):
        assert (words.count(word) >= LEAST_ROWS) == (f'"{word}"' in written)
    assert held["complete"] == all(words.count(word) >= LEAST_ROWS for word in words)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_at_least_ten_rows_lie_at_or_beyond_each_end_of_a_range(values, n_missing):
    held = told([entry("x", "number")], {"x": values + [None] * n_missing})["x"]
    assert held["missing"] == pytest.approx(n_missing / (len(values) + n_missing), abs=1e-5)
    if len(values) < 2 * LEAST_ROWS:
        assert "low" not in held
        return
    room = 1e-5 * max(1.0, *map(abs, values)) + 0.5 * held["whole"]
    assert sum(v <= held["low"] + room for v in values) >= LEAST_ROWS
    assert sum(v >= held["high"] - room for v in values) >= LEAST_ROWS


def test_names_texts_and_pictures_are_told_by_their_lengths_alone():
    rows = [f"customer {i:04}" for i in range(60)]
    raw = {"key": rows, "note": [f"{row} is cross" for row in rows], "face": [row.encode() for row in rows]}
    entries = [entry("key", "id", "string"), entry("note", "text", "string"), entry("face", "image", "bytes")]
    held = told(entries, raw)
    assert held["key"]["lengths"] == [13, 13, 13]
    assert held["note"]["lengths"] == [22, 22, 22]
    assert held["face"] == {"kind": "image", "missing": 0.0}
    assert "customer" not in json.dumps(held)


def test_moments_booleans_and_lists_are_told_as_a_caller_sends_them():
    n = 40
    raw = {
        "day": [f"2024-03-{1 + i % 28:02}" for i in range(n)],
        "at": [f"2024-03-{1 + i % 28:02}T10:00:00Z" for i in range(n)],
        "keen": [i % 4 > 0 for i in range(n)],
        "tags": [["a", "b"] if i % 2 else ["a"] for i in range(n)],
    }
    entries = [
        entry("day", "datetime"),
        entry("at", "datetime"),
        entry("keen", "boolean"),
        entry("tags", "list", "string"),
    ]
    held = told(entries, raw)
    assert held["day"]["low"] < held["day"]["typical"] < held["day"]["high"]
    assert len(held["day"]["typical"]) == 10
    assert held["at"]["low"].endswith("Z")
    assert held["keen"] == {
        "kind": "boolean", "missing": 0.0, "typical": True, "levels": [[True, 30], [False, 10]], "complete": True,
    }  # fmt: skip
    assert held["tags"]["levels"] == [["a", 40], ["b", 20]]
    assert "typical" not in held["tags"]


def test_what_most_rows_lack_is_typically_lacking():
    held = told(
        [entry("x", "number"), entry("w", "category", "string")],
        {"x": [1.0] * 30 + [None] * 50, "w": ["a"] * 30 + [None] * 50},
    )
    assert held["x"]["typical"] is None
    assert held["w"]["typical"] is None


def test_no_more_than_fifty_words_are_named():
    words = [f"w{i:03}" for i in range(MOST_LEVELS + 10) for _ in range(12)]
    held = told([entry("w", "category", "string")], {"w": words})["w"]
    assert len(held["levels"]) == MOST_LEVELS
    assert not held["complete"]


def test_columns_that_only_a_formula_reads_are_told_too():
    reads = [entry("spend", "number"), entry("months", "number")]
    formula = {
        "name": "rate", "kind": "formula", "wire": "number", "columns": ["spend", "months"], "step": None,
        "options": {"version": 1, "tree": ["/", ["column", "spend"], ["column", "months"]], "reads": reads},
    }  # fmt: skip
    held = told([formula, entry("months", "number")], {"spend": list(range(40)), "months": [3] * 40})
    assert held["spend"]["typical"] == 20
    assert held["months"]["typical"] == 3


def test_classes_are_counted_and_small_ones_are_not_told():
    target = np.array([0.0] * 30 + [1.0] * 12 + [2.0] * 3 + [np.nan])
    raw = pl.DataFrame({"x": np.arange(46.0)})
    held = profile(
        [entry("x", "number")], raw, target=target, classes=["a", "b", "c"], prediction={}, rng=np.random.default_rng(0)
    )
    assert held["target"] == {"classes": {"a": 30, "b": 12, "c": None}}
    held = profile(
        [entry("x", "number")], raw, target=np.arange(46.0), classes=[], prediction={}, rng=np.random.default_rng(0)
    )
    assert min(held["target"]["quantiles"]) >= 9
    assert len(held["target"]["levels"]) == len(held["target"]["quantiles"])


def test_predictions_that_are_not_there_are_left_out_of_their_spread():
    prediction = np.r_[np.linspace(0, 1, 101), np.nan][:, None]
    held = spread(prediction, ["probability_yes"])
    assert held["n_rows"] == 101
    assert held["quantiles"]["probability_yes"][10] == 0.5
    assert spread(prediction[:5], ["p"]) == {}
