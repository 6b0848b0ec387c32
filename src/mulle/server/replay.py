"""Asked twice, done once: an idempotency key names a request, and the same request again gets the stored answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from mulle.core.errors import StoreError
from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
from mulle.store.log import Log

LONGEST = 128
SEPARATOR = "\x1f"
"""Stands between the client's name and its key: neither may hold it."""
REMEMBERED, REMEMBERED_BYTES = 10_000, 32 * 1024**2
"""Keys that are answered from memory, and how large their answers may be together; older ones are looked up in the log."""


@dataclass(slots=True, eq=False)
class Known:
    """A key that was seen: of which request, and its answer, now or soon."""

    digest: bytes
    answer: asyncio.Future[bytes]
    n_bytes: int = 0


class Replays:
    """Requests by idempotency key.

    Parameters
    ----------
    log
        Where answers are kept beside their predictions, in one transaction; None remembers in memory only.
    needed
        Whether a key is refused with 503 while the log can't be read; else it counts as new.
    unread
        Is called when the log could not be read.
    """

    def __init__(
        self, log: Log | RemoteLog | None, *, needed: bool = False, unread: Callable[[], None] = lambda: None
    ) -> None:
        self._log, self._needed, self._unread = log, needed, unread
        self._bytes = 0
        self._known: OrderedDict[str, Known] = OrderedDict()

    async def once(self, key: str, body: bytes, do: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        """Return the answer to a request that may have been asked before.

        Parameters
        ----------
        key
            The client's, unique to the client.
        body
            Of the request.
        do
            Answers it the first time; takes the digest to be kept with the answer.

        Returns
        -------
        bytes
            The same bytes each time.

        Raises
        ------
        Problem
            409 when another request came under the same key.
        """
        digest = blake2b(body, digest_size=16).digest()
        known = self._known.get(key)
        if known is None:
            known = self._remember(key, digest)
            await self._first(key, known, do)
        if known.digest != digest:
            raise _another()
        return await asyncio.shield(known.answer)

    async def _first(self, key: str, known: Known, do: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer from the log, or do it. What fails is forgotten, so that it may be tried again."""
        try:
            answer = await self._kept(key, known)
            if answer is None:
                answer = await do(known.digest)
                if self._log is not None and self._log.shared:  # another process may have been asked at the same time
                    answer = await self._kept(key, known) or answer
            known.answer.set_result(answer)
            self._weigh(key, known, len(answer))
        except BaseException as error:
            if self._known.get(key) is known:
                del self._known[key]
            known.answer.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            known.answer.exception()  # heard here, whether or not anybody else waits
            raise

    async def _kept(self, key: str, known: Known) -> bytes | None:
        """Return the answer that the log holds; refuse when it is that of another request."""
        if self._log is None:
            return None
        try:
            kept = await asyncio.to_thread(self._log.answer, key)
        except StoreError:
            self._unread()
            if self._needed:
                raise _unreadable() from None
            return None
        if kept is not None and kept.body != known.digest:
            raise _another()
        return None if kept is None else kept.response

    def _weigh(self, key: str, known: Known, n_bytes: int) -> None:
        """Count an answer's bytes while it is remembered, and forget the oldest beyond what may be."""
        if self._known.get(key) is not known:
            return
        known.n_bytes = n_bytes
        self._bytes += n_bytes
        while self._bytes > REMEMBERED_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._bytes -= self._known.popitem(last=False)[1].n_bytes

    def _remember(self, key: str, digest: bytes) -> Known:
        while len(self._known) >= REMEMBERED:
            self._forget_oldest()
        known = Known(digest, asyncio.get_running_loop().create_future())
        self._known[key] = known
        return known


def key_of(header: bytes, client: str) -> str:
    r"""Return the key under which a request is known; two clients with keys of their own never share one.

    Parameters
    ----------
    header
        ``Idempotency-Key``.
    client
        The name of the client's API key; empty where none is asked for.

    Raises
    ------
    Problem
        422 when it is empty, too long, or not printable ASCII.

    Examples
    --------
    >>> key_of(b"order-7", "web")
    'web\x1forder-7'
    """
    if not 0 < len(header) <= LONGEST or not header.isascii() or not header.decode("ascii").isprintable():
        what = f"an idempotency key has 1 to {LONGEST} printable ASCII characters"
        raise Problem(422, what, where="Idempotency-Key", fix="send a UUID")
    return f"{client}{SEPARATOR}{header.decode('ascii')}"


def _unreadable() -> Problem:
    what = "whether this key was answered before can't be read now"
    return Problem(503, what, where="Idempotency-Key", fix="ask again later", reason="log", retry_after_s=1)


def _another() -> Problem:
    fix = "send a new key with a new request"
    return Problem(409, "another request came under this key", where="Idempotency-Key", fix=fix, reason="conflict")
