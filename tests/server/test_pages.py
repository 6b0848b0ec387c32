"""The routes beside the hot path: why, about, the description, the pages, and the Open Inference Protocol."""

from __future__ import annotations

import json
import time
from threading import Event, Thread

import pytest

from mulle.server import site
from mulle.server.explain import MOST_WAITING
from mulle.server.guard import Guard
from mulle.server.keys import KeyFile, Keys
from mulle.server.limits import Limits

from .pages_fixtures import ROW, make_bundle, running  # noqa: TID252  # tests have no package to be named by


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("pages") / "toy")


@pytest.fixture(scope="module")
def server(bundle):
    with running(bundle) as held:
        yield held


def counted(server, name):
    lines = [line for line in server.ask("/metrics")[1].splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


# ------------------------------------------------------------------------------------------------ why


def test_an_explanation_adds_up_to_what_predict_answers(server):
    _, answer, _ = server.ask("/v1/predict", {"row": ROW})
    status, why, _ = server.ask("/v1/explain", {"row": ROW})
    assert status == 200
    assert why["score"] == answer["prediction"]["probability_yes"]
    assert why["base"] + sum(held["effect"] for held in why["effects"]) == pytest.approx(why["score"], abs=1e-9)
    assert why["decision"] == answer["decision"]
    assert (why["bundle"], why["arm"], why["version"]) == (answer["bundle"], answer["arm"], answer["version"])
    assert why["parameters"] == {"threshold": 0.5}
    assert {held["feature"] for held in why["effects"]} == {"age", "job", "home", "since"}


def test_what_is_told_to_change_the_decision_does(server):
    _, why, _ = server.ask("/v1/explain", {"row": ROW})
    assert why["changes"]
    for held in why["changes"]:
        _, answer, _ = server.ask("/v1/predict", {"row": {**ROW, held["column"]: held["to"]}})
        assert answer["decision"] == held["decision"] != why["decision"]


def test_it_compares_with_the_row_that_is_given(server):
    _, why, _ = server.ask("/v1/explain", {"row": ROW, "against": {**ROW, "age": 20}})
    assert [held["feature"] for held in why["effects"]] == ["age"]
    assert why["origin"] == "the row that was given"


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"row": {**ROW, "age": "old"}}, 422, "row 0, column 'age'"),
        ({"row": {"age": 3}}, 422, "row 0"),
        ({"row": ROW, "output": "nope"}, 422, "body, output"),
        ({"row": ROW, "against": {"age": "old"}}, 422, "row 0, column 'age'"),
        ({"rows": [ROW]}, 422, "body"),
        ({"row": ROW, "more": 1}, 422, "body"),
        (b'{"row": {}, "row": {}}', 400, "body"),
        (b'{"row": {"age": NaN}}', 400, "body"),
    ],
)
def test_a_question_that_can_not_be_answered_is_refused_with_its_place(server, body, status, where):
    told, problem, headers = server.ask("/v1/explain", body)
    assert (told, problem["where"]) == (status, where)
    assert headers["content-type"] == "application/problem+json"
    assert problem["fix"] if status == 400 or "fix" in problem else True


def test_questions_count_against_the_limit_of_what_may_wait(bundle):
    with running(bundle, limits=Limits(at_once=0, refusal_s=0.0)) as server:
        status, problem, headers = server.ask("/v1/explain", {"row": ROW})
    assert status == 503
    assert headers["retry-after"] == "1"
    assert problem["detail"].startswith("the server has as many requests")


def test_a_crowd_that_asks_why_leaves_room_for_predictions(server):
    n, told = 3 * MOST_WAITING, []
    threads = [Thread(target=lambda: told.append(server.ask("/v1/explain", {"row": ROW})[0])) for _ in range(n)]
    for thread in threads:
        thread.start()
    assert server.ask("/v1/predict", {"row": ROW})[0] == 200
    for thread in threads:
        thread.join()
    assert set(told) <= {200, 503}
    assert told.count(200) >= MOST_WAITING


