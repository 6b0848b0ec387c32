"""Dataclasses to plain JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.jsonable import Json, from_json, indented, to_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Leaf:
    name: str
    weight: float = 0.0


@dataclass(frozen=True)
class Tree:
    leaves: Sequence[Leaf]
    means: tuple[tuple[float, ...], ...] = ()
    words: Sequence[str] = ()
    colour: Colour | None = None
    best: Leaf | None = None
    named: Mapping[str, Leaf] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)


numbers = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.builds(Leaf, st.text(max_size=5), numbers)
trees = st.builds(
    Tree,
    st.lists(leaves, max_size=3).map(tuple),
    st.lists(st.lists(numbers, max_size=3).map(tuple), max_size=3).map(tuple),
    st.lists(st.text(max_size=3), max_size=3).map(tuple),
    st.none() | st.just(Colour.RED),
    st.none() | leaves,
    st.dictionaries(st.text(max_size=3), leaves, max_size=3),
    st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=3), max_size=3),
)


@given(trees)
def test_what_was_written_is_read_back(tree: Tree) -> None:
    assert from_json(Tree, json.loads(json.dumps(to_json(tree)))) == tree


@pytest.mark.parametrize("values", [[1.0, np.nan], [np.inf, 2.0], [1, np.nan], np.array([1.0, np.nan])])
def test_what_is_no_number_is_nothing_wherever_it_stands(values: Sequence[float]) -> None:
    written = to_json({"all": values, "one": float("nan"), "within": [values, "word"]})
    assert written["one"] is None
    assert [v is None for v in written["all"]] == [not np.isfinite(v) for v in values]
    assert written["within"][0] == written["all"]


def test_values_of_other_libraries_become_plain_ones_within_lists_too() -> None:
    written = to_json([np.int64(1), np.float64(2.5), np.bool_(True), datetime(2020, 1, 2, tzinfo=UTC), {"b"}])
    assert written == [1, 2.5, True, "2020-01-02T00:00:00+00:00", ["b"]]
    assert [type(v) for v in written[:3]] == [int, float, bool]


def test_lists_within_a_list_of_anything_become_tuples() -> None:
    held = from_json(Tree, {"leaves": [], "options": {"a": [1, ["x", 2.0], {"b": 3}]}})
    assert held.options == {"a": (1, ("x", 2.0), {"b": 3})}


def test_a_whole_number_stays_one_where_a_number_is_asked() -> None:
    held = from_json(Tree, {"leaves": [{"name": "a", "weight": 1}], "means": [[1, 2.0]]})
    assert (type(held.leaves[0].weight), type(held.means[0][0])) == (int, int)


def test_fields_that_nobody_knows_are_let_be_and_absent_ones_take_their_default() -> None:
    assert from_json(Leaf, {"name": "a", "old": 1}) == Leaf("a")


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json([object()])


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=5),
    lambda held: st.lists(held, max_size=4) | st.dictionaries(st.text(max_size=3), held, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_indented_text_is_that_of_the_standard_library(value: Json) -> None:
    assert indented(value) == json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)


@pytest.mark.parametrize("value", [[float("nan")], {"a": [1, {"b": float("inf")}]}])
def test_numbers_that_json_does_not_know_are_not_written(value: Json) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        indented(value)
