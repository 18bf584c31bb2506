"""The way to a model: retries and their bounds, fallbacks, hedging, timeouts; and that no place is ever lost."""

import contextlib
import random
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.gateway.routing.members import Member
from alcove.gateway.routing.models import Fallbacks
from alcove.gateway.routing.options import DeploymentOptions
from alcove.gateway.routing.route import PooledRoute
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import (
    AlcoveError,
    ContentRefused,
    ContextOverflow,
    InvalidRequest,
    Overloaded,
    RateLimited,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from alcove.kernel.ports import Served
from tests.gateway.pool import Answer, Naps, Senders, call, idle, member, route

BROKEN = UpstreamError("broken", status=500)


def limited(seconds: float | None) -> UpstreamError:
    return UpstreamError("slow down", status=429, retry_after_s=seconds)


async def test_the_one_who_answers_is_told_of() -> None:
    senders, served = Senders({"a": [BROKEN]}), Served()
    first, second = member("a"), member("b", order=1)
    lease, answer = await route(first, second).attempt(call(), senders, served)
    assert (answer.by, lease.target.deployment, senders.asked) == ("b", "b", ["a", "b"])
    assert (served.deployment, served.provider, served.upstream_model, served.attempts) == ("b", "openai", "m", 2)
    assert (first.capacity.in_flight, second.capacity.in_flight) == (0, 1)
    lease.succeeded(first_s=0.1, total_s=1)
    lease.succeeded(first_s=0.1, total_s=1)
    lease.failed(BROKEN)
    lease.abandoned()
    assert idle(first, second)
    assert (first.capacity.failures, second.capacity.failures, second.capacity.requests) == (1, 0, 1)


@pytest.mark.parametrize("end", ["succeeded", "failed", "abandoned"])
async def test_every_end_gives_the_place_back_once(end: str) -> None:
    only = member("a", options=DeploymentOptions(max_parallel=1))
    lease, _ = await route(only).attempt(call(), Senders(), Served())
    for _ in range(2):
        if end == "succeeded":
            lease.succeeded(first_s=0, total_s=0)
        elif end == "failed":
            lease.failed(BROKEN)
        else:
            lease.abandoned()
    assert only.capacity.in_flight == 0


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (UpstreamUnreachable("x"), 3), (UpstreamTimeout("x"), 3), (UpstreamError("x", status=500), 3), (UpstreamError("x", status=529), 3),
        (UpstreamError("x", status=408), 3), (UpstreamError("x", status=409), 3), (Overloaded("x"), 3), (limited(0.1), 3),
        (UpstreamError("x", status=501), 1), (UpstreamError("x", status=400), 1), (UpstreamError("x", status=401), 1),
        (UpstreamError("x", status=404), 1), (UpstreamError("x", status=422), 1), (InvalidRequest("x"), 1),
        (ContextOverflow("x", status=400), 1), (ContentRefused("x", status=400), 1),
    ],
)  # fmt: skip
async def test_one_member_is_asked_again_only_where_that_is_safe(error: AlcoveError, asked: int) -> None:
    clock = FakeClock()
    only, naps = member("a"), Naps(clock)
    only.circuit.limits = only.circuit.limits.__class__(failures=100)
    senders = Senders({"a": [error] * 10})
    with pytest.raises(type(error)) as raised:
        await route(only, clock=clock, sleep=naps).attempt(call(), senders, Served())
    assert raised.value is error
    assert len(senders.asked) == asked
    assert len(naps.taken) == asked - 1
    assert idle(only)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_what_one_deployment_lacks_another_may_have(status: int) -> None:
    senders = Senders({"a": [UpstreamError("x", status=status)]})
    _, answer = await route(member("a"), member("b", order=1)).attempt(call(), senders, Served())
    assert answer.by == "b"


async def test_pauses_grow_and_are_jittered() -> None:
    clock = FakeClock()
    only = member("a")
    only.circuit.limits = only.circuit.limits.__class__(failures=100)
    naps = Naps(clock)
    with pytest.raises(UpstreamError):
        await route(only, clock=clock, sleep=naps, retries=6).attempt(call(), Senders({"a": [BROKEN] * 9}), Served())
    for number, pause_s in enumerate(naps.taken):
        assert 0.5 * 0.25 * 2**number <= pause_s <= 1.5 * 0.25 * 2**number
    assert len(set(naps.taken)) == 6


async def test_retry_after_is_waited_for_up_to_a_bound() -> None:
    clock = FakeClock()
    only, naps = member("a"), Naps(clock)
    _, answer = await route(only, clock=clock, sleep=naps).attempt(call(), Senders({"a": [limited(7)]}), Served())
    assert answer.by == "a"
    assert naps.taken[0] >= 7
    with pytest.raises(UpstreamError) as raised:
        await route(only, clock=clock, sleep=naps).attempt(call(), Senders({"a": [limited(11)]}), Served())
    assert raised.value.retry_after_s == 11
    assert len(naps.taken) == 1


