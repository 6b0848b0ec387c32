"""What a crowd sends at one time is read a few at a time; nothing is lost meanwhile, and probes never wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from mulle.runtime.bundle import Bundle
from mulle.server import protocol
from mulle.server.app import App
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.pace import Pace
from mulle.server.protocol import WHOLE, Guarded, connection_of
from mulle.server.served import Lineup, Served
from mulle.server.service import Service

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
ASK = HEAD + b"{}"
PROBE = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"


class Noted:
    """Who waits, and says when it goes on."""

    def __init__(self, name: int, order: list[int], again: Callable[[], None] = lambda: None) -> None:
        self.name, self.order, self.again = name, order, again

    def go_on(self) -> None:
        self.order.append(self.name)
        self.again()


def test_half_of_a_turn_are_the_last_and_half_the_first_and_nobody_is_left():
    async def work() -> list[list[int]]:
        pace, order, turns = Pace(4), [], []
        assert [pace.admits() for _ in range(5)] == [True] * 4 + [False]
        for name in range(10):
            pace.wait(Noted(name, order))
        for _ in range(4):
            await asyncio.sleep(0)
            turns.append(order.copy())
            order.clear()
        assert pace.admits()
        return turns

    assert asyncio.run(work()) == [[9, 8, 0, 1], [7, 6, 2, 3], [5, 4], []]


def test_who_comes_while_others_go_on_waits_for_the_next_turn():
    async def work() -> list[int]:
        pace, order = Pace(1), []
        assert pace.admits()
        pace.wait(Noted(0, order, again=lambda: pace.wait(Noted(1, order))))
        await asyncio.sleep(0)
        assert order == [0]
        assert not pace.admits()
        await asyncio.sleep(0)
        return order

    assert asyncio.run(work()) == [0, 1]


def test_a_turn_of_long_requests_is_over_early_and_who_waits_longest_goes_on_all_the_same():
    async def work() -> list[list[int]]:
        pace, order, turns = Pace(8, 0.004), [], []
        assert pace.admits()
        for name in range(8):
            pace.wait(Noted(name, order, again=lambda: time.sleep(0.006)))
        for _ in range(4):
            await asyncio.sleep(0)
            assert not pace.admits()
            turns.append(order.copy())
            order.clear()
        return turns

    assert asyncio.run(work()) == [[7, 0], [6, 1], [5, 2], [4, 3]]


def test_what_has_taken_a_turns_time_lets_nobody_in_before_the_next():
    async def work() -> None:
        pace = Pace(8, 0.001)
        assert pace.admits()
        time.sleep(0.002)  # as a model does
        assert not pace.admits()
        await asyncio.sleep(0)
        assert pace.admits()

    asyncio.run(work())


class Wire(asyncio.Transport):
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.reads, self.closed = b"", True, False

    def write(self, data: bytes) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass


async def answers(scope, receive, send) -> None:  # noqa: ARG001  # ASGI
    if scope["method"] == "POST":
        assert (await receive())["body"] == b"{}"
    assert scope["extensions"][WHOLE](b"text/plain", b"done")


async def ticks(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.fixture
def connect() -> Callable[[], tuple[Guarded, Wire]]:
    return connects(answers)


def connects(app: Any) -> Callable[[], tuple[Guarded, Wire]]:
    """Return a function that makes connections of one server, which begins one request in a turn."""
    kind = connection_of(Limits(turn=1), Metrics())
    config = uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()

    def made() -> tuple[Guarded, Wire]:
        one, wire = kind(config=config, server_state=state, app_state={}), Wire()
        one.connection_made(wire)
        return one, wire

    return made


def test_who_comes_second_in_a_turn_is_answered_in_the_next(connect):
    async def work() -> None:
        (first, one), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        assert one.sent.endswith(b"done")
        assert two.sent == b""
        assert second.busy
        await ticks()
        assert two.sent.endswith(b"done")
        assert not second.busy

    asyncio.run(work())


def test_how_long_it_waited_counts_to_how_long_it_took(small):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None)
    connect = connects(App(service))

    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        assert second.pace.waiting == 1
        time.sleep(0.05)  # as a model does
        await ticks()
        assert second.pace.waiting == 0
        assert two.sent.startswith(b"HTTP/1.1 422")
        second.data_received(ASK)  # this one has not waited

    asyncio.run(work())
    service.close()
    took = service.metrics.requests["POST", "/v1/predict", 422]
    assert took.n == 3
    assert 0.05 <= took.total < 0.1


def test_a_probe_does_not_wait(connect):
    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(PROBE)
        assert two.sent.endswith(b"done")

    asyncio.run(work())


def test_what_comes_in_pieces_while_it_waits_is_put_together(connect):
    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        for at in range(0, len(ASK), 7):
            second.data_received(ASK[at : at + 7])
        await ticks()
        assert two.sent.count(b"done") == 1

    asyncio.run(work())


def test_a_large_request_that_waits_is_not_read_on_until_it_is_its_turn(connect, monkeypatch):
    monkeypatch.setattr(protocol, "HELD_BYTES", 50)

    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(HEAD[:40])
        assert two.reads
        second.data_received(HEAD[40:80])
        assert not two.reads
        await ticks()
        assert two.reads
        second.data_received(HEAD[80:] + b"{}")
        assert two.sent.endswith(b"done")

    asyncio.run(work())


def test_who_sends_no_more_is_answered_at_once(connect):
    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        second.eof_received()
        assert two.sent.endswith(b"done")
        await ticks()
        assert two.sent.count(b"done") == 1

    asyncio.run(work())


def test_who_is_gone_by_then_is_forgotten(connect):
    async def work() -> None:
        (first, _), (second, two), (third, three) = connect(), connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        third.data_received(ASK)
        second.connection_lost(None)
        await ticks()
        assert two.sent == b""
        assert three.sent.endswith(b"done")

    asyncio.run(work())


def test_who_waits_for_us_is_not_idle_however_full_the_house_is(connect):
    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        second.overdue(asyncio.get_running_loop().time() + 3600, full=True)
        await ticks()
        assert two.sent.endswith(b"done")
        second.overdue(asyncio.get_running_loop().time() + 3600)
        assert two.closed

    asyncio.run(work())


def test_a_stop_lets_it_have_its_turn(connect):
    async def work() -> None:
        (first, _), (second, two) = connect(), connect()
        first.data_received(ASK)
        second.data_received(ASK)
        second.shutdown()
        second._close_if_idle()  # as the timer does
        assert not two.closed
        await ticks()
        assert two.sent.endswith(b"done")

    asyncio.run(work())


def test_the_half_of_a_request_that_came_with_the_one_before_it_is_not_lost(connect):
    async def work() -> None:
        one, wire = connect()
        one.data_received(ASK + ASK[:40])
        await ticks()
        one.data_received(ASK[40:])
        await ticks()
        assert wire.sent.count(b"done") == 2

    asyncio.run(work())
