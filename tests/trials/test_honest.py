"""What the bootstraps promise, on data whose truth is known."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from mulle.core.check import Interval
from mulle.core.errors import NotFittedError
from mulle.metrics import metrics
from mulle.trials.bbc import best_of, honest, pool
from mulle.trials.bootstrap import unit_weights
from mulle.trials.estimate import Estimate, estimate
from mulle.trials.paired import paired_gain
from mulle.trials.scale import Scale
from mulle.trials.surprise import difference


def rng(seed=0):
    return np.random.default_rng(seed)


def binary(n=400, n_configs=6, seed=0, signal=1.0):
    draw = rng(seed)
    y = (draw.random(n) < 0.4).astype(float)
    z = signal * (y - 0.4) + draw.normal(size=(n_configs, n))
    return y, (1 / (1 + np.exp(-z)))[:, :, None]


def test_units_are_drawn_whole_and_as_many_as_there_are():
    units = rng().integers(0, 50, 300)
    n_units = len(np.unique(units))
    first = np.unique(units, return_index=True)[1]
    for counts in unit_weights(units, 300, 20, rng=rng(1)):
        assert counts[first].sum() == n_units
        assert all((counts[units == u] == counts[units == u][0]).all() for u in np.unique(units))
    left = np.mean([(c == 0).mean() for c in unit_weights(None, 2000, 50, rng=rng(2))])
    assert left == pytest.approx(np.exp(-1), abs=0.01)


@pytest.mark.parametrize("name", ["roc_auc", "brier", "log_loss", "accuracy"])
def test_an_interval_of_one_model_is_near_the_textbooks(name):
    y, p = binary(1000, 1)
    metric = metrics.get(name)
    found = estimate(metric, y, p[0], rng=rng())
    assert found.value == metric(y, p[0])
    assert found.interval.low < found.value < found.interval.high
    if name == "accuracy":
        expected = (found.value * (1 - found.value) / 1000) ** 0.5
        assert found.sd == pytest.approx(expected, rel=0.1)
        assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * expected, rel=0.1)


def test_rows_of_one_customer_do_not_count_as_many():
    y, p = binary(300, 1)
    alone = estimate(metrics.get("brier"), y, p[0], rng=rng())
    fourfold = np.repeat(np.arange(300), 4)
    copied = estimate(metrics.get("brier"), y[fourfold], p[0][fourfold], units=fourfold, rng=rng())
    assert copied.sd == pytest.approx(alone.sd, rel=0.1)
    assert copied.n_units == 300


def test_an_interval_keeps_inside_the_bounds_of_the_metric():
    y = np.array([0.0, 1.0] * 20)
    p = np.where(y == 1, 0.9, 0.1)[:, None]
    p[0] = 0.95
    found = estimate(metrics.get("roc_auc"), y, p, rng=rng())
    assert 0 < found.interval.low < found.value < found.interval.high <= 1


def test_a_nearly_perfect_ranking_has_an_interval_that_holds_it_and_is_no_guess():
    y = np.array([0.0, 1.0] * 40)
    p = np.where(y == 1, 0.9, 0.1) + rng().random(80) * 0.05
    p[1] = 0.11
    found = estimate(metrics.get("roc_auc"), y, p[:, None], rng=rng())
    assert 0.97 < found.value < 1
    assert 0.8 < found.interval.low < found.value < found.interval.high < 1


def test_perfect_calls_on_few_rows_are_not_certain():
    y = np.array([0.0, 1.0] * 15)
    found = estimate(metrics.get("accuracy"), y, y[:, None], rng=rng())
    assert found.interval == Interval(low=pytest.approx(1 - 0.1157, abs=1e-3), high=1.0)


def test_a_metric_without_a_value_has_no_interval():
    found = estimate(metrics.get("roc_auc"), np.zeros(20), rng().random((20, 1)), rng=rng())
    assert np.isnan([found.value, found.interval.low, found.interval.high]).all()


def test_a_wider_confidence_gives_a_wider_interval():
    y, p = binary(300, 1)
    a, b = (estimate(metrics.get("roc_auc"), y, p[0], rng=rng(), confidence=c).interval for c in (0.95, 0.975))
    assert b.low < a.low < a.high < b.high


def test_one_configuration_alone_is_not_corrected_and_many_lucky_ones_are():
    y, p = binary(300, 20, signal=0.0)
    metric = metrics.get("roc_auc")
    one = honest(metric, y, p[:1], rng=rng(), n_draws=200)
    assert one.value == one.raw == metric(y, p[0])
    many = honest(metric, y, p, rng=rng(), n_draws=200)
    assert many.raw > 0.53
    assert many.value < many.raw
    assert abs(many.value - 0.5) < abs(many.raw - 0.5)
    assert many.n_configs == 20


def test_a_clear_winner_is_hardly_corrected():
    y, p = binary(600, 5)
    p[0, :, 0] = np.clip(y * 0.6 + 0.2 + rng(5).normal(0, 0.2, 600), 0.01, 0.99)
    found = honest(metrics.get("roc_auc"), y, p, rng=rng(), n_draws=200)
    assert found.value == pytest.approx(found.raw, abs=0.005)


def test_errors_are_corrected_upwards():
    draw = rng(1)
    y = draw.normal(size=300)
    p = draw.normal(size=(15, 300, 1)) * 0.3
    found = honest(metrics.get("rmse"), y, p, rng=rng(), n_draws=200)
    assert found.value > found.raw
    assert found.interval.low < found.value < found.interval.high


def test_the_same_seed_gives_the_same_answer():
    y, p = binary()
    a, b = (honest(metrics.get("roc_auc"), y, p, rng=rng(3), n_draws=50) for _ in range(2))
    assert a == b


def test_rows_that_were_not_validated_are_left_out():
    y, p = binary()
    p[:, 200:] = np.nan
    found = honest(metrics.get("roc_auc"), y, p, rng=rng(), protocol="holdout", n_draws=100)
    assert found.n_rows == 200
    p[0] = np.nan
    with pytest.raises(NotFittedError, match="same folds"):
        honest(metrics.get("roc_auc"), y, p, rng=rng())


def test_very_many_rows_are_thinned_by_unit_and_that_is_said():
    y, p = binary(5000, 2)
    held = pool(y, p, rng=rng(), units=np.arange(5000) // 5, most_rows=1000)
    assert 700 < len(held.target) < 1300
    assert len(held.target) % 5 == 0
    assert "of 5,000 rows" in held.says


def test_time_caps_the_draws_but_not_below_a_hundred():
    y, p = binary(200, 3)
    assert honest(metrics.get("roc_auc"), y, p, rng=rng(), seconds=0.0).n_draws == 100


def test_folds_that_train_on_each_other_give_a_wider_interval_than_a_hold_out():
    y, p = binary()
    a, b = (
        honest(metrics.get("rmse"), y, p, rng=rng(), protocol=protocol, n_draws=100).interval
        for protocol in ("holdout", "kfold")
    )
    assert b.low < a.low < a.high < b.high


def test_row_weights_count():
    y, p = binary(200, 2)
    weight = (np.arange(200) < 100).astype(float)
    metric = metrics.get("roc_auc")
    assert estimate(metric, y, p[0], weight=weight, rng=rng()).value == metric(y[:100], p[0, :100])
    assert honest(metric, y, p, weight=weight, rng=rng(), n_draws=50).raw >= metric(y[:100], p[0, :100])


def test_the_best_is_never_one_without_a_value():
    assert best_of(metrics.get("roc_auc"), np.array([np.nan, 0.4, 0.6, 0.6])) == 2
    assert best_of(metrics.get("rmse"), np.array([np.nan, 0.4, 0.6])) == 1


def test_a_real_gain_passes_and_swapping_the_sides_turns_it_round():
    y, p = binary(600, 2)
    weak = 0.5 + (p[1:] - 0.5) * 0 + rng(4).random((1, 600, 1)) * 1e-3
    metric = metrics.get("roc_auc")
    gain = paired_gain(metric, y, p[:1], weak, rng=rng(), n_draws=300)
    back = paired_gain(metric, y, weak, p[:1], rng=rng(), n_draws=300)
    assert 0 < gain.bound < gain.value == gain.raw
    assert gain.p < 0.001
    assert back.value == pytest.approx(-gain.value)
    assert back.bound < 0
    assert gain.interval.low < gain.bound


def test_what_is_paired_is_surer_than_what_is_not():
    y, p = binary(400, 1)
    near = p + rng(3).normal(0, 0.01, p.shape)
    metric = metrics.get("roc_auc")
    assert paired_gain(metric, y, p, near, rng=rng()).sd < estimate(metric, y, p[0], rng=rng()).sd / 4


def test_a_model_that_is_its_own_baseline_gains_nothing_and_does_not_pass():
    y, p = binary(200, 1)
    gain = paired_gain(metrics.get("roc_auc"), y, p, p, rng=rng(), n_draws=100)
    assert (gain.value, gain.bound, gain.p) == (0.0, 0.0, 1.0)


def test_the_gain_is_over_the_best_baseline():
    y, p = binary(500, 2)
    none = np.full((1, 500, 1), y.mean())
    gain = paired_gain(metrics.get("roc_auc"), y, p[:1], np.concatenate([none, p[1:]]), rng=rng(), n_draws=100)
    assert gain.over == 1


def test_what_was_not_the_winner_is_never_lifted_by_the_correction():
    y, p = binary(300, 10, signal=0.3)
    metric = metrics.get("roc_auc")
    for ships in range(10):
        found = honest(metric, y, p, ships=ships, rng=rng(), n_draws=100)
        assert found.raw == metric(y, p[ships])
        assert found.value <= found.raw + 0.01


def test_a_sealed_result_that_validation_did_not_promise_is_said():
    held = {"n_rows": 500, "n_units": 500, "n_draws": 1, "interval": Interval(low=0, high=1)}
    promised = Estimate(value=2.0, raw=2.0, sd=0.05, **held)
    rmse = metrics.get("rmse")
    assert "agrees" in difference(rmse, promised, Estimate(value=2.1, raw=2.1, sd=0.05, **held)).says
    worse = difference(rmse, promised, Estimate(value=2.4, raw=2.4, sd=0.05, **held))
    assert worse.surprise
    assert worse.value == pytest.approx(-0.4)
    assert "worse" in worse.says


def test_a_scale_goes_there_and_back_and_keeps_the_order():
    for metric in metrics:
        values = np.sort(metric.best + (-1 if metric.greater_is_better else 1) * (0.1 + 0.8 * rng().random(50)))
        scale = Scale.of(metric, values, middle=float(values[25]), n_units=10_000)
        assert (np.diff(scale.to(values)) >= 0).all()
        assert scale.back(scale.to(values)) == pytest.approx(values, abs=1e-4)


def test_a_metric_that_is_wrong_about_its_best_value_is_taken_as_it_is():
    assert Scale.of(metrics.get("r2"), np.array([0.5, 3.0]), middle=0.5, n_units=10) == Scale()


@pytest.mark.slow
def test_intervals_hold_the_truth_and_useless_models_do_not_pass():
    path = Path(__file__).parents[2] / "benchmarks" / "intervals.py"
    spec = importlib.util.spec_from_file_location("benchmark_intervals", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    telling = [module.project(seed, useless=False) for seed in range(200)]
    useless = [module.project(seed, useless=True) for seed in range(200)]
    assert 0.93 <= np.mean([f.validation for f in telling]) <= 0.97
    assert 0.93 <= np.mean([f.sealed for f in telling]) <= 0.97
    assert np.mean([f.passed for f in useless if not f.truly_better]) <= 0.05
    every = [*telling, *useless]
    assert np.mean([f.linear_passed for f in every if not f.linear_truly_better]) <= 0.05
