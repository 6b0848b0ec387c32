"""Whether a shadow decides alike: by the champion's own spread, over units."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mulle.core.check import Status
from mulle.operate.release.agreement import agreement
from mulle.store.log import Row


def pair(told, shadow, unit, i):
    def row(output, arm):
        return Row(f"p{i}", 1.0, "b", 0, arm, 1.0, "", unit, b'{"job": "clerk"}', json.dumps(output).encode())

    return row(told, "champion"), row(shadow, "shadow")


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
    assert agreement(decided(told, rng.permutation(told)), 0.9).check.status == Status.FAIL
    assert agreement(decided(told, told + 0.01), 0.9).check.status == Status.PASS


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_agreement_does_not_depend_on_the_unit_of_the_prediction(scale):
    rng = np.random.default_rng(4)
    told = rng.normal(size=300)
    shadow = told + rng.normal(scale=0.1, size=300)
    assert agreement(decided(told * scale, shadow * scale), 0.5).share == agreement(decided(told, shadow), 0.5).share


def test_rows_of_one_unit_do_not_count_as_many():
    told, shadow = ["yes"] * 400, ["yes"] * 380 + ["no"] * 20
    apart = agreement(decided(told, shadow), 0.9).check
    few = agreement(decided(told, shadow, [f"u{i // 20}" for i in range(400)]), 0.9).check
    assert few.interval.high - few.interval.low > 2 * (apart.interval.high - apart.interval.low)
    assert (apart.status, few.status) == (Status.PASS, Status.UNANSWERED)


def test_what_a_shadow_could_not_answer_is_disagreement():
    rows = [pair({"prediction": {"p": 0.5}, "decision": "yes"}, {"failed": True}, f"u{i}", i) for i in range(100)]
    found = agreement(rows, 0.9)
    assert (found.check.status, found.n_failed) == (Status.FAIL, 100)
    assert "The shadow could not answer 100 rows." in found.notes


def test_truth_values_are_no_numbers():
    told, shadow = [True, False] * 50, [False, True] * 50
    assert agreement(decided(told, shadow), 0.9).share == 0.0
