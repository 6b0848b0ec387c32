"""Several workers, one writer: the parent binds the port, starts the workers, and keeps the log for all of them.

The workers accept from one socket, so the kernel deals connections out. A worker that dies is started again; what it had
been told was kept is kept. When the parent dies, its workers finish what they accepted and leave.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mulle.core.errors import StoreError
from mulle.core.settings import environment
from mulle.server.metrics import Metrics
from mulle.server.remote import FromWorker, Sent, ToWorker, framed, from_worker, next_frame
from mulle.store.log import Done, Log
from mulle.store.log.book import BadEntry
from mulle.store.log.writer import tell_each

log = logging.getLogger("mulle.server")

AGAIN_S = 1.0
"""How long a worker that died is mourned before another is started."""


@dataclass(slots=True, eq=False)
class Worker:
    """One child: its process, the socket to it, and what it counted last."""

    number: int
    process: subprocess.Popen[bytes]
    writer: asyncio.StreamWriter
    counted: bytes = b""


@dataclass(kw_only=True, eq=False)
class Hub:
    """The parent of all workers.

    Parameters
    ----------
    log
        Where all entries go; None when nothing is kept.
    sock
        Bound and listening.
    n
        How many workers.
    told
        What each worker is told at its start; JSON.
    """

    log: Log | None
    sock: socket.socket
    n: int
    told: bytes
    _workers: dict[int, Worker] = field(default_factory=dict)
    _past: bytes = b""
    """What workers counted that are gone, all together."""
    _stopping: bool = False
    _begun: set[int] = field(default_factory=set)
    _ready: Callable[[], None] = field(default=lambda: None)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Keep the workers up until a stop is asked for; then let them finish.

        Parameters
        ----------
        ready
            Is called once, when all of them answer.
        """
        self._ready = ready
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, stop.set)
        keepers = [loop.create_task(self._keep(i)) for i in range(self.n)]
        await stop.wait()
        self._stopping = True
        self.sock.close()
        for worker in self._workers.values():
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*keepers)

    async def _keep(self, number: int) -> None:
        """Start a worker, hear it until it ends, and start another."""
        while not self._stopping:
            ours, theirs = socket.socketpair()
            process = start(self.told, number, self.sock, theirs)
            theirs.close()
            reader, writer = await asyncio.open_connection(sock=ours)
            worker = self._workers[number] = Worker(number, process, writer)
            if self._stopping:  # asked for after this one was started, and before it was known
                process.send_signal(signal.SIGTERM)
            while (body := await next_frame(reader)) is not None:
                self._hear(worker, from_worker.decode(body))
            writer.close()
            code = await asyncio.to_thread(process.wait)
            self._bury(worker)
            if not self._stopping:
                log.error("worker %d ended with %d; another is started", number, code)
                await asyncio.sleep(AGAIN_S)

    def _bury(self, worker: Worker) -> None:
        """Go on counting what a worker counted that is gone."""
        if worker.counted:
            whole = Metrics.joined([one for one in (self._past, worker.counted) if one])
            self._past, worker.counted = whole.past(), b""

    def _hear(self, worker: Worker, message: FromWorker) -> None:
        if message.counted:
            worker.counted = message.counted
            self._begun.add(worker.number)
            if len(self._begun) == self.n:
                ready, self._ready = self._ready, _nothing
                ready()
        if message.sent is not None:
            self._append(worker, message.sent)
        if message.asks:
            counted = [self._past, *(other.counted for other in self._workers.values())]
            self._tell(worker, ToWorker(answers=message.asks, counted=[one for one in counted if one]))

    def _append(self, worker: Worker, sent: Sent) -> None:
        def told(error: StoreError | None) -> None:
            if error is None:
                self._tell(worker, ToWorker(kept=[sent.number]))
            else:
                self._tell(worker, ToWorker(broken=[(sent.number, error.what, isinstance(error, BadEntry))]))

        if self.log is None:
            told(StoreError("no log is kept", fix="start the server with one"))
            return
        try:
            self.log.append(sent.group()._replace(done=told))
        except StoreError as error:
            told(error)

    def _tell(self, worker: Worker, message: ToWorker) -> None:
        if self.log is not None:
            message.fault, message.dropped = self.log.fault or "", self.log.dropped
        if not worker.writer.is_closing():
            worker.writer.write(framed(message))


def _nothing() -> None:
    """Be told no second time."""


def start(told: bytes, number: int, sock: socket.socket, pair: socket.socket) -> subprocess.Popen[bytes]:
    """Start one worker, which inherits the listening socket and its end of the pair."""
    command = [sys.executable, "-m", "mulle.server.worker", str(number), str(sock.fileno()), str(pair.fileno())]
    process = subprocess.Popen(  # noqa: S603  # our own words
        command,
        stdin=subprocess.PIPE,
        pass_fds=(sock.fileno(), pair.fileno()),
        start_new_session=True,  # Ctrl+C reaches the parent alone, which then asks each worker to stop
        env=dict(environment()),
    )
    assert process.stdin is not None  # noqa: S101  # it was asked for
    process.stdin.write(told)
    process.stdin.close()
    return process


def notifier(loop: asyncio.AbstractEventLoop) -> Callable[[list[Done]], None]:
    """Return what a log calls from its thread once a commit: all are told on the event loop."""

    def notify(done: list[Done]) -> None:
        loop.call_soon_threadsafe(tell_each, done)

    return notify


def packed(options: Any) -> bytes:
    """Return options as JSON, for a worker."""
    return msgspec.json.encode(options, enc_hook=str)


def unpacked(told: bytes, kind: type[Any]) -> Any:
    """Read options that a parent sent."""
    return msgspec.json.decode(told, type=kind, dec_hook=_path)


def _path(kind: type[Any], value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
