"""A shadow answers a share of the requests once more: nobody hears it, the log keeps it, and nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mulle.core.errors import MulleError, StoreError
from mulle.server.ask import Ask
from mulle.server.metrics import Metrics
from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
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
    log
        Where that is kept.
    metrics
        Counts what was mirrored, spared and failed.
    failed
        Returns what the log is to keep of a request that the shadow could not answer.
    """

    def __init__(
        self,
        answer: Callable[[Ask], list[Row]],
        *,
        log: Log | RemoteLog | None,
        metrics: Metrics,
        failed: Callable[[Ask], list[Row]] = lambda _: [],
    ) -> None:
        self._answer = answer
        self._failed = failed
        self._log = log
        self._metrics = metrics
        self._waiting: deque[Ask] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mulle-shadow")
        self._task: asyncio.Task[None] | None = None

    def send(self, ask: Ask) -> None:
        """Take a request that the champion has answered."""
        if len(self._waiting) >= MOST:
            self._metrics.count("mulle_mirrored_total", "spared", by=len(ask.rows))
            return
        self._waiting.append(ask)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            ask = self._waiting.popleft()
            try:
                rows = await loop.run_in_executor(self._thread, self._answer, ask)
            except Exception as error:  # a shadow's fault must not end what comes after it
                if not isinstance(error, MulleError | Problem):
                    logger.exception("the shadow failed")
                self._metrics.count("mulle_mirrored_total", "failed", by=len(ask.rows))
                self._keep(self._failed(ask))
                continue
            self._metrics.count("mulle_mirrored_total", "answered", by=len(ask.rows))
            self._keep(rows)

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
