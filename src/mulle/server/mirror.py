"""A shadow answers a share of the requests once more: nobody hears it, the log keeps it, and nobody waits for it.

One that does not come back within the time that a batch may take is left alone: it is asked no more until it is back,
and the thread is its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mulle.core.errors import MulleError, StoreError
from mulle.server.ask import Ask
from mulle.server.bench import Bench
from mulle.server.metrics import Metrics
from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
from mulle.server.served import Served
from mulle.store.log import Group, Log, Promise, Row
from mulle.store.log.entry import SHADOW_MARK

logger = logging.getLogger("mulle.server")
MOST = 256
"""Requests that wait for the shadow; beyond them it is spared, and that is counted."""


class Mirror:
    """Sends copies to the shadow when there is time.

    Parameters
    ----------
    answer
        Lets the shadow answer a request, on a thread of the mirror's, and returns what the log is to keep of it.
    shadow
        Returns who the shadow is now.
    failed
        Returns what the log is to keep of a request that the shadow could not answer.
    log
        Where that is kept.
    metrics
        Counts what was mirrored, spared and failed.
    bench
        Knows which shadows are left alone.
    limit_s
        How long a shadow may take for a request.
    """

    def __init__(
        self,
        answer: Callable[[Ask, Served], list[Row]],
        *,
        shadow: Callable[[], Served | None],
        failed: Callable[[Ask, Served], list[Row]],
        log: Log | RemoteLog | None,
        metrics: Metrics,
        bench: Bench,
        limit_s: float,
    ) -> None:
        self._answer, self._shadow, self._failed = answer, shadow, failed
        self._log = log
        self._metrics = metrics
        self._bench, self._limit_s = bench, limit_s
        self._waiting: deque[Ask] = deque()
        self._thread = _one_thread()
        self._task: asyncio.Task[None] | None = None

    def send(self, ask: Ask) -> None:
        """Take a request that the champion has answered."""
        if len(self._waiting) >= MOST:
            self._count("spared", ask)
            return
        self._waiting.append(ask)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            ask, served = self._waiting.popleft(), self._shadow()
            if served is None or self._bench.holds(served):
                self._count("spared", ask)
                continue
            try:
                rows = await self._answered(ask, served)
            except Exception as error:  # a shadow's fault must not end what comes after it
                if not isinstance(error, MulleError | Problem | TimeoutError):
                    logger.exception("the shadow failed")
                self._count("failed", ask)
                self._keep(self._failed(ask, served))
                continue
            self._count("answered", ask)
            self._keep(rows)

    async def _answered(self, ask: Ask, served: Served) -> list[Row]:
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._answer, ask, served)
        done, _ = await asyncio.wait([work], timeout=self._limit_s)
        if not done:
            self._bench.leave(served, work, after_s=self._limit_s)
            self._thread.shutdown(wait=False)
            self._thread = _one_thread()
            raise TimeoutError
        return work.result()

    def _count(self, result: str, ask: Ask) -> None:
        self._metrics.count("mulle_mirrored_total", result, by=len(ask.rows))

    def _keep(self, rows: list[Row]) -> None:
        if self._log is None:
            return
        try:
            marked = [row._replace(id=row.id + SHADOW_MARK) for row in rows]
            self._log.append(Group(rows=marked, promise=Promise.MEMORY, done=self._metrics.dropped(len(rows))))
        except StoreError:
            self._metrics.count("mulle_log_dropped_total", by=len(rows))

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="mulle-shadow")
