"""The search proposes what is new, what is valid, and the same again for the same seed and results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.compute.serial import SerialWorkshop
from mulle.core.loss import logistic
from mulle.core.work import Ref
from mulle.metrics import metrics
from mulle.models import Column, Rows, Training, families
from mulle.models.base import Config, Family
from mulle.models.fit import fit_loss
from mulle.store.workspace import Workspace
from mulle.training.grid import MOST, Cell, Grid, spread
from mulle.training.search import Candidate, FoldRows, Problem, Result, Search, allowed, portfolio, proposals

HOWS = ["tpe", "random", "grid"]
SCORERS = [family.name for family in allowed(None)]

NOWHERE = Ref("0" * 64, Path())
PROBLEM = Problem(
    loss=logistic(),
    metric=metrics.get("log_loss"),
    features=["x"],
    schema=NOWHERE,
    rows=NOWHERE,
    folds_ref=NOWHERE,
    folds=FoldRows(valid=[np.arange(4)], target=np.array([0.0, 1.0, 0.0, 1.0])),
)

Error = Callable[[Candidate], float]


def one(_: Candidate) -> float:
    return 1.0


def error_by_size(candidate: Candidate) -> float:
    """Make an error up from the numbers of a configuration, so that each has its own."""
    numbers = [float(value) for value in candidate.config.params.values() if isinstance(value, int | float)]
    return 1.0 + sum(abs(math.sin(1 + number)) for number in numbers)


def scored(candidate: Candidate, error: Error) -> Result:
    return Result(
        candidate=candidate,
        prepared=NOWHERE,
        folds=[NOWHERE],
        prediction=np.full((4, 1), 0.5),
        value=error(candidate),
        seconds=0.0,
    )


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """Return a search that has scored nothing."""
    workshop = SerialWorkshop(Workspace.open(tmp_path, write=True), tmp_path)
    return Search(problem=PROBLEM, workshop=workshop)


def proposed(
    search: Search, names: Sequence[str], how: str, n: int, *, seed: int = 0, error: Error = error_by_size
) -> list[Candidate]:
    """Ask for ``n`` waves, and let each candidate have the error that was made up for it."""
    search.results.clear()
    waves = []
    for wave in islice(proposals(search, [families.get(name) for name in names], how=how, seed=seed), n):
        waves.append(wave)
        search.results += [scored(candidate, error) for candidate in wave]
    return [candidate for wave in waves for candidate in wave]


def plain(candidates: Sequence[Candidate]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(candidate.config.name, candidate.config.params) for candidate in candidates]


# ------------------------------------------------------------------------------------------ proposals


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", SCORERS)
def test_the_same_seed_and_results_bring_the_same_proposals(search: Search, name: str, how: str) -> None:
    first = proposed(search, [name], how, 8)
    assert first
    assert plain(first) == plain(proposed(search, [name], how, 8))


@pytest.mark.parametrize("how", HOWS)
def test_another_seed_brings_others(search: Search, how: str) -> None:
    first, second = (proposed(search, ["lightgbm"], how, 3, seed=seed) for seed in (0, 1))
    assert plain(first) != plain(second)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", SCORERS)
def test_no_configuration_is_proposed_twice(search: Search, name: str, how: str) -> None:
    found = proposed(search, [name], how, 8)
    assert len({str(sorted(c.config.params.items())) for c in found}) == len(found)
    assert len({c.config.name for c in found}) == len(found)


def test_what_the_portfolio_scored_is_not_proposed_again(search: Search) -> None:
    family = families.get("linear")
    ends = [Candidate(family=family, config=Config(name=str(x), params={"l1_ratio": x})) for x in (0.0, 1.0)]
    search.results += [scored(candidate, error_by_size) for candidate in ends]
    waves = list(proposals(search, [family], how="grid", seed=0))
    assert [c.config.params for wave in waves for c in wave] == [{"l1_ratio": 0.5}]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", SCORERS)
def test_each_proposal_lies_within_the_space(search: Search, name: str, how: str) -> None:
    bounds = Bounds()
    keys = set(families.get(name).space(bounds))
    for candidate in proposed(search, [name], how, 6):
        params = candidate.config.params
        assert set(params) == keys
        assert all(bounds.hold(key, value) for key, value in params.items())


class Bounds:
    """Writes down what a search space may draw."""

    def __init__(self) -> None:
        self.ranges: dict[str, tuple[float, float]] = {}
        self.choices: dict[str, list[Any]] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        assert low > 0 or not log
        self.ranges[name] = (low, high)
        return low

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return int(self.suggest_float(name, low, high, log=log))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.choices[name] = list(choices)
        return choices[0]

    def hold(self, name: str, value: Any) -> bool:
        if name in self.choices:
            return value in self.choices[name]
        low, high = self.ranges.get(name, (value, value))
        return bool(low <= value <= high)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", SCORERS)
def test_each_proposal_can_be_fitted(search: Search, name: str, how: str) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    rows = Rows(matrix=x, target=(x[:, 0] > 0).astype(np.float64))
    columns = [Column(name=c, feature=c) for c in "abc"]
    for candidate in proposed(search, [name], how, 1):
        training = Training(
            rows=rows, valid=rows, columns=columns, loss=logistic(), rng=np.random.default_rng(0), seconds=2.0
        )
        assert fit_loss(candidate.family, training, candidate.config.params).scorer.n_outputs == 1


def test_tpe_learns_from_what_it_is_told(search: Search) -> None:
    few = proposed(search, ["lightgbm"], "tpe", 12, error=lambda c: float(c.config.params["num_leaves"]))  # type: ignore[arg-type]
    many = proposed(search, ["lightgbm"], "tpe", 12, error=lambda c: 1000 - float(c.config.params["num_leaves"]))  # type: ignore[arg-type]
    assert plain(few[:6]) == plain(many[:6])
    assert np.median(leaves(few[12:])) < np.median(leaves(many[12:]))


def leaves(candidates: Sequence[Candidate]) -> list[Any]:
    return [c.config.params["num_leaves"] for c in candidates]


def test_the_two_best_families_are_searched_in_turn(search: Search) -> None:
    chosen = [families.get(name) for name in ("linear", "lightgbm", "extra_trees")]
    errors = {"linear": 3.0, "lightgbm": 1.0, "extra_trees": 2.0}
    search.results += [scored(c, lambda c: errors[c.family.name]) for c in portfolio(chosen, 1000)]
    wave = next(proposals(search, chosen, how="tpe", seed=0))
    assert [c.family.name for c in wave] == ["lightgbm", "extra_trees"]


def test_a_dropped_proposal_is_told_as_worse_than_all(search: Search) -> None:
    waves = proposals(search, [families.get("lightgbm")], how="tpe", seed=0)
    search.results += [scored(candidate, error_by_size) for candidate in next(waves)]
    search.dropped += [candidate.config.name for candidate in next(waves)]
    assert len(next(waves)) == 2


# ------------------------------------------------------------------------------------------ the grid


def test_a_grid_ends_when_each_of_its_cells_was_proposed(search: Search) -> None:
    found = proposed(search, ["extra_trees"], "grid", 1000)
    assert len(found) == 9
    assert {c.config.params["min_samples_leaf"] for c in found} == {1, 4, 20}
    assert {c.config.params["max_features"] for c in found} == {0.2, 0.6, 1.0}


def test_when_one_familys_grid_has_ended_the_other_goes_on(search: Search) -> None:
    chosen = [families.get(name) for name in ("linear", "extra_trees")]
    search.results += [scored(c, one) for c in portfolio(chosen, 1000)]
    n = {"linear": 0, "extra_trees": 0}
    for wave in proposals(search, chosen, how="grid", seed=0):
        for candidate in wave:
            n[candidate.family.name] += 1
            search.results.append(scored(candidate, one))
    assert n["extra_trees"] == 9
    assert 1 <= n["linear"] <= 3


@pytest.mark.parametrize("name", SCORERS)
def test_a_part_of_the_grid_shows_more_than_one_value_of_each_parameter(name: str) -> None:
    grid = Grid(families.get(name).space, rng=np.random.default_rng(0))
    drawn = [params for _ in range(12) if (params := grid.ask()) is not None]
    bounds = Bounds()
    families.get(name).space(bounds)
    for key in [*bounds.ranges, *bounds.choices]:
        assert len({params[key] for params in drawn}) > 1, key


def test_a_space_too_large_to_list_has_a_grid_all_the_same() -> None:
    grid = Grid(
        lambda s: {f"p{i}": s.suggest_float(f"p{i}", 0.0, 1.0) for i in range(60)}, rng=np.random.default_rng(0)
    )
    cells = [grid.ask() for _ in range(50)]
    assert len({str(cell) for cell in cells}) == 50
    assert MOST >= 50


def test_a_parameter_with_one_value_is_no_digit() -> None:
    cell = Cell(number=1)
    assert cell.suggest_int("fixed", 3, 3) == 3
    assert cell.suggest_int("free", 1, 2) == 2
    assert cell.n_cells == 2


@given(low=st.floats(1e-6, 1e3), width=st.floats(0, 1e6), log=st.booleans())
def test_the_values_of_a_range_ascend_and_hold_its_ends(low: float, width: float, log: bool) -> None:
    found = spread(low, low + width, log=log)
    assert found[0] == low
    assert found[-1] == low + width
    assert found == sorted(set(found))
    assert len(found) <= 3


def family_names(chosen: Sequence[Family]) -> list[str]:
    return [family.name for family in chosen]


def test_the_page_says_which_families_are_searched() -> None:
    assert family_names(allowed(["linear", "catboost"])) == ["linear", "catboost"]
