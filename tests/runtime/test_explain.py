"""Why a row is scored as it is, and what would change it."""

from __future__ import annotations

import io
import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError, UnknownName
from mulle.export.bundle import Golden, GraphPart, write_bundle
from mulle.export.graph import Graph
from mulle.runtime import Bundle
from mulle.runtime.change import nearest
from mulle.runtime.explain import _orders, exact, groups, sampled

ROW = {"age": 60.0, "job": "smith", "lat": 10.0, "lon": 40.0}
TYPICAL = {"age": 20.0, "job": "clerk", "lat": 0.0, "lon": 0.0}


def by_definition(worth, n):
    """Average each player's contribution over all orders, as Shapley wrote it."""
    total = np.zeros(n)
    for order in permutations(range(n)):
        taken = 0
        for i in order:
            total[i] += worth[taken | 1 << i] - worth[taken]
            taken |= 1 << i
    return total / math.factorial(n)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_enumerated_values_are_those_of_the_definition(n, seed):
    worth = np.random.default_rng(seed).normal(size=2**n)
    assert exact(worth) == pytest.approx(by_definition(worth, n), abs=1e-12)


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_drawn_values_always_add_up(n, seed):
    rng = np.random.default_rng(seed)
    held = rng.normal(size=2**n)
    codes = 2 ** np.arange(n)
    values, _ = sampled(lambda taken: held[taken @ codes], _orders(n, 3, rng=rng), base=held[0], score=held[-1])
    assert values.sum() == pytest.approx(held[-1] - held[0], abs=1e-12)


def test_drawn_values_lie_within_their_standard_errors_of_the_exact_ones():
    n, codes, far = 7, 2 ** np.arange(7), []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        held = rng.normal(size=2**n)
        values, errors = sampled(
            lambda taken, held=held: held[taken @ codes], _orders(n, 40, rng=rng), base=held[0], score=held[-1]
        )
        far.extend((values - exact(held)) / errors)
    # of t with 39 degrees of freedom 4.9 % lie beyond 2; 420 draws, so within about 2 to 8 %
    assert 0.02 < np.mean(np.abs(far) > 2) < 0.08
    assert abs(np.mean(far)) < 0.2


def test_effects_and_base_add_up_to_the_prediction(toy):
    why = toy.explain(ROW, against=TYPICAL)
    assert why.base == toy.predict_one(TYPICAL).prediction[0]
    assert why.score == toy.predict_one(ROW).prediction[0]
    assert why.base + sum(held.effect for held in why.effects) == pytest.approx(why.score, abs=1e-9)
    assert why.exact
    assert {held.error for held in why.effects} == {0.0}


def test_the_columns_of_one_feature_are_explained_together(toy):
    why = toy.explain(ROW, against=TYPICAL)
    home = next(held for held in why.effects if held.feature == "home")
    assert home.value == {"lat": 10.0, "lon": 40.0}
    assert {held.feature for held in why.effects} == {"age", "job", "home"}


def test_effects_are_those_of_every_mixed_row(toy):
    parts = [("age",), ("job",), ("lat", "lon")]
    worth = []
    for code in range(8):
        taken = {name for i, part in enumerate(parts) if code >> i & 1 for name in part}
        worth.append(toy.predict_one({n: ROW[n] if n in taken else TYPICAL[n] for n in ROW}).prediction[0])
    truth = by_definition(worth, 3)
    found = {held.feature: held.effect for held in toy.explain(ROW, against=TYPICAL).effects}
    assert [found[name] for name in ("age", "job", "home")] == pytest.approx(truth, abs=1e-9)


def test_a_column_that_is_as_in_the_other_row_has_no_part(toy):
    assert [held.feature for held in toy.explain({**TYPICAL, "age": 21.0}, against=TYPICAL).effects] == ["age"]
    same = toy.explain(TYPICAL, against=TYPICAL)
    assert (list(same.effects), same.score) == ([], same.base)


