"""Who gets which model when."""

import contextlib
import math
from collections.abc import AsyncIterator

import anyio
import pytest

from alcove.kernel.errors import AlcoveError, InvalidRequest, ModelNotFound, Overloaded, Unavailable
from alcove.runtime.errors import ModelFailed, NotEnoughMemory, QueueFull
from alcove.runtime.models import LeaseRequest, LoadOptions, RuntimeSettings
from alcove.runtime.testing.catalog import fake_model
from alcove.runtime.testing.engine import FakeEngine
from tests.runtime.houses import House, settled


def house(*names: str, megabytes: int = 100, budget_mb: int = 1000, **settings: object) -> House:
    made = House(settings=RuntimeSettings.model_validate({"parallel": 2, **settings}), budget_mb=budget_mb)
    for name in names:
        made.catalog.add(fake_model(name, megabytes=megabytes))
    return made


def asked(model: str, user: str = "ada", keep_alive_s: float | None = None, **options: int) -> LeaseRequest:
    return LeaseRequest(model=model, user_id=user, options=LoadOptions(**options), keep_alive_s=keep_alive_s)


class Client:
    """One who asks for a turn and keeps it until told."""

    def __init__(self, inside: House, request: LeaseRequest) -> None:
        self.inside, self.request = inside, request
        self.has_turn = False
        self.error: AlcoveError | None = None
        self.done = anyio.Event()
        self.scope = anyio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            try:
                async with self.inside.scheduler.lease(self.request) as lease:
                    self.lease = lease
                    self.has_turn = True
                    await self.done.wait()
            except AlcoveError as error:
                self.error = error
        self.has_turn = False


@contextlib.asynccontextmanager
async def opened(inside: House) -> AsyncIterator["Crowd"]:
    async with inside.open(), anyio.create_task_group() as group:
        yield Crowd(inside, group)
        group.cancel_scope.cancel()


class Crowd:
    def __init__(self, inside: House, group: anyio.abc.TaskGroup) -> None:
        self.inside, self.group = inside, group

    async def ask(self, model: str, user: str = "ada", **more: float) -> Client:
        client = Client(self.inside, asked(model, user, **more))  # type: ignore[arg-type]
        self.group.start_soon(client.run)
        await settled()
        return client

    async def end(self, client: Client) -> None:
        client.done.set()
        await settled()

    def state(self, model: str) -> str:
        return next((each.state for each in self.inside.scheduler.running() if each.model == model), "unloaded")

    def reason(self, model: str) -> str:
        return next((each.reason for each in self.inside.scheduler.running() if each.model == model), "")


async def test_slots_are_never_exceeded_and_the_next_gets_the_turn_that_ends() -> None:
    async with opened(house("a")) as crowd:
        clients = [await crowd.ask("a") for _ in range(3)]
        assert [each.has_turn for each in clients] == [True, True, False]
        assert clients[0].lease.num_ctx == 4096
        (running,) = crowd.inside.scheduler.running()
        assert (running.state, running.active, running.queued, running.slots) == ("loaded", 2, 1, 2)
        await crowd.end(clients[0])
        assert clients[2].has_turn
        assert len(crowd.inside.engine.runners) == 1


async def test_users_take_turns() -> None:
    async with opened(house("a", parallel=1)) as crowd:
        first = await crowd.ask("a", "ada")
        eager = [await crowd.ask("a", "ada") for _ in range(3)]
        late = await crowd.ask("a", "bob")
        await crowd.end(first)
        assert eager[0].has_turn
        await crowd.end(eager[0])
        assert late.has_turn
        assert not eager[1].has_turn


async def test_full_queue_refuses_with_the_place_and_when_to_try_again() -> None:
    async with opened(house("a", parallel=1, max_queue=2)) as crowd:
        for _ in range(3):
            await crowd.ask("a")
        refused = await crowd.ask("a", "bob")
        assert isinstance(refused.error, QueueFull)
        assert refused.error.status == 503
        assert refused.error.retry_after_s
        assert "yours would be number 3" in refused.error.detail


