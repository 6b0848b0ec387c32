"""A rule is told in the unit of the data, not in that of a view."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.schema import Column, Feature
from mulle.kinds.preparation import Preparation, canonical, wires
from mulle.training.cut import rule_in_words

AMOUNT = Column(name="amount", feature="amount")


def scaled(feature: Feature, raw: pl.DataFrame, view: str) -> tuple[np.ndarray, pl.DataFrame]:
    own, _ = canonical([feature], raw)
    held = wires([feature], own)
    fitted = Preparation.fit([feature], held, {feature.kind: [view]}, rng=np.random.default_rng(0))
    return fitted.run(held)[:, 0], own


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(min_value=0.5, max_value=1e6), min_size=3, max_size=60, unique=True), st.data())
def test_a_cut_in_the_own_unit_parts_the_rows_as_the_cut_of_the_scaled_column_does(
    values: list[float], data: st.DataObject
) -> None:
    amounts = pl.DataFrame({"amount": values})
    prepared, own = scaled(Feature(name="amount", kind="number", columns=["amount"]), amounts, "scaled")
    steps = np.unique(prepared)
    if len(steps) < 2:
        return
    at = data.draw(st.integers(0, len(steps) - 2))
    cut = float((np.float64(steps[at]) + steps[at + 1]) / 2)
    said = rule_in_words(AMOUNT, prepared, [cut], own)
    told = float(said.removeprefix("amount, cut at ").replace(",", ""))
    assert ((np.array(values) >= told) == (prepared > cut)).all()


def test_the_number_has_no_more_digits_than_it_needs() -> None:
    own = pl.DataFrame({"amount": [18.0, 29.0, 31.0, 90.0]})
    prepared = np.array([-1.0, -0.4, -0.3, 2.0], np.float32)
    assert rule_in_words(AMOUNT, prepared, [-0.35, 0.5], own) == "amount, cut at 30 and at 60"


def test_missing_values_that_became_the_median_do_not_hide_where_the_cut_lies() -> None:
    own = pl.DataFrame({"amount": [18.0, None, 29.0, 90.0]})
    assert rule_in_words(AMOUNT, np.array([-1, 0, 0, 2], np.float32), [1.0], own) == "amount, cut at 60"


def test_a_date_is_cut_at_a_day() -> None:
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(10)]
    feature = Feature(name="when", kind="datetime", columns=["when"])
    prepared, own = scaled(feature, pl.DataFrame({"when": days}), "cycle")
    cut = float(np.float64(prepared[3]) + prepared[4]) / 2
    assert rule_in_words(Column(name="when", feature="when"), prepared, [cut], own) == "when, cut at 2024-01-05"


def test_a_column_that_follows_no_own_one_is_told_by_shares_of_the_rows() -> None:
    own = pl.DataFrame({"comment": ["a b", "b", "c", "d"]})
    column = Column(name="comment, topic 1", feature="comment")
    said = rule_in_words(column, np.array([1, 2, 3, 4], np.float32), [1.5], own)
    assert said == "comment, topic 1, cut above the lowest 25.0% of the rows"


def test_a_flag_is_asked() -> None:
    column = Column(name="job = 'cook'", feature="job")
    assert rule_in_words(column, np.array([0, 1], np.float32), [0.5], pl.DataFrame()) == "is job = 'cook'?"
