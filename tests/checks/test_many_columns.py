"""Of very many columns those that a first look finds most telling are scored, and the check says so."""

import numpy as np
import polars as pl
import pytest

from mulle.checks import checks
from mulle.checks.leak import MOST_SCORED
from mulle.checks.single import score_single, screened

N, MANY = 600, MOST_SCORED + 40


def noise(n_columns, seed=1):
    drawn = np.random.default_rng(seed).normal(size=(N, n_columns))
    return {f"x{i}": drawn[:, i] for i in range(n_columns)}


def half():
    return (np.arange(N) % 2).astype(float)


LEAKS = {
    "a copy": lambda y: y * 2 + 1,
    "a copy turned round": lambda y: -y,
    "values of which every other is a yes": lambda y: 2 * np.random.default_rng(3).integers(0, 5, N) + y,
    "gaps where it is a no": lambda y: np.where(y > 0, np.random.default_rng(4).normal(size=N), np.nan),
}


@pytest.mark.parametrize("how", LEAKS)
def test_a_leak_among_very_many_columns_is_found(seen, how):
    y = half()
    columns = noise(MANY) | {"after": LEAKS[how](y)}
    *proven, _ = checks.get("data.leak").look(seen(columns, y))
    assert [one.evidence.rows[0][0] for one in proven] == ["after"]


def test_how_many_of_the_columns_were_scored_is_said(seen):
    *_, rest = checks.get("data.leak").look(seen(noise(MANY), half()))
    assert f"Of {MANY} columns the {MOST_SCORED} were scored" in rest.says


def test_of_few_columns_all_are_scored_and_nothing_is_said(seen):
    *_, rest = checks.get("data.leak").look(seen(noise(5), half()))
    assert "were scored" not in rest.says
    assert len(rest.evidence.rows) == 5


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_the_first_look_puts_columns_in_the_order_of_their_scores(n_classes):
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000) if n_classes == 0 else rng.integers(0, n_classes, 2000).astype(float)
    columns = [y + rng.normal(size=2000) * spread for spread in (0.05, 0.4, 1.5, 40.0)]
    scores = [score_single(pl.Series(c), y, n_classes, rng=np.random.default_rng(1)).score for c in columns]
    told = screened(columns, y, n_classes)
    assert np.argsort(told).tolist() == np.argsort(scores).tolist()
    assert ((told >= 0) & (told <= 1 + 1e-9)).all()
