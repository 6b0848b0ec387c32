"""Accepts connections, many at a time: where the event loop takes one at each turn, a busy server's callers queue."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger("mulle.server")

AT_ONCE = 32
"""Connections that are accepted in one turn of the event loop; with several workers one must not take all."""
PAUSE_S = 1.0
"""When the system has no file left for another connection, none is accepted for so long."""


class Listener:
    """Accepts on one socket and hands each connection to a protocol of its own, as `asyncio.Server` does.

    Parameters
    ----------
    sock
        Bound and listening.
    made
        Makes the protocol of one connection.

    Raises
    ------
    NotImplementedError
        When the event loop can't watch a socket, as on Windows.
    """

    def __init__(self, sock: socket.socket, made: Callable[[], asyncio.Protocol]) -> None:
        self._sock, self._made = sock, made
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        sock.settimeout(0)
        self._loop.add_reader(sock, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        coming: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._made, connection)
        )
        self._coming.add(coming)
        coming.add_done_callback(self._came)

    def _came(self, coming: asyncio.Task[object]) -> None:
        self._coming.discard(coming)
        if not coming.cancelled() and coming.exception() is not None:  # gone before it was there
            log.debug("a connection could not be begun: %s", coming.exception())

    def _rest(self, error: OSError) -> None:
        log.error("no connection can be accepted for %g s: %s", PAUSE_S, error)
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(PAUSE_S, lambda: self._loop.add_reader(self._sock, self._accept))

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)

    async def wait_closed(self) -> None:
        """Wait for what was accepted and not begun yet."""
        if self._coming:
            await asyncio.wait(self._coming)