async def test_who_leaves_the_queue_gives_the_place_up() -> None:
    async with opened(house("a", parallel=1, max_queue=1)) as crowd:
        first = await crowd.ask("a")
        leaver = await crowd.ask("a")
        leaver.scope.cancel()
        await settled()
        stays = await crowd.ask("a")
        assert stays.error is None
        await crowd.end(first)
        assert stays.has_turn


async def test_idle_model_used_longest_ago_makes_room() -> None:
    async with opened(house("a", "b", "c", budget_mb=320)) as crowd:
        for name in ("a", "b"):
            await crowd.end(await crowd.ask(name))
            crowd.inside.pass_s(1)
        await crowd.end(await crowd.ask("a"))
        assert (await crowd.ask("c")).has_turn
        assert (crowd.state("a"), crowd.state("b"), crowd.state("c")) == ("loaded", "unloaded", "loaded")


async def test_busy_model_ends_its_requests_before_it_makes_room() -> None:
    async with opened(house("a", "b", budget_mb=170)) as crowd:
        busy = await crowd.ask("a")
        waits = await crowd.ask("b")
        assert (busy.has_turn, waits.has_turn) == (True, False)
        assert crowd.state("b") == "loading"
        assert "make room" in crowd.reason("b")
        more = await crowd.ask("a", "bob")
        assert not more.has_turn
        await crowd.end(busy)
        assert waits.has_turn
        await crowd.end(waits)
        assert more.has_turn


async def test_memory_counts_until_a_process_is_gone() -> None:
    made = house("a", "b", budget_mb=170)
    made.engine.is_slow_to_stop = True
    async with opened(made) as crowd:
        await crowd.end(await crowd.ask("a"))
        waits = await crowd.ask("b")
        assert len(made.engine.runners) == 1
        made.engine.runners[0].can_stop.set()
        await settled()
        assert waits.has_turn
        made.engine.runners[1].can_stop.set()


async def test_pinned_models_never_make_room() -> None:
    async with opened(house("a", "b", budget_mb=170, pinned=["a"])) as crowd:
        await crowd.end(await crowd.ask("a"))
        refused = await crowd.ask("b")
        assert isinstance(refused.error, NotEnoughMemory)
        assert "pinned ones (a)" in refused.error.detail
        crowd.inside.pass_s(100_000)
        await settled()
        assert crowd.state("a") == "loaded"
        await crowd.inside.scheduler.pin("a", is_pinned=False)
        await settled()
        assert (await crowd.ask("b")).has_turn


async def test_groups_exclude_each_other() -> None:
    async with opened(house("a", "b", "c", exclusive_groups=[["a", "b"]])) as crowd:
        for name in ("a", "c", "b"):
            await crowd.end(await crowd.ask(name))
        assert (crowd.state("a"), crowd.state("b"), crowd.state("c")) == ("unloaded", "loaded", "loaded")


async def test_number_of_loaded_models_is_bounded() -> None:
    async with opened(house("a", "b", "c", max_loaded=2)) as crowd:
        for name in ("a", "b", "c"):
            await crowd.end(await crowd.ask(name))
            crowd.inside.pass_s(1)
        assert len(crowd.inside.engine.alive) == 2
        assert crowd.state("a") == "unloaded"


async def test_model_too_large_is_refused_with_the_numbers() -> None:
    async with opened(house("a", megabytes=2000)) as crowd:
        refused = await crowd.ask("a")
        assert isinstance(refused.error, NotEnoughMemory)
        assert "needs 20" in refused.error.detail
        assert "1000 MB" in refused.error.detail
        assert crowd.inside.scheduler.running() == []


async def test_fewer_slots_where_only_those_fit() -> None:
    made = house("a", parallel=4)
    made.catalog.add(fake_model("a", megabytes=100, kv_bytes_per_token=100_000))
    async with opened(made) as crowd:
        assert (await crowd.ask("a")).has_turn
        assert crowd.inside.scheduler.running()[0].slots == 2


