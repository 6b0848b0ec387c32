"""Answers rows in batches, without making anybody wait for a batch.

What came in while the engine was busy runs together. Where requests come one at a time, each runs where it came in. A
batch that is expected to take longer than a few milliseconds runs on a thread of its own, so that probes are answered
meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from mulle.core.clock import now
from mulle.core.errors import BundleError, StoreError
from mulle.runtime.answer import Prediction
from mulle.server.ask import Ask
from mulle.server.bench import Bench
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
from mulle.server.stall import Stall
from mulle.server.wire import encode
from mulle.store.log import Answer, Exposure, Group, Log, Promise
from mulle.store.log import Row as LogRow
from mulle.store.log.book import BadEntry
from mulle.store.log.entry import CHALLENGER

log = logging.getLogger("mulle.server")

INLINE_S = 0.01
"""A batch that is expected to take longer than this leaves the event loop."""
SMOOTH = 0.2
BEYOND = 1e30
"""Graphs may count in single precision, which ends at 3.4e38."""


class Engine:
    """Runs what waits.

    Parameters
    ----------
    log
        Where predictions are kept before they are told.
    metrics
        Counts batches and rows.
    limits
        How many rows run together.
    promise
        What the log has to have done before an answer is told.
    again
        Takes a request that a bundle failed, and says whether another answers it.
    mirror
        Takes a request that was answered and is to be asked of the shadow.
    lost
        Takes a request that a bundle did not answer in time.
    met
        Takes an exposure that the log has kept.
    bench
        Knows which challengers are left alone.
    """

    def __init__(
        self,
        log: Log | RemoteLog | None,
        *,
        metrics: Metrics,
        limits: Limits,
        promise: Promise = Promise.WRITTEN,
        again: Callable[[Ask], bool] = lambda _: False,
        mirror: Callable[[Ask], None] = lambda _: None,
        lost: Callable[[Ask], None] = lambda _: None,
        met: Callable[[Exposure], None] = lambda _: None,
        bench: Bench | None = None,
    ) -> None:
        self._log = log
        self._bench = bench or Bench(metrics)
        self._metrics = metrics
        self._limits = limits
        self.promise = promise
        self._again = again
        self._mirror = mirror
        self._lost = lost
        self.met = met
        self._queue: deque[Ask] = deque()
        self._thread = _one_thread()
        self._scheduled = False
        """Whether what waits is run at the next turn of the event loop."""
        self._running = False
        """Whether a batch is under way, here or on the thread."""
        self._came = self._came_before = 0
        """Requests of this turn of the event loop, and of the last one that had any."""
        self._row_s = 0.0
        self._queued = 0
        """Rows that wait."""
        self._under_way: Sequence[Ask] = ()
        self._work: asyncio.Future[list[bytes | Problem]] | None = None
        self.stall = Stall(limits.answer_s)
        self.unlogged: Callable[[int], None] = lambda n: metrics.count("mulle_log_dropped_total", by=n)

    def ask(self, ask: Ask) -> None:
        """Take a request, which is told when its answer may be."""
        if self.stall.long:
            raise _stalled()
        self._queue.append(ask)
        self._queued += len(ask.rows)
        loop = ask.told.get_loop()
        if self._alone(loop) or 2 * self._queued >= self._limits.batch_rows:
            self._run()
        else:
            self._schedule(loop)

    def _alone(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether a request that has come just now need not wait for others of the same turn: lately there were none."""
        if not self._came:
            loop.call_soon(self._turned)
        self._came += 1
        return self._came == 1 and self._came_before <= 1 and len(self._queue) == 1

    def _turned(self) -> None:
        self._came_before, self._came = self._came, 0

    @property
    def wait_s(self) -> float:
        """How long the rows that wait will take, as rows took lately; 0 while they fit into the next batch."""
        return self._queued * self._row_s if self._queued > self._limits.batch_rows else 0.0

    async def aside(self, do: Callable[[Ask], None], ask: Ask) -> None:
        """Do something long for a request off the event loop, in turn with long batches."""
        while True:
            thread = self._thread
            work = asyncio.get_running_loop().run_in_executor(thread, do, ask)
            await asyncio.wait([work])
            if not work.cancelled():
                return work.result()
            if thread is self._thread:  # the server stops
                raise _stalled()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._due)

    def _due(self) -> None:
        self._scheduled = False
        self._run()

    def _run(self) -> None:
        """Run what waits, a batch of it; what comes meanwhile waits for the next."""
        if self._running:
            return
        batch = self._next()
        if not batch:
            return
        self._running = True
        served, n_rows = batch[0].served, sum(len(ask.rows) for ask in batch)
        left_alone = self._bench.holds(served)
        quick = self._row_s * n_rows <= INLINE_S and n_rows <= self._limits.batch_rows and self._bench.trusts(served)
        if left_alone or quick:
            self.stall.began = time.monotonic()
            try:
                self._finish(batch, [_failed()] * len(batch) if left_alone else self._timed(batch, n_rows))
            except Exception as error:  # a fault of ours: these hear of it, and the next ones are answered  # noqa: BLE001
                self._broke(batch, error)
            finally:
                self._ready()
            return
        loop = asyncio.get_running_loop()
        self._under_way, self.stall.began = batch, time.monotonic()
        self._work = loop.run_in_executor(self._thread, self._timed, batch, n_rows)
        self._work.add_done_callback(lambda done: self._came_back(batch, done))

    def _came_back(self, batch: list[Ask], done: asyncio.Future[list[bytes | Problem]]) -> None:
        if self._under_way is not batch:  # it was passed on
            return
        try:
            error = done.exception()
            self._under_way, self.stall.began = (), 0.0
            self._bench.came_back(batch[0].served)
            self._finish(batch, [_failed()] * len(batch) if error is not None else done.result())
        except (Exception, asyncio.CancelledError) as error:  # as above; or the server stops  # noqa: BLE001
            self._broke(batch, error)
        finally:
            self._ready()

    def _ready(self) -> None:
        """Go on with what waits."""
        self._under_way, self.stall.began, self._running = (), 0.0, False
        if self._queue:
            self._schedule(self._queue[0].told.get_loop())

    def _broke(self, batch: Sequence[Ask], error: BaseException) -> None:
        """Say that a batch met a fault of ours."""
        log.error("a batch could not be handed over", exc_info=error)
        for ask in batch:
            ask.told.fail(_failed())

    def pass_on(self) -> None:
        """Let the champion answer what a challenger has had for too long. On the event loop.

        The thread is left to the challenger; another takes its place.
        """
        batch = self._under_way
        if not self.stall.late or not batch or not _is_tried(batch) or self._work is None:
            return
        self._bench.leave(batch[0].served, self._work, after_s=self.stall.taken * self.stall.limit_s)
        self._under_way, self.stall.began = (), 0.0
        old, self._thread = self._thread, _one_thread()
        old.shutdown(wait=False, cancel_futures=True)
        for ask in batch:
            twin = replace(ask, log_rows=[])  # the lost thread still writes to the first
            if not ask.told.done() and not self._again(twin):
                ask.told.fail(_too_long())
        self._ready()

    def give_up(self) -> None:
        """Tell all who wait that no answer will come: the batch under way takes too long. On the event loop."""
        if not self.stall.long:
            return
        self._metrics.count("mulle_stalled_total")
        for ask in self._under_way:
            self._lost(ask)
            ask.told.fail(_too_long())
        waiting, self._queue, self._queued = self._queue, deque(), 0
        for ask in waiting:
            ask.told.fail(_stalled())

    def _next(self) -> list[Ask]:
        """Take what waits for one bundle, in order, up to the cap; a large request runs alone."""
        batch: list[Ask] = []
        n_rows = 0
        while self._queue and (
            not batch
            or (
                self._queue[0].served is batch[0].served
                and n_rows + len(self._queue[0].rows) <= self._limits.batch_rows
            )
        ):
            ask = self._queue.popleft()
            self._queued -= len(ask.rows)
            if ask.told.done():  # who asked is gone, or was told that it took too long
                continue
            batch.append(ask)
            n_rows += len(ask.rows)
        return batch

    def _timed(self, batch: list[Ask], n_rows: int) -> list[bytes | Problem]:
        began = time.perf_counter()
        try:
            answers = answered(batch)
        except Exception as error:  # one request's fault, or ours, must not end the others  # noqa: BLE001
            return self._one_by_one(batch, error)
        took = (time.perf_counter() - began) / n_rows
        self._row_s += SMOOTH * (took - self._row_s) if self._row_s else took
        return answers

    def _one_by_one(self, batch: list[Ask], error: Exception) -> list[bytes | Problem]:
        """Answer a batch that failed: the requests that the model can answer don't fail with the others."""
        for ask in batch:
            ask.log_rows.clear()
        if len(batch) == 1:
            log.error("a model failed: %s", error, exc_info=not isinstance(error, BundleError))
            return [_failed()]
        return [answer for ask in batch for answer in self._timed([ask], len(ask.rows))]

    def _finish(self, batch: list[Ask], answers: list[bytes | Problem]) -> None:
        """Hand the batch's log entries over in one group; answers are told when the log has kept its promise."""
        told = []
        for ask, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, Problem):
                ask.body = answer
                told.append(ask)
            elif not self._again(ask):
                ask.told.fail(answer)
        if not told:
            return
        n_rows = sum(len(ask.rows) for ask in told)
        self._metrics.batches.add(n_rows)
        self._metrics.count("mulle_predictions_total", told[0].served.arm, told[0].served.name, by=n_rows)
        self._keep(told)
        for ask in told:
            if ask.mirrored:
                self._mirror(ask)

    def _keep(self, asks: list[Ask]) -> None:
        exposed = [ask for ask in asks if ask.exposure is not None]
        if exposed:  # what has to be on the disk must not decide over its neighbours, who were promised less
            self.keep_together(exposed, Promise.SYNCED)
            asks = [ask for ask in asks if ask.exposure is None]
        if asks:
            self.keep_together(asks, self.promise)

    def keep_together(self, asks: list[Ask], promise: Promise) -> None:
        """Hand over what is written together or not at all."""
        if self._log is None:
            _tell(asks)
            return
        exposures = [ask.exposure for ask in asks if ask.exposure is not None]
        told = Promised(asks, self, promise)
        group = Group(
            rows=[row for ask in asks for row in ask.log_rows],
            exposures=exposures,
            answers=[Answer(ask.key, ask.digest, ask.body, 200, now()) for ask in asks if ask.key],
            promise=promise,
            done=told,
        )
        try:
            (self._log.write if promise is Promise.WRITTEN else self._log.append)(group)
        except StoreError as error:  # full, closed, or its writer is gone
            told(error)
            return
        if promise is Promise.MEMORY:
            _tell(asks)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True, eq=False)
