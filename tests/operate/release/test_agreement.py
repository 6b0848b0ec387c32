"""Whether a shadow decides alike: by the champion's own spread, over units."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from mulle.core.check import Status
from mulle.core.project import SlicePart
from mulle.core.schema import Feature
from mulle.kinds.formula import derive
from mulle.operate.release.agreement import Terms, agreement
from mulle.operate.release.slices import Slices
from mulle.store.log import Row


def pair(told, shadow, unit, i):
    def row(output, arm):
        return Row(f"p{i}", 1.0, "b", 0, arm, 1.0, "", unit, b'{"job": "clerk"}', json.dumps(output).encode())

    return row(told, "champion"), row(shadow, "shadow")


def timed(ms, champion_ms, n=400, n_rows=1):
    """Return mirrored requests of which each took so long; what comes from a function is drawn for each."""
    found = []
    for i in range(n):
        shadow = {"prediction": {}, "decision": "yes", "ms": ms(i)}
        shadow |= {} if champion_ms is None else {"champion_ms": champion_ms(i)}
        for k in range(n_rows):
            a, b = pair({"prediction": {}, "decision": "yes"}, shadow, "", i)
            found.append((a._replace(id=f"{i:028x}-{k}"), b))
    return found


def decided(told, shadow, units=None):
    units = units or [f"u{i}" for i in range(len(told))]
    both = zip(told, shadow, units, strict=True)
    return [
        pair({"prediction": {}, "decision": a}, {"prediction": {}, "decision": b}, unit, i)
        for i, (a, b, unit) in enumerate(both)
    ]


def test_numbers_between_0_and_1_do_not_agree_just_because_they_are_small():
    rng = np.random.default_rng(3)
    told = rng.uniform(0.0, 1.0, 400)
    assert agreement(decided(told, rng.permutation(told)), Terms(alike=0.9)).check.status == Status.FAIL
    assert agreement(decided(told, told + 0.01), Terms(alike=0.9)).check.status == Status.PASS


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_agreement_does_not_depend_on_the_unit_of_the_prediction(scale):
    rng = np.random.default_rng(4)
    told = rng.normal(size=300)
    shadow = told + rng.normal(scale=0.1, size=300)
    assert (
        agreement(decided(told * scale, shadow * scale), Terms(alike=0.5)).share
        == agreement(decided(told, shadow), Terms(alike=0.5)).share
    )


def test_rows_of_one_unit_do_not_count_as_many():
    told, shadow = ["yes"] * 400, ["yes"] * 380 + ["no"] * 20
    apart = agreement(decided(told, shadow), Terms(alike=0.9)).check
    few = agreement(decided(told, shadow, [f"u{i // 20}" for i in range(400)]), Terms(alike=0.9)).check
    assert few.interval.high - few.interval.low > 2 * (apart.interval.high - apart.interval.low)
    assert (apart.status, few.status) == (Status.PASS, Status.UNANSWERED)


def test_what_a_shadow_could_not_answer_is_disagreement():
    rows = [pair({"prediction": {"p": 0.5}, "decision": "yes"}, {"failed": True}, f"u{i}", i) for i in range(100)]
    found = agreement(rows, Terms(alike=0.9))
    assert (found.check.status, found.n_failed) == (Status.FAIL, 100)
    assert "The shadow could not answer 100 rows." in found.notes


def test_truth_values_are_no_numbers():
    told, shadow = [True, False] * 50, [False, True] * 50
    assert agreement(decided(told, shadow), Terms(alike=0.9)).share == 0.0


def test_a_shadow_within_twice_the_champions_time_is_fast_enough():
    found = agreement(timed(lambda _: 5.0, lambda _: 3.0), Terms(alike=0.9)).latency
    assert (found.name, found.status, found.value) == ("release.latency", Status.PASS, 5.0)
    assert "0.0% of 400 requests took longer than 6 ms, 2 times the champion's" in found.says
    slow = agreement(timed(lambda _: 6.5, lambda _: 3.0), Terms(alike=0.9)).latency
    assert slow.status == Status.FAIL
    assert "release.max_slowdown" in slow.fix
    assert (
        agreement(timed(lambda _: 6.5, lambda _: 3.0), Terms(alike=0.9, max_slowdown=3.0)).latency.status == Status.PASS
    )


def test_the_pages_limit_counts_where_there_is_one():
    fast, slow = (timed(lambda _, ms=ms: ms, lambda _: 1.0) for ms in (15.0, 25.0))
    terms = Terms(alike=0.9, limit_ms=20.0)
    assert agreement(fast, terms).latency.status == Status.PASS
    assert agreement(slow, terms).latency.status == Status.FAIL
    assert agreement(timed(lambda _: 15.0, None), terms).latency.status == Status.PASS


def test_less_than_a_millisecond_is_always_fast_enough():
    found = agreement(timed(lambda _: 0.9, lambda _: 0.05), Terms(alike=0.9)).latency
    assert found.status == Status.PASS
    assert "1 ms, which is always let pass" in found.says


@pytest.mark.parametrize(("every", "status"), [(50, Status.PASS), (20, Status.UNANSWERED), (8, Status.FAIL)])
def test_five_in_a_hundred_may_be_slow_and_near_that_nothing_is_said(every, status):
    rows = timed(lambda i: 30.0 if i % every == 0 else 2.0, lambda _: 2.0, n=800)
    assert agreement(rows, Terms(alike=0.9)).latency.status == status


def test_a_request_of_many_rows_is_timed_once():
    assert agreement(timed(lambda _: 2.0, lambda _: 2.0, n=40, n_rows=10), Terms(alike=0.9)).latency.n_rows is None
    assert agreement(timed(lambda _: 2.0, lambda _: 2.0, n=80, n_rows=5), Terms(alike=0.9)).latency.n_rows == 80


def test_what_was_not_timed_is_not_fast():
    untimed = agreement(decided(["yes"] * 300, ["yes"] * 300), Terms(alike=0.9)).latency
    assert (untimed.status, untimed.says) == (Status.UNANSWERED, "0 requests were timed; 60 are asked for")
    alone = agreement(timed(lambda _: 2.0, None), Terms(alike=0.9)).latency
    assert alone.status == Status.UNANSWERED
    assert "limits.latency_ms_p95" in alone.fix


REQUEST = (
    {"name": "age", "kind": "number", "columns": ["age"], "options": {}},
    {"name": "job", "kind": "category", "columns": ["job"], "options": {}},
)


def told_of(inputs, alike):
    rows = decided(["yes"] * len(inputs), ["yes" if ok else "no" for ok in alike])
    return [(a._replace(inputs=json.dumps(row).encode()), b) for (a, b), row in zip(rows, inputs, strict=True)]


def sliced(*where, request=REQUEST):
    parts = [SlicePart(name=f"slice {i}", where=one) for i, one in enumerate(where)]
    return Terms(alike=0.5, slices=Slices(parts=parts, request=request))


def test_disagreement_is_told_by_the_slices_that_the_page_declares():
    inputs = [{"age": i % 100, "job": "clerk"} for i in range(400)]
    found = agreement(told_of(inputs, [row["age"] >= 20 for row in inputs]), sliced("age >= 20", "age < 30"))
    assert [(check.name, check.value, check.n_rows) for check in found.slices] == [
        ("release.agreement.slice 1", pytest.approx(1 / 3), 120), ("release.agreement.slice 0", 1.0, 320),
    ]  # fmt: skip
    assert {check.status for check in found.slices} == {Status.NOTE}
    assert not any("clerk" in note for note in found.notes)


def test_without_slices_it_is_told_by_values():
    inputs = [{"age": 1, "job": "clerk" if i % 2 else "baker"} for i in range(200)]
    found = agreement(told_of(inputs, [row["job"] == "baker" for row in inputs]), Terms(alike=0.5))
    assert found.slices == ()
    assert "Where job is 'clerk' they agree in 0% of 100 rows." in found.notes


def test_slices_read_the_log_as_the_model_does():
    inputs = [{"age": str(i % 100) if i % 2 else i % 100, "job": " clerk "} for i in range(400)]
    found = agreement(told_of(inputs, [True] * 400), sliced("age < 50 and job = 'clerk'"))
    assert [check.n_rows for check in found.slices] == [200]


def test_a_slice_over_a_column_that_the_log_lacks_or_hides_is_said_to_be_unknown():
    inputs = [{"age": {"hash": "aa"}, "job": "clerk"} for _ in range(100)]
    found = agreement(told_of(inputs, [True] * 100), sliced("age < 50", "town = 'Ulm'"))
    assert found.slices == ()
    assert [note for note in found.notes if note.startswith("On the slice 'slice 0' nothing can be told")]
    assert [note for note in found.notes if note.startswith("On the slice 'slice 1' nothing can be told")]


@pytest.mark.parametrize("where", ["job", "sum(age) > 3", "age <", "mine = 1"])
def test_a_slice_that_answers_nothing_stops_nobody(where):
    request = (*REQUEST, {"name": "mine", "kind": "a kind of mine", "columns": ["mine"], "options": {}})
    inputs = [{"age": i, "job": "clerk", "mine": 1} for i in range(100)]
    found = agreement(told_of(inputs, [True] * 100), sliced(where, request=request))
    assert found.slices == ()
    assert found.notes[-1].startswith("On the slice 'slice 0' nothing can be told") or found.notes[0].startswith("On")


def test_a_slice_may_ask_for_what_the_page_derives():
    age = Feature(name="age", kind="number", columns=["age"])
    [adult] = derive({"adult": "age >= 18"}, [age], {"age": pl.Int64()})
    formula = {"name": adult.name, "kind": adult.kind, "columns": adult.columns, "options": adult.options}
    inputs = [{"age": i % 36, "job": "clerk"} for i in range(360)]
    found = agreement(told_of(inputs, [True] * 360), sliced("adult = 1", request=(*REQUEST, formula)))
    assert [check.n_rows for check in found.slices] == [180]


def test_a_slice_of_a_few_rows_says_so():
    inputs = [{"age": i, "job": "clerk"} for i in range(100)]
    (check,) = agreement(told_of(inputs, [True] * 100), sliced("age < 9")).slices
    assert (check.status, check.value) == (Status.NOTE, None)
    assert "9 rows: too few to tell" in check.says