async def test_keep_alive_begins_when_the_last_request_ends() -> None:
    async with opened(house("a")) as crowd:
        one, other = await crowd.ask("a", keep_alive_s=60.0), await crowd.ask("a")
        await crowd.end(one)
        crowd.inside.pass_s(100)
        assert crowd.inside.scheduler.running()[0].expires_at is None
        await crowd.end(other)
        left = crowd.inside.scheduler.running()[0].expires_at
        assert left is not None
        assert (left - crowd.inside.clock.now()).total_seconds() == 60
        crowd.inside.pass_s(59)
        await settled()
        assert crowd.state("a") == "loaded"
        crowd.inside.pass_s(1)
        await settled()
        assert crowd.state("a") == "unloaded"
        assert crowd.inside.engine.alive == []


@pytest.mark.parametrize(("given", "kept"), [(None, 300.0), (600.0, 600.0), (-1.0, math.inf), (math.inf, math.inf)])
async def test_keep_alive_given_is_kept_by_requests_that_give_none(given: float | None, kept: float) -> None:
    async with opened(house("a")) as crowd:
        await crowd.end(await crowd.ask("a", **({} if given is None else {"keep_alive_s": given})))
        await crowd.end(await crowd.ask("a"))
        running = crowd.inside.scheduler.running()[0]
        assert running.keep_alive_s == kept
        assert (running.expires_at is None) == math.isinf(kept)


async def test_keep_alive_of_nothing_unloads_when_the_request_ends() -> None:
    async with opened(house("a")) as crowd:
        one, other = await crowd.ask("a", keep_alive_s=0.0), await crowd.ask("a")
        await crowd.end(one)
        assert crowd.state("a") == "loaded"
        await crowd.end(other)
        assert crowd.state("a") == "unloaded"


async def test_other_options_load_anew_after_running_requests() -> None:
    async with opened(house("a")) as crowd:
        running = await crowd.ask("a")
        wants_more = await crowd.ask("a", num_ctx=2048)
        behind = await crowd.ask("a", "bob")
        assert (wants_more.has_turn, behind.has_turn) == (False, False)
        await crowd.end(running)
        assert wants_more.lease.num_ctx == 2048
        assert behind.has_turn
        assert behind.lease.num_ctx == 2048
        assert [each.plan.num_ctx for each in crowd.inside.engine.runners] == [4096, 2048]


async def test_other_models_are_loaded_while_one_ends_its_turns_to_be_loaded_anew() -> None:
    async with opened(house("a", "b")) as crowd:
        running = await crowd.ask("a")
        wants_more = await crowd.ask("a", num_ctx=2048)
        other = await crowd.ask("b", "bob")
        assert (wants_more.has_turn, other.has_turn) == (False, True)
        await crowd.end(running)
        assert wants_more.lease.num_ctx == 2048


async def test_who_waits_for_other_options_comes_before_those_who_came_later() -> None:
    async with opened(house("a", "b", budget_mb=170)) as crowd:
        running = await crowd.ask("a")
        wants_more = await crowd.ask("a", num_ctx=2048)
        other = await crowd.ask("b", "bob")
        await crowd.end(running)
        assert (wants_more.has_turn, other.has_turn) == (True, False)
        await crowd.end(wants_more)
        assert other.has_turn


async def test_model_goes_on_as_it_is_when_who_wanted_other_options_has_left() -> None:
    async with opened(house("a")) as crowd:
        await crowd.ask("a")
        leaver = await crowd.ask("a", "eve", num_ctx=2048)
        behind = await crowd.ask("a", "bob")
        assert not behind.has_turn
        leaver.scope.cancel()
        await settled()
        assert behind.has_turn
        again = await crowd.ask("a", "eve", num_ctx=2048)
        other = await crowd.ask("a", "cyd", num_ctx=1024)
        again.scope.cancel()
        await settled()
        assert not other.has_turn
        assert len(crowd.inside.engine.runners) == 1


