"""How fast a bundle answers one row, and many, on one core; scikit-learn's pipeline beside it.

    python benchmarks/serving_one_row.py                        a stand-in: 14 columns, 400 trees, made-up people
    python benchmarks/serving_one_row.py BUNDLE                 a bundle, asked with its own golden rows
    python benchmarks/serving_one_row.py BUNDLE people.parquet  the same, asked with real rows

The goals: `predict_one` p50 ≤ 100 µs, batch ≥ 50,000 rows/s on one core, one row ≥ 10 × faster than the
pipeline.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # noqa: TID251
os.environ.setdefault("OMP_NUM_THREADS", "1")  # noqa: TID251

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import polars as pl

from mulle.export.bundle import Golden, GraphPart, Parts, PolicyPart, write_bundle
from mulle.export.graph import ML, Graph
from mulle.export.trees import Tree, Trees
from mulle.runtime import Bundle
from mulle.runtime.manifest import GOLDEN
from mulle.runtime.selftest import row_from_json

Row = Mapping[str, Any]
N_TREES, N_LEAVES = 400, 31
N_NUMBERS, N_WORDS = 6, 8
LEVELS = [f"level {i}" for i in range(16)]
SEED = 0


def main() -> None:
    """Print the table."""
    paths = [Path(name) for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        path = paths[0] if paths else stand_in(Path(folder) / "stand-in.bundle")
        bundle = Bundle.load(path)
        rows = rows_for(bundle, path, paths[1] if len(paths) > 1 else None)
        report(bundle, rows)


def report(bundle: Bundle, rows: Sequence[Row]) -> None:
    """Measure and print: the bundle, then scikit-learn."""
    load = median_us(lambda: Bundle.load(bundle.where), 5) / 1e3
    ours = times_us(bundle.predict_one, rows, 5_000)
    table = pl.DataFrame([dict(rows[i % len(rows)]) for i in range(50_000)], infer_schema_length=None)
    seconds = median_us(lambda: bundle.predict(table), 3) / 1e6
    began = process_time()
    bundle.predict(table)
    core_s = process_time() - began
    theirs = times_us(pipeline_of(bundle, rows), rows, 200)
    print(f"{bundle!r}, {bundle.size_bytes / 1e6:.2f} MB, opens in {load:.0f} ms, {len(rows):,} different rows")
    print(f"{'':32} {'p50 µs':>9} {'p95 µs':>9}")
    for name, held in (("Bundle.predict_one", ours), ("scikit-learn pipeline, one row", theirs)):
        print(f"{name:32} {np.percentile(held, 50):9,.0f} {np.percentile(held, 95):9,.0f}")
    print(f"one row: {np.median(theirs) / np.median(ours):.0f} × faster than the pipeline")
    print(f"batch:   {len(table) / core_s:,.0f} rows/s of one core's time; {len(table) / seconds:,.0f} by the clock")


def times_us(ask: Callable[[Row], object], rows: Sequence[Row], n: int) -> list[float]:
    """Return how long each of ``n`` calls took, in microseconds, after a tenth more to warm up."""
    held = []
    for i in range(n + n // 10):
        row = dict(rows[i % len(rows)])
        start = perf_counter()
        ask(row)
        held.append((perf_counter() - start) * 1e6)
    return held[n // 10 :]


def median_us(call: Callable[[], object], n: int) -> float:
    """Return the median of ``n`` calls in microseconds."""
    return float(np.median([times_us(lambda _: call(), [{}], 1)[0] for _ in range(n)]))


def rows_for(bundle: Bundle, path: Path, data: Path | None) -> list[Row]:
    """Return the rows to ask with: of a file, or the bundle's golden ones."""
    if data is not None:
        table = pl.read_parquet(data) if data.suffix == ".parquet" else pl.read_csv(data)
        return table.select(bundle.columns).head(5_000).to_dicts()
    if path.is_dir():
        return [row_from_json(row) for row in json.loads((path / GOLDEN).read_text("utf-8"))["rows"]]
    raise SystemExit("give a folder, or rows to ask with")