async def test_who_comes_while_all_are_limited_waits_a_little_or_is_told_when() -> None:
    clock = FakeClock()
    first, second, naps = member("a"), member("b"), Naps(clock)
    for each in (first, second):
        each.circuit.failed(0, limited(4), is_trial=False)
    _, answer = await route(first, second, clock=clock, sleep=naps).attempt(call(), Senders(), Served())
    assert answer.by in {"a", "b"}
    assert naps.taken[0] >= 4
    for each in (first, second):
        each.circuit.failed(clock.monotonic_s(), limited(30), is_trial=False)
    with pytest.raises(RateLimited, match="at its limit") as raised:
        await route(first, second, clock=clock, sleep=naps).attempt(call(), Senders(), Served())
    assert raised.value.retry_after_s == pytest.approx(30)


async def test_who_comes_while_all_circuits_are_open_is_refused_at_once() -> None:
    clock = FakeClock()
    only, naps, senders = member("a"), Naps(clock), Senders()
    for _ in range(3):
        only.circuit.failed(0, BROKEN, is_trial=False)
    with pytest.raises(Unavailable, match="spared for a while") as raised:
        await route(only, clock=clock, sleep=naps).attempt(call(), senders, Served())
    assert (raised.value.status, senders.asked, naps.taken) == (503, [], [])
    assert 4 <= (raised.value.retry_after_s or 0) <= 6
    clock.advance(6.1)
    lease, _ = await route(only, clock=clock).attempt(call(), senders, Served())
    assert only.circuit.state(clock.monotonic_s()) == "closed"
    lease.succeeded(first_s=1, total_s=1)


async def test_one_call_tries_a_half_open_circuit_and_others_go_elsewhere() -> None:
    clock = FakeClock()
    tried, other = member("a"), member("b", order=1)
    for _ in range(3):
        tried.circuit.failed(0, BROKEN, is_trial=False)
    clock.advance(10)
    way, senders = route(tried, other, clock=clock), Senders({"a": [0.05]})
    async with anyio.create_task_group() as group:
        group.start_soon(way.attempt, call(), senders, Served())
        await anyio.sleep(0.01)
        for _ in range(5):
            _, answer = await way.attempt(call(), senders, Served())
            assert answer.by == "b"
    assert senders.asked.count("a") == 1
    _, answer = await way.attempt(call(), senders, Served())
    assert answer.by == "a"


async def test_a_model_of_its_own_is_asked_even_after_failures() -> None:
    only = member("a")
    way, senders = route(only, spares=False, retries=0), Senders({"a": [BROKEN] * 5})
    for _ in range(5):
        with pytest.raises(UpstreamError):
            await way.attempt(call(), senders, Served())
    _, answer = await way.attempt(call(), senders, Served())
    assert answer.by == "a"
    assert only.circuit.state(way.clock.monotonic_s()) == "closed"


@given(
    st.integers(0, 10), st.integers(1, 5),
    st.lists(st.sampled_from([BROKEN, limited(None), limited(2), limited(60), UpstreamUnreachable("x"), UpstreamError("x", status=404), Overloaded("x")]), max_size=40),
)  # fmt: skip
@settings(deadline=None)
def test_never_asked_more_often_than_allowed_nor_waited_longer(
    retries: int, count: int, errors: list[Exception]
) -> None:
    clock = FakeClock()
    members = [member(f"d{index}") for index in range(count)]
    senders = Senders({f"d{index}": list(errors[index::count]) for index in range(count)})
    naps, served = Naps(clock), Served()
    way = route(*members, clock=clock, sleep=naps, retries=retries)

    async def ask() -> None:
        lease, _ = await way.attempt(call(), senders, served)
        lease.succeeded(first_s=0, total_s=0)

    with contextlib.suppress(AlcoveError):
        anyio.run(ask)
    assert len(senders.asked) <= retries + 1
    assert served.attempts == len(senders.asked)
    assert len(naps.taken) <= retries
    assert all(pause_s <= 10 for pause_s in naps.taken)
    assert idle(*members)


# Fallbacks


FALLBACKS = Fallbacks(on_error=("spare",), on_context_overflow=("long",), on_content_policy=("open",))


def family() -> tuple[PooledRoute, list[Member]]:
    members = [member(name) for name in ("a", "spare", "long", "open")]
    others = [route(each, model=each.target.deployment, retries=0) for each in members[1:]]
    return route(members[0], others=others, fallbacks=FALLBACKS, retries=0), members


