"""Which iteration of a fold is kept is said by other folds' validation rows; of a fold alone by the other half of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mulle.compute.serial import SerialWorkshop
from mulle.core.jsonable import to_json
from mulle.core.loss import each, logistic
from mulle.core.schema import Feature, Schema
from mulle.core.work import Job, Order, Ref
from mulle.export.forms import load_scorer
from mulle.metrics import Metric, metrics
from mulle.models import families
from mulle.models.base import Config
from mulle.models.stopping import best, best_iteration, mean_curve
from mulle.splits.folds import Folds, make_folds
from mulle.store.workspace import Workspace
from mulle.training.fold import FoldData, fold_order
from mulle.training.scoring import predict
from mulle.training.search import Candidate, FoldRows, Problem, Result, Search
from mulle.training.stop import stop_orders

Floats = NDArray[np.float64]
AUC = metrics.get("roc_auc")
STOPPING = ["catboost", "lightgbm", "linear", "network"]
TOWNS = np.array(["A", "B", "C", "D"])


class Squares(Metric):
    """The mean squared error over all labels, as a user may bring it."""

    name = "squares"
    title = "squared error"
    greater_is_better, best = False, 0.0
    tasks = frozenset({"multilabel"})

    def prepare(self, target: Floats, prediction: Floats) -> Callable[[Floats | None], float]:
        error = np.square(target - prediction).mean(axis=1)
        return lambda weight: float(np.average(error, weights=weight))


# ------------------------------------------------------------------------------------------ a table to fit


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One table with its folds, in a workspace."""

    problem: Problem
    folds: Folds
    search: Search

    def score(self, family: str, params: dict[str, Any] | None = None) -> Result:
        chosen = families.get(family)
        config = Config(name="tried", params=params) if params else min(chosen.configs, key=lambda c: c.rank)
        (result,) = self.search.score([Candidate(family=chosen, config=config)])
        return result


