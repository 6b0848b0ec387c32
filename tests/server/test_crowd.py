"""More connections than are let in: probes are answered, the others are held, served when there is room, or refused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time

import pytest

from mulle.server.crowd import LONGEST_S, SHORTEST_S, Entry
from mulle.server.limits import Limits
from mulle.server.stall import EXIT

from . import bad_requests as kit  # noqa: TID252  # tests have no package to be named by
from .live import ROW, live  # noqa: TID252

ASK = kit.post(json.dumps({"row": ROW}).encode())


@contextlib.contextmanager
def crowd(one, n):
    """Take n places, each by one who was answered and stays."""
    held = [socket.create_connection(("127.0.0.1", one.port), timeout=15) for _ in range(n)]
    try:
        for sock in held:
            sock.sendall(kit.get("/livez"))
            heard(sock)
        yield held
    finally:
        for sock in held:
            sock.close()


def heard(sock):
    """Return one answer's status, and whether the connection goes on."""
    told = b""
    while not told.endswith(b"}"):
        more = sock.recv(65536)
        if not more:
            break
        told += more
    return int(told.split(b" ")[1]), b"connection: close" not in told


@pytest.fixture(scope="module")
def full(small, tmp_path_factory):
    limits = {"connections": 4, "idle_s": 30.0}
    with live(small, tmp_path_factory.mktemp("full"), limits=limits) as one:
        yield one


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_a_probe_is_answered_at_once_however_many_there_are(full, path):
    with crowd(full, 4):
        began = time.perf_counter()
        assert full.ask("GET", path)[0] == 200
        assert time.perf_counter() - began < 0.5


def test_a_probe_that_comes_in_pieces_is_one_too(full):
    with crowd(full, 4), socket.create_connection(("127.0.0.1", full.port), timeout=5) as sock:
        for piece in (b"GE", b"T /liv", b"ez HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n"):
            sock.sendall(piece)
            time.sleep(0.05)
        assert heard(sock) == (200, False)


def test_who_comes_too_many_is_held_and_then_told(full):
    with crowd(full, 4), socket.create_connection(("127.0.0.1", full.port), timeout=15) as sock:
        began = time.perf_counter()
        sock.sendall(ASK)
        assert heard(sock) == (503, False)
        assert time.perf_counter() - began >= SHORTEST_S * 0.9


def test_who_was_held_is_answered_when_there_is_room(full):
    with crowd(full, 4) as held, socket.create_connection(("127.0.0.1", full.port), timeout=15) as sock:
        sock.sendall(ASK)
        time.sleep(0.2)
        held[0].close()
        assert heard(sock) == (200, True)
        sock.sendall(ASK)
        assert heard(sock) == (200, True)


def test_who_says_nothing_outside_is_not_kept(full):
    with crowd(full, 4), socket.create_connection(("127.0.0.1", full.port), timeout=15) as sock:
        assert sock.recv(1) == b""


def test_a_large_request_outside_is_not_kept_in_memory_and_hears_why(full):
    with crowd(full, 4), socket.create_connection(("127.0.0.1", full.port), timeout=15) as sock:
        sock.sendall(kit.post(b" " * 100_000, length=900_000))
        assert heard(sock) == (503, False)


def test_the_more_there_are_the_longer_each_is_held_and_never_for_ever():
    entry = Entry(type("One", (), {"limits": Limits()}))
    for n, seconds in ((0, SHORTEST_S), (400, 2.0), (3_000, LONGEST_S)):
        entry.outside = set(range(n))
        assert entry.hold_s == seconds


def test_a_stop_waits_for_nobody_outside(small, tmp_path):
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(live(small, tmp_path, limits={"connections": 2}))
        stack.enter_context(crowd(one, 2))
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", one.port), timeout=15))
        sock.sendall(ASK)
        time.sleep(0.2)
        began = time.perf_counter()
        assert one.stop() == 0
        assert time.perf_counter() - began < 5


def test_trailers_say_nothing_about_who_asks(small, tmp_path):
    with live(small, tmp_path) as one:
        body = json.dumps({"row": ROW}).encode()
        head = kit.post(b"%x\r\n" % len(body), headers=["Transfer-Encoding: chunked"], length=-1)
        trailer = b"\r\n0\r\nOrigin: https://evil.example\r\nIdempotency-Key: " + b"k" * 500 + b"\r\n\r\n"
        with socket.create_connection(("127.0.0.1", one.port), timeout=5) as sock:
            sock.sendall(head + body + trailer)
            assert heard(sock) == (200, True)


@pytest.mark.slow
def test_a_model_that_hangs_keeps_no_stop_waiting(looping, tmp_path):
    limits = {"answer_s": 60.0, "drain_s": 1.0}
    with live(looping, tmp_path, limits=limits) as one:
        for _ in range(12):
            assert one.predict({"age": 1000.1})[0] == 200

        def hang() -> None:
            with contextlib.suppress(OSError, ValueError):
                one.predict({"age": 2e9})

        threading.Thread(target=hang, daemon=True).start()
        time.sleep(0.5)
        began = time.perf_counter()
        assert one.stop() == EXIT
        assert time.perf_counter() - began < 10


@pytest.mark.slow
def test_workers_leave_when_their_parent_is_killed(small, tmp_path):
    import psutil

    with live(small, tmp_path, workers=2) as one:
        workers = psutil.Process(one.process.pid).children()
        os.kill(one.process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
