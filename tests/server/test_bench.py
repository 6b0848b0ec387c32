"""A challenger or a shadow that hangs costs nobody an answer: it is left alone, counted, and asked again when it is back."""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mulle.operate.release.agreement import Terms, agreement
from mulle.operate.release.online import CANDIDATE, Metric, OnlineLog
from mulle.server.bench import ENOUGH, Bench
from mulle.server.metrics import Metrics
from mulle.server.served import Served
from mulle.server.stall import EXIT
from mulle.store.log.entry import CHALLENGER, CHAMPION, SHADOW

from .live import ROW, live  # noqa: TID252  # tests have no package to be named by

FOR_EVER = 2e9


def asked(one, unit, age=40, n=0):
    """Ask once; return the status, who answered, and how long it took."""
    row = {**ROW, "age": age}
    began = time.monotonic()
    status, told, _ = one.ask("POST", "/v1/predict", {"unit": unit, **({"rows": [row] * n} if n else {"row": row})})
    return status, told.get("arm"), time.monotonic() - began


def metric(one, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", one.ask("GET", "/metrics")[1].decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_challenger_that_hangs_is_answered_for_by_the_champion(small, looping, tmp_path):
    with live(small, tmp_path, limits={"answer_s": 2.0}, beside={"challenger": str(looping)}) as one:
        assert asked(one, "ann")[:2] == (200, CHALLENGER)
        status, arm, took = asked(one, "ann", FOR_EVER)
        assert (status, arm) == (200, CHAMPION)
        assert 1.0 <= took < 2.0, "after half of the time that an answer may take"
        status, arm, took = asked(one, "bob")
        assert (status, arm) == (200, CHAMPION)
        assert took < 0.5, "nobody else waits for it"
        assert asked(one, "ann", n=100)[:2] == (200, CHAMPION), "nor do many rows, which are read aside"
        assert one.ask("GET", "/readyz")[0] == one.ask("GET", "/livez")[0] == 200
        assert metric(one, 'mulle_hung_total{arm="challenger"}') == 1
        assert metric(one, 'mulle_left_alone{arm="challenger"}') == 1
        assert metric(one, 'mulle_rescued_total{arm="challenger"}') == 102
        time.sleep(5)
        assert one.process.poll() is None, "a server outlives its challenger"
        assert one.stop() == EXIT, "a thread is lost, so the process can't end by itself"
    seen = OnlineLog(tmp_path / "log").trial("t", since=0.0)
    assert sorted(seen.arms[CANDIDATE].exposed) == ["ann", "bob"], "units stay the challenger's"
    assert seen.moments(Metric.named("failed"))[CANDIDATE].mean == 0.75, "three of four requests"


@pytest.mark.slow
def test_all_who_wait_while_a_challenger_hangs_are_answered(small, looping, tmp_path):
    with live(small, tmp_path, limits={"answer_s": 1.6}, beside={"challenger": str(looping)}, share=0.5) as one:

        def ask(i):
            if i == 0:
                return asked(one, "ann", FOR_EVER)
            return asked(one, f"u{i}", n=100 if i % 3 == 0 else 0)  # many rows are read on the thread that hangs

        assert asked(one, "ann")[1] == CHALLENGER
        with ThreadPoolExecutor(20) as pool:
            first = pool.submit(ask, 0)
            time.sleep(0.2)
            rest = list(pool.map(ask, range(1, 20)))
        assert first.result()[:2] == (200, CHAMPION)
        assert [status for status, _, _ in rest] == [200] * 19


@pytest.mark.slow
def test_a_challenger_that_comes_back_is_asked_again(small, looping, tmp_path):
    with live(small, tmp_path, limits={"answer_s": 0.6}, beside={"challenger": str(looping)}) as one:
        age = 1001.0
        while asked(one, "ann", age)[1] == CHALLENGER:
            age = 1000 + (age - 1000) * 1.5
        until(lambda: metric(one, 'mulle_left_alone{arm="challenger"}') == 0)
        assert asked(one, "ann")[:2] == (200, CHALLENGER)
        assert one.stop() == 0


@pytest.mark.slow
def test_a_shadow_that_hangs_is_left_alone_and_does_not_agree(small, looping, tmp_path):
    with live(small, tmp_path, limits={"answer_s": 1.0}, beside={"shadow": str(looping)}) as one:
        assert asked(one, "ann")[:2] == (200, CHAMPION)
        until(lambda: metric(one, 'mulle_mirrored_total{result="answered"}') == 1)
        assert asked(one, "ann", FOR_EVER)[:2] == (200, CHAMPION)
        for i in range(10):
            status, arm, took = asked(one, f"u{i}")
            assert (status, arm) == (200, CHAMPION)
            assert took < 0.5
        until(lambda: metric(one, 'mulle_left_alone{arm="shadow"}') == 1)
        until(lambda: metric(one, 'mulle_mirrored_total{result="spared"}') == 10)
        assert (
            metric(one, 'mulle_hung_total{arm="shadow"}') == metric(one, 'mulle_mirrored_total{result="failed"}') == 1
        )
        assert one.ask("GET", "/readyz")[0] == one.ask("GET", "/livez")[0] == 200
        time.sleep(3)
        assert asked(one, "ann")[:2] == (200, CHAMPION), "it is no reason for the process to end"
        one.stop()
    found = agreement(OnlineLog(tmp_path / "log").pairs(since=0.0), Terms(alike=0.9))
    assert (found.n, found.n_failed) == (2, 1)


def test_a_champion_is_never_left_alone_even_where_it_hung_before(toy):
    async def held():
        bench, work = Bench(Metrics()), asyncio.get_running_loop().create_future()
        bench.leave(Served(toy, CHALLENGER), work, after_s=5.0)
        told = [bench.holds(Served(toy, arm)) for arm in (CHAMPION, CHALLENGER, SHADOW)]
        work.set_exception(ValueError("too late"))
        await asyncio.sleep(0)
        return [*told, bench.holds(Served(toy, CHALLENGER))]

    assert asyncio.run(held()) == [False, True, True, False]


def test_a_challenger_runs_on_the_event_loop_only_after_many_batches_came_back(toy):
    async def told():
        bench, challenger = Bench(Metrics()), Served(toy, CHALLENGER)
        said = [bench.trusts(Served(toy)), bench.trusts(challenger)]
        for _ in range(ENOUGH):
            bench.came_back(challenger)
        said.append(bench.trusts(challenger))
        bench.leave(challenger, asyncio.get_running_loop().create_future(), after_s=5.0)
        return [*said, bench.trusts(challenger)]

    assert asyncio.run(told()) == [True, False, True, False]