def pipeline_of(bundle: Bundle, rows: Sequence[Row]) -> Callable[[Row], object]:
    """Fit what people would deploy otherwise: ColumnTransformer and gradient boosting, asked with a frame."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    numbers = [c for e in bundle.manifest.request if e["wire"] == "number" for c in e["columns"]]
    words = [c for e in bundle.manifest.request if e["wire"] == "string" for c in e["columns"]]
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame([dict(rows[i]) for i in rng.integers(0, len(rows), 5_000)])
    frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce")
    frame[words] = frame[words].astype(object).where(frame[words].notna(), "").astype(str)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    if words and max(frame[name].nunique() for name in words) <= 50:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer([("n", SimpleImputer(keep_empty_features=True), numbers), ("w", encoder, words)])
    model = make_pipeline(prepare, HistGradientBoostingClassifier(max_iter=N_TREES, early_stopping=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame, rng.integers(0, 2, len(frame)))
    order = list(frame.columns)
    kinds = frame.dtypes

    def ask(row: Row) -> object:
        one = pd.DataFrame([row], columns=order).astype(kinds, errors="ignore")
        return model.predict_proba(one)

    return ask


# ---------------------------------------------------------------------------------------------- the stand-in


def stand_in(folder: Path) -> Path:
    """Write a bundle of random trees: six numbers, eight categories of sixteen levels."""
    rng = np.random.default_rng(SEED)
    numbers = [f"number_{i}" for i in range(N_NUMBERS)]
    words = [f"word_{i}" for i in range(N_WORDS)]
    rows = [made_up(rng, numbers, words) for _ in range(500)]
    request = [entry(name, "number", "number") for name in numbers] + [entry(n, "category", "string") for n in words]
    parts = Parts(
        name="stand-in", task="binary", classes=["no", "yes"], request=request, card="",
        golden=Golden(rows=rows),
        graphs=[GraphPart(content=model_graph(rng))],
        policy=PolicyPart(
            name="threshold", content=policy_graph(), decides="class", parameters={"threshold": 0.5}
        ),
    )  # fmt: skip
    write_bundle(folder, parts)
    return folder


def entry(name: str, kind: str, wire: str) -> dict[str, Any]:
    """Return a feature's entry."""
    return {"name": name, "kind": kind, "wire": wire, "columns": [name], "options": {}, "step": None}


def made_up(rng: np.random.Generator, numbers: Sequence[str], words: Sequence[str]) -> Row:
    """Return one made-up row."""
    row: dict[str, Any] = {name: float(rng.normal()) for name in numbers}
    return {**row, **{name: str(rng.choice(LEVELS)) for name in words}}


def model_graph(rng: np.random.Generator) -> bytes:
    """Return preprocessing (codes for words, 0 for what is missing), trees and sigmoid in one graph."""
    g = Graph()
    numbers = g.input("numbers", "double", [None, N_NUMBERS])
    strings = g.input("strings", "string", [None, N_WORDS])
    filled = g.cast(g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers), "float")
    codes = g.node(
        "LabelEncoder", strings, domain=ML, keys_strings=LEVELS,
        values_floats=[float(i) for i in range(len(LEVELS))], default_float=-1.0,
    )  # fmt: skip
    trees = Trees.of([random_tree(rng) for _ in range(N_TREES)], bias=np.zeros(1), space="raw")
    score = g.node("Sigmoid", trees.emit(g, g.concat([filled, codes])))
    g.output(score, "prediction", "double", [None, 1])
    return g.to_bytes()


def random_tree(rng: np.random.Generator) -> Tree:
    """Return a tree of 31 leaves as LightGBM grows them: any leaf may be split next."""
    left, right = [-1], [-2]
    for leaf in range(2, N_LEAVES):
        at, side = int(rng.integers(len(left))), int(rng.integers(2))
        while (left, right)[side][at] >= 0:
            at, side = int(rng.integers(len(left))), int(rng.integers(2))
        (left, right)[side][at], before = len(left), (left, right)[side][at]
        left.append(before)
        right.append(~leaf)
    feature = rng.integers(0, N_NUMBERS + N_WORDS, len(left))
    threshold = np.where(feature < N_NUMBERS, rng.normal(size=len(left)), rng.integers(0, 15, len(left)) + 0.5)
    return Tree(
        feature=feature, threshold=threshold, mode=np.zeros(len(left)), left=np.array(left),
        right=np.array(right), missing_left=np.ones(len(left), bool), leaf=rng.normal(0, 0.05, (N_LEAVES, 1)),
    )  # fmt: skip


def policy_graph() -> bytes:
    """Return a threshold."""
    g = Graph()
    score, threshold = g.input("score", "double", [None, 1]), g.input("parameter_threshold", "double", [])
    above = g.cast(g.node("GreaterOrEqual", score, threshold), "int64")
    g.output(g.node("Reshape", above, g.const([-1], np.int64)), "decision", "int64", [None])
    return g.to_bytes()


if __name__ == "__main__":
    main()