async def test_more_threads_than_processors_are_as_many_and_load_once() -> None:
    made = house("a")
    async with opened(made) as crowd:
        for threads in (500, 400):
            assert (await crowd.ask("a", num_thread=threads)).has_turn
        (runner,) = made.engine.runners
        assert runner.plan.threads == made.scheduler.planner.processors


async def test_context_over_the_trained_length_is_cut_visibly_and_loads_once() -> None:
    made = house()
    made.catalog.add(fake_model("a", context=1024))
    async with opened(made) as crowd:
        client = await crowd.ask("a", num_ctx=9000)
        assert client.lease.num_ctx == 1024
        assert "num_ctx 9000 was cut to 1024" in client.lease.note
        assert "cut to 1024" in crowd.reason("a")
        assert (await crowd.ask("a", num_ctx=8000)).has_turn
        assert len(made.engine.runners) == 1


async def test_option_without_sense_is_refused() -> None:
    async with opened(house("a")) as crowd:
        refused = await crowd.ask("a", num_ctx=-5)
        assert isinstance(refused.error, InvalidRequest)


async def test_unknown_model_is_not_found() -> None:
    async with opened(house()) as crowd:
        assert isinstance((await crowd.ask("a")).error, ModelNotFound)


async def test_model_that_changed_on_disk_is_loaded_anew() -> None:
    async with opened(house("a")) as crowd:
        await crowd.end(await crowd.ask("a"))
        changed = fake_model("b")
        crowd.inside.catalog.models["a"] = crowd.inside.catalog.models["a"].__class__(
            **{
                name: getattr(crowd.inside.catalog.models["a"], name)
                for name in crowd.inside.catalog.models["a"].__dataclass_fields__
            }
            | {"digest": changed.digest}
        )
        assert (await crowd.ask("a")).has_turn
        assert len(crowd.inside.engine.runners) == 2


async def test_failed_load_tells_all_who_wait_and_the_next_waits_longer_each_time() -> None:
    made = house("a", parallel=1)
    made.engine.failure = ModelFailed("no", stderr=("line 1", "line 2"))
    async with opened(made) as crowd:
        for wait_s in (0, 0, 1, 2, 4):
            client = await crowd.ask("a")
            if wait_s:
                assert client.error is None
                crowd.inside.pass_s(wait_s - 0.5)
                await settled()
                assert client.error is None
                crowd.inside.pass_s(0.5)
                await settled()
            assert isinstance(client.error, ModelFailed)
        running = crowd.inside.scheduler.running()[0]
        assert (running.state, running.stderr) == ("failed", ("line 1", "line 2"))
        made.engine.failure = None
        client = await crowd.ask("a")
        crowd.inside.pass_s(8)
        await settled()
        assert client.has_turn
        assert crowd.inside.scheduler.running()[0].stderr == ()


async def test_process_that_dies_is_noticed_at_once_and_the_next_request_gets_a_fresh_one() -> None:
    async with opened(house("a")) as crowd:
        holder = await crowd.ask("a")
        crowd.inside.engine.runners[0].crash()
        await settled()
        running = crowd.inside.scheduler.running()[0]
        assert (running.state, running.stderr, running.pid) == ("failed", ("out of luck",), 0)
        assert "SIGSEGV" in running.reason
        assert (await crowd.ask("a")).has_turn
        assert crowd.state("a") == "loaded"
        await crowd.end(holder)
        assert crowd.inside.scheduler.running()[0].active == 1


async def test_unload_waits_for_the_requests_that_run() -> None:
    async with opened(house("a")) as crowd:
        holder = await crowd.ask("a")
        await crowd.inside.scheduler.unload("a")
        assert crowd.state("a") == "loaded"
        await crowd.end(holder)
        assert crowd.state("a") == "unloaded"
        await crowd.inside.scheduler.unload("a")