def test_a_bundle_without_a_profile_is_explained_against_its_golden_rows(toy):
    why = toy.explain(ROW)
    assert why.origin == "typical values, from golden rows"
    assert why.compared_with["age"] is not None
    assert why.base + sum(held.effect for held in why.effects) == pytest.approx(why.score, abs=1e-9)


def test_what_would_change_the_decision_does(toy):
    why = toy.explain({"age": 5.0, "job": "clerk", "lat": 0.0, "lon": 0.0})
    assert why.decision == "no"
    assert why.changes
    for held in why.changes:
        again = toy.predict_one({"age": 5.0, "job": "clerk", "lat": 0.0, "lon": 0.0, held.column: held.to})
        assert (again.decision, again.prediction[0]) == (held.decision, pytest.approx(held.score, abs=1e-12))
        assert again.decision != why.decision


def test_a_missing_column_and_an_unknown_output_are_named(toy):
    with pytest.raises(DataError, match=r"column 'age' is missing\n[\s\S]*fix"):
        toy.explain({"job": "smith", "lat": 1, "lon": 1})
    with pytest.raises(UnknownName, match=r"output 'probability_no' is unknown[\s\S]*did you mean"):
        toy.explain(ROW, output="probability_no")


def wide_graph(n):
    g = Graph()
    numbers = g.input("numbers", "double", [None, n])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    weights = g.const(np.linspace(-1, 1, n)[:, None])
    pairs = g.node("Mul", g.node("Gather", filled, g.const([0], np.int64), axis=1), g.node("MatMul", filled, weights))
    g.output(pairs, "prediction", "double", [None, 1])
    return g.to_bytes()


def test_more_columns_are_sampled_still_add_up_and_tell_their_errors(toy_parts, tmp_path):
    n = 15
    names = [f"x{i}" for i in range(n)]
    entries = [
        {"name": m, "kind": "number", "wire": "number", "columns": [m], "options": {}, "step": None} for m in names
    ]
    rng = np.random.default_rng(3)
    row, typical = ({m: float(v) for m, v in zip(names, rng.normal(size=n), strict=True)} for _ in range(2))
    parts = toy_parts(request=entries, graphs=[GraphPart(content=wide_graph(n))], golden=Golden(rows=[row]), key=())
    bundle = write_bundle(tmp_path / "wide", parts)
    why = bundle.explain(row, against=typical)
    assert not why.exact
    assert max(held.error for held in why.effects) > 0
    assert why.base + sum(held.effect for held in why.effects) == pytest.approx(why.score, abs=1e-9)
    # with products of pairs alone, an order and its reverse together give the exact value: (Castro et al. 2009)
    weights, x, t = np.linspace(-1, 1, n), np.array(list(row.values())), np.array(list(typical.values()))
    own = {m: weights[i] * (x[i] - t[i]) * (x[0] + t[0]) / 2 for i, m in enumerate(names) if i}
    found = {held.feature: held.effect for held in why.effects if held.feature != "x0"}
    assert found == pytest.approx(own, abs=1e-9)
    assert why == bundle.explain(row, against=typical)


def number(name):
    return {"name": name, "kind": "number", "wire": "number", "columns": [name], "options": {}, "step": None}


def test_a_formula_is_worked_out_again_for_every_mixed_row(toy_parts, tmp_path):
    options = {
        "version": 1,
        "tree": ["div", ["column", "spend"], ["column", "months"]],
        "reads": [number("spend"), number("months")],
    }
    rate = {**number("rate"), "kind": "formula", "columns": ["spend", "months"], "options": options}
    g = Graph()
    numbers = g.input("numbers", "double", [None, 3])
    g.output(g.node("MatMul", numbers, g.const(np.array([[0.0], [0.0], [1.0]]))), "prediction", "double", [None, 1])
    row, typical = {"spend": 90.0, "months": 3.0}, {"spend": 20.0, "months": 10.0}
    parts = toy_parts(
        request=[number("spend"), number("months"), rate],
        graphs=[GraphPart(content=g.to_bytes())],
        golden=Golden(rows=[row]),
        key=(),
    )
    why = write_bundle(tmp_path / "f", parts).explain(row, against=typical)
    # rate: 2 typically, 9 with the spend alone, 6.67 with the months alone, 30 with both
    found = {held.feature: held.effect for held in why.effects}
    assert found == pytest.approx({"spend": (7 + 30 - 20 / 3) / 2, "months": (20 / 3 - 2 + 30 - 9) / 2}, abs=1e-9)


