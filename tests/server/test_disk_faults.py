"""A server on a disk that answers EIO: what it promised decides whether it goes on or says 503."""

from __future__ import annotations

import re
import time

import pytest
from tests.store.log.conftest import all_rows
from tests.store.log.test_eio import compiled

from mulle.store.log import Log

from .live import live  # noqa: TID252  # tests have no package to be named by


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("shim"))


def metric(one, name):
    return float(re.search(rf"^{name} (\S+)$", one.ask("GET", "/metrics")[1].decode(), re.MULTILINE)[1])


def until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def failing(shim, small, tmp_path):
    """Return what starts a server whose log fails as long as a file is there, and that file."""

    def start(**options):
        env = {"LD_PRELOAD": shim, "EIO_ROOT": tmp_path / "home" / "log", "EIO_SWITCH": switch}
        return live(small, tmp_path / "home", env={name: str(value) for name, value in env.items()}, **options)

    switch = tmp_path / "switch"
    return start, switch


def kept_by(home):
    with Log.open(home / "log", tend=False) as log:
        return {row.id for row in all_rows(log)}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_under_written_answers_go_on_and_what_is_lost_is_counted(failing, workers):
    start, switch = failing
    with start(workers=workers) as one:
        before = one.predict()[1]["prediction_id"]
        switch.write_text("ws")
        told = [one.predict() for _ in range(10)]
        assert [status for status, _, _ in told] == [200] * 10
        until(lambda: metric(one, "mulle_log_dropped_total") == 10)
        assert metric(one, "mulle_log_down") == 1
        assert one.ask("GET", "/readyz")[0] == 200
        feedback = {"prediction_id": before, "outcome": 1}
        assert one.ask("POST", "/v1/feedback", feedback)[0] == 503, "feedback is promised to be on the disk"
        switch.unlink()
        until(lambda: metric(one, "mulle_log_down") == 0)
        after = one.predict()[1]["prediction_id"]
        assert one.ask("POST", "/v1/feedback", feedback)[0] == 200
        assert metric(one, "mulle_log_dropped_total") == 11, "the feedback that was refused is counted with them"
        assert one.stop() == 0
    found = kept_by(one.home)
    assert {before, after} <= found
    assert not found & {body["prediction_id"] for _, body, _ in told}


@pytest.mark.parametrize("how", ["ws", "s"])
def test_under_synced_nothing_is_answered_that_is_not_on_the_disk(failing, how):
    start, switch = failing
    with start(promise="synced") as one:
        before = one.predict()[1]["prediction_id"]
        switch.write_text(how)
        for _ in range(5):
            status, told, headers = one.predict()
            assert status == 503
            assert "could not be kept on the disk" in told["detail"]
            assert "retry-after" in {name.lower() for name in headers}
        assert metric(one, "mulle_log_down") == 1
        assert one.ask("GET", "/livez")[0] == 200
        switch.unlink()
        until(lambda: one.predict()[0] == 200)
        after = one.predict()[1]["prediction_id"]
        assert metric(one, "mulle_log_down") == 0
        one.process.kill()
    assert {before, after} <= kept_by(one.home)
