"""Asked twice, done once: an idempotency key names a request, and the same request again gets the stored answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
from mulle.store.log import Log

LONGEST = 128
REMEMBERED = 10_000
"""Keys that are answered from memory; older ones are looked up in the log."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A key that was seen: of which request, and its answer, now or soon."""

    digest: bytes
    answer: asyncio.Future[bytes]


class Replays:
    """Requests by idempotency key.

    Parameters
    ----------
    log
        Where answers are kept beside their predictions, in one transaction; None remembers in memory only.
    """

    def __init__(self, log: Log | RemoteLog | None) -> None:
        self._log = log
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
            kept = await asyncio.to_thread(self._log.answer, key) if self._log else None
            if kept is not None and kept.body != known.digest:
                raise _another()  # noqa: TRY301
            known.answer.set_result(await do(known.digest) if kept is None else kept.response)
        except BaseException as error:
            self._known.pop(key, None)
            known.answer.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            known.answer.exception()  # heard here, whether or not anybody else waits
            raise

    def _remember(self, key: str, digest: bytes) -> Known:
        while len(self._known) >= REMEMBERED:
            self._known.popitem(last=False)
        known = Known(digest, asyncio.get_running_loop().create_future())
        self._known[key] = known
        return known


def key_of(header: bytes, client: str) -> str:
    """Return the key under which a request is known; two clients never share one.

    Raises
    ------
    Problem
        422 when it is too long, or not printable ASCII.

    Examples
    --------
    >>> key_of(b"order-7", "web")
    'web order-7'
    """
    if len(header) > LONGEST or not header.isascii() or not header.decode("ascii").isprintable():
        what = f"an idempotency key has 1 to {LONGEST} printable ASCII characters"
        raise Problem(422, what, where="Idempotency-Key", fix="send a UUID")
    return f"{client} {header.decode('ascii')}"


def _another() -> Problem:
    fix = "send a new key with a new request"
    return Problem(409, "another request came under this key", where="Idempotency-Key", fix=fix, reason="conflict")
