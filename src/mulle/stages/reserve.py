"""The reserve: time that is kept for the stages after the search, so that a budget is kept on a wide table too.

What evaluation and packaging take grows with the table as what the first two stages took does, on this machine and under
its load. So those are the measure.
"""

from __future__ import annotations

from time import perf_counter

from mulle.compute.turn import Turn

SHARE, MOST_SHARE = 0.12, 0.35
"""Of the time that the page gives: kept at least, and at most."""
AS_LONG_AS_LOOKING = 1.2
"""Evaluation and packaging together, in times of *problem* and *data*."""
PACKAGING = 0.8
BASELINE_SHARE, BASELINE_OF_LEFT = 0.4, 0.5
"""For all folds of the linear baseline, at most: of the time that the page gives, and of what is left of it."""
LEAST_FOLD_S = 2.0
LEAST_S, MOST_S = 1.0, 10.0
"""For permutation importance, which does as much as there is time for."""
FIRST = ("problem", "data")


def after_search(turn: Turn) -> float:
    """Return how many seconds the search should leave to evaluation and packaging; 0 without a deadline.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mulle.core.page_file import make_page
    >>> page = make_page({"data": {"target": "y"}})
    >>> memo = {"began": 0.0, "seconds": {"problem": 4.0, "data": 6.0}}
    >>> turn = Turn(page=page, folder=Path(), run_id="r", workshop=None, deadline=60.0, memo=memo)
    >>> after_search(turn)
    12.0
    """
    if turn.deadline is None:
        return 0.0
    whole = turn.deadline - turn.memo.get("began", perf_counter())
    return float(max(SHARE * whole, min(MOST_SHARE * whole, AS_LONG_AS_LOOKING * _looking(turn))))


def for_importance(turn: Turn) -> float | None:
    """Return how many seconds permutation importance may take, packaging left out; None without a deadline."""
    if turn.deadline is None:
        return None  # with a budget in trials nothing depends on time
    left = turn.deadline - perf_counter() - PACKAGING * _looking(turn)
    return float(min(max(left, LEAST_S), MOST_S))


def for_a_baseline(turn: Turn, *, n_folds: int) -> float | None:
    """Return how many seconds one fold of the linear baseline may take, two at a time; None without a deadline.

    A baseline that is cut short is weaker, so it gets much of the time; but on a table on which it takes all of it
    there would be no model to compare with it. Where looking at the table took most of the time already, it is cut
    shorter still.
    """
    if turn.deadline is None:
        return None
    whole = turn.deadline - turn.memo.get("began", perf_counter())
    left = turn.deadline - after_search(turn) - perf_counter()
    share = min(BASELINE_SHARE * whole, BASELINE_OF_LEFT * left)
    return float(max(LEAST_FOLD_S, share * min(1.0, 2.0 / n_folds)))


def _looking(turn: Turn) -> float:
    taken = turn.memo.get("seconds", {})
    return float(sum(taken.get(stage, 0.0) for stage in FIRST))
