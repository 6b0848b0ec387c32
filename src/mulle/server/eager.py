"""Answers a request where it came in, without a task: a task costs a turn of the event loop before it begins, and one after.

What a request usually waits for is its batch, which is told where it ran: then the request goes on there and then. What
belongs to it is still in the processor's cache, and is free again before the next ones need room. For whatever else it
may wait for, it gets a task after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Told(asyncio.Future[bytes]):
    """What a request waits for: its answer, or why there is none. To be told on the event loop.

    Parameters
    ----------
    loop
        That event loop.

    Examples
    --------
    >>> async def ask(told: Told) -> bytes:
    ...     return await told
    >>> async def tell() -> bytes:
    ...     told = Told(loop=asyncio.get_running_loop())
    ...     asking = asyncio.create_task(ask(told))
    ...     told.tell(b"yes")
    ...     return await asking
    >>> asyncio.run(tell())
    b'yes'
    """

    __slots__ = ("_then",)

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._then: Callable[[], None] | None = None

    def goes_on(self, then: Callable[[], None]) -> bool:
        """Have somebody who awaits this go on at once when it is told; false where somebody else does already."""
        if self._then is not None:
            return False
        self._then = then
        self._asyncio_future_blocking = False  # as a task says that it knows what it waits for
        return True

    def tell(self, body: bytes) -> None:
        """Give the answer, unless there is one."""
        if not self.done():
            self.set_result(body)
            if self._then is not None:
                self._then()

    def fail(self, why: Exception) -> None:
        """Say that there is no answer, unless there is one."""
        if not self.done():
            self.set_exception(why)
            if self._then is not None:
                self._then()


class Errand:
    """A coroutine that is run where it is called, as far as that goes; it goes on when it is told what it waits for.

    No task is the current one, so it may wait for futures, but not use `asyncio.timeout`.

    Parameters
    ----------
    coroutine
        Not begun yet.
    loop
        The event loop, on which all of this runs.
    under_way
        Who is not done; it is one of them as long as it waits, as a task would be.

    Examples
    --------
    >>> async def at_once() -> None:
    ...     print("done")
    >>> async def outside() -> None:
    ...     Errand(at_once(), asyncio.get_running_loop(), set())()
    >>> asyncio.run(outside())
    done
    """

    __slots__ = ("_coroutine", "_loop", "_under_way", "_waits_for")

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, under_way: set[Any]
    ) -> None:
        self._coroutine, self._loop, self._under_way = coroutine, loop, under_way
        self._waits_for: Told | None = None

    def __call__(self) -> None:
        """Go on until it has to wait again. What it raises is told to the event loop, as a callback's error is."""
        try:
            awaited = self._coroutine.send(None)
        except (StopIteration, asyncio.CancelledError):
            self._over()
            return
        except Exception as error:  # whoever told it has others to tell  # noqa: BLE001
            self._over()
            self._loop.call_exception_handler({"message": "a request failed", "exception": error})
            return
        if type(awaited) is Told and awaited.goes_on(self):
            self._waits_for = awaited
            self._under_way.add(self)
            return
        self._over()
        task = self._loop.create_task(_rest(self._coroutine, awaited))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _over(self) -> None:
        if self._waits_for is not None:  # the first steps are the last ones for most
            self._under_way.discard(self)
            self._waits_for = None

    def cancel(self, msg: object = None) -> None:
        """End it where it waits, at the next turn of the event loop."""
        if self._waits_for is not None and self._waits_for.cancel(msg):
            self._loop.call_soon(self)


async def _rest(coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _Rest(coroutine, awaited)


class _Rest:
    """A coroutine that has begun and waits for something."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine, self._awaited = coroutine, awaited

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for what it waits for, and go on with it."""
        coroutine, awaited = self._coroutine, self._awaited
        while True:
            thrown: BaseException | None = None
            try:
                yield awaited
            except BaseException as error:  # above all that this task was cancelled  # noqa: BLE001
                thrown = error
            try:
                awaited = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
            except StopIteration:
                return
