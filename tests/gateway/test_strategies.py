"""Strategies: who is asked, over many calls."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.gateway.routing.members import Member
from alcove.gateway.routing.models import RoutingStrategy
from alcove.gateway.routing.options import DeploymentOptions
from alcove.gateway.routing.route import PooledRoute
from alcove.gateway.routing.strategies import Choosers
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import UpstreamError
from alcove.kernel.ports import Served
from tests.gateway.pool import Senders, call, member, route

CHOOSERS = Choosers(random.Random(11))


def choose(
    strategy: RoutingStrategy, members: list[Member], *, prefix: bytes = b"", now_s: float = 0.0, **more: Any
) -> str:
    return CHOOSERS.of(strategy)(members, call(**more), prefix, now_s).target.deployment


@given(st.lists(st.floats(0.5, 10), min_size=2, max_size=5), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_weights_are_kept_to(weights: list[float], seed: int) -> None:
    members = [member(f"d{index}", weight=weight) for index, weight in enumerate(weights)]
    chooser = Choosers(random.Random(seed)).weighted
    drawn = 4000
    found = Counter(chooser(members, call(), b"", 0.0).target.deployment for _ in range(drawn))
    for each in members:
        share = each.weight / sum(weights)
        spread = (share * (1 - share) / drawn) ** 0.5
        assert abs(found[each.target.deployment] / drawn - share) < 6 * spread + 1e-9


def test_least_in_flight_counts_by_weight() -> None:
    busy, strong = member("busy"), member("strong", weight=4.0)
    busy.capacity.in_flight, strong.capacity.in_flight = 1, 3
    assert choose(RoutingStrategy.LEAST_IN_FLIGHT, [busy, strong]) == "strong"
    strong.capacity.in_flight = 5
    assert choose(RoutingStrategy.LEAST_IN_FLIGHT, [busy, strong]) == "busy"


def test_lowest_latency_asks_the_quickest_and_finds_out_about_the_unknown() -> None:
    quick, slow, unknown = member("quick"), member("slow"), member("unknown")
    quick.circuit.succeeded(0.0, 0.1)
    slow.circuit.succeeded(0.0, 0.9)
    assert choose(RoutingStrategy.LOWEST_LATENCY, [quick, slow]) == "quick"
    assert choose(RoutingStrategy.LOWEST_LATENCY, [quick, slow, unknown]) == "unknown"
    unknown.capacity.in_flight = 1  # somebody is finding out
    assert choose(RoutingStrategy.LOWEST_LATENCY, [quick, slow, unknown]) == "quick"
    quick.capacity.in_flight = 20
    assert choose(RoutingStrategy.LOWEST_LATENCY, [quick, slow, unknown]) == "slow"
    assert choose(RoutingStrategy.LOWEST_LATENCY, [quick, slow], now_s=61.0) == "slow"  # what was known is old


def test_lowest_cost_weighs_input_and_output_of_this_call() -> None:
    long_in = member("cheap-in", input_usd=1.0, output_usd=10.0)
    long_out = member("cheap-out", input_usd=3.0, output_usd=3.0)
    unknown = member("unknown")
    every = [unknown, long_in, long_out]
    assert choose(RoutingStrategy.LOWEST_COST, every, input_tokens=10_000, output_tokens=10) == "cheap-in"
    assert choose(RoutingStrategy.LOWEST_COST, every, input_tokens=10, output_tokens=10_000) == "cheap-out"
    assert choose(RoutingStrategy.LOWEST_COST, [unknown]) == "unknown"
    assert choose(RoutingStrategy.LOWEST_COST, [member("own", input_usd=0.0, output_usd=0.0), *every]) == "own"


prefixes = st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=30, unique=True)


@given(prefixes, st.integers(2, 6), st.data())
@settings(deadline=None)
def test_a_prompt_stays_where_it_was_when_another_member_goes(
    starts: list[bytes], count: int, data: st.DataObject
) -> None:
    members = [member(f"d{index}") for index in range(count)]
    before = {start: choose(RoutingStrategy.PREFIX_AFFINITY, members, prefix=start) for start in starts}
    assert before == {start: choose(RoutingStrategy.PREFIX_AFFINITY, members[::-1], prefix=start) for start in starts}
    gone = data.draw(st.sampled_from(members))
    left = [each for each in members if each is not gone]
    for start, was in before.items():
        now = choose(RoutingStrategy.PREFIX_AFFINITY, left, prefix=start)
        assert was in {now, gone.target.deployment}


def test_prompts_spread_by_weight() -> None:
    members = [member("one"), member("three", weight=3.0)]
    found = Counter(choose(RoutingStrategy.PREFIX_AFFINITY, members, prefix=b"%d" % number) for number in range(4000))
    assert 2800 < found["three"] < 3200


def test_only_the_beginning_of_a_prompt_counts() -> None:
    members = [member(f"d{index}") for index in range(5)]
    start = b"x" * 2048
    assert (
        len({choose(RoutingStrategy.PREFIX_AFFINITY, members, prefix=start + b"%d" % number) for number in range(50)})
        == 1
    )
    assert choose(RoutingStrategy.PREFIX_AFFINITY, members[:1]) == "d0"  # without a prompt the least busy


@pytest.mark.parametrize("strategy", list(RoutingStrategy))
async def test_overflow_goes_to_the_next_and_not_to_a_queue(strategy: RoutingStrategy) -> None:
    members = [member(f"d{index}", options=DeploymentOptions(max_parallel=1)) for index in range(3)]
    way = route(*members, strategy=strategy)
    senders = Senders()
    for _ in range(3):
        await way.attempt(call(), senders, Served(), prefix=b"the same")
    assert sorted(senders.asked) == ["d0", "d1", "d2"]


@given(
    st.sampled_from(list(RoutingStrategy)),
    st.lists(
        st.tuples(st.sampled_from(["fine", "open", "limited", "down"]), st.integers(0, 2)), min_size=2, max_size=6
    ),
    st.binary(max_size=8),
)
@settings(deadline=None)
def test_never_a_spared_member_while_another_can_be_asked(
    strategy: RoutingStrategy, states: list[tuple[str, int]], prefix: bytes
) -> None:
    clock = FakeClock(elapsed_s=10.0)
    members = [member(f"d{index}", order=order) for index, (_, order) in enumerate(states)]
    for each, (state, _) in zip(members, states, strict=True):
        if state == "open":
            for _ in range(3):
                each.circuit.failed(10.0, UpstreamError("x"), is_trial=False)
        elif state == "limited":
            each.circuit.failed(10.0, UpstreamError("x", status=429, retry_after_s=5), is_trial=False)
        elif state == "down":
            each.capacity.is_reached = False
    chosen = _first(route(*members, clock=clock, strategy=strategy), prefix)
    fine = {order for state, order in states if state == "fine"}
    down = {order for state, order in states if state == "down"}
    if not fine and not down:
        assert chosen is None
        return
    assert chosen is not None
    state, order = states[members.index(chosen)]
    assert state == ("fine" if fine else "down")
    assert order == min(fine or down)


def _first(way: PooledRoute, prefix: bytes) -> Member | None:
    return way._choose(call(), prefix, way.clock.monotonic_s(), ())
