"""A request that began without a task goes on as any coroutine does, and at once when it is told."""

import asyncio

import pytest

from mulle.server.eager import Errand, Told


def run(work):
    """Begin a coroutine outside of any task, as the event loop's callbacks do; return who was under way, and errors."""

    async def outside():
        loop = asyncio.get_running_loop()
        under_way, errors = set(), []
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        loop.call_soon(Errand(work(), loop, under_way))
        await asyncio.sleep(0)
        begun = set(under_way)
        while under_way:
            await asyncio.sleep(0.001)
        return begun, errors

    return asyncio.run(outside())


def test_what_never_waits_is_done_at_once():
    said = []

    async def work():
        said.append(1)

    assert run(work) == (set(), [])
    assert said == [1]


def test_who_is_told_goes_on_before_its_teller_does():
    said = []

    async def outside():
        loop, under_way = asyncio.get_running_loop(), set()
        told = [Told(loop=loop) for _ in range(3)]

        async def work():
            said.append(await told[0])
            try:
                await told[1]
            except ValueError as error:
                said.append(str(error))
            said.append(await told[2])

        Errand(work(), loop, under_way)()
        assert len(under_way) == 1
        told[0].tell(b"a")
        said.append("told")
        told[1].fail(ValueError("b"))
        told[1].tell(b"too late")
        assert len(under_way) == 1
        told[2].tell(b"c")
        told[2].fail(ValueError("too late"))
        assert not under_way

    asyncio.run(outside())
    assert said == [b"a", "told", "b", b"c"]


def test_what_was_told_already_is_not_waited_for():
    said = []

    async def work():
        told = Told(loop=asyncio.get_running_loop())
        told.tell(b"early")
        said.append(await told)

    assert run(work) == (set(), [])
    assert said == [b"early"]


def test_a_task_hears_it_as_well_and_so_do_two_who_wait_for_the_same():
    async def outside():
        loop = asyncio.get_running_loop()
        told, heard = Told(loop=loop), []

        async def work():
            heard.append(await told)

        Errand(work(), loop, set())()
        second = set()
        Errand(work(), loop, second)()
        third = asyncio.create_task(work())
        await asyncio.sleep(0)
        told.tell(b"x")
        assert heard == [b"x"]
        await asyncio.gather(third, *second)
        return heard

    assert asyncio.run(outside()) == [b"x"] * 3


def test_for_whatever_else_it_waits_for_it_gets_a_task():
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
        told = Told(loop=loop)
        loop.call_soon(told.tell, b"c")
        said.append(await told)
        said.append(await asyncio.to_thread(lambda: "d"))

    (begun,), errors = run(work)
    assert isinstance(begun, asyncio.Task)
    assert not errors
    assert said == ["a", "b", b"c", "d"]


def test_it_may_wait_for_what_is_done_by_the_time_its_task_begins():
    said = []

    async def work():
        told = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(told.set_result, "early")
        said.append(await told)

    run(work)
    assert said == ["early"]


@pytest.mark.parametrize("kind", [asyncio.Future, Told])
def test_what_is_cancelled_ends_where_it_waits_and_all_may_be_cancelled_in_one_go(kind):
    said = []

    async def work():
        try:
            await kind(loop=asyncio.get_running_loop())
        except asyncio.CancelledError:
            said.append("cancelled")

    async def outside():
        loop, under_way = asyncio.get_running_loop(), set()
        for _ in range(3):
            Errand(work(), loop, under_way)()
        await asyncio.sleep(0)
        for one in under_way:
            one.cancel(msg="over")
        await asyncio.sleep(0.01)
        return under_way

    assert asyncio.run(outside()) == set()
    assert said == ["cancelled"] * 3


def test_who_lets_itself_be_cancelled_is_over_and_that_is_no_error():
    async def outside():
        loop, under_way, errors = asyncio.get_running_loop(), set(), []
        loop.set_exception_handler(lambda _, context: errors.append(context))

        async def work():
            await Told(loop=loop)

        Errand(work(), loop, under_way)()
        for one in under_way:
            one.cancel()
        await asyncio.sleep(0)
        return under_way, errors

    assert asyncio.run(outside()) == (set(), [])


@pytest.mark.parametrize("waits", [False, True])
def test_its_error_is_told_to_the_event_loop_and_not_to_who_told_it(waits):
    async def outside():
        loop, under_way, errors = asyncio.get_running_loop(), set(), []
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        told = Told(loop=loop)

        async def work():
            if waits:
                await told
            raise ValueError("mine")

        Errand(work(), loop, under_way)()
        told.tell(b"")
        assert not under_way
        return [str(error) for error in errors]

    assert asyncio.run(outside()) == ["mine"]


def test_a_tasks_error_is_its_own():
    async def outside():
        loop, under_way = asyncio.get_running_loop(), set()

        async def work():
            await asyncio.sleep(0)
            raise ValueError("mine")

        Errand(work(), loop, under_way)()
        with pytest.raises(ValueError, match="mine"):
            await next(iter(under_way))

    asyncio.run(outside())