@pytest.mark.parametrize(
    ("error", "by"),
    [
        (BROKEN, "spare"), (limited(60), "spare"), (UpstreamError("x", status=404), "spare"), (Overloaded("x"), "spare"),
        (ContextOverflow("x", status=400), "long"), (ContentRefused("x", status=400), "open"),
    ],
)  # fmt: skip
async def test_each_failure_has_its_fallback(error: AlcoveError, by: str) -> None:
    way, members = family()
    served = Served()
    lease, answer = await way.attempt(call(), Senders({"a": [error]}), served)
    assert (answer.by, served.deployment, served.attempts, way.counts.fallbacks) == (by, by, 2, 1)
    lease.abandoned()
    assert idle(*members)


@pytest.mark.parametrize("error", [UpstreamError("x", status=400), UpstreamError("x", status=422), InvalidRequest("x")])
async def test_a_bad_request_has_none(error: AlcoveError) -> None:
    way, _ = family()
    with pytest.raises(type(error)):
        await way.attempt(call(), Senders({"a": [error]}), Served())
    assert way.counts.fallbacks == 0


async def test_fallbacks_of_fallbacks_are_asked_each_once_whatever_they_lead_to() -> None:
    senders = Senders({name: [BROKEN] * 5 for name in "abc"})
    ways: dict[str, PooledRoute] = {}
    for name, others in (("a", ("b", "c")), ("b", ("c", "a")), ("c", ("a", "b", "gone"))):
        made = route(member(name), model=name, fallbacks=Fallbacks(on_error=others), retries=0)
        ways[name] = replace(made, find=ways.get)
    with pytest.raises(UpstreamError):
        await ways["a"].attempt(call(), senders, Served())
    assert senders.asked == ["a", "b", "c"]


async def test_without_an_answer_the_last_failure_is_told() -> None:
    way, _ = family()
    last = UpstreamError("the spare one is broken too", status=503)
    with pytest.raises(UpstreamError) as raised:
        await way.attempt(call(), Senders({"a": [BROKEN], "spare": [last]}), Served())
    assert raised.value is last


def test_bytes_pass_only_where_every_fallback_takes_them() -> None:
    way, _ = family()
    assert way.can_pass_through
    deaf = replace(route(member("spare"), model="spare"), takes_bytes=False)
    assert not route(member("a"), others=[deaf], fallbacks=Fallbacks(on_error=("spare",))).can_pass_through


# Hedging


async def hedged(senders: Senders, served: Served, *members: Member, **more: Any) -> tuple[Any, Answer]:
    return await route(*members, hedge_after_s=0.02, **more).attempt(call(), senders, served)


async def test_a_quick_first_is_the_only_one_asked() -> None:
    senders = Senders()
    await hedged(senders, Served(), member("a"), member("b", order=1))
    assert senders.asked == ["a"]


async def test_the_first_to_begin_answers_and_the_other_is_ended() -> None:
    members = [member("a"), member("b", order=1)]
    senders, served = Senders({"a": [3600.0]}), Served()
    lease, answer = await hedged(senders, served, *members)
    assert (answer.by, served.deployment, served.attempts) == ("b", "b", 2)
    assert senders.cancelled == ["a"]
    lease.succeeded(first_s=0.1, total_s=0.2)
    assert idle(*members)


async def test_the_first_may_still_win() -> None:
    members = [member("a"), member("b", order=1)]
    senders, served = Senders({"a": [0.06], "b": [3600.0]}), Served()
    lease, answer = await hedged(senders, served, *members)
    assert (answer.by, served.deployment, senders.cancelled) == ("a", "a", ["b"])
    lease.abandoned()
    assert idle(*members)


async def test_both_beginning_in_one_moment_leaves_one() -> None:
    members = [member("a"), member("b", order=1)]
    gate = anyio.Event()
    asked: list[Answer] = []

    async def send(target: Any) -> Answer:
        answer = Answer(target.deployment)
        asked.append(answer)
        if len(asked) == 2:
            gate.set()
        await gate.wait()
        return answer

    lease, answer = await route(*members, hedge_after_s=0.01).attempt(call(), send, Served())
    assert answer.closed == 0
    loser = next(each for each in asked if each is not answer)
    assert loser.closed == 1 or idle(next(each for each in members if each.target.deployment == loser.by))
    lease.abandoned()
    assert idle(*members)


async def test_a_failing_first_is_followed_as_without_hedging() -> None:
    members = [member("a"), member("b", order=1)]
    senders = Senders({"a": [BROKEN]})
    _, answer = await hedged(senders, Served(), *members)
    assert (answer.by, senders.asked) == ("b", ["a", "b"])


