"""How much is begun in one turn of the event loop, so that probes, timers and new connections never wait for a crowd."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Waiting(Protocol):
    """A connection whose bytes wait."""

    def go_on(self) -> None:
        """Read them now."""


class Pace:
    """Lets so many requests be begun in each turn of the event loop; the bytes of others wait.

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

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = 0
        self._waiting: deque[Waiting] = deque()

    def admits(self) -> bool:
        """Whether one more may be begun now; when it may, it counts as begun."""
        if self._begun >= self._most:
            return False
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._turn)
        self._begun += 1
        return True

    def wait(self, connection: Waiting) -> None:
        """Have a connection go on when it is its turn."""
        self._waiting.append(connection)

    def _turn(self) -> None:
        """Begin a turn, with those who have waited."""
        self._begun = min(self._most, len(self._waiting))
        if self._begun:
            asyncio.get_running_loop().call_soon(self._turn)
        last = self._begun // 2
        for _ in range(last):
            self._waiting.pop().go_on()
        for _ in range(self._begun - last):
            self._waiting.popleft().go_on()