class Promised:
    """Tells a batch's answers when the log has kept its promise, or could not."""

    asks: list[Ask]
    engine: Engine
    promise: Promise

    def __call__(self, error: StoreError | None) -> None:
        """Run on the event loop."""
        if error is None:
            for ask in self.asks:
                if ask.exposure is not None:
                    self.engine.met(ask.exposure)
            _tell(self.asks)
        elif isinstance(error, BadEntry) and len(self.asks) > 1:  # one client's entry; the others' are kept
            for ask in self.asks:
                self.engine.keep_together([ask], self.promise)
        else:
            self._lost()

    def _lost(self) -> None:
        self.engine.unlogged(sum(len(ask.log_rows) for ask in self.asks))
        if self.promise is not Promise.SYNCED:
            _tell(self.asks)
            return
        for ask in self.asks:
            ask.told.fail(_not_kept())


def answered(batch: Sequence[Ask]) -> list[bytes | Problem]:
    """Run a batch that one bundle answers; leave each request's log entries with it.

    Parameters
    ----------
    batch
        Requests for one `Served`.

    Returns
    -------
    list
        The body for each request, or why there is none.

    Raises
    ------
    BundleError
        When a graph fails.
    """
    served = batch[0].served
    feeds = [one for ask in batch for one in ask.feeds]
    predictions = served.bundle.answer(feeds)
    at, start = now(), 0
    bodies: list[bytes | Problem] = []
    for ask in batch:
        mine = predictions[start : start + len(ask.rows)]
        start += len(ask.rows)
        bodies.append(_unanswered(ask) if None in mine else _body(ask, mine, at))  # type: ignore[arg-type]
    return bodies


