"""Whatever happens in whatever order: bounds hold, pinned models stay, and everybody is served in the end."""

from dataclasses import dataclass, field

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alcove.kernel.errors import AlcoveError
from alcove.runtime.models import LeaseRequest, LoadOptions, RunningModel, RuntimeSettings
from alcove.runtime.scheduler.service import ModelScheduler
from alcove.runtime.testing.catalog import fake_model
from alcove.runtime.testing.engine import FakeEngine
from tests.runtime.houses import MB, House, settled

SIZES = {"a": 100, "b": 150, "c": 250, "d": 40}
BUDGET_MB = 420
QUEUE = 3
SLOTS = 2
PINNED = "d"

_names = st.sampled_from(sorted(SIZES))
_users = st.sampled_from(["ada", "bob", "cyd"])
_ask = st.tuples(
    st.just("ask"), _names, _users, st.sampled_from([None, 512, 1024]), st.sampled_from([None, 0.0, 5.0, -1.0])
)
_step = st.one_of(
    _ask,
    _ask,
    st.tuples(st.just("end"), st.integers(0, 20)),
    st.tuples(st.just("leave"), st.integers(0, 20)),
    st.tuples(st.just("crash"), st.integers(0, 5)),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 3.0, 400.0])),
    st.tuples(st.just("unload"), _names),
    st.tuples(st.just("expire"), _names),
    st.tuples(st.just("let")),
)


@dataclass
class Customer:
    name: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    state: str = "waits"


async def be_served(scheduler: ModelScheduler, customer: Customer, request: LeaseRequest) -> None:
    with customer.scope:
        try:
            async with scheduler.lease(request):
                customer.state = "has"
                await customer.done.wait()
                customer.state = "served"
        except AlcoveError as error:
            customer.state = type(error).__name__
    if customer.scope.cancelled_caught:
        customer.state = "left"


def check(house: House) -> None:
    taken = sum(each.plan.memory_bytes for each in house.engine.alive)
    assert taken <= BUDGET_MB * MB
    assert house.scheduler.memory().taken_bytes <= BUDGET_MB * MB
    names = [each.plan.model.name for each in house.engine.alive]
    assert len(set(names)) == len(names)
    assert not {"a", "d"} <= set(names)
    for each in house.scheduler.running():
        assert each.active <= each.slots <= SLOTS
        assert each.queued <= QUEUE


def _ended(name: str, number: int) -> list[tuple]:  # type: ignore[type-arg]
    return [("ask", name, "ada", None, None), ("end", number), ("pass", 3.0)]


@example(
    steps=[*_ended("d", 0), *_ended("b", 1), *_ended("c", 2)], is_slow=False
)  # the pinned one was used longest ago
@given(steps=st.lists(_step, max_size=40), is_slow=st.booleans())
@settings(max_examples=120, deadline=None)
def test_any_order_keeps_the_bounds_and_serves_everybody(steps: list[tuple], is_slow: bool) -> None:  # type: ignore[type-arg]
    anyio.run(_play, steps, is_slow)


async def _play(steps: list[tuple], is_slow: bool) -> None:  # type: ignore[type-arg]
    house = House(
        settings=RuntimeSettings(parallel=SLOTS, max_queue=QUEUE, exclusive_groups=(("a", "d"),), pinned=(PINNED,)),
        engine=FakeEngine(is_slow=is_slow),
        budget_mb=BUDGET_MB,
    )
    for name, megabytes in SIZES.items():
        house.catalog.add(fake_model(name, megabytes=megabytes))
    customers: list[Customer] = []
    changes: list[RunningModel] = []
    async with house.open(), anyio.create_task_group() as group:
        group.start_soon(_note, house, changes)
        for step in steps:
            await _do(house, group, customers, step)
            await settled(8)
            check(house)
        for customer in customers:
            customer.done.set()
        for _ in range(60):
            house.engine.let()
            await settled(10)
            house.pass_s(31)
            await settled(10)
            check(house)
        waiting = [each for each in customers if each.state in {"waits", "has"}]
        assert not waiting
        allowed = {"served", "left", "QueueFull", "Overloaded", "NotEnoughMemory"}
        assert {each.state for each in customers} <= allowed
        group.cancel_scope.cancel()
    assert not [each for each in changes if each.model == PINNED and "makes room" in each.reason]
    assert house.engine.alive == []


async def _note(house: House, changes: list[RunningModel]) -> None:
    async for each in house.scheduler.watch():
        changes.append(each)


async def _do(house: House, group: anyio.abc.TaskGroup, customers: list[Customer], step: tuple) -> None:  # type: ignore[type-arg]
    match step:
        case ("ask", name, user, num_ctx, keep_alive_s):
            customer = Customer(name)
            customers.append(customer)
            request = LeaseRequest(
                model=name, user_id=user, options=LoadOptions(num_ctx=num_ctx), keep_alive_s=keep_alive_s
            )
            group.start_soon(be_served, house.scheduler, customer, request)
        case ("end", number) if customers:
            customers[number % len(customers)].done.set()
        case ("leave", number) if customers:
            customers[number % len(customers)].scope.cancel()
        case ("crash", number) if house.engine.alive:
            runner = house.engine.alive[number % len(house.engine.alive)]
            runner.crash()
        case ("pass", seconds):
            house.pass_s(seconds)
        case ("unload", name):
            group.start_soon(house.scheduler.unload, name)
        case ("expire", name):
            group.start_soon(house.scheduler.expire, name)
        case ("let",):
            house.engine.let()
        case _:
            pass
