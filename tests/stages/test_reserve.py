"""How a budget is shared out among the stages."""

from pathlib import Path
from time import perf_counter

import pytest

from mulle.compute.turn import Turn
from mulle.core.page_file import make_page
from mulle.stages.reserve import LEAST_FOLD_S, for_a_baseline


def turn(*, budget: float | None, spent: float) -> Turn:
    """A turn whose first two stages took ``spent`` seconds, and which is about to fit its baselines."""
    now = perf_counter()
    deadline = None if budget is None else now - spent + budget
    memo = {"began": now - spent, "seconds": {"problem": spent / 2, "data": spent / 2}}
    page = make_page({"data": {"target": "y"}})
    return Turn(page=page, folder=Path(), run_id="r", workshop=None, deadline=deadline, memo=memo)  # type: ignore[arg-type]


def test_without_a_deadline_a_baseline_takes_what_it_takes() -> None:
    assert for_a_baseline(turn(budget=None, spent=5.0), n_folds=5) is None


def test_a_table_that_is_quickly_looked_at_leaves_the_baseline_its_share_of_the_budget() -> None:
    assert for_a_baseline(turn(budget=60.0, spent=2.0), n_folds=5) == pytest.approx(0.4 * 60 * 2 / 5)


def test_a_baseline_is_cut_shorter_where_looking_took_long() -> None:
    # 60 s, 20 of them spent, 21 kept for evaluation and packaging: half of the 19 that are left
    assert for_a_baseline(turn(budget=60.0, spent=20.0), n_folds=2) == pytest.approx(9.5, abs=0.1)


def test_a_baseline_has_its_least_even_when_time_is_over() -> None:
    assert for_a_baseline(turn(budget=10.0, spent=30.0), n_folds=5) == LEAST_FOLD_S
