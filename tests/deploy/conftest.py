"""Bundles of every kind that a browser can read, made by real kinds, families and policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mulle.core.loss import logistic, softmax, squared
from mulle.export.bundle import Golden, GraphPart, PolicyPart, write_bundle
from mulle.export.graph import Graph
from mulle.export.links import emit_link
from mulle.kinds.formula import derive
from mulle.kinds.preparation import Preparation, canonical, declare, request, wires
from mulle.kinds.recognise import guess
from mulle.models.base import Rows, Training, families
from mulle.policies import policies
from mulle.policies.graph import policy_graph
from mulle.runtime import Bundle
from mulle.runtime.layout import Layout
from mulle.training.golden import golden_rows

N_ROWS = 400
FORMULAS = {"pay_by_age": "pay / age", "young": "age < 30 AND job = 'cook'", "wait": "round(seen - since, 1)"}
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "물레", "café"]


def table() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    days = pl.Series(rng.integers(15_000, 20_000, N_ROWS)).cast(pl.Date)
    return pl.DataFrame(
        {
            "pay": [f"{v:,.0f}" if v > 50 else None for v in rng.lognormal(9, 1, N_ROWS)],
            "age": rng.integers(18, 90, N_ROWS),
            "job": rng.choice(["cook", "clerk", " cook", "박사", "é"], N_ROWS),
            "member": rng.choice(["yes", "no"], N_ROWS),
            "since": rng.choice(["2020-01-05", "2021-06-07 10:00:00", "5 Jan 2022"], N_ROWS),
            "seen": days.dt.strftime("%d/%m/%Y"),
            "lat": rng.uniform(33, 38, N_ROWS),
            "lon": rng.uniform(126, 130, N_ROWS),
            "tags": rng.choice(["a|b", "b|c", "a|c|d", "d|a", "b|d", "c|a"], N_ROWS),
            "note": [" ".join(rng.choice(WORDS, 8)) for _ in range(N_ROWS)],
        }
    )


@pytest.fixture(scope="session")
def bundle_of(toy_maker: Callable[..., Any]) -> Callable[..., Bundle]:
    """Return a maker of bundles that were trained on the table above."""

    def make(folder: Path, family: str, loss: Any, classes: list[str], policy: PolicyPart) -> Bundle:
        raw, rng = table(), np.random.default_rng(0)
        plain = guess(raw)
        features = [*plain, *derive(FORMULAS, plain, dict(raw.schema))]
        canon = canonical(features, raw)[0]
        encoded, entries, taken = wires(features, canon), request(features), families.get(family)
        views = {kind: [v for v in held if v != "target"] for kind, held in taken.views.items()}
        prepared = Preparation.fit(features, encoded, views, rng=rng)
        target = rng.integers(0, len(classes), N_ROWS) if classes else np.log1p(raw["age"].to_numpy())
        rows = Rows(matrix=prepared.run(encoded), target=target.astype(float))
        training = Training(rows=rows, valid=None, columns=prepared.columns, loss=loss, rng=rng)
        scorer = taken.fit(training, {"iterations": 40} if family == "lightgbm" else {}).scorer
        g, layout = Graph(), Layout.of(entries)
        score = scorer.emit(g, prepared.emit(g, layout, declare(g, layout)))
        width = len(classes) if len(classes) > 2 else 1
        g.output(emit_link(g, score, loss), "prediction", "double", [None, width])
        golden = Golden(rows=golden_rows(plain, canonical(plain, raw)[0], n=64, rng=rng))
        parts = {"request": entries, "graphs": [GraphPart(content=g.to_bytes())], "policy": policy, "golden": golden}
        return write_bundle(folder, toy_maker(**parts, key=(), classes=classes))

    return make


def policy_of(name: str, outputs: int, decides: str = "class", **parameters: float) -> PolicyPart:
    content = policy_graph(policies.get(name), parameters, outputs)
    return PolicyPart(name=name, content=content, decides=decides, parameters=parameters)


@pytest.fixture(scope="session")
def binary(bundle_of: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a linear model's bundle of two classes: it feels every digit of its inputs."""
    policy = policy_of("threshold", 1, threshold=0.4)
    return bundle_of(tmp_path_factory.mktemp("binary") / "bundle", "linear", logistic(), ["no", "yes"], policy)


@pytest.fixture(scope="session")
def many(bundle_of: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle of trees and three classes."""
    classes = ["low", "middle", "high"]
    policy = policy_of("argmax", 3)
    return bundle_of(tmp_path_factory.mktemp("many") / "bundle", "lightgbm", softmax(3), classes, policy)


@pytest.fixture(scope="session")
def number(bundle_of: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle of a linear model that predicts a number."""
    policy = policy_of("value", 1, decides="value")
    return bundle_of(tmp_path_factory.mktemp("number") / "bundle", "linear", squared(), [], policy)
