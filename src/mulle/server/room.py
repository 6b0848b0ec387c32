"""How many requests are answered at once. Others wait outside for a while, and are told to come back when it was in vain.

Whoever is inside is answered in batches, so a few batches' worth of requests keep the model busy; more of them would only
drive each other out of the processor's cache, which is why a connection holds unread what finds no room. Those outside are
let in when the house is half empty, the latest first: a crowd that came once is answered whole; of one that keeps coming,
some are served fast and the others are told soon, where by turns everybody would be served late, and fewer of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TypeAlias

from mulle.server.problem import Problem

REFUSALS_PER_S, LONGEST_S = 300, 5.0
"""The more wait outside, the longer each does before it is refused, so that refusing never takes the time answers need."""
Told: TypeAlias = Callable[[bool], None]
"""Hears whether there is room; false when there was none for too long."""
LOOK_S = 0.02
"""How often it is seen whose patience is over: one timer for all costs less than one for each."""


class Busy(Problem):
    """There is no room. A new one each time: an exception that is raised again keeps all that it ever passed through."""

    def __init__(self) -> None:
        what = "the server has as many requests as it can answer"
        super().__init__(503, what, fix="ask again later", retry_after_s=1)


class Room:
    """Counts who is inside; ``with room:`` is to be inside.

    Parameters
    ----------
    most
        How many may be inside.
    hold_s
        How long somebody waits outside, in seconds, before being refused; longer when many do.
    slow
        Whether nobody should come in, however few are inside.

    Examples
    --------
    >>> room = Room(1)
    >>> with room:
    ...     room.full
    True
    """

    def __init__(self, most: int, *, hold_s: float = 0.1, slow: Callable[[], bool] = lambda: False) -> None:
        self.inside = 0
        self._most, self._hold_s, self._slow = most, hold_s, slow
        self._outside: dict[Told, float] = {}
        """Who waits, and until when; the first ones came first."""
        self._looking = False

    @property
    def full(self) -> bool:
        """Whether nobody more comes in now."""
        return self.inside >= self._most or self._slow()

    @property
    def outside(self) -> int:
        """How many wait outside."""
        return len(self._outside)

    async def open(self) -> None:
        """Wait until there is room.

        Raises
        ------
        Busy
            When there was none for so long.
        """
        if not self.full:
            return
        hears = asyncio.get_running_loop().create_future()
        told = partial(_decide, hears)
        self.wait(told)
        try:
            await hears
        finally:
            self.leave(told)

    def wait(self, told: Told) -> None:
        """Have somebody wait until there is room, and no longer than patience lasts; on the event loop.

        Parameters
        ----------
        told
            Is called once, on the event loop.
        """
        loop = asyncio.get_running_loop()
        crowd_s = min(LONGEST_S, (len(self._outside) + 1) / REFUSALS_PER_S)
        self._outside[told] = loop.time() + max(self._hold_s, crowd_s)
        if not self._looking:
            self._look(loop)

    def leave(self, told: Told) -> None:
        """Forget somebody who waits no more."""
        self._outside.pop(told, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """See whose patience is over, as long as anybody waits."""
        now = loop.time()
        for told, until in list(self._outside.items()):
            if until > now:
                break
            del self._outside[told]
            told(not self.full)
        self._looking = bool(self._outside)
        if self._looking:
            loop.call_later(LOOK_S, self._look, loop)

    def __enter__(self) -> None:
        self.inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.inside -= 1
        if self._outside and self.inside < max(1, self._most // 2) and not self._slow():
            told, _ = self._outside.popitem()
            asyncio.get_running_loop().call_soon(told, True)  # noqa: FBT003  # not from within another's answer


def _decide(hears: asyncio.Future[None], room: bool) -> None:  # noqa: FBT001  # as whoever waits is told
    if hears.done():
        return
    if room:
        hears.set_result(None)
    else:
        hears.set_exception(Busy())
