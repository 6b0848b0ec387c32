"""What a challenger can't do the champion does, and it is counted against the challenger."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import closing

import numpy as np
import pytest

from mulle.core.check import Status
from mulle.core.clock import now
from mulle.export.bundle import GraphPart
from mulle.export.graph import Graph
from mulle.operate.release.agreement import Terms, agreement
from mulle.operate.release.online import CANDIDATE, Metric, OnlineLog
from mulle.runtime import Bundle
from mulle.server.ask import Ask
from mulle.server.eager import Told
from mulle.server.hub import notifier
from mulle.server.problem import Problem
from mulle.server.served import Lineup, Served, Trial
from mulle.server.service import Service
from mulle.server.wire import PredictRequest
from mulle.store.log import Exposure, Log
from mulle.store.log.entry import CHALLENGER, CHAMPION, SHADOW
from mulle.store.log.history import Wanted, entries
from mulle.store.log.place import Place
from mulle.store.log.reading import SQLiteReader
from mulle.trials.assign import Arms, Assignment

ROW = {"age": 40, "job": "smith", "lat": 10.0, "lon": 20.0}
MOST = Trial(name="t", assign=Assignment("salt", Arms.of({CHAMPION: 0.0001, CHALLENGER: 0.9999})))


def failing_graph():
    """Return a graph that raises for every age above 0."""
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 3]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    age = g.node("Gather", filled, g.const([0], np.int64), axis=1)
    bad = g.cast(g.node("Greater", age, g.const(0.0)), "int64")
    none = g.node("Gather", g.const([0.0]), g.node("Mul", bad, g.const(5, np.int64)), axis=0)
    g.output(
        g.node("Sigmoid", g.node("Add", g.node("Mul", age, g.const(0.0)), none)), "prediction", "double", [None, 1]
    )
    return g.to_bytes()


@pytest.fixture
def failing(bundles, toy_maker):
    golden = toy_maker().golden
    rows = [row for row in golden.rows if row["age"] in (None, -50)]
    made = bundles("failing", graphs=[GraphPart(content=failing_graph())], golden=type(golden)(rows=rows))
    return Bundle.load(made)


@pytest.fixture
def stricter(bundles, toy_maker):
    """Return a bundle that needs one more column."""
    more = {"name": "fax", "kind": "number", "wire": "number", "columns": ["fax"], "options": {}, "step": None}
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 4]), g.input("strings", "string", [None, 1])
    g.output(g.node("Sigmoid", g.node("MatMul", numbers, g.const(np.zeros((4, 1))))), "prediction", "double", [None, 1])
    golden = toy_maker().golden
    rows = [{**row, "fax": 1.0, "age": 1.0, "lat": 0.0, "lon": 0.0} for row in golden.rows]
    made = bundles(
        "stricter",
        request=[*toy_maker().request, more],
        graphs=[GraphPart(content=g.to_bytes())],
        golden=type(golden)(rows=rows),
    )
    return Bundle.load(made)


def served(lineup, folder, *asked):
    """Ask a service in turn, and return what it told, or why it didn't."""

    async def ask():
        with Log.open(folder, tend=False, notify=notifier(asyncio.get_running_loop())) as log:
            service = Service(lineup=None, log=log)
            service.serve(lineup)
            told = []
            for one in asked:
                try:
                    told.append(json.loads(await service.predict(one)))
                except Problem as problem:
                    told.append(problem.status)
            while service.mirror._waiting or (service.mirror._task and not service.mirror._task.done()):
                await asyncio.sleep(0.01)
            service.close()
            return told

    return asyncio.run(ask())


def units(n, **row):
    return [PredictRequest(row={**ROW, **row}, unit=f"u{i}") for i in range(n)]


def trial(champion, challenger):
    return Lineup(champion=Served(champion), others={CHALLENGER: Served(challenger, CHALLENGER)}, trial=MOST)


@pytest.mark.parametrize("which", ["failing", "stricter"])
def test_the_champion_answers_and_the_failure_is_the_challengers(request, toy, tmp_path, which):
    began = now() - 1
    told = served(trial(toy, request.getfixturevalue(which)), tmp_path / "log", *units(20))
    assert {one["arm"] for one in told} == {CHAMPION}
    seen = OnlineLog(tmp_path / "log").trial("t", since=began)
    assert len(seen.arms[CANDIDATE].exposed) == 20
    assert seen.moments(Metric.named("failed"))[CANDIDATE].mean == 1.0


