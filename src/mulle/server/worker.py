"""One of several workers: answers like a server alone does, and hands what is to be kept to its parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator

from mulle.server.hub import unpacked
from mulle.server.remote import RemoteLog
from mulle.server.run import Keeping, Options, event_loop, prepared, quiet, served
from mulle.server.stall import left_behind
from mulle.store.log.readers import reader_of


def main() -> None:
    """Run a worker: its number, the listening socket and the pair are arguments, its options stand on stdin."""
    number, listening, pair = (int(argument) for argument in sys.argv[1:4])
    options: Options = unpacked(sys.stdin.buffer.read(), Options)
    quiet()
    with (
        socket.socket(fileno=listening) as sock,
        socket.socket(fileno=pair) as parent,
        asyncio.Runner(loop_factory=event_loop()) as runner,
    ):
        try:
            runner.run(_run(options, number, sock, parent))
        finally:
            left_behind(say=logging.shutdown)


async def _run(options: Options, number: int, sock: socket.socket, parent: socket.socket) -> None:
    first = prepared(options)
    reader, writer = await asyncio.open_connection(sock=parent)
    history, _ = reader_of(options.log or "none.db")
    remote = RemoteLog(reader, writer, history, max_pending=options.limits.pending)
    await served(options, first, sock, keeping=lambda: _keeping(options, remote), said=lambda _: None, number=number)


@contextlib.asynccontextmanager
async def _keeping(options: Options, remote: RemoteLog) -> AsyncIterator[Keeping]:
    hearing = asyncio.get_running_loop().create_task(remote.run())
    try:
        yield Keeping(remote if options.log else None, parent=remote)
    finally:
        await remote.close(options.limits.drain_s)
        hearing.cancel()


if __name__ == "__main__":
    main()
