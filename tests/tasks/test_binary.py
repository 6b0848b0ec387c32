"""Two classes: reading them, guessing the positive one, refusing what has no answer."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.check import Status
from mulle.core.errors import DataError
from mulle.tasks.binary import Binary
from mulle.tasks.positive import choose_positive

BINARY = Binary()


def read(values, **options):
    return BINARY.read(pl.Series("churned", values), **options)


def test_spellings_of_one_class_are_folded_and_said():
    target = read(["yes", "Yes ", "no", "NO", "yes"])
    assert target.values.tolist() == [1, 1, 0, 0, 1]
    assert any("'Yes ' (1 row) were taken as one class 'yes'" in note for note in target.notes)


def test_adult_with_the_full_stops_of_its_test_file_has_two_classes():
    target = read([" <=50K", ">50K.", "<=50K.", ">50K"])
    assert target.classes == ("<=50K", ">50K")
    assert target.values.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("empty", [None, "", "  ", "?", "NA", "nan"])
def test_an_empty_target_is_not_known_and_never_negative(empty):
    target = read(["yes", empty, "no"])
    assert np.isnan(target.values[1])
    assert target.values[[0, 2]].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([0, 1, 1, 1], "1"),
        ([0.0, 1.0, float("nan")], "1"),
        ([True, False], "true"),
        (["2", "1", "1.0"], "1"),
        (["good", "bad", "bad"], "bad"),
        (["not churned", "churned", "churned"], "churned"),
        (["<=50K", ">50K", ">50K", ">50K"], ">50K"),
        (["red", "blue", "blue"], "red"),
        ([-1, 1, 1], "1"),
    ],
)
def test_the_positive_class_is_guessed_with_a_reason(values, positive):
    target = read(values)
    assert target.classes[1] == positive
    assert any(f"'{positive}' counts as positive: " in note for note in target.notes)


def test_a_positive_class_may_be_named_in_any_spelling():
    assert read(["yes", "no"], positive=" NO ").classes == ("yes", "no")


def test_a_positive_class_that_does_not_occur_is_refused_with_the_nearest():
    with pytest.raises(DataError, match="did you mean 'yes'") as caught:
        read(["yes", "no"], positive="yess")
    assert "'yess' does not occur in the target 'churned'" in caught.value.what


def test_one_class_is_refused():
    with pytest.raises(DataError, match="has one class: 'no' in all 3 rows"):
        read(["no", "no ", "No", None])


def test_an_all_empty_target_is_refused():
    with pytest.raises(DataError, match="is empty in all 2 rows"):
        read([None, ""])


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="no rows to read 'churned' from"):
        BINARY.read(pl.Series("churned", [], dtype=pl.String))


def test_a_third_class_is_refused_with_its_row_and_the_other_task():
    with pytest.raises(DataError, match=r'data\.task="multiclass"') as caught:
        read(["yes", "no", "yes", "no", "maybe"])
    assert "row 5" in caught.value.where


def test_settled_classes_need_no_second_class_and_refuse_a_new_one():
    settled = ("no", "yes")
    assert read(["Yes", None], classes=settled).values[0] == 1
    with pytest.raises(DataError, match=r"did you mean 'yes'.*correct the rows") as caught:
        read(["no", "yess"], classes=settled)
    assert "row 2" in caught.value.where


def test_a_moment_is_no_class():
    with pytest.raises(DataError, match="choose a target of text or numbers"):
        BINARY.read(pl.Series("t", ["2024-01-01"]).str.to_date())


@given(st.lists(st.sampled_from(["yes", "Yes", " yes", "no", "NO ", None, "?"]), min_size=1))
def test_reading_is_1_for_yes_0_for_no_and_nan_else(values):
    words = [None if value is None else value.strip().lower() for value in values]
    expected = np.array([{"yes": 1.0, "no": 0.0}.get(word, np.nan) for word in words])
    if {0.0, 1.0} <= set(expected[np.isfinite(expected)]):
        assert np.array_equal(read(values).values, expected, equal_nan=True)
    else:
        with pytest.raises(DataError, match="bring rows"):
            read(values)


def test_rare_positives_call_for_average_precision_and_common_ones_for_roc_auc():
    rare, common = read(["yes"] * 10 + ["no"] * 90), read(["yes"] * 40 + ["no"] * 60)
    assert BINARY.default_metric(rare).name == "average_precision"
    assert "10.0 % of the rows" in BINARY.default_metric(rare).why
    assert BINARY.default_metric(common).name == "roc_auc"


def test_few_rows_of_a_class_are_said_and_very_few_fail():
    def status(n):
        return BINARY.framing(read(["yes"] * n + ["no"] * 900))[0].status

    assert [status(150), status(50), status(5)] == [Status.PASS, Status.NOTE, Status.FAIL]


def test_the_rows_that_would_decide_are_told():
    check = BINARY.framing(read(["yes"] * 50 + ["no"] * 950))[0]
    assert check.needed_rows == 2000
    assert "about 2,000 rows" in check.fix


def test_a_constant_is_the_weighted_share_of_positives():
    values = np.array([1.0, 0.0, np.nan])
    assert BINARY.constant(values).tolist() == [0.5]
    assert BINARY.constant(values, np.array([3.0, 1.0, 9.0])).tolist() == [0.75]


def test_a_tie_is_called_a_guess():
    assert "a guess" in choose_positive({"a": 5, "b": 5}).why
