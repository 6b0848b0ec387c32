"""A model that gives no number, raises or hangs while it serves: its own requests hear of it, the others don't."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mulle.export.bundle import GraphPart
from mulle.export.graph import Graph
from mulle.server.stall import EXIT, Stall

from .live import ROW, live  # noqa: TID252  # tests have no package to be named by


def odd_graph() -> bytes:
    """Return √(age + 100) + (age × 10¹⁰ − age × 10¹⁰), and an error for an age between 10⁶ and 10⁷."""
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 3]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    age = g.node("Gather", filled, g.const([0], np.int64), axis=1)
    large = g.node("Mul", age, g.const(1e10))
    nothing = g.node("Sub", large, large)
    root = g.node("Sqrt", g.node("Add", age, g.const(100.0)))
    bad = g.node("And", g.node("Greater", age, g.const(1e6)), g.node("Less", age, g.const(1e7)))
    none = g.node("Gather", g.const([0.0]), g.node("Mul", g.cast(bad, "int64"), g.const(5, np.int64)), axis=0)
    score = g.node("Add", g.node("Add", root, nothing), none)
    g.output(g.node("Sigmoid", score), "prediction", "double", [None, 1])
    return g.to_bytes()


@pytest.fixture(scope="module")
def odd(bundles, tmp_path_factory):
    with live(bundles("odd", graphs=[GraphPart(content=odd_graph())]), tmp_path_factory.mktemp("odd")) as one:
        yield one


def test_a_number_beyond_all_bounds_is_the_clients_mistake(odd):
    status, told, _ = odd.predict({"age": 1e308})
    assert (status, told["where"]) == (422, "row 0, column 'age'")
    assert "so large a number" in told["detail"]


@pytest.mark.parametrize("age", [-200, 5e6], ids=["no number", "raises"])
def test_a_model_that_fails_on_a_row_fails_on_that_row_alone(odd, age):
    def ask(i: int) -> int:
        return odd.predict({"age": age if i % 4 == 0 else 40})[0]

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(64)))
    assert statuses == [500 if i % 4 == 0 else 200 for i in range(64)]
    assert odd.ask("GET", "/readyz")[0] == 200


def test_what_the_model_said_of_its_failure_stays_here(odd):
    told = json.dumps(odd.predict({"age": 5e6})[1])
    assert "Gather" not in told
    assert "onnx" not in told.lower()


@pytest.mark.slow
def test_a_model_that_hangs_is_given_up_and_then_the_process_is(looping, tmp_path):
    with live(looping, tmp_path, limits={"answer_s": 1.0}) as one:
        _warm(one)
        assert one.predict({"age": 2e9})[0] == 504
        assert one.predict()[0] == 503
        assert one.ask("GET", "/readyz")[0] == 503
        assert one.ask("GET", "/livez")[0] == 200
        assert _until(lambda: one.ask("GET", "/livez")[0] == 503, 3)
        assert one.process.wait(10) == EXIT


@pytest.mark.slow
def test_a_model_that_comes_back_is_asked_again(looping, tmp_path):
    with live(looping, tmp_path, limits={"answer_s": 0.8}) as one:
        _warm(one)
        age = 1000.1
        while (status := one.predict({"age": age})[0]) == 200:
            age = 1000 + (age - 1000) * 1.4  # until it takes longer than a batch may, and not three times as long
        assert status == 504
        assert _until(lambda: one.predict()[0] == 200, 5)
        assert one.ask("GET", "/livez")[0] == 200
        assert b"mulle_stalled_total 1" in one.ask("GET", "/metrics")[1]


@pytest.mark.slow
def test_a_hang_on_the_event_loop_itself_ends_the_process(looping, tmp_path):
    with live(looping, tmp_path, limits={"answer_s": 0.5}) as one:
        for _ in range(30):  # so that the next one is expected to be quick, and runs on the loop
            assert one.predict()[0] == 200
        threading.Thread(target=lambda: _quietly(one), daemon=True).start()
        assert one.process.wait(10) == EXIT


@pytest.mark.slow
def test_an_explanation_that_hangs_is_given_up_and_predictions_go_on(looping, tmp_path):
    with live(looping, tmp_path, limits={"answer_s": 0.8}) as one:
        assert one.ask("POST", "/v1/explain", {"row": ROW})[0] == 200
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(one.ask, "POST", "/v1/explain", {"row": {**ROW, "age": 2e9}})
            time.sleep(0.3)
            behind = pool.submit(one.ask, "POST", "/v1/explain", {"row": ROW})
            assert (first.result()[0], behind.result()[0]) == (504, 504)
        began = time.monotonic()
        assert one.ask("POST", "/v1/explain", {"row": ROW})[0] == 503
        assert time.monotonic() - began < 0.5, "nobody else waits for it"
        assert one.predict()[0] == 200
        assert one.ask("GET", "/readyz")[0] == one.ask("GET", "/livez")[0] == 200
        assert one.stop() == EXIT


def _warm(one) -> None:
    """Let the server learn that this model is slow, so that it asks it on a thread of its own."""
    for _ in range(12):
        assert one.predict({"age": 1000.1})[0] == 200


def _quietly(one) -> None:
    try:
        one.predict({"age": 2e9})
    except OSError:
        return


def _until(holds, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_the_steps_of_a_stall_follow_the_time_that_a_batch_takes():
    stall = Stall(10.0)
    assert not stall.long
    for seconds, long, lost in ((5, False, False), (15, True, False), (25, True, True)):
        stall.began = time.monotonic() - seconds
        assert (stall.long, stall.lost) == (long, lost)


def test_whoever_watches_is_told_once_a_batch_and_ends_the_process_once():
    told, ended = [], threading.Event()
    stall = Stall(0.05)
    stall.began = time.monotonic()
    stall.watch(told=lambda: told.append(1), end=ended.set)
    assert ended.wait(5)
    assert told == [1]
