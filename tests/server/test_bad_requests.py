"""No bad request is told as the server's fault, and none keeps the others waiting."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from . import bad_requests as kit  # noqa: TID252  # tests have no package to be named by
from .live import ROW  # noqa: TID252

PROBES = {probe.name: probe for probe in kit.probes(ROW, number="age", text="job")}
QUICK = [name for name, probe in PROBES.items() if not probe.slow]


def test_the_kit_holds_at_least_sixty_probes():
    assert len(PROBES) >= 60


@pytest.mark.parametrize("name", QUICK)
def test_a_bad_request_is_the_clients_mistake(server, name):
    probe = PROBES[name]
    heard = kit.ask(server.port, probe)
    assert kit.faults(probe, heard) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, probe in PROBES.items() if probe.slow])
def test_who_sends_slowly_is_told_so(server, name):
    probe = PROBES[name]
    heard = kit.ask(server.port, probe)
    assert kit.faults(probe, heard) == []
    assert heard.seconds < 6, "sending all of it takes twelve seconds"


def test_the_kit_sees_a_server_that_answers_wrongly():
    probe = PROBES["truncated JSON"]
    wrong = kit.Heard(statuses=[500], bodies=[b'Traceback File "/root/x.py"'], kinds=["text/plain"])
    assert {fault.split(":")[0] for fault in kit.faults(probe, wrong)} >= {"500 instead of 400", "500"}
    silent = kit.Heard(statuses=[200], bodies=[b'{"prediction":NaN}'], kinds=["application/json"])
    assert "a silent NaN" in kit.faults(PROBES["5e-324"], silent)


def test_idle_connections_leave_room_for_others_and_end(server):
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    began = time.perf_counter()
    assert server.predict()[0] == 200
    assert time.perf_counter() - began < 2
    idle[0].settimeout(6)
    assert idle[0].recv(1) == b"", "the server ends a connection that says nothing"
    for sock in idle:
        sock.close()


def test_many_who_send_slowly_take_nobodys_place(small, tmp_path):
    from .live import live  # noqa: TID252

    with live(small, tmp_path, limits={"at_once": 4, "body_s": 30.0}) as one:
        slow = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(20)]
        for sock in slow:
            sock.sendall(kit.post(b"", length=100))
        time.sleep(0.3)
        assert one.predict()[0] == 200
        for sock in slow:
            sock.close()


def test_many_large_bodies_at_once_are_refused_before_they_fill_the_memory(small, tmp_path):
    from .live import live  # noqa: TID252

    with live(small, tmp_path, limits={"bodies_bytes": 2 * kit.MEBI, "body_s": 30.0}) as one:
        slow = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(8)]
        for sock in slow:
            sock.sendall(kit.post(b" " * 600_000, length=900_000))
        slow[-1].settimeout(10)
        heard = [sock for sock in slow if _answered(sock)]
        assert len(heard) >= 4, "2 MiB hold three of them"
        assert one.predict()[0] == 200
        for sock in slow:
            sock.close()


def _answered(sock: socket.socket) -> bool:
    sock.settimeout(0.5)
    try:
        return sock.recv(100).startswith(b"HTTP/1.1 503")
    except TimeoutError:
        return False


def test_requests_that_came_together_are_answered_in_order(server):
    ages = list(range(20, 40))
    asked = b"".join(kit.post(json.dumps({"row": {**ROW, "age": age}}).encode()) for age in ages)
    probe = kit.Probe(name="many", chunks=lambda: iter([asked]), right=frozenset({200}), answers=20)
    heard = kit.ask(server.port, probe)
    scores = [json.loads(body)["prediction"]["probability_yes"] for body in heard.bodies]
    assert len(scores) == 20
    assert scores == sorted(scores)


def test_a_flood_on_one_connection_is_cut_off_after_what_was_accepted(server):
    probe = kit.Probe(
        name="flood", chunks=lambda: iter([kit.get("/livez") * 20_000]), right=frozenset({200}), answers=20_000
    )
    heard = kit.ask(server.port, probe)
    assert set(heard.statuses) == {200}
    assert 1 <= len(heard.statuses) < 20_000


def test_an_answer_is_never_given_to_another_request_of_the_same_connection(server):
    asked = kit.post(json.dumps({"row": ROW}).encode()) + b"garbage\r\n\r\n"
    probe = kit.Probe(name="mixed", chunks=lambda: iter([asked]), right=frozenset({200}), answers=2)
    heard = kit.ask(server.port, probe)
    assert heard.statuses[0] == 200
    assert "prediction_id" in json.loads(heard.bodies[0])


def test_a_refusal_can_be_read_by_a_client_that_still_sends(server):
    for _ in range(5):
        heard = kit.ask(server.port, PROBES["a body of 30 MB"])
        assert heard.statuses == [413]


def test_a_connection_that_was_refused_early_still_has_its_deadlines(server):
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(kit.post(b"{}", path="/nowhere"))
        sock.settimeout(6)
        heard = sock.recv(4096)
        while not heard.endswith(b"}"):
            heard += sock.recv(4096)
        assert b"404" in heard
        sock.sendall(b"GET /livez HTTP/1.1\r\n")
        assert b"408" in sock.recv(4096)


def test_probes_are_answered_while_large_requests_come(server):
    over, worst = threading.Event(), [0.0]

    def look() -> None:
        while not over.is_set():
            began = time.perf_counter()
            server.ask("GET", "/livez")
            worst[0] = max(worst[0], time.perf_counter() - began)

    watcher = threading.Thread(target=look)
    watcher.start()
    for name in ("100,000 columns in a row", "100,000 empty rows", "100,000 lists deep", "a gzip bomb"):
        kit.ask(server.port, PROBES[name])
    over.set()
    watcher.join()
    assert worst[0] < 1.0, "measured with care in benchmarks/server_faults.py; here the machine is shared"
