"""Several workers behind one port: one writer, one count, and nobody misses one that died."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mulle.store.log.history import Wanted, rows
from mulle.store.log.place import Place
from mulle.store.log.reading import SQLiteReader

from . import live as lives  # noqa: TID252  # tests have no package to be named by

pytestmark = pytest.mark.slow


@pytest.fixture
def server(small: Path, tmp_path: Path) -> Iterator[lives.Live]:
    with lives.live(small, tmp_path / "home", workers=2) as one:
        yield one


def logged(home: Path) -> list[str]:
    place = Place.of(home / "log")
    reader = SQLiteReader(place)
    ids = [row.id for chunk in rows(reader, place.rotated, Wanted()) for row in chunk]
    reader.close()
    return ids


def ask_many(server: lives.Live, n: int) -> list[str]:
    def one(_: int) -> str:
        status, told, _ = server.predict()
        assert status == 200
        return str(told["prediction_id"])

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(n)))


def workers(server: lives.Live) -> list[psutil.Process]:
    return [
        child for child in psutil.Process(server.process.pid).children() if "mulle.server.worker" in child.cmdline()
    ]


def counted(server: lives.Live) -> int:
    text = server.ask("GET", "/metrics")[1].decode()
    return int(re.search(r"mulle_predictions_total\{[^}]*\} (\d+)", text)[1])


def test_what_any_worker_answered_is_in_the_one_log_and_in_every_workers_count(server):
    ids = ask_many(server, 200)
    assert len(set(ids)) == 200
    time.sleep(1.0)
    assert {counted(server) for _ in range(6)} == {200}
    assert server.stop() == 0
    assert sorted(logged(server.home)) == sorted(ids)


def test_a_worker_that_is_killed_is_replaced_and_what_it_acknowledged_is_kept(server):
    ids = ask_many(server, 100)
    first, second = workers(server)
    os.kill(first.pid, signal.SIGKILL)
    ids += ask_many(server, 50)
    end = time.perf_counter() + 20
    while len(workers(server)) < 2 and time.perf_counter() < end:
        time.sleep(0.1)
    assert len({worker.pid for worker in workers(server)} - {first.pid, second.pid}) == 1
    assert server.stop() == 0
    assert set(ids) <= set(logged(server.home))


def test_parameters_that_one_worker_was_told_are_in_force_in_all(server):
    status, told, _ = server.admin("POST", "parameters", {"threshold": 0.999})
    assert status == 200, told
    time.sleep(2.0)  # the other worker looks twice a second; which of them answers is the system's choice
    assert {server.predict()[1]["version"] for _ in range(60)} == {1}
    status, told, _ = server.admin("POST", "bundle", {"path": "somewhere"})
    assert status == 409
    assert "mulle release" in told["fix"]


def test_workers_leave_with_their_parent(server):
    held = workers(server)
    os.kill(server.process.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(held, timeout=20)
    assert len(gone) == 2
    assert not alive


def test_a_rate_holds_for_all_workers_together(small, tmp_path):
    with lives.live(small, tmp_path / "home", workers=2, access={"rate": "1/h burst 8"}) as one:
        statuses = [one.predict()[0] for _ in range(60)]
    assert set(statuses) == {200, 429}
    assert 4 <= statuses.count(200) <= 8, "each of the two lets its half pass, and 60 connections meet both, or nearly"
