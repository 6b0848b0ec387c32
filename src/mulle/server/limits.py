"""How much a client may ask for, and how long it may take. Every one of them can be set; none is off by default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server accepts.

    The defaults keep one client from taking the server away from the others: a body of a MiB holds some 3,000 rows
    of thirty numbers, and a turn's requests are answered in some three milliseconds.
    """

    body_bytes: int = 1024**2
    bodies_bytes: int = 64 * 1024**2
    """Bodies that are half-way here, and large ones that are being answered or wait for that, all together."""
    rows: int = 10_000
    head_bytes: int = 16 * 1024
    head_s: float = 5.0
    """From the first byte of a request to the end of its headers."""
    body_s: float = 5.0
    """From the end of the headers to the end of the body."""
    idle_s: float = 30.0
    connections: int = 2_000
    turn: int = 32
    """Requests that are begun in one turn of the event loop; the bytes of others wait for the next. See `Pace`."""
    turn_s: float = 0.01
    """After so long no more are begun in a turn: requests of many rows are run where they are begun."""
    at_once: int = 1_000
    """Requests that are answered at once. Others are held outside; see `Room`."""
    wait_s: float = 0.5
    """What waits for the model may take so long, as rows took lately; beyond that 503 too. One batch may always wait."""
    batch_rows: int = 64
    """Rows that are run together at most, so that nobody waits for a crowd."""
    refusal_s: float = 0.1
    """How long a request is held outside for want of room before it hears 503 with Retry-After: refusals that come at
    once are asked again at once, and would take the time that the accepted requests need."""
    pipeline: int = 32
    """Requests that a connection may send before the first of them was answered. The connection ends after them."""
    answer_s: float = 10.0
    """A batch that takes longer is given up: its requests hear 504, and no others are accepted until it is back.
    After three times that the process ends itself, for its supervisor to start it anew; see `mulle.server.stall`."""
    drain_s: float = 30.0
    """How long a stop waits for what was accepted."""

    @property
    def pending(self) -> int:
        """How many entries may wait for the log: room for some of the largest requests."""
        return max(20_000, 4 * self.rows)
