"""Accepts connections, many at a time: where the event loop takes one at each turn, a busy server's callers queue.

To begin a connection takes as long as a request does, so that of a crowd only some are begun in each turn. A probe among
them is seen by its first bytes, and does not wait.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mulle.server.protocol import PROBING

log = logging.getLogger("mulle.server")

AT_ONCE = 256
"""Connections that are accepted in one turn of the event loop."""
SHARED = 32
"""The same with several workers, of which one must not take all."""
BEGUN = 32
"""Connections that are begun in one turn."""
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
    at_once
        Connections that are accepted in one turn of the event loop.

    Raises
    ------
    NotImplementedError
        When the event loop can't watch a socket, as on Windows.
    """

    def __init__(self, sock: socket.socket, made: Callable[[], asyncio.Protocol], *, at_once: int = AT_ONCE) -> None:
        self._sock, self._made, self._at_once = sock, made, at_once
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[object]] = set()
        self._waiting: deque[socket.socket] = deque()
        """Accepted and not begun; the first ones came first."""
        self._pause: asyncio.TimerHandle | None = None
        sock.settimeout(0)
        self._loop.add_reader(sock, self._accept)

    def _accept(self) -> None:
        for n in range(self._at_once):
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.settimeout(0)
            if (n < BEGUN and not self._waiting) or _is_probe(connection):
                self._begin(connection)
            else:
                self._wait(connection)

    def _wait(self, connection: socket.socket) -> None:
        if not self._waiting:
            self._loop.call_soon(self._go_on)
        self._waiting.append(connection)

    def _go_on(self) -> None:
        for _ in range(min(BEGUN, len(self._waiting))):
            self._begin(self._waiting.popleft())
        if self._waiting:
            self._loop.call_soon(self._go_on)

    def _begin(self, connection: socket.socket) -> None:
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
        while self._waiting:
            self._begin(self._waiting.popleft())

    async def wait_closed(self) -> None:
        """Wait for what was accepted and not begun yet."""
        if self._coming:
            await asyncio.wait(self._coming)


def _is_probe(connection: socket.socket) -> bool:
    """Whether a probe's first bytes are here; they are left where they are."""
    try:
        return connection.recv(LONGEST, socket.MSG_PEEK).startswith(PROBING)
    except OSError:  # nothing is here yet, or it is gone again
        return False


LONGEST = max(map(len, PROBING))
