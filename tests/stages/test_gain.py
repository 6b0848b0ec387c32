"""One check of the gain, whoever asks."""

from __future__ import annotations

from typing import Any

import pytest

from mulle.core.check import Interval, Status
from mulle.core.command import parted
from mulle.stages.gain import Compared, gain_check
from mulle.trials.paired import Gain


def gain(value: float, half: float, confidence: float = 0.95) -> Gain:
    interval = Interval(low=value - half, high=value + half, confidence=confidence)
    held: dict[str, Any] = {"raw": value, "over": 0, "p": 0.0, "sd": half / 2, "n_rows": 9, "n_units": 9, "n_draws": 9}
    return Gain(value=value, interval=interval, bound=value - 0.84 * half, **held)


def asked(**changes: Any) -> Compared:
    return Compared(**{"metric": "ROC AUC", "over": "Linear", "min_gain": 0.02, "n_rows": 400, **changes})


@pytest.mark.parametrize(
    ("found", "status"),
    [(gain(0.05, 0.02), Status.PASS), (gain(0.03, 0.03), Status.UNANSWERED), (gain(-0.02, 0.03), Status.FAIL)],
)
@pytest.mark.parametrize("stage", ["evaluate", "assess"])
def test_the_bound_passes_and_the_upper_end_fails_in_both_stages(stage: str, found: Gain, status: Status) -> None:
    check = gain_check(stage, found, asked())
    assert (check.name, check.status) == (f"{stage}.gain", status)
    assert (check.needed_rows is not None) == (status is Status.UNANSWERED)


def test_the_confidence_of_a_later_opening_is_said() -> None:
    check = gain_check("assess", gain(0.05, 0.02, 0.975), asked())
    assert "in 97.5 of 100 cases" in check.says
    assert "97.5 % bound" in check.bar


def test_a_better_baseline_that_has_no_sealed_score_leaves_the_answer_open() -> None:
    check = gain_check("assess", gain(0.05, 0.02), asked(instead_of="One rule"))
    assert check.status is Status.UNANSWERED
    assert "One rule" in check.says


def test_the_baseline_itself_has_no_gain_and_is_passed_by_name() -> None:
    check = gain_check("evaluate", gain(0.0, 0.0), asked(itself=True))
    assert check.status is Status.FAIL
    assert "evaluate.gain" in check.fix
    assert gain_check("assess", gain(0.0, 0.0), asked(itself=True)).status is Status.NOTE


def test_an_open_answer_says_why_in_plain_words_and_what_would_decide_it() -> None:
    luck = gain_check("evaluate", gain(0.005, 0.011), asked(min_gain=None))
    assert "400 rows are too few to tell it from the simpler one: the difference may be luck" in luck.says
    assert f"about {luck.needed_rows:,} such rows would decide it" in luck.fix
    better = gain_check("evaluate", gain(0.03, 0.02), asked())
    assert "So it is better, but 400 rows are too few to tell whether by the 0.02 that the page asks for" in better.says
    worse = gain_check("evaluate", gain(-0.02, 0.03), asked())
    assert "So it is not better by the 0.02 that the page asks for" in worse.says


def test_rows_are_asked_for_only_where_they_may_change_the_answer() -> None:
    worse = gain_check("evaluate", gain(-0.02, 0.03), asked())
    assert "more rows would hardly change that" in worse.says
    assert "rows" not in worse.fix
    against = gain_check("evaluate", gain(-0.005, 0.02), asked(min_gain=None))
    assert "would decide it, most likely against it" in against.fix
    assert "more rows" not in against.fix


def test_no_number_of_rows_is_named_that_nobody_would_gather() -> None:
    found = gain_check("evaluate", gain(0.0002, 0.011), asked(min_gain=None))
    assert found.needed_rows is None
    assert "such rows" not in found.fix


@pytest.mark.parametrize("itself", [True, False])
def test_the_fix_can_be_typed_and_asks_for_more_than_the_page_gives(itself: bool) -> None:
    found = gain_check("evaluate", gain(-0.02, 0.03), asked(itself=itself, budget="10m"))
    assert parted(found.fix)[1] == "mulle set objective.budget=20m"
