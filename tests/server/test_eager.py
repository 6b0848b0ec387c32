"""A request that began without a task goes on as any coroutine does."""

import asyncio

import pytest

from mulle.server.eager import begun


def run(coroutine):
    """Begin a coroutine outside of any task, as the event loop's callbacks do, and wait for its end."""

    async def outside():
        loop = asyncio.get_running_loop()
        made = loop.create_future()

        def begin():
            try:
                made.set_result(begun(coroutine, loop))
            except ValueError as error:
                made.set_exception(error)

        loop.call_soon(begin)
        task = await made
        if task is not None:
            await task
        return task

    return asyncio.run(outside())


def test_what_never_waits_is_done_at_once():
    said = []

    async def work():
        said.append(1)

    assert run(work()) is None
    assert said == [1]


def test_what_waits_goes_on_and_hears_what_it_waited_for():
    said = []

    async def work():
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        loop.call_later(0.001, first.set_result, "a")
        said.append(await first)
        loop.call_soon(second.set_exception, ValueError("b"))
        try:
            await second
        except ValueError as error:
            said.append(str(error))
        await asyncio.sleep(0)
        said.append(await asyncio.to_thread(lambda: "c"))

    assert run(work()) is not None
    assert said == ["a", "b", "c"]


def test_it_may_wait_for_what_is_done_by_the_time_its_task_begins():
    said = []

    async def work():
        told = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(told.set_result, "early")
        said.append(await told)

    run(work())
    assert said == ["early"]


def test_a_cancelled_task_cancels_it():
    said = []

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            said.append("cancelled")
            raise

    async def outside():
        task = begun(work(), asyncio.get_running_loop())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(outside())
    assert said == ["cancelled"]


def test_its_error_is_its_tasks_error():
    async def work():
        await asyncio.sleep(0)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(work())


def test_where_it_fails_before_it_waits_the_caller_hears():
    async def work():
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        run(work())