def test_a_picture_takes_no_part(toy_parts, tmp_path):
    from PIL import Image

    def png(shade):
        out = io.BytesIO()
        Image.new("L", (4, 4), shade).save(out, "PNG")
        return out.getvalue()

    decode = {"op": "decode", "version": 1, "size": [2, 2], "channels": 1, "width": 4}
    entry = {"name": "image", "kind": "image", "wire": "bytes", "columns": ["image"], "options": {}, "step": decode}
    g = Graph()
    mean = g.node("ReduceMean", g.input("tensor_0", "float", [None, 4]), g.const([1], "int64"), keepdims=1)
    both = g.node("Add", g.cast(mean, "double"), g.input("numbers", "double", [None, 1]))
    g.output(both, "prediction", "double", [None, 1])
    rows = [{"image": png(255), "age": 3.0}, {"image": png(0), "age": 1.0}]
    parts = toy_parts(
        request=[entry, number("age")], graphs=[GraphPart(content=g.to_bytes())], golden=Golden(rows=rows), key=()
    )
    why = write_bundle(tmp_path / "i", parts).explain(rows[0])
    assert [(held.feature, held.effect) for held in why.effects] == [("age", pytest.approx(2.0, abs=1e-9))]
    assert why.base + 2.0 == pytest.approx(why.score, abs=1e-9)


def test_a_formula_s_columns_stand_for_themselves_and_many_stand_together():
    def made(columns):
        plain = [{"name": c, "kind": "number", "columns": [c]} for c in columns]
        return [*plain, {"name": "f", "kind": "formula", "columns": columns}]

    assert [group.columns for group in groups(made(["a", "b"]))] == [("a",), ("b",)]
    assert [group.columns for group in groups(made(list("abcde")))] == [tuple("abcde")]


def test_the_nearest_value_is_found_between_the_grid_s():
    def decide(rows):
        return [("rich" if row["gain"] >= 5_178 else "poor", 0.5) for row in rows]

    column = {"kind": "number", "low": 0, "high": 15_000, "whole": True}
    ((name, to, decision, _),) = nearest({"gain": 0}, {"gain": column}, "poor", decide)
    assert (name, decision) == ("gain", "rich")
    assert 5_178 <= to <= 5_178 + 15_000 / 24 / 12 + 1


def test_dates_and_words_are_tried_too():
    def decide(rows):
        return [("new" if row["since"] >= "2024-01-01" or row["plan"] == "gold" else "old", 0.5) for row in rows]

    columns = {
        "since": {"kind": "datetime", "low": "2020-01-01", "high": "2025-01-01", "whole": True},
        "plan": {"kind": "category", "levels": [["basic", 90], ["gold", 12], ["red", 11]]},
    }
    found = nearest({"since": "2023-06-01", "plan": "basic"}, columns, "old", decide)
    assert [(name, to[:7]) for name, to, _, _ in found] == [("since", "2024-01"), ("plan", "gold")]


def test_a_number_that_is_decided_on_has_no_decision_to_flip(toy_parts, tmp_path):
    def same():
        g = Graph()
        g.output(
            g.node("Reshape", g.input("score", "double", [None, 1]), g.const([-1], np.int64)),
            "decision",
            "double",
            [None],
        )
        return g.to_bytes()

    from mulle.export.bundle import PolicyPart

    policy = PolicyPart(name="value", content=same(), decides="value")
    bundle = write_bundle(tmp_path / "n", toy_parts(classes=[], policy=policy, task="regression"))
    why = bundle.explain(ROW, against=TYPICAL)
    assert (why.scale, list(why.changes)) == ("value", [])
    assert isinstance(bundle, Bundle)
