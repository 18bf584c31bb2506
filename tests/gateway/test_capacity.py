"""The room of a deployment: bounded, in order, and never leaking a place, however calls are interleaved and cut."""

import asyncio

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.gateway.routing.capacity import Capacity
from alcove.gateway.routing.options import DeploymentOptions
from alcove.kernel.errors import Overloaded


def room(**options: object) -> Capacity:
    return Capacity(name="up", options=DeploymentOptions(**options))  # type: ignore[arg-type]  # fields by name


async def test_without_a_limit_nobody_waits() -> None:
    capacity = room()
    for _ in range(1000):
        await capacity.take()
    assert capacity.in_flight == 1000
    assert capacity.has_room


async def test_who_came_first_gets_the_place_first() -> None:
    capacity = room(max_parallel=1)
    await capacity.take()
    order: list[int] = []

    async def wait(number: int) -> None:
        await capacity.take()
        order.append(number)
        capacity.give_back()

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(wait, number)
            await anyio.lowlevel.checkpoint()
        assert capacity.waiting == 5
        assert not capacity.try_take()
        capacity.give_back()
    assert order == [0, 1, 2, 3, 4]
    assert capacity.in_flight == 0


async def test_a_full_queue_refuses_with_the_time_to_come_back() -> None:
    capacity = room(max_parallel=1, max_waiting=1)
    await capacity.take()
    async with anyio.create_task_group() as group:
        group.start_soon(capacity.take)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(Overloaded, match="1 calls under way and 1 that wait") as raised:
            await capacity.take()
        assert (raised.value.status, raised.value.retry_after_s) == (503, 1)
        capacity.give_back()
    assert (capacity.in_flight, capacity.waiting) == (1, 0)


async def test_waiting_has_an_end() -> None:
    capacity = room(max_parallel=1, max_wait_s=0.02)
    await capacity.take()
    with pytest.raises(Overloaded, match=r"no room for 0\.02 s"):
        await capacity.take()
    assert (capacity.in_flight, capacity.waiting) == (1, 0)
    capacity.give_back()
    await capacity.take()


async def test_more_room_lets_those_in_who_wait() -> None:
    capacity = room(max_parallel=1)
    await capacity.take()
    async with anyio.create_task_group() as group:
        group.start_soon(capacity.take)
        await anyio.lowlevel.checkpoint()
        capacity.options = DeploymentOptions(max_parallel=2)
        capacity.admit_waiting()
    assert capacity.in_flight == 2


async def test_a_place_given_to_one_who_leaves_in_that_moment_goes_on() -> None:
    capacity = room(max_parallel=1)
    await capacity.take()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(capacity.take())
        staying = group.create_task(capacity.take())
        await asyncio.sleep(0)
        capacity.give_back()  # the place is the first one's
        leaving.cancel()
    assert leaving.cancelled()
    assert staying.done()
    assert (capacity.in_flight, capacity.waiting) == (1, 0)


steps = st.lists(
    st.tuples(st.sampled_from(["take", "cancel", "give", "tick", "more", "less"]), st.integers(0, 7)), max_size=60
)


@given(steps, st.integers(1, 3))
@settings(deadline=None)
def test_no_place_is_lost_and_none_given_twice(script: list[tuple[str, int]], limit: int) -> None:
    async def play() -> None:
        capacity = room(max_parallel=limit, max_waiting=4, max_wait_s=30)
        most = limit
        tasks: list[asyncio.Task[bool]] = []
        held: list[asyncio.Task[bool]] = []

        async def call() -> bool:
            try:
                await capacity.take()
            except Overloaded:
                return False
            return True

        async with asyncio.TaskGroup() as group:
            for what, number in script:
                if what == "take":
                    tasks.append(group.create_task(call()))
                elif what == "cancel" and tasks:
                    tasks[number % len(tasks)].cancel()
                elif what == "give":
                    ready = [each for each in tasks if _has_place(each) and each not in held]
                    if ready:
                        held.append(ready[number % len(ready)])
                        capacity.give_back()
                elif what in {"more", "less"}:
                    now = max(1, limit + number % 3 - 1)
                    most = max(most, now)
                    capacity.options = capacity.options.model_copy(update={"max_parallel": now})
                    capacity.admit_waiting()
                else:
                    await asyncio.sleep(0)
                assert 0 <= capacity.in_flight <= most
            for _ in range(200):
                await asyncio.sleep(0)
                for each in tasks:
                    if _has_place(each) and each not in held:
                        held.append(each)
                        capacity.give_back()
                if all(each.done() for each in tasks):
                    break
        assert (capacity.in_flight, capacity.waiting) == (0, 0)
        assert capacity.has_room

    asyncio.run(play())


def _has_place(task: "asyncio.Task[bool]") -> bool:
    return task.done() and not task.cancelled() and task.result()
