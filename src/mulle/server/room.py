"""How many requests are answered at once. Others wait outside for a while, and are told to come back when it was in vain.

Who waits outside is let in when the house is half empty, the latest first: a crowd that came once is answered whole; of one
that keeps coming, some are served fast and the others are told soon, where by turns everybody would be served late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from mulle.server.problem import Problem

REFUSALS_PER_S, LONGEST_S = 300, 5.0
"""The more wait outside, the longer each does before it is refused, so that refusing never takes the time answers need."""


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
        self._outside: dict[asyncio.Future[None], float] = {}
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
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        crowd_s = min(LONGEST_S, (len(self._outside) + 1) / REFUSALS_PER_S)
        self._outside[told] = loop.time() + max(self._hold_s, crowd_s)
        if not self._looking:
            self._look(loop)
        try:
            await told
        finally:
            self._outside.pop(told, None)
            del told  # else a refusal is held by its own frame, until the collector comes, which is seldom

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """See whose patience is over, as long as anybody waits."""
        now = loop.time()
        for told, until in list(self._outside.items()):
            if until > now:
                break
            del self._outside[told]
            self._decide(told)
        self._looking = bool(self._outside)
        if self._looking:
            loop.call_later(LOOK_S, self._look, loop)

    def _decide(self, told: asyncio.Future[None]) -> None:
        if told.done():
            return
        if self.full:
            told.set_exception(Busy())
        else:
            told.set_result(None)

    def __enter__(self) -> None:
        self.inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.inside -= 1
        if self._outside and self.inside < max(1, self._most // 2) and not self._slow():
            told, _ = self._outside.popitem()
            if not told.done():
                told.set_result(None)
