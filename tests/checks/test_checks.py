"""Each data check has a table that it finds fault with and one that it passes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mulle.checks import ReadFault, checks, leave_out
from mulle.checks.look import look_over
from mulle.core.check import Status
from mulle.splits.content import content

PASS, FAIL, NOTE, UNANSWERED = Status.PASS, Status.FAIL, Status.NOTE, Status.UNANSWERED
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(7)
N = 600


def x(n=N, seed=1):
    return np.random.default_rng(seed).normal(size=n)


def half(n=N):
    return (np.arange(n) % 2).astype(float)


def only(seen, name):
    (answer,) = [c for c in checks.get(name).look(seen) if c.name == name]
    return answer


# ---------------------------------------------------------------- reading


def test_more_than_1_percent_unreadable_values_fail_and_are_shown_with_their_row(seen):
    fault = ReadFault(column="age", positions=list(range(9)), samples=["old", "young"])
    found = only(seen({"age": x()}, faults=[fault]), "data.faults")
    assert found.status is FAIL
    assert "9 values in 'age'" in found.says
    assert list(found.evidence.rows[0]) == ["age", 1, "old"]


def test_a_few_unreadable_values_are_said_and_none_pass(seen):
    fault = ReadFault(column="age", positions=[3], samples=["old"])
    assert only(seen({"age": x()}, faults=[fault]), "data.faults").status is NOTE
    assert only(seen({"age": x()}), "data.faults").status is PASS


def test_mojibake_is_found_and_umlauts_are_none(seen):
    junk = only(seen({"city": ["ZÃ¼rich", "KÃ¶ln", "Bern"] * 50}), "data.encoding")
    assert junk.status is FAIL
    assert only(seen({"city": ["Zürich", "Köln", "서울", "Ärger"] * 50}), "data.encoding").status is PASS


def test_infinite_numbers_are_counted_in_the_rows_as_they_came(seen):
    raw = pl.DataFrame({"ratio": [float("inf"), 1.0] * 300}).lazy()
    assert only(seen({"ratio": x()}, raw=raw), "data.infinite").status is FAIL
    assert only(seen({"ratio": x()}), "data.infinite").status is PASS


# ---------------------------------------------------------------- columns


def test_a_nearly_empty_column_is_left_out_with_the_command_that_keeps_it(seen):
    fax = [1.0 if i % 50 == 0 else None for i in range(N)]
    found = look_over(seen({"fax": fax, "age": x()}, half()), only=[checks.get("data.missing")])
    assert [left.column for left in found.left_out] == ["fax"]
    assert found.left_out[0].undo == "mulle set data.keep='[\"fax\"]'"


def test_a_nearly_empty_column_whose_gaps_tell_the_target_stays(seen):
    target = (np.arange(N) % 25 == 0).astype(float)
    claim = [1.0 if i % 25 == 0 else None for i in range(N)]
    found = look_over(seen({"claim": claim, "age": x()}, target), only=[checks.get("data.missing")])
    assert not found.left_out
    assert "'claim' is empty the target differs" in found.checks[0].says


def test_a_table_without_gaps_passes(seen):
    assert only(seen({"age": x()}), "data.missing").status is PASS


@pytest.mark.parametrize("column", [[3.0] * N, ["a"] * N, [None] * N, [True] * N])
def test_a_constant_column_is_left_out(seen, column):
    found = look_over(seen({"same": column, "age": x()}), only=[checks.get("data.constant")])
    assert [left.column for left in found.left_out] == ["same"]


def test_one_value_beside_gaps_is_not_constant(seen):
    assert only(seen({"claimed": [1.0, None] * 300}), "data.constant").status is PASS


def test_five_hundred_constant_columns_are_all_left_out(seen):
    wide = {f"c{i}": [1.0] * 20 for i in range(500)}
    assert len(look_over(seen(wide), only=[checks.get("data.constant")]).left_out) == 500


def test_names_and_running_numbers_of_rows_are_left_out(seen):
    columns = {"code": [f"K{i}" for i in range(N)], "row": np.arange(N, dtype=float), "age": x().round(1)}
    found = look_over(seen(columns), only=[checks.get("data.ids")])
    assert [left.column for left in found.left_out] == ["code", "row"]


def test_unique_measurements_and_ordinary_categories_are_no_ids(seen):
    assert only(seen({"price": x(), "job": ["a", "b"] * 300}), "data.ids").status is PASS


def test_many_values_are_said(seen):
    many = [f"v{i % 1500}" for i in range(3000)]
    assert only(seen({"zip": many}), "data.cardinality").status is NOTE
    assert only(seen({"job": ["a", "b"] * 300}), "data.cardinality").status is PASS


def test_a_code_for_missing_is_an_outlier_and_a_normal_column_has_none(seen):
    spoilt = x()
    spoilt[5] = 99999.0
    found = only(seen({"age": spoilt}), "data.outliers")
    assert found.status is NOTE
    assert "'age'" in found.says
    assert only(seen({"age": x()}), "data.outliers").status is PASS


def test_a_survey_weight_is_noted_and_a_telling_weight_is_not(seen):
    weight = np.exp(x()) * 1000
    assert only(seen({"fnlwgt": weight}, half()), "data.weights").status is NOTE
    assert not checks.get("data.weights").look(seen({"body_weight": weight}, (weight > 1000) * 1.0))


# ---------------------------------------------------------------- rows


def test_twins_are_counted_and_the_most_frequent_one_is_shown(seen):
    found = only(seen({"a": [1.0] * 10 + list(range(90)), "b": ["x"] * 100}, np.zeros(100)), "data.twins")
    assert found.status is NOTE
    assert found.value == pytest.approx(0.10)
    assert len(found.evidence.rows) == 10


def test_rows_that_differ_in_the_target_alone_are_no_twins(seen):
    assert only(seen({"a": [1.0, 1.0]}, np.array([0.0, 1.0])), "data.twins").status is PASS


def test_twins_across_the_sides_fail(seen):
    table = pl.DataFrame({"a": x(), "b": x(seed=2)})
    sealed = pl.concat([table.head(50), pl.DataFrame({"a": x(100, 3), "b": x(100, 4)})])
    assert only(seen(table, sealed=sealed), "data.twins_across_sides").status is FAIL
    assert only(seen(table, sealed=sealed.tail(100)), "data.twins_across_sides").status is PASS


def test_twins_across_the_sides_are_natural_where_columns_are_coarse(seen):
    table = pl.DataFrame({"sex": ["m", "f"] * 300})
    found = only(seen(table, sealed=table.head(100)), "data.twins_across_sides")
    assert found.status is NOTE
    assert "so this is natural" in found.says


def test_twins_that_only_write_a_date_in_another_way_are_not_called_natural(seen):
    days = pl.Series([datetime(2024, 1, 1 + i % 28, tzinfo=UTC).replace(tzinfo=None) for i in range(200)])
    table = pl.DataFrame({"day": days})
    raw = pl.DataFrame({"day": days.dt.to_string("%Y-%m-%d")})
    sealed_raw = pl.DataFrame({"day": days.head(40).dt.to_string("%d.%m.%Y")})
    told = {"sealed": table.head(40), "raw": raw.lazy()}
    spelt = only(seen(table, sealed_content=content(sealed_raw), **told), "data.twins_across_sides")
    assert spelt.status is FAIL
    assert "40 of them only write the same values in another way" in spelt.says
    assert "natural" not in spelt.says
    assert "delete mulle.lock" in spelt.fix
    same = only(seen(table, sealed_content=content(raw.head(40)), **told), "data.twins_across_sides")
    assert same.status is NOTE
    assert "so this is natural." in same.says


def test_contradictory_targets_give_the_ceiling(seen):
    table = {"a": [1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
    found = only(seen(table, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0])), "data.contradictions")
    assert found.value == pytest.approx(0.5)
    assert "no model can be right on more than 87.5 %" in found.says
    assert only(seen({"a": x()}), "data.contradictions").status is PASS


def test_contradictory_numbers_give_the_ceiling_of_r2(seen):
    found = only(seen({"a": [1.0, 1.0, 2.0, 2.0]}, np.array([0.0, 2.0, 10.0, 12.0]), classes=()), "data.contradictions")
    assert "explain more than 96.2 %" in found.says


def test_rows_that_contradict_are_shown_side_by_side(seen):
    found = only(seen({"a": [1.0, 2.0, 1.0]}, np.array([0.0, 0.0, 1.0])), "data.contradictions")
    assert [list(row) for row in found.evidence.rows] == [[1, "1", "no"], [3, "1", "yes"]]


@pytest.mark.parametrize(("n", "status"), [(40, FAIL), (150, UNANSWERED), (300, PASS)])
def test_few_rows_are_undecided_and_very_few_fail(seen, n, status):
    assert only(seen({"a": x(n)}), "data.rows").status is status


def test_a_rare_class_is_undecided_with_the_rows_that_would_decide(seen):
    found = only(seen({"a": x(1000)}, (np.arange(1000) < 20) * 1.0), "data.rare_classes")
    assert found.status is UNANSWERED
    assert found.needed_rows == 5000
    assert only(seen({"a": x()}, half()), "data.rare_classes").status is PASS


def test_unknown_targets_are_counted_and_never_negative(seen):
    target = half()
    target[:400] = np.nan
    found = only(seen({"a": x()}, target), "data.unknown_targets")
    assert found.status is UNANSWERED
    assert "never count as negative" in found.says
    assert only(seen({"a": x()}, half()), "data.unknown_targets").status is PASS
    assert only(seen({"a": x()}, half(), n_unknown=5), "data.unknown_targets").status is NOTE


def moments(first_days_ago, last_days_ago, n=N):
    start, end = (NOW.replace(tzinfo=None) - timedelta(days=d) for d in (first_days_ago, last_days_ago))
    return pl.datetime_range(start, end, (end - start) / (n - 1), eager=True).head(n).cast(pl.Datetime("us"))


def test_targets_that_are_known_before_their_delay_are_undecided(seen):
    young = seen({"a": x()}, moments=moments(100, 1), now=NOW, label_delay_s=30 * 86_400.0)
    old = seen({"a": x()}, moments=moments(100, 40), now=NOW, label_delay_s=30 * 86_400.0)
    assert [c.status for c in checks.get("data.unknown_targets").look(young)] == [PASS, UNANSWERED]
    assert [c.status for c in checks.get("data.unknown_targets").look(old)] == [PASS, PASS]


def test_old_rows_are_said_and_fail_only_when_the_page_says_how_old_they_may_be(seen):
    old = {"moments": moments(1000, 700), "now": NOW}
    assert only(seen({"a": x()}, **old), "data.stale").status is NOTE
    assert only(seen({"a": x()}, **old, bars={"data.stale": 100.0}), "data.stale").status is FAIL
    assert only(seen({"a": x()}, moments=moments(50, 3), now=NOW), "data.stale").status is PASS
    assert only(seen({"a": x()}, moments=moments(50, -30), now=NOW), "data.stale").status is FAIL


# ---------------------------------------------------------------- leaks


def leaks(seen_, keep=()):
    return look_over(seen_, keep=keep, only=[checks.get("data.leak")])


LEAKS = {
    "a renamed copy": lambda y: ["gone" if v else "here" for v in y],
    "a scaled copy": lambda y: y * 3 + 1 + RNG.normal(size=len(y)) * 0.01,
    "filled in afterwards": lambda y: [float(RNG.normal()) if v else None for v in y],
    "a moment afterwards": lambda y: [datetime(2025, 1, 1) if v else None for v in y],  # noqa: DTZ001
}


@pytest.mark.parametrize("how", list(LEAKS))
def test_a_column_that_gives_the_target_away_is_left_out(seen, how):
    y = half()
    found = leaks(seen({"after": LEAKS[how](y), "age": x()}, y))
    assert [left.column for left in found.left_out] == ["after"]
    assert "gives 'target' away" in found.left_out[0].why


def test_a_column_filled_in_afterwards_is_called_that(seen):
    y = half()
    found = leaks(seen({"after": LEAKS["filled in afterwards"](y), "age": x()}, y))
    assert "written after the outcome" in found.checks[0].says


def test_a_leak_that_the_page_keeps_fails_the_gate(seen):
    y = half()
    found = leaks(seen({"after": y * 2, "age": x()}, y), keep=["after"])
    assert not found.left_out
    assert found.checks[0].status is FAIL


def test_a_strong_but_honest_column_stays(seen):
    y = half()
    found = leaks(seen({"good": y + RNG.normal(size=N) * 0.6, "age": x()}, y))
    assert [c.status for c in found.checks] == [PASS]
    assert "most telling one is 'good'" in found.checks[0].says


def test_on_few_rows_a_near_perfect_column_is_a_suspicion(seen):
    y = half(60)
    found = leaks(seen({"good": y + RNG.normal(size=60) * 0.01}, y))
    assert [c.status for c in found.checks] == [FAIL]
    assert not found.left_out


def test_a_target_of_numbers_and_one_of_classes_can_leak_too(seen):
    y = np.exp(x())
    assert [left.column for left in leaks(seen({"cents": y * 100, "a": x(seed=3)}, y, classes=())).left_out] == [
        "cents"
    ]
    k = (np.arange(N) % 3).astype(float)
    named = ["abc"[int(v)] for v in k]
    classes = ("a", "b", "c")
    assert [left.column for left in leaks(seen({"c": named, "a": x()}, k, classes=classes)).left_out] == ["c"]


def test_a_majority_of_99_percent_is_no_leak(seen):
    y = (np.arange(2000) % 200 == 0).astype(float)
    assert [c.status for c in leaks(seen({"a": x(2000), "b": ["u", "v"] * 1000}, y)).checks] == [PASS]


# ---------------------------------------------------------------- sides


def test_sides_that_differ_fail_with_the_columns_that_tell_them_apart(seen):
    table = pl.DataFrame({"a": x(), "b": x(seed=2)})
    moved = pl.DataFrame({"a": x(seed=5) + 1.5, "b": x(seed=6)})
    found = only(seen(table, sealed=moved), "data.sides")
    assert found.status is FAIL
    assert found.evidence.rows[0][0] == "a"
    assert found.interval.low < found.value < found.interval.high
    assert only(seen(table, sealed=moved, by_time=True), "data.sides").status is NOTE


def test_sides_by_chance_are_alike_and_too_few_rows_say_nothing(seen):
    table = pl.DataFrame({"a": x(2000), "job": ["a", "b", "c", "d"] * 500})
    alike = pl.DataFrame({"a": x(800, 9), "job": ["d", "c", "b", "a"] * 200})
    assert only(seen(table, sealed=alike), "data.sides").status is PASS
    assert only(seen(table, sealed=alike.head(20)), "data.sides").status is NOTE


# ---------------------------------------------------------------- all


def test_a_bar_of_the_page_is_used_and_named(seen):
    found = only(seen({"a": x(150)}, bars={"data.rows": 100.0}), "data.rows")
    assert found.status is PASS
    assert found.bar == "≥ 100 (the page's [checks])"


def test_every_column_is_left_out_once(seen):
    same = seen({"fax": [1.0] * N, "age": x()})
    names = [left.column for left in look_over(same).left_out]
    assert names == ["fax"]


def test_an_answer_without_undo_leaves_nothing_out(seen):
    answers = checks.get("data.rows").look(seen({"a": x(10)}))
    assert leave_out(answers, ["a"]) == (list(answers), [])


def test_on_a_real_table_the_most_telling_column_is_known_and_stays(seen):
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    names = [str(name) for name in load_breast_cancer().feature_names]
    found = leaks(seen(pl.DataFrame(x, schema=names), y.astype(float), classes=("malignant", "benign")))
    assert not found.left_out
    assert "'worst perimeter': ROC AUC 0.975" in found.checks[0].says


def test_pictures_alone_are_not_called_too_few_rows_to_compare(seen):
    held = {"picture": [b"x"] * 400}
    found = only(seen(held, kinds={"picture": "image"}, sealed=pl.DataFrame(held)), "data.sides")
    assert (found.status, found.needed_rows) == (NOTE, None)
    assert "no column of numbers or words" in found.says


def test_beside_a_proven_leak_it_is_the_other_columns_that_are_no_leak(seen):
    y = np.arange(400) % 2
    found = checks.get("data.leak").look(seen({"copy": y * 2.0, "age": x(400)}, y.astype(float)))
    assert [c.says.split(" alone ")[0] for c in found] == ["'copy'", "No other column"]