def test_many_rows_that_fail_together_are_one_failed_request(toy, stricter, tmp_path):
    asked = PredictRequest(rows=[ROW] * 150, unit="ann")
    (told,) = served(trial(toy, stricter), tmp_path / "log", asked)
    assert told["arm"] == CHAMPION
    assert len(told["predictions"]) == 150
    assert OnlineLog(tmp_path / "log").trial("t", since=0.0).moments(Metric.named("failed"))[CANDIDATE].mean == 1.0


def test_what_neither_can_read_is_its_senders_mistake(toy, stricter, tmp_path):
    assert served(trial(toy, stricter), tmp_path / "log", *units(3, age="forty")) == [422] * 3
    assert not OnlineLog(tmp_path / "log").trial("t", since=0.0).arms[CANDIDATE].failed


def exposures(folder):
    with closing(SQLiteReader(Place.of(folder))) as reader:
        return [one for chunk in entries(reader, Exposure, Wanted()) for one in chunk]


def test_a_unit_whose_first_request_was_refused_is_exposed_by_its_second(toy, failing, tmp_path):
    bad, good = units(1, age="forty")[0], units(1, age=-50)[0]
    told = served(trial(toy, failing), tmp_path / "log", bad, good, good)
    assert told[0] == 422
    assert {one["arm"] for one in told[1:]} == {CHALLENGER}
    assert [(one.unit, one.arm) for one in exposures(tmp_path / "log")] == [("u0", CHALLENGER)]


def test_a_shadow_that_fails_does_not_agree(toy, failing, tmp_path):
    lineup = Lineup(champion=Served(toy), shadow=Served(failing, SHADOW), shadow_share=1.0)
    told = served(lineup, tmp_path / "log", *units(5), PredictRequest(rows=[ROW] * 3, unit="ann"), *units(2, age=-50))
    assert {one["arm"] for one in told} == {CHAMPION}
    found = agreement(OnlineLog(tmp_path / "log").pairs(since=0.0), Terms(alike=0.9))
    assert (found.n, found.n_failed) == (10, 8)
    assert found.share <= 0.2


def test_shadow_and_champion_are_timed_on_the_same_requests(toy, tmp_path):
    lineup = Lineup(champion=Served(toy), shadow=Served(toy, SHADOW), shadow_share=1.0)
    served(lineup, tmp_path / "log", *units(80), PredictRequest(rows=[ROW] * 3, unit="ann"))
    pairs = OnlineLog(tmp_path / "log").pairs(since=0.0)
    told = [json.loads(shadow.output) for _, shadow in pairs]
    assert len(told) == 83
    assert all(one["ms"] > 0 and one["champion_ms"] > 0 for one in told)
    assert all(one["ms"] != one["champion_ms"] for one in told)
    found = agreement(pairs, Terms(alike=0.9, limit_ms=10_000.0)).latency
    assert (found.status, found.n_rows) == (Status.PASS, 81)
    assert {row.arm for row, _ in pairs} == {CHAMPION}  # timing the champion once more writes no row of its own


@pytest.mark.parametrize(("arm", "n"), [(CHALLENGER, 1), (CHAMPION, 0)])
def test_a_challenger_that_hangs_is_counted_too(toy, tmp_path, arm, n):
    async def hang():
        with Log.open(tmp_path / "log", tend=False, notify=notifier(asyncio.get_running_loop())) as log:
            service = Service(lineup=None, log=log)
            told = Told(loop=asyncio.get_running_loop())
            ask = Ask(Served(toy, arm), [ROW], told, True, "0a", "ann", 0.9999, "t")
            ask.exposure = Exposure("t", "ann", arm, 0.9999, now(), toy.hash[:16])
            service.engine._under_way = (ask,)
            service.engine.stall.began = time.monotonic() - 1e6
            service.engine.give_up()
            with pytest.raises(Problem, match="did not answer in time"):
                await told
            service.close()

    asyncio.run(hang())
    arms = OnlineLog(tmp_path / "log").trial("t", since=0.0).arms
    assert (len(arms[CANDIDATE].failed), len(arms[CANDIDATE].exposed)) == (n, n)
