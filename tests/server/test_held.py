"""Who asks for a prediction while there is no room is held unread: let in, refused, forgotten, and never in a probe's way."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.protocol import NO_ROOM, WHOLE, Guarded
from mulle.server.room import Room

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
ASK, PROBE = HEAD + b"{}", b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"


class House:
    """A server of one room, whose guests stay until the gate is opened."""

    def __init__(self, room: Room) -> None:
        self.room, self.gate, self.bodies = room, asyncio.Event(), []
        self.state, self.writers, self.port = ServerState(), [], 0

    async def sent(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and send, and leave the server time to take it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(data)
        await asyncio.sleep(0.02)
        return reader, writer

    async def __call__(self, scope, receive, send) -> None:
        if scope["path"] == "/livez":
            assert scope["extensions"][WHOLE](b"text/plain", b"alive")
            return
        if NO_ROOM in scope["extensions"]:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        with self.room:
            message = await receive()
            body = message["body"]
            while message["more_body"]:
                message = await receive()
                body += message["body"]
            self.bodies.append(body)
            await self.gate.wait()
        assert scope["extensions"][WHOLE](b"text/plain", b"done")


@asynccontextmanager
async def house(*, hold_s: float = 5.0, most: int = 1) -> AsyncIterator[House]:
    one = House(Room(most, hold_s=hold_s))
    held = {"limits": Limits(), "metrics": Metrics(), "draining": False, "room": one.room}
    protocol = type("Connection", (Guarded,), held)
    config = uvicorn.Config(one, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    one.protocol = protocol
    server = await loop.create_server(
        lambda: protocol(config=config, server_state=one.state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        one.port = server.sockets[0].getsockname()[1]
        yield one
        one.gate.set()
        for connection in list(one.state.connections):
            connection.transport.close()
        for writer in one.writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        await reader.readexactly(length)
    return int(head.split(b" ")[1])


def run(work: Callable[[House], Awaitable[None]], **room: float) -> None:
    async def inside() -> None:
        async with house(**room) as one:
            await work(one)

    asyncio.run(inside())


def test_who_finds_no_room_is_held_unread_and_answered_when_there_is_some():
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        second, _ = await one.sent(ASK)
        assert (one.room.inside, one.room.outside, one.bodies) == (1, 1, [b"{}"])
        one.gate.set()
        assert [await status(first), await status(second)] == [200, 200]
        assert one.room.outside == 0

    run(work)


def test_who_was_held_in_vain_is_refused_and_may_ask_again_on_the_same_connection():
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        second, writer = await one.sent(ASK)
        assert await status(second) == 503
        one.gate.set()
        assert await status(first) == 200
        writer.write(ASK)
        assert await status(second) == 200

    run(work, hold_s=0.05)


def test_a_probe_is_answered_though_there_is_no_room():
    async def work(one: House) -> None:
        await one.sent(ASK)
        reader, writer = await one.sent(PROBE)
        assert await status(reader) == 200
        writer.write(ASK)  # the same connection is held for what it asks next
        await asyncio.sleep(0.02)
        assert one.room.outside == 1
        one.gate.set()
        assert await status(reader) == 200

    run(work)


@pytest.mark.parametrize("cut", [20, len(HEAD), len(HEAD) + 1])
def test_a_request_that_comes_in_parts_is_held_and_read_on(cut):
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        second, writer = await one.sent(ASK[:cut])
        assert one.room.outside == 1
        writer.write(ASK[cut:])
        await asyncio.sleep(0.02)
        one.gate.set()
        assert [await status(first), await status(second)] == [200, 200]
        assert one.bodies == [b"{}", b"{}"]

    run(work)


def test_what_was_sent_on_at_once_is_held_with_it_and_answered_in_order():
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        second, _ = await one.sent(ASK + PROBE + ASK)
        one.gate.set()
        assert [await status(reader) for reader in (first, second, second, second)] == [200] * 4
        assert len(one.bodies) == 3

    run(work)


def test_who_goes_away_while_held_is_not_answered_and_nothing_of_it_stays():
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        _, writer = await one.sent(ASK)
        held = weakref.ref(next(c for c in one.state.connections if c.held is not None))
        held().transport.abort()  # type: ignore[union-attr]
        writer.close()
        await asyncio.sleep(0.02)
        assert one.room.outside == 0
        gc.collect()
        assert held() is None
        one.gate.set()
        assert await status(first) == 200
        assert len(one.bodies) == 1

    run(work)


def test_a_stop_closes_nobody_who_is_held():
    async def work(one: House) -> None:
        first, _ = await one.sent(ASK)
        second, _ = await one.sent(ASK)
        one.protocol.draining = True
        for connection in list(one.state.connections):
            connection.shutdown()
        await asyncio.sleep(0.5)  # longer than an idle connection is left
        one.gate.set()
        assert [await status(first), await status(second)] == [200, 200]
        assert await second.read() == b"", "the connection ends with the answer"

    run(work)


def test_the_deadlines_leave_who_is_held_alone():
    async def work(one: House) -> None:
        await one.sent(ASK)
        second, _ = await one.sent(ASK)
        for connection in one.state.connections:
            connection.overdue(connection.since + 1000.0)
        one.gate.set()
        assert await status(second) == 200

    run(work)