async def test_when_both_fail_the_first_ones_error_is_told() -> None:
    async def send(target: Any) -> Answer:
        await anyio.sleep(0.05)
        raise UpstreamError(target.deployment, status=500)

    members = [member("a"), member("b", order=1)]
    with pytest.raises(UpstreamError, match=r"^a$"):
        await route(*members, hedge_after_s=0.01, retries=0).attempt(call(), send, Served())
    assert idle(*members)


async def test_no_second_is_asked_where_there_is_no_room() -> None:
    members = [member("a"), member("b", order=1, options=DeploymentOptions(max_parallel=1))]
    members[1].capacity.try_take()
    senders = Senders({"a": [0.06]})
    _, answer = await hedged(senders, Served(), *members)
    assert (answer.by, senders.asked) == ("a", ["a"])


@pytest.mark.parametrize("after_s", [0.005, 0.03])
async def test_a_client_that_leaves_ends_both(after_s: float) -> None:
    members = [member("a"), member("b", order=1)]
    senders = Senders({"a": [3600.0], "b": [3600.0]})
    with anyio.move_on_after(after_s):
        await hedged(senders, Served(), *members)
    assert sorted(senders.cancelled) == sorted(senders.asked)
    assert idle(*members)


# Timeouts, leaving


async def test_an_answer_that_does_not_begin_in_time_is_given_up_for_the_next() -> None:
    first = member("a", options=DeploymentOptions(first_token_timeout_s=0.02))
    senders = Senders({"a": [3600.0]})
    _, answer = await route(first, member("b", order=1)).attempt(call(), senders, Served())
    assert (answer.by, senders.cancelled) == ("b", ["a"])
    assert "did not begin its answer within 0.02 s" in str(first.capacity.last_error)
    with pytest.raises(UpstreamTimeout) as raised:
        await route(first, retries=0).attempt(call(), Senders({"a": [3600.0]}), Served())
    assert raised.value.status == 504
    assert idle(first)


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    only = member("a", options=DeploymentOptions(max_parallel=1))
    way, senders = route(only), Senders({"a": [3600.0, 3600.0]})
    async with anyio.create_task_group() as group:
        group.start_soon(way.attempt, call(), senders, Served())
        await anyio.sleep(0.01)
        group.start_soon(way.attempt, call(), senders, Served())  # waits for room
        await anyio.sleep(0.01)
        assert (only.capacity.in_flight, only.capacity.waiting) == (1, 1)
        group.cancel_scope.cancel()
    assert idle(only)


async def test_a_mistake_of_ours_gives_the_place_back_too() -> None:
    only = member("a")
    with pytest.raises(ZeroDivisionError):
        await route(only).attempt(call(), Senders({"a": [ZeroDivisionError()]}), Served())
    assert idle(only)
    assert only.circuit.state(0) == "closed"


async def test_the_wait_for_room_is_not_counted_as_the_deployments_latency() -> None:
    clock = FakeClock(elapsed_s=50.0)
    only = member("a")
    lease, _ = await route(only, clock=clock).attempt(call(began_s=48.0), Senders(), Served())
    lease.succeeded(first_s=2.5, total_s=3.0)
    assert only.circuit.first_s(50.0) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.001, 0.003, None]), st.booleans()), max_size=25))
@settings(deadline=None, max_examples=40)
def test_whatever_happens_at_once_every_place_is_given_back(script: list[tuple[int, float | None, bool]]) -> None:
    """Calls that answer, fail, hang, are cancelled or hedged, over little room."""
    options = DeploymentOptions(max_parallel=2, max_waiting=3, max_wait_s=0.02, first_token_timeout_s=0.01)
    members = [member(f"d{index}", options=options) for index in range(2)]
    chance = random.Random(len(script))

    async def send(target: Any) -> Answer:
        kind = chance.randrange(4)
        if kind == 0:
            await anyio.sleep(chance.random() * 0.004)
        elif kind == 1:
            raise BROKEN
        elif kind == 2:
            await anyio.sleep(3600)
        return Answer(target.deployment)

    async def one(number: int, leave_s: float | None, is_hedged: bool) -> None:
        way = route(*members, hedge_after_s=0.002 if is_hedged else None, sleep=anyio.sleep, max_wait_s=0.01)
        with anyio.move_on_after(leave_s if leave_s is not None else 10):
            try:
                lease, answer = await way.attempt(call(), send, Served())
            except AlcoveError:
                return
            try:
                await anyio.sleep(0.001 * number)
            except BaseException:
                lease.abandoned()
                raise
            finally:
                await answer.aclose()
            lease.succeeded(first_s=0, total_s=0)

    async def play() -> None:
        async with anyio.create_task_group() as group:
            for each in script:
                group.start_soon(one, *each)
        assert idle(*members)

    anyio.run(play)
