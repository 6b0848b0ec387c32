"""Bundles with a step before the graph: text that is tokenised, pictures that are decoded."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from mulle.core.errors import DataError
from mulle.export.bundle import Golden, GraphPart, write_bundle
from mulle.export.graph import Graph
from mulle.operate.predict import predict_file
from mulle.runtime import Bundle, tokenise

WIDTH = 64


def png(shade, size=4):
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (size, size), shade).save(out, "PNG")
    return out.getvalue()


def mean_of(width, *, numbers=0):
    """Score the mean of a tensor, and add a number."""
    g = Graph()
    score = g.cast(
        g.node("ReduceMean", g.input("tensor_0", "float", [None, width]), g.const([1], "int64"), keepdims=1),
        "double",
    )
    if numbers:
        score = g.node("Add", score, g.input("numbers", "double", [None, 1]))
    g.output(score, "prediction", "double", [None, 1])
    return [GraphPart(content=g.to_bytes())]


@pytest.fixture
def pictures(tmp_path, toy_parts):
    step = {"op": "decode", "version": 1, "size": [2, 2], "channels": 1, "width": 4}
    entry = {
        "name": "image",
        "kind": "image",
        "wire": "bytes",
        "columns": ["image"],
        "options": {},
        "step": step,
    }
    golden = Golden(rows=[{"image": png(0)}, {"image": png(255)}])
    return write_bundle(tmp_path / "pictures", toy_parts(request=[entry], graphs=mean_of(4), golden=golden, key=()))


def test_pictures_come_as_bytes_or_base64_and_never_as_paths(pictures, tmp_path):
    (tmp_path / "here.png").write_bytes(png(255))
    rows = [
        {"image": png(255)},
        {"image": base64.b64encode(png(51)).decode()},
        {"image": str(tmp_path / "here.png")},
        {"image": b"broken"},
        {"image": None},
    ]
    answer = pictures.predict(rows)
    assert answer.prediction[:2, 0] == pytest.approx([1, 0.2])
    assert answer.rejected.tolist() == [False, False, True, True, True]
    assert answer.reasons[2] == "column 'image': this is no picture that can be read"
    assert pictures.predict_one(rows[0]).decision == "yes"
    with pytest.raises(DataError, match="paths are not followed"):
        pictures.predict_one(rows[2])


def test_a_bundle_of_pictures_proves_itself_after_it_was_read_back(pictures):
    again = Bundle.load(pictures.where)
    assert again.selftest().ok
    assert again.selftest().n_rows == 2


def test_a_folder_of_pictures_is_scored_and_broken_ones_are_rejected(pictures, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png(255))
    (folder / "sub" / "b.png").write_bytes(png(0))
    (folder / "c.png").write_bytes(b"broken")
    (folder / "notes.txt").write_text("not a picture")
    summary = predict_file(pictures, folder, tmp_path / "out.csv")
    assert (summary.rows, summary.predicted, summary.rejected) == (3, 2, 1)
    text = (tmp_path / "out.csv").read_text()
    assert text == "path,probability_yes,decision\na.png,1.0,yes\nsub/b.png,0.0,no\n"
    assert "c.png" in (tmp_path / "out.csv.rejected").read_text()


def test_a_table_may_name_pictures_by_path_beside_it(pictures, tmp_path):
    (tmp_path / "a.png").write_bytes(png(255))
    (tmp_path / "in.csv").write_text("image\na.png\ngone.png\n")
    summary = predict_file(pictures, tmp_path / "in.csv", tmp_path / "out.csv")
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert "gone.png" in (tmp_path / "out.csv.rejected").read_text()


def test_a_folder_without_pictures_and_one_for_a_table_are_refused(pictures, toy, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="give a folder of PNG or JPEG files"):
        predict_file(pictures, tmp_path / "empty", tmp_path / "out.csv")
    with pytest.raises(DataError, match="give a table with those columns"):
        predict_file(toy, tmp_path / "empty", tmp_path / "out.csv")


def test_text_beside_a_number_is_tokenised_before_the_graph(tmp_path, toy_parts):
    step = {
        "op": "tokenise", "version": 1, "analyzer": "text", "width": WIDTH,
        "word_ngrams": [1, 2], "char_ngrams": [3, 5],
    }  # fmt: skip
    text = {
        "name": "review",
        "kind": "text",
        "wire": "string",
        "columns": ["review"],
        "options": {},
        "step": step,
    }
    age = {"name": "age", "kind": "number", "wire": "number", "columns": ["age"], "options": {}, "step": None}
    rows = [{"age": 0.5, "review": "fine dress"}, {"age": -3, "review": ""}, {"age": 1, "review": "예쁜 옷"}]
    bundle = write_bundle(
        tmp_path / "texts",
        toy_parts(request=[text, age], graphs=mean_of(WIDTH, numbers=1), golden=Golden(rows=rows)),
    )
    vectors = tokenise.run({**step, "feature": "review"}, np.array([row["review"] for row in rows], object))
    truth = vectors.mean(axis=1) + np.array([0.5, -3, 1])
    assert bundle.predict(rows).prediction[:, 0] == pytest.approx(truth, abs=1e-6)
    assert bundle.predict_one(rows[2]).prediction[0] == pytest.approx(truth[2], abs=1e-6)
