"""Words that training never saw are counted, and a number is written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from mulle.export.bundle import Parts, PolicyPart, write_bundle
from mulle.operate.predict import predict_file
from mulle.policies import policies
from mulle.policies.graph import policy_graph
from mulle.runtime import Bundle
from mulle.runtime.profile import VERSION

ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "age": [40, 41, 42, 43],
        "job": ["smith", "wizard", None, "wizard"],
        "lat": [1.0] * 4,
        "lon": [2.0] * 4,
    }
)


def told(*, complete: bool) -> dict[str, object]:
    job = {"kind": "category", "missing": 0.0, "typical": "smith", "levels": [["smith", 30]], "complete": complete}
    return {"version": VERSION, "n_rows": 30, "columns": {"job": job}, "target": {}, "prediction": {}}


def scored(toy_parts: Callable[..., Parts], folder: Path, *, complete: bool) -> dict[str, int]:
    write_bundle(folder / "toy", toy_parts(profile=told(complete=complete)))
    ROWS.write_csv(folder / "in.csv")
    return dict(predict_file(Bundle.load(folder / "toy"), folder / "in.csv", folder / "out.csv", chunk_rows=2).unseen)


def test_words_that_training_never_saw_are_counted_over_all_chunks(
    toy_parts: Callable[..., Parts], tmp_path: Path
) -> None:
    assert scored(toy_parts, tmp_path, complete=True) == {"job": 2}


def test_nothing_is_counted_where_the_bundle_does_not_name_all_words(
    toy_parts: Callable[..., Parts], tmp_path: Path
) -> None:
    assert scored(toy_parts, tmp_path, complete=False) == {}


def test_a_predicted_number_is_written_once(toy_parts: Callable[..., Parts], tmp_path: Path) -> None:
    graph = policy_graph(policies.get("value"), {}, 1)
    policy = PolicyPart(name="value", content=graph, decides="value", parameters={})
    parts = toy_parts(task="regression", classes=[], policy=policy)
    write_bundle(tmp_path / "toy", parts)
    ROWS.write_csv(tmp_path / "in.csv")
    bundle = Bundle.load(tmp_path / "toy")
    predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv")
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["id", "prediction"]
    assert np.allclose(found["prediction"], bundle.predict(ROWS).prediction[:, 0])
