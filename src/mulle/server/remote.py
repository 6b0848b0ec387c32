"""A log that another process writes: with several workers one writer keeps what all of them were promised.

Entries travel over a pair of sockets between a parent and its own children, as MessagePack with fixed types. What is
acknowledged is what the writer acknowledged; a worker that dies loses nothing that it had been told of.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from mulle.core.errors import StoreError
from mulle.store.log import Answer, Change, Exposure, Feedback, Group, LogFull, Promise, Row
from mulle.store.log.book import BadEntry
from mulle.store.log.history import E, Wanted, entries
from mulle.store.log.reading import Reader

log = logging.getLogger("mulle.server")

HEAD = struct.Struct("<I")
MOST_BYTES = 256 * 1024**2


class Sent(NamedTuple):
    """A group on its way; ``number`` 0 asks for no answer."""

    number: int
    rows: list[Row]
    exposures: list[Exposure]
    feedback: list[Feedback]
    changes: list[Change]
    answers: list[Answer]
    promise: str

    def group(self) -> Group:
        """Return the group that was sent."""
        return Group(self.rows, self.exposures, self.feedback, self.changes, self.answers, Promise(self.promise))


class FromWorker(msgspec.Struct, omit_defaults=True):
    """What a worker tells its parent."""

    sent: Sent | None = None
    counted: bytes = b""
    """Its metrics, as `Metrics.packed` gives them."""
    asks: int = 0
    """More than 0: wants to know what all workers counted."""


class ToWorker(msgspec.Struct, omit_defaults=True):
    """What the parent tells a worker."""

    kept: list[int] = []
    """Numbers of groups whose promise holds."""
    broken: list[tuple[int, str, bool]] = []
    """Numbers of groups that could not be kept, why, and whether an entry of theirs was at fault."""
    fault: str = ""
    dropped: int = 0
    pending: int = 0
    answers: int = 0
    counted: list[bytes] = []


encoder = msgspec.msgpack.Encoder()
from_worker = msgspec.msgpack.Decoder(FromWorker)
to_worker = msgspec.msgpack.Decoder(ToWorker)


def framed(message: msgspec.Struct) -> bytes:
    """Return a message behind its length."""
    body = encoder.encode(message)
    return HEAD.pack(len(body)) + body


async def next_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next message's body; None when the other side is gone."""
    try:
        (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
        if size > MOST_BYTES:
            return None
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class RemoteLog:
    """The part of `mulle.store.log.Log` that a server needs, kept by its parent.

    Parameters
    ----------
    reader, writer
        The pair of sockets.
    history
        Reads what was written; the writing is the parent's alone.
    max_pending
        How many entries may be on their way.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        history: Reader,
        *,
        max_pending: int = 20_000,
    ) -> None:
        self.pending = 0
        self.dropped = 0
        self.fault: str | None = None
        self._reader, self._writer, self._history = reader, writer, history
        self._max = max_pending
        self._waiting: dict[int, Group] = {}
        self._asked: dict[int, asyncio.Future[list[bytes]]] = {}
        self._number = 0
        self.gone = False
        self.left = asyncio.Event()
        """Set when the parent is gone."""

    @property
    def shared(self) -> bool:
        """Whether others answer beside this process and keep their answers in the same log: here, always."""
        return True

    def append(self, group: Group) -> None:
        """Hand entries over, on the event loop; see `mulle.store.log.Log.append`."""
        if self.gone:
            raise StoreError("the log's writer is gone", fix="the server is started again")
        if self.pending + group.size > self._max:
            raise LogFull(f"{self.pending:,} entries wait to be written", fix="try again in a second")
        self._number += 1
        self.pending += group.size
        self._waiting[self._number] = group
        parts = [list(part) for part in group[:5]]
        self._send(FromWorker(sent=Sent(self._number, *parts, str(group.promise))))  # type: ignore[arg-type,call-arg]

    write = append
    """The parent alone writes."""

    def _send(self, message: FromWorker) -> None:
        self._writer.write(framed(message))

    async def run(self) -> None:
        """Hear what the parent tells, until it is gone."""
        try:
            while (body := await next_frame(self._reader)) is not None:
                self._hear(to_worker.decode(body))
        finally:
            self.gone = True
            self.left.set()
            lost = StoreError("the log's writer is gone", fix="the server is started again")
            for number in list(self._waiting):
                self._settle(number, lost)

    def _hear(self, told: ToWorker) -> None:
        self.fault, self.dropped = told.fault or None, told.dropped
        for number in told.kept:
            self._settle(number, None)
        for number, why, bad in told.broken:
            self._settle(number, (BadEntry if bad else StoreError)(why, fix="see the server's log"))
        if told.answers and (asked := self._asked.pop(told.answers, None)) is not None and not asked.done():
            asked.set_result(told.counted)

    def _settle(self, number: int, error: StoreError | None) -> None:
        group = self._waiting.pop(number)
        self.pending -= group.size
        if group.done is not None:
            try:
                group.done(error)
            except Exception:  # the others have to hear it all the same
                log.exception("somebody who was told of a commit failed")

    async def counted(self, mine: bytes) -> list[bytes]:
        """Return what all workers counted, this one's fresh, the others' of at most a second ago."""
        self._number += 1
        asked = self._asked[self._number] = asyncio.get_running_loop().create_future()
        self._send(FromWorker(counted=mine, asks=self._number))
        return await asyncio.wait_for(asked, 2.0)

    def tell(self, counted: bytes) -> None:
        """Tell the parent what was counted so far."""
        self._send(FromWorker(counted=counted))

    def find(self, prediction_id: str) -> Row | None:
        """Look one prediction up."""
        return self._history.find(prediction_id)

    def said_of(self, prediction_id: str) -> dict[str, tuple[int, Feedback]]:
        """Return, by kind, how many times feedback came on a prediction and what came last."""
        return self._history.said_of(prediction_id)

    def answer(self, key: str) -> Answer | None:
        """Return what was answered under an idempotency key."""
        return self._history.answer(key)

    def read(self, kind: type[E], **wanted: Any) -> Iterator[list[E]]:
        """Read entries that are not rotated; see `mulle.store.log.Log.read`."""
        yield from entries(self._history, kind, Wanted(**wanted))

    async def close(self, timeout_s: float) -> bool:
        """Wait until all that was handed over was acknowledged."""
        end = asyncio.get_running_loop().time() + timeout_s
        while self._waiting and not self.gone and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
        self._writer.close()
        self._history.close()
        return not self._waiting
