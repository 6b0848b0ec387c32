"""What an open bundle answers."""

from __future__ import annotations

import math
from threading import Thread

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mulle.core.errors import BundleError, DataError, UnknownName
from mulle.export.bundle import Golden, GraphPart, PolicyPart, write_bundle
from mulle.export.graph import Graph
from mulle.runtime import Bundle

ROWS = [
    {"age": 40.0, "job": "smith", "lat": 10.0, "lon": 20.0},
    {"age": None, "job": "clerk", "lat": 1.0, "lon": 2.0},
    {"age": 5.0, "job": None, "lat": None, "lon": None},
]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


TRUTH = [sigmoid(4 - 0.1 + 1), sigmoid(-0.01 - 1), sigmoid(0.5)]


def test_one_row_gives_the_scores_and_the_decision(toy):
    answer = toy.predict_one(ROWS[0])
    assert answer.prediction == pytest.approx((TRUTH[0],), abs=1e-12)
    assert answer.decision == "yes"
    assert answer.n_unknown == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
        lambda rows: {name: np.array([row[name] for row in rows], object) for name in rows[0]},
        pl.DataFrame,
        pd.DataFrame,
        lambda rows: pd.DataFrame(rows).convert_dtypes(),
        lambda rows: pd.DataFrame(rows).astype({"job": "category"}),
        pa.Table.from_pylist,
        pa.RecordBatch.from_pylist,
        lambda rows: pa.table(pl.DataFrame(rows).with_columns(pl.col("job").cast(pl.Categorical)).to_arrow()),
        lambda rows: pl.DataFrame(rows).with_columns(pl.col("job").cast(pl.Categorical)),
        lambda rows: pl.DataFrame(rows).with_columns(pl.col("age").cast(pl.Int32)),
    ],
    ids=[
        "rows", "columns", "numpy", "polars", "pandas", "pandas_nullable", "pandas_category", "pyarrow",
        "pyarrow_batch", "pyarrow_dictionary", "polars_categorical", "polars_int",
    ],
)  # fmt: skip
def test_every_frame_gives_the_same_answers(toy, make):
    answer = toy.predict(make(ROWS))
    assert answer.prediction[:, 0] == pytest.approx(TRUTH, abs=1e-12)
    assert answer.decision.tolist() == ["yes", "no", "yes"]
    assert not answer.rejected.any()


def test_many_rows_and_one_row_agree(toy):
    rng = np.random.default_rng(0)
    rows = [
        {
            "age": float(rng.normal(30, 30)),
            "job": str(rng.choice(["clerk", "smith", "x", ""])),
            "lat": 1,
            "lon": 2,
        }
        for _ in range(200)
    ]
    many = toy.predict(rows)
    singles = [toy.predict_one(row) for row in rows]
    assert [single.prediction[0] for single in singles] == pytest.approx(many.prediction[:, 0], abs=1e-12)
    assert [single.decision for single in singles] == many.decision.tolist()


def test_a_missing_column_is_named_with_the_one_that_looks_like_it(toy):
    with pytest.raises(DataError, match=r"column 'age' is missing\n.*did you mean 'Age'"):
        toy.predict({"Age": [1], "job": ["a"], "lat": [1], "lon": [1]})
    with pytest.raises(DataError, match=r"columns 'lat', 'lon' are missing\n.*add it"):
        toy.predict_one({"age": 1, "job": "a"})


def test_unknown_columns_are_ignored_and_counted_and_the_key_is_known(toy):
    row = {**ROWS[0], "id": 7, "shoe": 42}
    assert toy.predict([row]).unknown == ("shoe",)
    assert toy.predict_one(row).n_unknown == 1
    assert toy.predict_one({**ROWS[0], "id": 7}).n_unknown == 0


def test_a_value_that_cannot_be_read_rejects_its_row_and_says_why(toy):
    answer = toy.predict([ROWS[0], {**ROWS[0], "age": "old"}, {**ROWS[0], "lon": "east"}])
    assert answer.rejected.tolist() == [False, True, True]
    assert answer.reasons[1] == "column 'age': 'old' is not a number"
    assert "column 'lon'" in answer.reasons[2]
    assert np.isnan(answer.prediction[1:]).all()
    assert answer.decision.tolist() == ["yes", None, None]
    assert answer.n_rejected == 2
    with pytest.raises(DataError, match=r"column 'age'\n  fix:   send a number"):
        toy.predict_one({**ROWS[0], "age": "old"})


def test_parameters_of_the_policy_change_without_touching_the_model(toy):
    strict = toy.with_parameters(threshold=0.999)
    assert toy.predict_one(ROWS[0]).decision == "yes"
    assert strict.predict_one(ROWS[0]).decision == "no"
    assert strict.predict(ROWS).decision.tolist() == ["no"] * 3
    assert toy.predict(ROWS, parameters={"threshold": 0.999}).decision.tolist() == ["no"] * 3
    assert strict.parameters == {"threshold": 0.999}
    assert toy.parameters == {"threshold": 0.5}


def test_a_wrong_parameter_is_refused(toy):
    with pytest.raises(UnknownName, match="did you mean 'threshold'"):
        toy.with_parameters(treshold=0.3)
    with pytest.raises(DataError, match="give a finite number"):
        toy.with_parameters(threshold=math.nan)


