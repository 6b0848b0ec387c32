"""Of a crowd of new connections some are begun in each turn, a probe among them at once, and none is lost."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from mulle.server.listener import BEGUN, Listener

ASK, PROBE = b"POST /v1/predict HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\n"


class Noted(asyncio.Protocol):
    """Notes from which port somebody came, and what was said."""

    def __init__(self, came: list[int], said: dict[int, bytes]) -> None:
        self.came, self.said = came, said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.port = transport.get_extra_info("peername")[1]
        self.transport = transport
        self.came.append(self.port)

    def data_received(self, data: bytes) -> None:
        self.said[self.port] = self.said.get(self.port, b"") + data
        self.transport.close()


def crowd(listening: socket.socket, words: list[bytes]) -> list[socket.socket]:
    """Connect so many, in this order, each of whom has said something by then."""
    clients = []
    for said in words:
        one = socket.create_connection(listening.getsockname())
        one.sendall(said)
        clients.append(one)
    return clients


def served(words: list[bytes], *, closed_after: int | None = None, at_once: int = 256) -> tuple[list[int], list[bytes]]:
    """Return the places in the queue of those who came, in the order in which they were begun, and what each had said."""

    async def work() -> tuple[list[int], list[bytes]]:
        with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listening:
            clients = crowd(listening, words)
            places = {one.getsockname()[1]: i for i, one in enumerate(clients)}
            came, said = [], {}
            listener = Listener(listening, lambda: Noted(came, said), at_once=at_once)
            for turn in range(400):
                if turn == closed_after:
                    listener.close()
                await asyncio.sleep(0 if turn < 100 else 0.005)
                if len(said) == len(words):
                    break
            listener.close()
            await listener.wait_closed()
            for one in clients:
                one.close()
        return [places[port] for port in came], [said[port] for port in sorted(said, key=places.__getitem__)]

    return asyncio.run(served_in_time(work()))


async def served_in_time(work):
    async with asyncio.timeout(30):
        return await work


def test_a_crowd_is_begun_in_the_order_in_which_it_came_and_whole():
    words = [ASK] * 200
    order, said = served(words)
    assert order == list(range(200))
    assert said == words


def test_a_probe_behind_a_crowd_is_begun_with_the_first():
    words = [*[ASK] * 150, PROBE]
    order, said = served(words)
    assert order == [*range(BEGUN), 150, *range(BEGUN, 150)]
    assert said == words


def test_where_workers_share_a_door_each_takes_a_few_at_a_time():
    order, _ = served([*[ASK] * 100, PROBE], at_once=8)
    assert order == list(range(101))


@pytest.mark.parametrize("turn", [2, 3])
def test_who_was_accepted_is_begun_also_when_the_door_closes(turn):
    order, said = served([ASK] * 200, closed_after=turn)
    assert order == list(range(200))
    assert len(said) == 200
