"""What is wrong with a body is told by its place and by what this route takes, in few words."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.server import wire
from mulle.server.problem import Problem

ROUTES = {
    "predict": wire.predict_request,
    "explain": wire.explain_request,
    "feedback": wire.feedback_request,
    "infer": wire.infer_request,
}


def refused(route, body):
    with pytest.raises(Problem) as problem:
        ROUTES[route](body)
    return problem.value


@pytest.mark.parametrize(
    ("route", "body", "where"),
    [
        ("predict", b'{"row":{"age":1,"job":{"a":1}}}', "row 0, column 'job'"),
        ("predict", b'{"rows":[{"age":1},{"age":1,"job":[[1]]}]}', "row 1, column 'job'"),
        ("predict", b'{"row":{"age":1,"job":[true]}}', "row 0, column 'job'"),
        ("predict", b'{"row":{"age":1,"job":1e400}}', "row 0, column 'job'"),
        ("predict", b'{"row":{"age":1,"job":' + b"9" * 5_000 + b"}}", "row 0, column 'job'"),
        ("predict", b'{"row":{"age":{}},"oh', "body, row, one of them"),
        ("predict", b'{"row":[1]}', "body, row"),
        ("explain", b'{"row":{"a":1},"against":{"b":{}}}', "against, column 'b'"),
        ("explain", b'{"row":{"a":1},"output":1}', "body, output"),
        ("feedback", b'{"prediction_id":"1","values":{"' + b"x" * 100 + b'":1}}', "body, a name in values"),
        ("feedback", b'{"prediction_id":"1","values":{"x":"s"}}', "body, values, one of them"),
        ("infer", b'{"inputs":[{"name":"a"}]}', "body, inputs[0]"),
    ],
)
def test_a_wrong_value_is_told_by_its_place(route, body, where):
    assert refused(route, body).where == where


@pytest.mark.parametrize(
    ("route", "word"), [("predict", "rows"), ("explain", '"row"'), ("feedback", "outcome"), ("infer", "datatype")]
)
def test_each_route_says_what_it_takes_itself(route, word):
    fix = refused(route, b"{}" if route != "predict" else b'{"rows":1}').fix
    assert word in fix
    assert ("rows" in fix) is (route == "predict")


@pytest.mark.parametrize("route", ["predict", "explain", "feedback"])
def test_a_long_name_does_not_come_back_whole(route):
    problem = refused(route, b'{"' + b"x" * 500_000 + b'":1}')
    assert len(problem.body()) < 1_000


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists, max_leaves=60), st.text())
def test_depth_is_counted_outside_of_texts(held, text):
    wire._refuse_depth(json.dumps([held, text, '[[["{{'] * 2, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("deep", [32, 33, 990])
def test_a_body_may_be_nested_32_deep(deep):
    body = b'{"inputs":[],"more":' + b"[" * (deep - 1) + b"]" * (deep - 1) + b"}"
    if deep <= wire.DEEPEST:
        assert isinstance(wire.infer_request(body), msgspec.Struct)
    else:
        assert refused("infer", body).status == 400