def test_no_rows_give_no_answers(toy):
    answer = toy.predict({"age": [], "job": [], "lat": [], "lon": []})
    assert answer.prediction.shape == (0, 1)
    assert answer.decision.tolist() == []
    assert len(toy.predict([])) == 0


def test_what_is_no_table_is_refused_with_a_way_out(toy):
    with pytest.raises(DataError, match="use predict_one"):
        toy.predict(ROWS[0])
    with pytest.raises(DataError, match="give a dict of values by column name"):
        toy.predict_one([1, 2])
    with pytest.raises(DataError, match="give a frame"):
        toy.predict("people.csv")
    with pytest.raises(DataError, match="collect"):
        toy.predict(pl.DataFrame(ROWS).lazy())
    with pytest.raises(DataError, match="one value a row"):
        toy.predict({"age": [1, 2], "job": ["a"], "lat": [1], "lon": [1]})
    with pytest.raises(DataError, match="rename or drop"):
        toy.predict(pd.DataFrame([[1, 1, "a", 1, 1]], columns=["age", "age", "job", "lat", "lon"]))


def test_the_answers_of_a_table_have_names(toy):
    table = toy.predict(ROWS).table()
    assert list(table) == ["probability_yes", "decision"] == list(toy.output_columns)


def test_blocks_do_not_change_the_answers(toy, monkeypatch):
    monkeypatch.setattr("mulle.runtime.feeds._BLOCK_ROWS", 7)
    rows = [{**ROWS[0], "age": age if age != 13 else "bad"} for age in range(50)]
    answer = toy.predict(rows)
    assert list(answer.reasons) == [13]
    assert answer.prediction[49] == pytest.approx(toy.predict_one(rows[49]).prediction, abs=1e-12)


def test_several_threads_may_share_a_bundle(toy):
    wrong: list[float] = []

    def ask(age: float) -> None:
        answers = [toy.predict_one({**ROWS[0], "age": age}).prediction[0] for _ in range(200)]
        wrong.extend(answer for answer in answers if abs(answer - sigmoid(age / 10 + 0.9)) > 1e-12)

    threads = [Thread(target=ask, args=(float(age),)) for age in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def blend_parts(toy_parts):
    def scores(name, weight):
        g = Graph()
        g.input("strings", "string", [None, 1])
        numbers = g.input("numbers", "double", [None, 3])
        first = g.node("Gather", numbers, g.const([0], "int64"), axis=1)
        g.output(g.node("Mul", first, g.const(weight)), name, "double", [None, 1])
        return g.to_bytes()

    g = Graph()
    quality, clicks = g.input("quality", "double", [None, 1]), g.input("clicks", "double", [None, 1])
    a, b = g.input("parameter_quality", "double", []), g.input("parameter_clicks", "double", [])
    blend = g.node("Add", g.node("Mul", quality, a), g.node("Mul", clicks, b))
    g.output(g.node("Reshape", blend, g.const([-1], "int64")), "decision", "double", [None])
    graphs = [
        GraphPart(content=scores("q", 2.0), file="quality.onnx", outputs=["q"]),
        GraphPart(content=scores("c", 10.0), file="clicks.onnx", outputs=["c"]),
    ]
    policy = PolicyPart(
        name="blend",
        content=g.to_bytes(),
        decides="value",
        parameters={"quality": 1.0, "clicks": 0.5},
        inputs={"quality": "q", "clicks": "c"},
    )
    return toy_parts(graphs=graphs, policy=policy, classes=[], task="blend")


def test_two_objectives_are_blended_by_weights_that_change_at_run_time(tmp_path, toy_parts):
    parts = blend_parts(toy_parts)
    rows = [{"age": 1, "job": "", "lat": 0, "lon": 0}, {"age": 3, "job": "", "lat": 0, "lon": 0}]
    parts = toy_parts(**{name: getattr(parts, name) for name in ("graphs", "policy", "classes", "task")},
                      golden=type(parts.golden)(rows=rows))  # fmt: skip
    bundle = write_bundle(tmp_path / "blend", parts)
    assert bundle.predict(rows).decision.tolist() == [2 + 5, 6 + 15]
    only_quality = bundle.with_parameters(clicks=0)
    assert only_quality.predict(rows).decision.tolist() == [2, 6]
    assert only_quality.predict_one(rows[1]).decision == 6
    assert set(bundle.predict(rows).scores) == {"q", "c"}
    assert Bundle.load(tmp_path / "blend").selftest().ok


def test_a_model_that_gives_no_number_rejects_the_row_and_not_the_others(tmp_path, toy_parts):
    g = Graph()
    g.input("strings", "string", [None, 1])
    first = g.node("Gather", g.input("numbers", "double", [None, 3]), g.const([0], "int64"), axis=1)
    g.output(g.node("Sqrt", first), "prediction", "double", [None, 1])
    bundle = write_bundle(
        tmp_path / "roots", toy_parts(graphs=[GraphPart(content=g.to_bytes())], golden=Golden(rows=[]))
    )
    rows = [{**ROWS[0], "age": 4}, {**ROWS[0], "age": -1}]
    answer = bundle.predict(rows)
    assert answer.rejected.tolist() == [False, True]
    assert answer.reasons == {1: "the model gave no number"}
    with pytest.raises(BundleError, match=r"gave no number\n.*\n.*selftest"):
        bundle.predict_one(rows[1])
