"""How much is begun in one turn of the event loop, so that probes, timers and new connections never wait for a crowd."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Waiting(Protocol):
    """A connection whose bytes wait."""

    def go_on(self) -> None:
        """Read them now."""


class Pace:
    """Lets so many requests be begun in each turn of the event loop, for so long; the bytes of others wait.

    A turn of the event loop hears all connections that have sent something, however many, before it looks at anything
    else. Bytes that only lie there cost it next to nothing. Half of those who go on are the last that came, whose data is
    still in the processor's cache; the other half are the first, so that in a crowd nobody waits more than twice as long
    as by turns.

    Parameters
    ----------
    most
        Requests in a turn.

    Examples
    --------
    >>> async def two() -> tuple[bool, bool]:
    ...     pace = Pace(1)
    ...     return pace.admits(), pace.admits()
    >>> asyncio.run(two())
    (True, False)
    """

    def __init__(self, most: int, most_s: float = 1.0) -> None:
        self._most, self._most_s = most, most_s
        self._begun, self._until = 0, 0.0
        self._waiting: deque[Waiting] = deque()

    def admits(self) -> bool:
        """Whether one more may be begun now; when it may, it counts as begun."""
        if not self._begun:
            self._open()
        elif self._begun >= self._most or time.monotonic() > self._until:
            return False
        self._begun += 1
        return True

    def wait(self, connection: Waiting) -> None:
        """Have a connection go on when it is its turn."""
        self._waiting.append(connection)

    @property
    def waiting(self) -> int:
        """How many wait for their turn; some may be gone by now."""
        return len(self._waiting)

    def _open(self) -> None:
        asyncio.get_running_loop().call_soon(self._turn)
        self._until = time.monotonic() + self._most_s

    def _turn(self) -> None:
        """Begin a turn, with those who have waited."""
        self._begun = 0
        n = min(self._most, len(self._waiting))
        if not n:
            return
        self._open()
        self._go_on(self._waiting.pop, n // 2, self._until - self._most_s / 2)
        self._go_on(self._waiting.popleft, n - n // 2, self._until)

    def _go_on(self, next_one: Callable[[], Waiting], n: int, until: float) -> None:
        """Let so many go on, or as many as can by then; one in any case, so that the first are never overtaken by all."""
        for i in range(n):
            if i and time.monotonic() > until:
                return
            self._begun += 1
            next_one().go_on()