def _body(ask: Ask, predictions: Sequence[Prediction], at: float) -> bytes:
    served, names, recorder = ask.served, ask.served.bundle.score_columns, ask.recorder
    ask.log_rows.clear()
    parts = []
    for i, (row, told) in enumerate(zip(ask.rows, predictions, strict=True)):
        id_ = ask.id if ask.single else f"{ask.id}-{i}"
        output = encode({"prediction": dict(zip(names, told.prediction, strict=True)), "decision": told.decision})
        parts.append(b'{"prediction_id":"%s",%s' % (id_.encode(), output[1:]))
        if recorder is not None:
            kept = (ask.propensity, ask.trial, ask.unit, recorder.inputs(row), output)
            ask.log_rows.append(LogRow(id_, at, served.name, served.version, served.arm, *kept))
    by = b'"bundle":"%s","version":%d,"arm":"%s"}' % (served.name.encode(), served.version, served.arm.encode())
    if ask.single:
        return b"%s,%s" % (parts[0][:-1], by)
    return b'{"predictions":[%s],%s' % (b",".join(parts), by)


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="mulle-engine")


def _is_tried(batch: Sequence[Ask]) -> bool:
    """Whether a batch is a challenger's, which the champion can answer as well."""
    return batch[0].served.arm == CHALLENGER


def _tell(asks: Sequence[Ask]) -> None:
    for ask in asks:
        ask.told.tell(ask.body)


def _stalled() -> Problem:
    return Problem(503, "the model is stuck", fix="ask again later", reason="stalled", retry_after_s=5)


def _too_long() -> Problem:
    fix = "ask for fewer rows at a time; the operator finds more in the server's log"
    return Problem(504, "the model did not answer in time", fix=fix, reason="stalled")


def _unanswered(ask: Ask) -> Problem:
    """Say why a model gave no number: of numbers far beyond all that it was trained on it can't; else it is at fault."""
    for i, row in enumerate(ask.rows):
        for name, value in row.items():
            if isinstance(value, int | float) and abs(value) > BEYOND:
                where = f"row {i}, column '{name[:80]}'"
                return Problem(422, "the model has no answer for so large a number", where=where, fix=_FIX_LARGE)
    return _failed()


_FIX_LARGE = "send the number in the unit that the model was trained on, or null where it isn't known"


def _failed() -> Problem:
    fix = "nothing is wrong with the request; the operator finds more in the server's log"
    return Problem(500, "the model could not answer", fix=fix, reason="failed")


def _not_kept() -> Problem:
    return Problem(
        503,
        "the answer could not be kept on the disk, which this server promises before it answers",
        fix="ask again later",
        reason="log",
        retry_after_s=1,
    )