def test_the_loop_turns_while_explanations_are_worked_out(server):
    """The probe is answered between: no explanation, whole, stands before it."""
    began = time.perf_counter()
    server.ask("/v1/explain", {"row": ROW})
    alone = time.perf_counter() - began
    stop, asked = Event(), []

    def keep_asking():
        while not stop.is_set():
            asked.append(server.ask("/v1/explain", {"row": ROW})[0])

    threads = [Thread(target=keep_asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    waited = []
    for _ in range(40):
        began = time.perf_counter()
        assert server.ask("/livez")[0] == 200
        waited.append(time.perf_counter() - began)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(asked) == {200}
    assert sorted(waited)[20] < max(4 * alone, 0.1)


def test_words_that_training_never_saw_are_counted_where_all_are_known(server):
    before = counted(server, "mulle_unseen_values_total{")
    server.ask("/v1/predict", {"row": {**ROW, "job": "astronaut"}})
    server.ask("/v1/predict", {"row": {**ROW, "job": None}})
    server.ask("/v1/predict", {"row": ROW})
    assert counted(server, 'mulle_unseen_values_total{column="job"}') == before + 1


# ------------------------------------------------------------------------------------------------ pages


def test_about_tells_what_is_served_and_what_is_usual(server, bundle):
    status, told, _ = server.ask("/v1/about")
    assert status == 200
    assert (told["name"], told["goal"]) == ("toy", "Call those who would come")
    assert (told["stamp"], told["bundle"]) == ("draft", bundle.hash[:16])
    columns = {held["name"]: held for held in told["columns"]}
    assert list(columns) == list(bundle.columns)
    assert columns["job"]["levels"][0] == ["clerk", 246]
    assert columns["since"]["whole"] is True


@pytest.mark.parametrize("path", [*site.PAGES, *(f"/pages/{name}" for name in site.ASSETS)])
def test_pages_are_safe_cached_and_found_unchanged(server, path):
    status, body, headers = server.ask(path)
    assert status == 200
    assert body
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask(path, headers={"If-None-Match": headers["etag"]})[:2] == (304, "")
    assert server.ask(path, headers={"If-None-Match": '"other"'})[0] == 200


@pytest.mark.parametrize("path", site.PAGES)
def test_a_page_asks_nobody_but_this_server_and_holds_no_script_of_its_own(server, path):
    page = server.ask(path)[1]
    assert "http" not in page.replace("http-equiv", "")
    assert "<style" not in page
    assert " on" not in page.partition("<body")[2].replace(" on ", "")
    assert 'style="' not in page


def test_the_files_of_a_page_are_named_by_their_content(server):
    page = server.ask("/")[1]
    assert "?v=" in page
    assert '?v="' not in page
    assert "immutable" in server.ask("/pages/form.js")[2]["cache-control"]


def test_a_page_holds_no_data_and_needs_no_key_but_what_it_asks_does(bundle, tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    secret = file.add("web", scopes=("predict", "explain"))
    guard = Guard(keys=Keys(tmp_path / "keys.json", needed=True))
    with running(bundle, guard=guard) as server:
        assert server.ask("/")[0] == 200
        assert server.ask("/v1/about")[0] == 401
        told = server.ask("/openapi.json")
        assert told[0] == 200
        assert "smith" not in str(told[1])
        with_key = {"Authorization": f"Bearer {secret}"}
        assert server.ask("/v1/about", headers=with_key)[0] == 200
        assert server.ask("/v1/explain", {"row": ROW}, headers=with_key)[0] == 200
        assert server.ask("/v1/explain", {"row": ROW})[0] == 401


def test_a_method_that_a_path_does_not_take_is_told_those_that_it_does(server):
    status, _, headers = server.ask("/v1/explain", method="GET")
    assert (status, headers["allow"]) == (405, "POST")
    assert server.ask("/v2/models/toy/infer", method="GET")[2]["allow"] == "POST"
    assert server.ask("/v2/models/toy/ready", {}, method="POST")[2]["allow"] == "GET"


# ------------------------------------------------------------------------------------------------ protocol


def tensors(rows, column=False):
    shape = [len(rows), 1] if column else [len(rows)]
    types = {"age": "INT64", "lat": "FP64", "lon": "FP64", "keen": "BOOL"}
    return [
        {"name": name, "datatype": types.get(name, "BYTES"), "shape": shape, "data": [row[name] for row in rows]}
        for name in rows[0]
    ]


ROWS = [ROW, {**ROW, "age": 70, "job": None}, {**ROW, "keen": False, "job": "clerk"}]


@pytest.mark.parametrize("column", [False, True])
def test_both_protocols_answer_alike(server, column):
    _, ours, _ = server.ask("/v1/predict", {"rows": ROWS})
    status, theirs, _ = server.ask("/v2/models/toy/infer", {"id": "7", "inputs": tensors(ROWS, column)})
    assert status == 200
    outputs = {held["name"]: held for held in theirs["outputs"]}
    assert outputs["probability_yes"]["data"] == [held["prediction"]["probability_yes"] for held in ours["predictions"]]
    assert outputs["decision"]["data"] == [held["decision"] for held in ours["predictions"]]
    assert (outputs["decision"]["datatype"], outputs["decision"]["shape"]) == ("BYTES", [3])
    assert (theirs["id"], theirs["model_name"]) == ("7", "toy")
    assert len(theirs["parameters"]["prediction_ids"].split(",")) == 3


def test_nested_data_of_one_column_is_read(server):
    inputs = [{**held, "data": [[value] for value in held["data"]]} for held in tensors(ROWS, column=True)]
    assert server.ask("/v2/models/toy/infer", {"inputs": inputs})[0] == 200


def test_only_the_outputs_that_are_asked_for_come(server):
    body = {"inputs": tensors(ROWS), "outputs": [{"name": "decision"}]}
    assert [held["name"] for held in server.ask("/v2/models/toy/infer", body)[1]["outputs"]] == ["decision"]


def test_the_model_tells_of_itself(server, bundle):
    _, told, _ = server.ask("/v2/models/toy")
    assert told["versions"] == [bundle.hash[:16]]
    assert {"name": "keen", "datatype": "BOOL", "shape": [-1]} in told["inputs"]
    assert [held["name"] for held in told["outputs"]] == ["probability_yes", "decision"]
    by_version = f"/v2/models/toy/versions/{bundle.hash[:16]}"
    assert server.ask(by_version)[1] == told
    assert server.ask(f"{by_version}/ready")[1] == {"ready": True}
    assert server.ask(f"{by_version}/infer", {"inputs": tensors(ROWS)})[0] == 200
    assert server.ask("/v2/health/live")[1] == {"live": True}
    assert server.ask("/v2/health/ready")[1] == {"ready": True}
    assert server.ask("/v2")[1]["name"] == "mulle"


def test_the_same_key_is_answered_the_same_in_this_protocol_too(server):
    asked, key = {"id": "7", "inputs": tensors(ROWS)}, {"Idempotency-Key": "order-8"}
    first, again = (server.ask("/v2/models/toy/infer", asked, headers=key) for _ in range(2))
    assert first[:2] == again[:2]
    other = server.ask("/v2/models/toy/infer", {"inputs": tensors(ROWS[:1])}, headers=key)
    assert (other[0], list(other[1])) == (409, ["error"])
    assert server.ask("/v2/models/toy/infer", asked)[1]["parameters"] != first[1]["parameters"]


def spoilt(**changes):
    first, *rest = tensors(ROWS)
    return {"inputs": [{**first, **changes}, *rest]}


def with_more(raw):
    """Return a good body with a field that the protocol doesn't name, as raw JSON."""
    return json.dumps({"inputs": tensors(ROWS)}).encode()[:-1] + b',"more":' + raw + b"}"


@pytest.mark.parametrize("raw", [b"7" * 5_000, b"[[[[1]]]]", b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\""'])
def test_a_field_that_the_protocol_does_not_name_is_left_alone_whatever_it_holds(server, raw):
    assert server.ask("/v2/models/toy/infer", with_more(raw))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/models/other", None, 404),
        ("/v2/models/toy/versions/1", None, 404),
        ("/v2/models/toy/more", None, 404),
        ("/v2/nothing", None, 404),
        ("/v2/models/toy/infer", {"inputs": []}, 422),
        ("/v2/models/toy/infer", {"inputs": tensors(ROWS)[:-1]}, 422),
        ("/v2/models/toy/infer", {"inputs": tensors(ROWS) * 2}, 422),
        ("/v2/models/toy/infer", spoilt(shape=[2]), 422),
        ("/v2/models/toy/infer", spoilt(shape=[3, 2]), 422),
        ("/v2/models/toy/infer", spoilt(datatype="COMPLEX"), 422),
        ("/v2/models/toy/infer", spoilt(data=[1, 2]), 422),
        ("/v2/models/toy/infer", spoilt(data=["a", 1, 2]), 422),
        ("/v2/models/toy/infer", spoilt(data=[[1], 1, 2], shape=[3, 1]), 422),
        ("/v2/models/toy/infer", {"inputs": tensors(ROWS), "outputs": [{"name": "x"}]}, 422),
        ("/v2/models/toy/infer", {"inputs": tensors(ROWS), "parameters": {"unit": True}}, 422),
        ("/v2/models/toy/infer", b"{", 400),
        ("/v2/models/toy/infer", with_more(b"[" * 33 + b"]" * 33), 400),
        ("/v2/models/toy/infer", with_more(b"[" * 900 + b"]" * 900), 400),
        ("/v2/models/toy/infer", with_more(b"[" * 985 + b"]" * 985), 400),
        ("/v2/models/toy/infer", with_more(b'{"a":1,"a":2}'), 400),
    ],
)
def test_what_can_not_be_answered_is_told_in_the_protocol_s_own_form(server, path, body, status):
    told, answer, headers = server.ask(path, body)
    assert (told, list(answer)) == (status, ["error"])
    assert headers["content-type"] == "application/json"


def test_more_rows_than_the_limit_are_refused_in_either_protocol(bundle):
    with running(bundle, limits=Limits(rows=2)) as server:
        assert server.ask("/v1/predict", {"rows": ROWS})[0] == 413
        assert server.ask("/v2/models/toy/infer", {"inputs": tensors(ROWS)})[0] == 413