def bench(folder: Path, x: NDArray[Any], target: Floats, *, protocol: Any = "kfold", loss: Any = None) -> Bench:
    """Lay a table of numbers and towns out as the data stage leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"x{i}" for i in range(x.shape[1])]
    town = TOWNS[(np.arange(len(x)) * 7) % 4]
    kinds = dict.fromkeys(names, "number") | {"town": "category"}
    features = [Feature(name=name, kind=kind, columns=[name]) for name, kind in kinds.items()]
    rows = pl.DataFrame({name: x[:, i] for i, name in enumerate(names)} | {"town": town})
    folds = make_folds(
        len(x),
        rng=np.random.default_rng(5),
        target=target if target.ndim == 1 else None,
        classes=True,
        protocol=protocol,
    )
    schema = ref(folder / "schema")
    asked = Schema(features=features, target="y", task="binary")
    (schema.path / "schema.json").write_text(json.dumps(to_json(asked)), "utf-8")
    held = ref(folder / "rows")
    rows.write_parquet(held.path / "rows.parquet")
    np.save(held.path / "target.npy", target)
    folded = ref(folder / "folds")
    folds.save(folded.path / "folds.npz")
    problem = Problem(
        loss=loss or logistic(),
        metric=metrics.get("log_loss") if target.ndim == 1 else Squares(),
        features=list(kinds),
        schema=schema,
        rows=held,
        folds_ref=folded,
        folds=FoldRows(valid=folds.valid, target=target),
    )
    workshop = SerialWorkshop(Workspace.open(folder / "space", write=True), folder)
    return Bench(problem=problem, folds=folds, search=Search(problem=problem, workshop=workshop))


def ref(path: Path) -> Ref:
    path.mkdir()
    return Ref(path.name.encode().hex().ljust(64, "0"), path)


def telling(n: int, seed: int = 0) -> tuple[NDArray[np.float32], Floats]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] + rng.normal(size=n) > 0).astype(np.float64)


def record(found: Ref) -> dict[str, Any]:
    return dict(found.json("fold.json"))


# ------------------------------------------------------------------------------------------ which iteration

CURVE = st.lists(st.floats(0.1, 9.0), min_size=1, max_size=30)


@given(own=CURVE, other_own=CURVE, others=st.lists(CURVE, min_size=1, max_size=4))
def test_a_folds_own_curve_never_says_where_it_stops(
    own: list[float], other_own: list[float], others: list[list[float]]
) -> None:
    """Only how far a fit came may count: when both came as far as the others ask for, both stop there."""
    asked = best(mean_curve(others))
    found = [best_iteration(others, cuts=range(1, len(c) + 1), reached=len(c)) for c in (own, other_own)]
    for curve, n in zip((own, other_own), found, strict=True):
        assert n == min(asked, len(curve))


@given(others=st.lists(CURVE, min_size=1, max_size=4), cuts=st.sets(st.integers(1, 40), min_size=1))
def test_of_few_cuts_the_one_that_the_others_like_best_is_taken(others: list[list[float]], cuts: set[int]) -> None:
    mean, able = mean_curve(others), sorted({1, *cuts})
    n = best_iteration(others, cuts=able, reached=able[-1])
    held = [mean[min(c, len(mean)) - 1] for c in able]
    assert n in able
    assert n == able[-1] <= best(mean) or mean[min(n, len(mean)) - 1] == min(held[:-1])


def test_larger_folds_weigh_more() -> None:
    curves = [[1.0, 2.0], [2.0, 1.9]]
    assert best_iteration(curves, [9.0, 1.0], cuts=[1, 2], reached=2) == 1
    assert best_iteration(curves, [1.0, 99.0], cuts=[1, 2], reached=2) == 2


@pytest.mark.parametrize(("curves", "cuts"), [([], [1]), ([[]], [1]), ([[1.0]], [])])
def test_where_there_is_nothing_to_choose_nothing_is_chosen(curves: list[list[float]], cuts: list[int]) -> None:
    assert best_iteration(curves, cuts=cuts, reached=1) == 0


# ------------------------------------------------------------------------------------------ the unit


@pytest.mark.parametrize("family", STOPPING)
def test_each_fold_is_cut_where_the_mean_of_the_others_is_lowest(tmp_path: Path, family: str) -> None:
    held = bench(tmp_path, *telling(240))
    result = held.score(family)
    curves = [record(fit)["valid_curve"] for fit in result.fits]
    sizes = [len(v) for v in held.folds.valid]
    for k, (fit, kept) in enumerate(zip(result.fits, result.folds, strict=True)):
        others = [i for i in range(5) if i != k]
        mean = mean_curve([curves[i] for i in others], [sizes[i] for i in others])
        found, whole = record(kept), load_scorer(record(fit)["form"], fit.path / "scorer.npz")
        assert found["chosen_on"] == "other folds"
        assert found["stop_curve"] == mean
        wanted = best_iteration([mean], cuts=whole.cuts, reached=len(curves[k]))
        assert found["iterations"] == wanted
        assert found["valid_curve"] == curves[k]
        cut = load_scorer(found["form"], kept.path / "scorer.npz")
        assert not len(cut.cuts)
        assert found["n_parameters"] == cut.n_parameters()
        assert np.array_equal(result.prediction[held.folds.valid[k]], np.asarray(kept.array("valid.npy")))


def job_of(held: Bench, family: str, k: int) -> Job:
    """Return the job of one fold, to read its rows again."""
    chosen, config = families.get(family), min(families.get(family).configs, key=lambda c: c.rank)
    inputs = {
        "schema": held.problem.schema,
        "rows": held.problem.rows,
        "folds": held.problem.folds_ref,
        "prepared": held.search.prepared(chosen),
    }
    order = fold_order(chosen, config, k, loss=held.problem.loss, features=held.problem.features, inputs=inputs)
    return Job(params=order.params, inputs=order.inputs, out=Path(), seed=1)


def order_of(held: Bench, family: str) -> Order:
    """Return the order of a family's first fold, its first configuration."""
    chosen, config = families.get(family), min(families.get(family).configs, key=lambda c: c.rank)
    inputs = job_of(held, family, 0).inputs
    return fold_order(chosen, config, 0, loss=held.problem.loss, features=held.problem.features, inputs=inputs)


def test_the_predictions_are_those_of_the_cut_scorer_on_the_folds_own_columns(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(200))
    result = held.score("linear")
    kept = result.folds[2]
    assert (kept.path / "preparation.json").read_bytes() == (result.fits[2].path / "preparation.json").read_bytes()
    matrix = FoldData(job_of(held, "linear", 2), logistic(), held.problem.folds.target).matrices()[1]
    scorer = load_scorer(record(kept)["form"], kept.path / "scorer.npz")
    assert np.array_equal(predict(scorer, logistic(), matrix), np.asarray(kept.array("valid.npy")))