async def test_who_is_no_admin_lets_a_model_go_only_once_nobody_uses_it() -> None:
    async with opened(house("a", parallel=1)) as crowd:
        holder, waits = await crowd.ask("a"), await crowd.ask("a", "bob")
        await crowd.inside.scheduler.expire("a")
        await crowd.end(holder)
        assert waits.has_turn
        assert len(crowd.inside.engine.runners) == 1
        await crowd.end(waits)
        assert crowd.state("a") == "unloaded"
        await crowd.end(await crowd.ask("a"))
        await crowd.inside.scheduler.expire("a")
        assert crowd.inside.engine.alive == []
        await crowd.inside.scheduler.expire("a")


async def test_who_is_no_admin_never_unloads_a_pinned_model() -> None:
    async with opened(house("a", pinned=["a"])) as crowd:
        await crowd.end(await crowd.ask("a"))
        await crowd.inside.scheduler.expire("a")
        await settled()
        assert crowd.state("a") == "loaded"
        await crowd.inside.scheduler.pin("a", is_pinned=False)
        await settled()
        assert crowd.inside.scheduler.running()[0].keep_alive_s == 300


async def test_model_that_is_let_go_again_and_again_while_it_loads_gives_its_turns() -> None:
    made = house("a")
    made.engine.is_slow = True
    async with opened(made) as crowd:
        waits = await crowd.ask("a")
        await crowd.inside.scheduler.expire("a")
        made.engine.let()
        await crowd.inside.scheduler.expire("a")
        await settled()
        assert waits.has_turn
        assert len(made.engine.runners) == 1


async def test_request_beyond_its_deadline_has_its_process_ended() -> None:
    async with opened(house("a", deadline_s=60)) as crowd:
        await crowd.ask("a")
        crowd.inside.pass_s(65)
        await settled()
        assert len(crowd.inside.engine.alive) == 1
        crowd.inside.pass_s(10)
        await settled()
        assert crowd.inside.engine.alive == []


async def test_process_that_works_for_nobody_is_ended() -> None:
    async with opened(house("a")) as crowd:
        leaver = await crowd.ask("a")
        leaver.scope.cancel()
        await settled()
        for second in range(5):
            crowd.inside.engine.runners[0].used_s = float(second)
            crowd.inside.pass_s(1)
            await settled()
        assert crowd.inside.engine.alive == []


async def test_process_that_rests_after_a_request_broke_off_stays() -> None:
    async with opened(house("a")) as crowd:
        leaver = await crowd.ask("a")
        leaver.scope.cancel()
        await settled()
        for _ in range(5):
            crowd.inside.pass_s(1)
            await settled()
        assert len(crowd.inside.engine.alive) == 1


async def test_every_change_is_told_to_those_who_watch() -> None:
    async with opened(house("a")) as crowd:
        seen: list[tuple[str, int]] = []

        async def watch() -> None:
            async with contextlib.aclosing(crowd.inside.scheduler.watch()) as changes:
                async for each in changes:
                    seen.append((each.state, each.active))

        crowd.group.start_soon(watch)
        await settled()
        await crowd.end(await crowd.ask("a", keep_alive_s=0.0))
        assert seen[0] == ("loading", 0)
        assert ("loaded", 1) in seen
        assert seen[-1] == ("unloaded", 0)


async def test_end_of_the_house_ends_every_process_and_refuses_who_waits() -> None:
    made = House(settings=RuntimeSettings(parallel=1), engine=FakeEngine())
    made.catalog.add(fake_model("a"))
    waiting = Client(made, asked("a"))
    async with anyio.create_task_group() as group:
        async with made.open():
            holder = Client(made, asked("a"))
            group.start_soon(holder.run)
            await settled()
            group.start_soon(waiting.run)
            await settled()
        assert made.engine.alive == []
        assert isinstance(waiting.error, Unavailable)
        late = Client(made, asked("a"))
        group.start_soon(late.run)
        await settled()
        assert isinstance(late.error, Unavailable)
        holder.done.set()


async def test_pinned_model_keeps_those_it_excludes_out() -> None:
    async with opened(house("a", "b", exclusive_groups=[["a", "b"]], pinned=["a"])) as crowd:
        await crowd.end(await crowd.ask("a"))
        refused = await crowd.ask("b")
        assert isinstance(refused.error, Overloaded)
