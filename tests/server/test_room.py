"""Who finds no room waits outside: is let in when there is some, is refused when there is none, and leaves nothing behind."""

import asyncio
import gc
import importlib
import pkgutil
import weakref

import pytest

import mulle.server
from mulle.runtime.bundle import Bundle
from mulle.server.app import JSON, Bodies, Request, answered
from mulle.server.limits import Limits
from mulle.server.problem import Problem
from mulle.server.room import REFUSALS_PER_S, Busy, Room
from mulle.server.served import Lineup, Served
from mulle.server.service import Service
from mulle.server.wire import predict_request


def test_who_finds_room_does_not_wait():
    with pytest.raises(StopIteration):
        Room(1).open().send(None)


def test_who_waited_in_vain_is_refused_after_a_while():
    async def work() -> float:
        room, loop = Room(1, hold_s=0.05), asyncio.get_running_loop()
        began = loop.time()
        with room, pytest.raises(Busy, match="as many requests as it can answer"):
            await room.open()
        assert room.outside == 0
        return loop.time() - began

    assert asyncio.run(work()) >= 0.045


def test_a_crowd_that_came_once_is_answered_whole_and_the_latest_first():
    async def work() -> tuple[list[int], int]:
        room, order, most = Room(4, hold_s=5.0), [], 0

        async def ask(i: int) -> None:
            nonlocal most
            await room.open()
            with room:
                most = max(most, room.inside)
                await asyncio.sleep(0.001)
                order.append(i)

        await asyncio.gather(*(ask(i) for i in range(50)))
        return order, most

    order, most = asyncio.run(work())
    assert sorted(order) == list(range(50))
    assert order[:4] == [0, 1, 2, 3]
    assert order[-1] == 4, "who waited longest outside"
    assert most == 4


def test_those_outside_come_in_only_when_the_house_is_half_empty():
    async def work() -> list[int]:
        room, seen = Room(4, hold_s=5.0), []
        for _ in range(4):
            room.__enter__()
        outside = asyncio.create_task(room.open())
        await asyncio.sleep(0)
        for _ in range(3):
            room.__exit__(None, None, None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(room.outside)
        assert outside.done()
        return seen

    assert asyncio.run(work()) == [1, 1, 0]


def test_who_is_let_in_and_never_comes_keeps_nobody_else_outside_for_ever():
    async def work() -> None:
        room = Room(2, hold_s=0.05)
        room.__enter__()
        room.__enter__()
        first, second = asyncio.create_task(room.open()), asyncio.create_task(room.open())
        await asyncio.sleep(0)
        room.__exit__(None, None, None)
        room.__exit__(None, None, None)  # lets the first one in, which goes away; nobody else ever leaves
        await first
        await second

    asyncio.run(work())


def test_the_more_wait_the_longer_each_does():
    async def work() -> float:
        room, loop = Room(0, hold_s=0.0), asyncio.get_running_loop()
        began = loop.time()
        told = await asyncio.gather(*(room.open() for _ in range(REFUSALS_PER_S // 5)), return_exceptions=True)
        assert all(isinstance(one, Busy) for one in told)
        return loop.time() - began

    assert asyncio.run(work()) >= 0.19


def test_who_goes_away_while_waiting_is_forgotten():
    async def work() -> int:
        room = Room(0, hold_s=5.0)
        waits = asyncio.create_task(room.open())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        return room.outside

    assert asyncio.run(work()) == 0


def test_a_refusal_keeps_nothing_of_what_it_passed_through():
    async def refused() -> Busy:
        try:
            await Room(0, hold_s=0.0).open()
        except Busy as busy:
            return busy
        raise AssertionError

    assert asyncio.run(refused()) is not asyncio.run(refused())


def test_a_refusal_is_gone_when_it_was_told_and_waits_for_no_collector():
    async def refused() -> weakref.ref[Busy]:
        try:
            await Room(0, hold_s=0.0).open()
        except Busy as busy:
            return weakref.ref(busy)
        raise AssertionError

    gc.disable()
    try:
        assert asyncio.run(refused())() is None
    finally:
        gc.enable()


def test_no_problem_is_made_once_and_raised_again():
    # An exception that is raised again and again grows by what it passed through each time: memory that nobody frees
    for module in pkgutil.walk_packages(mulle.server.__path__, "mulle.server."):
        held = vars(importlib.import_module(module.name)) if module.name != "mulle.server.__main__" else {}
        assert not [name for name, value in held.items() if isinstance(value, Problem)], module.name


def test_who_is_inside_and_who_waits_outside_are_counted_apart(small):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None, limits=Limits(at_once=1))

    async def work() -> list[tuple[bytes, ...]]:
        with service.room:
            outside = [asyncio.create_task(service.room.open()) for _ in range(2)]
            await asyncio.sleep(0)
            crowded = told()
        await asyncio.gather(*outside, return_exceptions=True)
        return [crowded, told()]

    def told() -> tuple[bytes, ...]:
        return tuple(line for line in service.metrics.text().split(b"\n") if line.startswith(COUNTED))

    try:
        crowded, empty = asyncio.run(work())
    finally:
        service.close()
    assert crowded == (b"mulle_inside_requests 1", b"mulle_waiting_requests 2")
    assert empty == (b"mulle_inside_requests 0", b"mulle_waiting_requests 0")


COUNTED = (b"mulle_inside_requests", b"mulle_waiting_requests")


def test_a_large_body_counts_while_its_request_waits_outside(small):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None, limits=Limits(at_once=1))
    bodies, body = Bodies(limit=1_000_000), b"x" * 100_000

    async def work() -> list[int]:
        async def receive() -> dict[str, object]:
            service.room.__enter__()  # somebody else, meanwhile
            return {"type": "http.request", "body": body}

        request = Request("POST", "/v1/predict", b"", receive, content_type=JSON, bodies=bodies)
        waits = asyncio.create_task(answered(service, request, predict_request))
        await asyncio.sleep(0.01)
        assert service.room.outside == 1
        counted = [bodies.n_bytes]
        service.room.__exit__(None, None, None)
        with pytest.raises(Problem, match="JSON"):
            await waits
        service.close()
        return [*counted, bodies.n_bytes]

    assert asyncio.run(work()) == [len(body), 0]