def test_repeated_folds_ask_their_own_repetition_only(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(120), protocol="repeated")
    asked = [set(held.folds.peers(k)) for k in range(15)]
    for k, peers in enumerate(asked):
        assert peers == {i for i in range(15) if i // 5 == k // 5} - {k}
        assert all(not np.intersect1d(held.folds.valid[k], held.folds.valid[i]).size for i in peers)
    result = held.score("linear")
    for k, kept in enumerate(result.folds):
        curves = [record(result.fits[i])["valid_curve"] for i in sorted(asked[k])]
        assert record(kept)["stop_curve"] == mean_curve(curves, [24.0] * 4)


def test_a_loss_of_parts_is_cut_at_one_iteration_for_all(tmp_path: Path) -> None:
    x, first = telling(200)
    second = (x[:, 2] > 0).astype(np.float64)
    held = bench(tmp_path, x, np.column_stack([first, second]), loss=each(logistic(), 2))
    result = held.score("lightgbm", {"num_leaves": 4})
    assert {record(kept)["chosen_on"] for kept in result.folds} == {"other folds"}
    assert np.isfinite(result.prediction).all()
    assert result.prediction.shape == (200, 2)


def test_weights_of_rows_say_how_much_a_fold_counts(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(150))
    weight = np.linspace(0.1, 5.0, 150)
    np.save(held.problem.rows.path / "weight.npy", weight)
    result = held.score("linear")
    curves = [record(fit)["valid_curve"] for fit in result.fits]
    sums = [float(weight[v].sum()) for v in held.folds.valid]
    assert len({round(s, 6) for s in sums}) > 1
    assert record(result.folds[0])["stop_curve"] == mean_curve(curves[1:], sums[1:])


def test_a_learning_curve_does_all_iterations_whatever_the_validation_rows_say(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(200))
    family, job = families.get("lightgbm"), job_of(held, "lightgbm", 0)
    order = fold_order(
        family,
        Config(name="curve", params={"iterations": 30}),
        0,
        loss=logistic(),
        features=held.problem.features,
        inputs=job.inputs,
        take=0.5,
        stops=False,
    )
    found = record(held.search.workshop.work(order))
    assert (found["iterations"], found["valid_curve"], found["chosen_on"]) == (30, [], "")
    assert len(found["train_curve"]) == 30


def test_what_has_no_path_is_left_as_it_is(tmp_path: Path) -> None:
    result = bench(tmp_path, *telling(150)).score("extra_trees", {"iterations": 20})
    assert result.folds == result.fits
    assert {record(kept)["chosen_on"] for kept in result.folds} == {""}
    assert {record(kept)["iterations"] for kept in result.folds} == {20}


def test_a_second_search_does_nothing_again(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(150))
    result = held.score("linear")
    again = Search(problem=held.problem, workshop=held.search.workshop)
    family = families.get("linear")
    orders = again._orders(Candidate(family=family, config=family.configs[0]), range(5))
    stops = stop_orders(orders, result.fits, [held.folds.peers(k) for k in range(5)])
    both: Sequence[Order] = [*orders, *(order for order in stops if order is not None)]
    done = list(held.search.workshop.work_all(both))
    assert len(done) == 10
    assert all(d.cached for d in done)
    (second,) = again.score([Candidate(family=family, config=family.configs[0])])
    assert [kept.hash for kept in second.folds] == [kept.hash for kept in result.folds]


def test_folds_are_cut_though_the_time_is_over(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(150))
    (fresh,) = held.search.score([Candidate(family=families.get("linear"), config=families.get("linear").configs[0])])
    late = Search(problem=held.problem, workshop=held.search.workshop, deadline=0.0)
    late._prepared |= held.search._prepared
    (found,) = late.score([Candidate(family=families.get("linear"), config=families.get("linear").configs[0])])
    assert [kept.hash for kept in found.folds] == [kept.hash for kept in fresh.folds]


# ------------------------------------------------------------------------------------------ one fold alone


def test_a_fold_alone_trains_on_all_that_it_does_not_validate(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(300), protocol="holdout")
    data = FoldData(job_of(held, "linear", 0), logistic(), held.problem.folds.target)
    assert np.array_equal(np.sort(np.concatenate([data.train, data.valid])), np.arange(300))
    assert data.half is not None
    assert len(data.half) == 30


def halved(held: Bench) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first half of the validation rows of a fold alone, and the second."""
    return held.folds.half[0], np.setdiff1d(held.folds.valid[0], held.folds.half[0])


def with_folds_of(one: Bench, two: Bench) -> None:
    np.savez(two.problem.folds_ref.path / "folds.npz", **dict(np.load(one.problem.folds_ref.path / "folds.npz")))


@pytest.mark.parametrize("family", STOPPING)
def test_each_half_is_predicted_by_the_model_where_the_other_half_likes_it_best(tmp_path: Path, family: str) -> None:
    """Fitted again with no say of theirs, up to the iterations that the record names, the model says the same of them."""
    held = bench(tmp_path, *telling(300), protocol="holdout")
    (fit,) = held.score(family).folds
    found, valid = record(fit), held.folds.valid[0]
    whole = bench(tmp_path / "again", *telling(300), protocol="holdout")
    with np.load(held.problem.folds_ref.path / "folds.npz") as folds:
        kept = {name: folds[name] for name in folds.files if name != "half_0"}
    np.savez(whole.problem.folds_ref.path / "folds.npz", **kept)  # type: ignore[arg-type]
    path_of = whole.search.workshop.work(order_of(whole, family))
    path = load_scorer(record(path_of)["form"], path_of.path / "scorer.npz")
    matrix = FoldData(job_of(held, family, 0), logistic(), held.problem.folds.target).matrices()[1]
    for half, n in zip(halved(held), found["halves"], strict=True):
        mine = np.isin(valid, half)
        theirs = predict(path.first(n), logistic(), matrix[mine])
        assert np.allclose(np.asarray(fit.array("valid.npy"))[mine], theirs, rtol=0, atol=1e-12)
    ends = predict(path.first(found["iterations"]), logistic(), matrix)
    ships = predict(load_scorer(found["form"], fit.path / "scorer.npz"), logistic(), matrix)
    assert np.array_equal(ships, ends)


@pytest.mark.parametrize("family", STOPPING)
def test_a_half_has_no_say_in_how_it_is_predicted_itself(tmp_path: Path, family: str) -> None:
    """Turn its targets round: it is predicted the same, but for a fit that gave up before it came there."""
    x, target = telling(400, seed=3)
    one = bench(tmp_path / "one", x, target, protocol="holdout")
    first, _ = halved(one)
    turned = target.copy()
    turned[first] = 1 - turned[first]
    two = bench(tmp_path / "two", x, turned, protocol="holdout")
    with_folds_of(one, two)
    params = {"iterations": 12} if family in {"catboost", "lightgbm"} else None
    (a,), (b,) = one.score(family, params).folds, two.score(family, params).folds
    mine, reached = np.isin(one.folds.valid[0], first), len(record(b)["valid_curve"])
    assert record(a)["valid_curve"] != record(b)["valid_curve"]
    assert reached == 12 or not params
    if record(a)["halves"][0] <= reached:
        assert record(a)["halves"][0] == record(b)["halves"][0]
        assert np.array_equal(np.asarray(a.array("valid.npy"))[mine], np.asarray(b.array("valid.npy"))[mine])


def test_where_validation_rows_are_one_unit_nothing_is_chosen(tmp_path: Path) -> None:
    held = bench(tmp_path, *telling(200), protocol="holdout")
    path = held.problem.folds_ref.path / "folds.npz"
    with np.load(path) as folds:
        kept = dict(folds)
    np.savez(path, **kept | {"half_0": kept["half_0"][:0]})
    (fit,) = held.score("lightgbm", {"iterations": 25}).folds
    assert (record(fit)["chosen_on"], record(fit)["iterations"], record(fit)["valid_curve"]) == ("", 25, [])


# ------------------------------------------------------------------------------------------ noise


@pytest.mark.slow
@pytest.mark.parametrize("family", STOPPING)
def test_on_noise_the_out_of_fold_predictions_know_nothing(tmp_path: Path, family: str) -> None:
    """Stopped on the rows that they are judged on, these fits reach an AUC well above a half."""
    honest, flattered = [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, 77])
        x, target = rng.normal(size=(300, 8)).astype(np.float32), (rng.random(300) < 0.5).astype(np.float64)
        held = bench(tmp_path / str(seed), x, target)
        result = held.score(family)
        own = np.empty((300, 1))
        for fit, valid in zip(result.fits, held.folds.valid, strict=True):
            own[valid] = fit.array("valid.npy")
        honest.append(AUC(target, result.prediction))
        flattered.append(AUC(target, own))
    error = float(np.std(honest, ddof=1)) / np.sqrt(len(honest))
    assert np.mean(honest) < 0.5 + 2 * error
    assert np.mean(honest) < np.mean(flattered)


@pytest.mark.slow
@pytest.mark.parametrize("family", STOPPING)
def test_on_noise_a_hold_out_knows_nothing_either(tmp_path: Path, family: str) -> None:
    honest = []
    for seed in range(12):
        rng = np.random.default_rng([seed, 78])
        x, target = rng.normal(size=(900, 8)).astype(np.float32), (rng.random(900) < 0.5).astype(np.float64)
        held = bench(tmp_path / str(seed), x, target, protocol="holdout")
        valid = held.folds.valid[0]
        honest.append(AUC(target[valid], held.score(family).prediction[valid]))
    error = float(np.std(honest, ddof=1)) / np.sqrt(len(honest))
    assert np.mean(honest) < 0.5 + 2 * error
