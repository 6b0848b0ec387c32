"""Connections beyond those that are served: held for a while, told to come back, and probes among them answered at once.

Who is refused at once comes back at once, and accepting costs more than refusing. So whoever is outside is held, the longer
the more there are, by an object without a parser; when there is room by then, the request is answered after all.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from mulle.server.protocol import FULL_IDLE_S, LINGER_S, PROBING, SPARE, Guarded, crowded, response

REFUSED_PER_S = 200
SHORTEST_S, LONGEST_S = 1.0, 10.0
KEPT_BYTES = 4096
"""A request up to so long is kept, to be answered when there is room in time."""


class Entry:
    """Makes the protocol of each new connection: the server's own while there is room, and else an `Outside`.

    Parameters
    ----------
    protocol
        The server's.
    """

    def __init__(self, protocol: type[Guarded]) -> None:
        self.protocol = protocol
        self.outside: set[Outside] = set()

    def __call__(self, **made_with: Any) -> asyncio.Protocol:
        """Return the protocol of one connection."""
        if self.has_room(made_with):
            return self.protocol(**made_with)
        return Outside(self, made_with)

    def has_room(self, made_with: dict[str, Any]) -> bool:
        """Whether one more is served."""
        return len(made_with["server_state"].connections) < self.protocol.limits.connections

    @property
    def hold_s(self) -> float:
        """How long one is held who comes now: so that no more than `REFUSED_PER_S` are refused, and come back."""
        return min(LONGEST_S, max(SHORTEST_S, len(self.outside) / REFUSED_PER_S))

    def drain(self) -> None:
        """Stop: nobody is held any more, and each answer ends its connection."""
        self.protocol.draining = True
        for one in list(self.outside):
            one.over()


class Outside(asyncio.Protocol):
    """A connection for which there is no room now.

    Parameters
    ----------
    entry
        Where it stands.
    made_with
        What the server's protocol is made with, should it be let in.
    """

    __slots__ = ("_deaf", "_entry", "_held", "_made_with", "_timer", "_transport")

    def __init__(self, entry: Entry, made_with: dict[str, Any]) -> None:
        self._entry, self._made_with = entry, made_with
        self._held, self._deaf = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to be outside."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a stream's
        self._entry.outside.add(self)
        self._timer = asyncio.get_running_loop().call_later(FULL_IDLE_S, self.over)
        if len(self._entry.outside) > SPARE:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio has it
        """Be gone."""
        self._timer.cancel()
        self._entry.outside.discard(self)

    def data_received(self, data: bytes) -> None:
        """Let a probe in at once; hold all others."""
        if self._deaf:
            return
        self._held += data
        if any(probe.startswith(self._held[: len(probe)]) for probe in PROBING):
            if b"\r\n" in self._held or len(self._held) > KEPT_BYTES:
                self._let_in()
            return
        self._deaf = True
        self._transport.pause_reading()
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._entry.hold_s, self._decide)

    def _decide(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        if len(self._held) <= KEPT_BYTES and self._entry.has_room(self._made_with):
            self._let_in()
            return
        self._held = b""
        self._entry.protocol.metrics.count("mulle_rejected_total", crowded().reason)
        self._transport.write(response(crowded()))
        with suppress(OSError, NotImplementedError):  # so that who still sends reads the answer, and no reset
            self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, self.over)

    def _let_in(self) -> None:
        self._timer.cancel()
        self._entry.outside.discard(self)
        inside, transport = self._entry.protocol(**self._made_with), self._transport
        transport.set_protocol(inside)
        inside.connection_made(transport)
        inside.data_received(self._held)

    def over(self) -> None:
        """End the connection."""
        self._transport.close()
