"""Mixed tables go from raw cells to one matrix, and every chunk, subset and bundle layout gives the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mulle.core.errors import DataError, UnknownName
from mulle.core.schema import Feature
from mulle.export.graph import Graph
from mulle.kinds import preparation
from mulle.kinds.preparation import Preparation, canonical, declare, request, wires
from mulle.kinds.recognise import guess
from mulle.runtime import encode, tokenise
from mulle.runtime.layout import Layout
from mulle.runtime.session import Session

WANTED = {
    "text": ["hashed"],
    "number": ["scaled", "plain"],
    "category": ["onehot"],
    "boolean": ["filled"],
    "datetime": ["parts"],
    "place": ["plain"],
    "list": ["onehot"],
}


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    n = 300
    return pl.DataFrame(
        {
            "pay": [f"{v:,.0f}" if v > 50 else None for v in rng.lognormal(9, 1, n)],
            "age": rng.integers(18, 90, n),
            "job": rng.choice(["cook", "clerk", " cook", "?"], n),
            "member": rng.choice(["yes", "no"], n),
            "since": rng.choice(["2020-01-05", "2021-06-07 10:00:00", "5 Jan 2022"], n),
            "lat": rng.uniform(33, 38, n),
            "lon": rng.uniform(126, 130, n),
            "tags": rng.choice(["a|b", "b|c", "a|c|d", "d|a", "b|d", "c|a"], n),
            "note": [
                " ".join(rng.choice(["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"], 8))
                for _ in range(n)
            ],
        }
    )


@pytest.fixture(scope="module")
def features(raw: pl.DataFrame) -> list[Feature]:
    return guess(raw)


def test_the_table_is_recognised(features):
    found = {f.name: f.kind for f in features}
    assert found == {
        "pay": "number", "age": "number", "job": "category", "member": "boolean", "since": "datetime",
        "place": "place", "tags": "list", "note": "text",
    }  # fmt: skip


def test_a_matrix_is_the_same_whole_in_parts_and_through_a_bundles_layout(raw, features):
    table, faults = canonical(features, raw)
    assert not faults
    held = wires(features, table)
    prepared = Preparation.fit(features, held, WANTED, rng=np.random.default_rng(0))
    whole = prepared.run(held)
    assert whole.shape == (300, len(prepared.columns))
    some = np.array([250, 3, 3, 77])
    np.testing.assert_array_equal(prepared.run({k: v[some] for k, v in held.items()}), whole[some])
    np.testing.assert_array_equal(_served(features, raw, prepared), whole)


def _served(features: list[Feature], raw: pl.DataFrame, prepared: Preparation) -> np.ndarray:
    """Go from raw cells to the matrix as a bundle does, with the features in another order."""
    entries = request(features[::-1])
    layout = Layout.of(entries)
    g = Graph()
    matrix = prepared.emit(g, layout, declare(g, layout))
    assert matrix is not None
    g.output(matrix, "matrix", "float", [None, len(prepared.columns)])
    held = {}
    for entry in entries:
        values, bad = encode.wire(entry, [raw[c].to_list() for c in entry["columns"]])
        assert not bad.any()
        held[entry["name"]] = values if entry["step"] is None else tokenise.run(entry["step"], values[:, 0])
    return Session(g.to_bytes(), where="a bundle").run(["matrix"], layout.pack(held))[0]


def test_chunks_change_nothing(raw, features, monkeypatch):
    held = wires(features, canonical(features, raw)[0])
    prepared = Preparation.fit(features, held, WANTED, rng=np.random.default_rng(0))
    whole = prepared.run(held)
    monkeypatch.setattr(preparation, "_CHUNK_VALUES", 1)
    np.testing.assert_array_equal(prepared.run(held), whole)


def test_what_cannot_be_read_is_told_with_its_place():
    raw = pl.DataFrame({"a": ["1", "x", "3", "y", "inf"], "b": [1, 2, 3, 4, 5]})
    features = [Feature(name=c, kind="number", columns=[c]) for c in "ab"]
    table, faults = canonical(features, raw)
    assert table["a"].to_list() == [1.0, None, 3.0, None, None]
    (fault,) = faults
    assert (fault.column, fault.positions, fault.samples, fault.infinite) == ("a", (1, 3), ("x", "y"), 1)


def test_a_column_that_is_gone_is_named():
    with pytest.raises(DataError, match="column 'a' is not there"):
        canonical([Feature(name="a", kind="number", columns=["a"])], pl.DataFrame({"b": [1]}))


def test_an_unknown_view_is_named_with_its_neighbour():
    feature = Feature(name="a", kind="number", columns=["a"])
    held = wires([feature], pl.DataFrame({"a": [1.0]}))
    with pytest.raises(UnknownName, match="did you mean 'scaled'"):
        Preparation.fit([feature], held, {"number": ["scalled"]}, rng=np.random.default_rng(0))


def test_no_wanted_kind_gives_a_matrix_without_columns():
    feature = Feature(name="a", kind="id", columns=["a"])
    held = wires([feature], pl.DataFrame({"a": ["x", "y"]}))
    prepared = Preparation.fit([feature], held, {"number": ["plain"]}, rng=np.random.default_rng(0))
    assert prepared.run(held).shape == (2, 0)
    assert prepared.emit(Graph(), Layout(), {}) is None


def test_paths_of_this_machine_do_not_travel():
    feature = Feature(
        name="i", kind="image", columns=["i"], options={"root": "/home/me", "size": [2, 2], "channels": 1}
    )
    assert request([feature])[0]["options"] == {"size": [2, 2], "channels": 1}
