"""A common answer is sent at once, head and body, and leaves nothing behind: no circle of references, no open end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.protocol import WHOLE, connection_of

ASK = b"POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PROBE = b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"

HALF = b"POST /v1/predict HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"


async def answers(scope, receive, send) -> None:  # noqa: ARG001  # ASGI
    if scope["method"] == "POST":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        assert body == b"{}"
    assert scope["extensions"][WHOLE](b"text/plain", b"done")


@asynccontextmanager
async def connected(
    app: Any = answers, **own: object
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, ServerState]]:
    protocol = type("Connection", (connection_of(Limits(), Metrics()),), own)
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer, state
        finally:
            writer.close()
            await asyncio.sleep(0.02)


def test_an_answer_is_one_head_and_its_body_and_the_connection_goes_on():
    async def work() -> list[bytes]:
        async with connected() as (reader, writer, _):
            writer.write(ASK + ASK)
            return [await reader.readuntil(b"done") for _ in range(2)]

    head = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n"
    assert asyncio.run(work()) == [head + b"done"] * 2


def test_a_connection_that_was_answered_goes_with_its_last_reference_and_waits_for_no_collector():
    async def work() -> object:
        async with connected() as (reader, writer, state):
            writer.write(ASK)
            await reader.readuntil(b"done")
            gone = weakref.ref(next(iter(state.connections)))
        return gone()

    gc.disable()
    try:
        assert asyncio.run(work()) is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("own", "asked", "later_s"), [({}, PROBE, 0.0), ({"draining": True}, ASK, 2.0)])
def test_the_last_answer_ends_the_connection_soon_also_where_the_client_keeps_its_side_open(own, asked, later_s):
    async def work() -> tuple[bytes, float]:
        async with connected(**own) as (reader, writer, state):
            loop = asyncio.get_running_loop()
            writer.write(asked)
            told, began = await reader.read(), loop.time()
            for connection in list(state.connections):  # as the sweep does later
                connection.overdue(loop.time() + later_s)
            await asyncio.sleep(0.05)
            assert not state.connections
            return told, loop.time() - began

    told, took = asyncio.run(work())
    assert b"connection: close" in told
    assert told.endswith(b"done")
    assert took < 1.0


def test_the_answer_before_half_a_request_that_is_no_http_ends_the_connection():
    async def work() -> bytes:
        go = asyncio.Event()

        async def later(scope, receive, send) -> None:
            await go.wait()
            await answers(scope, receive, send)

        async with connected(app=later) as (reader, writer, state):
            writer.write(ASK + HALF)
            await asyncio.sleep(0.02)
            go.set()
            told = await reader.readuntil(b"done")
            for connection in list(state.connections):  # as the sweep does later
                connection.overdue(asyncio.get_running_loop().time() + 3600)
            await asyncio.sleep(0.02)
            assert not state.connections, "who keeps its side open would have a place for ever"
            return told

    assert b"connection: close" in asyncio.run(work())


WISH = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WISHING = ASK.replace(b"Host: here\r\n", b"Host: here\r\n" + WISH)


@pytest.mark.parametrize("n", [1, 7, len(WISHING)])
def test_a_wish_for_another_protocol_is_ignored_and_the_body_is_read_however_it_comes(n):
    async def work() -> None:
        async with connected() as (reader, writer, _):
            for asked in (WISHING, ASK):  # and the connection goes on
                for at in range(0, len(asked), n):
                    writer.write(asked[at : at + n])
                    await asyncio.sleep(0)
                told = await asyncio.wait_for(reader.readuntil(b"done"), 10)
                assert told.startswith(b"HTTP/1.1 200 OK")
                assert b"connection: close" not in told

    asyncio.run(work())


def test_thousands_of_such_wishes_at_once_are_answered_one_after_the_other():
    async def work() -> None:
        async with connected() as (reader, writer, _):
            writer.write(WISHING * 3_000)
            for _ in range(3_000):
                await asyncio.wait_for(reader.readuntil(b"done"), 10)

    asyncio.run(work())


def test_a_tunnel_is_refused():
    async def work() -> bytes:
        async with connected() as (reader, writer, _):
            writer.write(b"CONNECT here:443 HTTP/1.1\r\nHost: here:443\r\n\r\n")
            return await asyncio.wait_for(reader.read(), 10)

    assert asyncio.run(work()).startswith(b"HTTP/1.1 400 ")
