"""Begins to answer a request where it came in, and hands it to a task only when it has to wait.

A task costs a turn of the event loop before it begins, which is what a request that comes alone waits for. Of many that
come at once it is cheaper to begin each in a task. From Python 3.12 on ``asyncio.Task(eager_start=True)`` does this; here
it works on 3.11 too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def begun(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
    """Run a coroutine until it waits for something.

    Until then no task is the current one, so it may wait for futures, but not use `asyncio.timeout`.

    Parameters
    ----------
    coroutine
        Not begun yet; called on the event loop.
    loop
        That event loop.

    Returns
    -------
    asyncio.Task or None
        What goes on with it; None when it is done.

    Examples
    --------
    >>> async def at_once() -> None:
    ...     print("done")
    >>> async def outside() -> None:
    ...     print(begun(at_once(), asyncio.get_running_loop()))
    >>> asyncio.run(outside())
    done
    None
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return loop.create_task(_rest(coroutine, awaited))


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
