"""Derived features, from the page to a bundle that serves raw rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mulle
from mulle.core.check import Status
from mulle.core.errors import DataError, ProjectError

pytestmark = pytest.mark.slow
FEATURES = {"monthly": "spend / months", "big": "spend > 60 AND country = 'KR'"}


@pytest.fixture(scope="module")
def customers() -> pl.DataFrame:
    """900 made-up customers who leave when they spend little a month; some months are 0, some spend isn't known."""
    rng = np.random.default_rng(0)
    n = 900
    spend, months = rng.lognormal(4, 1, n).round(2), rng.integers(0, 40, n)
    country = rng.choice(["KR", "DE", "FR"], n)
    monthly = np.where(months > 0, spend / np.maximum(months, 1), 5)
    leaves = monthly + 4 * ((country == "KR") & (spend > 60)) + rng.normal(0, 0.8, n) < np.median(monthly) + 1
    return pl.DataFrame(
        {
            "customer": [f"c{i}" for i in range(n)],
            "spend": [None if i % 17 == 0 else f"${value:,.2f}" for i, value in enumerate(spend)],
            "months": months,
            "country": country,
            "target": np.where(leaves, "leaves", "stays"),
        }
    )


def test_two_formulas_go_from_the_page_into_the_bundle(turn: Callable[..., mulle.Run], customers: pl.DataFrame) -> None:
    run = turn(customers, features=FEATURES, ignore=["months"])
    kinds = {row[0]: row[1] for row in run.outcomes[0].tables[0].rows}
    assert kinds == {"spend": "number", "country": "category", "monthly": "formula", "big": "formula"}
    assert set(run.bundle.columns) == {"spend", "months", "country"}
    checks = {check.name: check.status for check in run.checks}
    assert checks["package.parity"] is Status.PASS
    assert run.bundle.selftest().ok

    rows = customers.drop("target", "customer")
    many = run.bundle.predict(rows)
    assert many.n_rejected == 0
    for i, row in enumerate(rows.head(60).to_dicts()):
        one = run.bundle.predict_one(row)
        np.testing.assert_allclose(one.prediction, many.prediction[i], rtol=0, atol=1e-12)
        assert one.decision == many.decision[i]

    row = rows.row(0, named=True)
    lacking = {name: value for name, value in row.items() if name != "months"}
    with pytest.raises(DataError, match="column 'months' is missing"):
        run.bundle.predict_one(lacking)
    with pytest.raises(DataError, match="column 'months' is missing"):
        run.bundle.predict(rows.drop("months"))
    found = run.bundle.predict([{**row, "months": "many"}, row])
    assert found.reasons == {0: "column 'months': 'many' is not a number"}


def test_what_a_formula_says_can_be_learnt_and_a_slice_can_use_it(
    turn: Callable[..., mulle.Run], customers: pl.DataFrame, tmp_path: Path
) -> None:
    slices = [{"name": "spenders", "where": "monthly > 2", "max_drop": 0.5}]
    objective = {"families": ["linear"], "budget": {"trials": 1}}
    without = turn(customers, folder=tmp_path / "without", objective=objective)
    derived = turn(customers, folder=tmp_path / "with", features=FEATURES, slices=slices, objective=objective)
    assert derived.outcomes[4].facts["estimate"] > without.outcomes[4].facts["estimate"] + 0.005
    assert "evaluate.slice.spenders" in {check.name for check in derived.checks}
    page = {"features": FEATURES, "slices": slices, "objective": objective}
    project = mulle.Project(customers, target="target", folder=tmp_path / "with", **page)
    assert mulle.assess(project).outcomes[-1].facts["opening"] == 1


@pytest.mark.parametrize(
    ("features", "told", "where"),
    [
        ({"monthly": "spend / mnths"}, "did you mean 'months'", "[features] monthly, character 9"),
        ({"known": "target = 'stays'"}, "it is the target", "[features] known, character 1"),
        ({"spend": "months + 1"}, "already a column", "[features] spend"),
    ],
)
def test_a_wrong_formula_ends_the_run_with_its_place(
    turn: Callable[..., mulle.Run], customers: pl.DataFrame, features: dict[str, str], told: str, where: str
) -> None:
    with pytest.raises(ProjectError, match=told) as caught:
        turn(customers, features=features)
    assert caught.value.where.endswith(where)


def test_a_formula_that_tells_the_target_is_left_out_unless_the_page_keeps_it(
    turn: Callable[..., mulle.Run], customers: pl.DataFrame
) -> None:
    leaky = pl.Series(np.where(customers["target"] == "stays", 1.0, 7.0) * np.where(np.arange(900) % 2, 1, -1))
    frame = customers.with_columns(refund=leaky)
    features = {"size": "abs(refund)", "mixed": "abs(refund) + 20 * length(country) * months"}
    objective = {"families": ["linear"], "budget": {"trials": 1}}
    run = turn(frame, features=features, objective=objective)
    assert "refund" not in run.bundle.columns
    assert any("'mixed' is left out: It is derived from 'refund'" in note for note in run.outcomes[1].notes)
    kept = turn(frame, features=features, keep=["size"], objective=objective)
    assert "refund" in kept.bundle.columns
