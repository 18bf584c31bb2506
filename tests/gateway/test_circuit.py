"""Circuits: when a deployment's model is spared, for how long, and how it comes back."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.routing.circuit import Circuit, CircuitLimits
from alcove.kernel.errors import (
    AlcoveError,
    ContentRefused,
    ContextOverflow,
    Overloaded,
    StreamInterrupted,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)

BROKEN = UpstreamError("broken", status=500)


@dataclass
class Fixed(random.Random):
    """Chance without chance."""

    def random(self) -> float:
        return 0.5


@dataclass
class Bench:
    """A circuit with a time of its own."""

    now_s: float = 100.0
    circuit: Circuit = field(
        default_factory=lambda: Circuit(
            model="m", limits=CircuitLimits(failures=3, cooldown_s=5, max_cooldown_s=60), chance=Fixed()
        )
    )

    def call(self, error: AlcoveError | None = None) -> None:
        is_trial = self.circuit.is_open
        if is_trial:
            self.circuit.try_it()
        if error is not None:
            self.circuit.failed(self.now_s, error, is_trial=is_trial)
            return
        if is_trial:
            self.circuit.began(self.now_s)
        self.circuit.succeeded(self.now_s, 0.1)

    @property
    def state(self) -> str:
        return self.circuit.state(self.now_s)

    @property
    def is_ready(self) -> bool:
        return self.circuit.is_ready(self.now_s)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def opened(bench: Bench) -> Bench:
    for _ in range(3):
        bench.call(BROKEN)
    return bench


def test_failures_in_a_row_open_it(bench: Bench) -> None:
    bench.call(BROKEN)
    bench.call(BROKEN)
    assert (bench.state, bench.is_ready) == ("closed", True)
    bench.call(BROKEN)
    assert (bench.state, bench.is_ready) == ("open", False)


def test_a_success_between_them_keeps_it_closed(bench: Bench) -> None:
    for _ in range(4):
        bench.call(BROKEN)
        bench.call()
        bench.call()
    assert bench.state == "closed"


def test_half_of_the_last_calls_failing_opens_it(bench: Bench) -> None:
    for _ in range(4):
        bench.call()
        bench.call(BROKEN)
    assert bench.state == "closed"
    bench.call()
    bench.call(BROKEN)
    assert bench.state == "open"


def test_one_call_tries_it_when_its_time_is_over(bench: Bench) -> None:
    opened(bench)
    bench.now_s += 5
    assert (bench.state, bench.is_ready) == ("half_open", True)
    bench.circuit.try_it()
    assert not bench.is_ready
    bench.circuit.began(bench.now_s)
    assert (bench.state, bench.is_ready) == ("closed", True)


def test_it_stays_open_longer_each_time_up_to_a_bound(bench: Bench) -> None:
    opened(bench)
    pauses = []
    for _ in range(6):
        pause_s = bench.circuit.spared_until_s - bench.now_s
        pauses.append(pause_s)
        bench.now_s = bench.circuit.spared_until_s
        bench.call(BROKEN)
    assert pauses == [5, 10, 20, 40, 60, 60]
    bench.now_s = bench.circuit.spared_until_s
    bench.call()
    opened(bench)
    assert bench.circuit.spared_until_s - bench.now_s == 5


def test_a_trial_nobody_waited_for_lets_the_next_call_try(bench: Bench) -> None:
    opened(bench)
    bench.now_s += 5
    bench.circuit.try_it()
    bench.circuit.abandoned(is_trial=True)
    assert bench.is_ready
    assert bench.state == "half_open"


def test_an_answer_that_begins_and_breaks_off_again_opens_it_again(bench: Bench) -> None:
    opened(bench)
    bench.now_s += 5
    bench.circuit.try_it()
    bench.circuit.began(bench.now_s)
    bench.circuit.failed(bench.now_s, StreamInterrupted("cut"), is_trial=False)
    assert bench.state == "open"
    assert bench.circuit.spared_until_s - bench.now_s == 10


def test_calls_from_before_it_opened_do_not_lengthen_it(bench: Bench) -> None:
    opened(bench)
    until_s = bench.circuit.spared_until_s
    for _ in range(10):
        bench.circuit.failed(bench.now_s + 1, BROKEN, is_trial=False)
    assert bench.circuit.spared_until_s == until_s


@pytest.mark.parametrize(("given_s", "pause_s"), [(None, 1.0), (7.0, 7.0), (0.0, 0.0), (86_400.0, 60.0)])
def test_a_limit_spares_it_for_what_it_asks_and_no_longer(bench: Bench, given_s: float | None, pause_s: float) -> None:
    for _ in range(5):
        bench.call(UpstreamError("slow down", status=429, retry_after_s=given_s))
    assert bench.state == ("limited" if pause_s else "closed")
    bench.now_s += pause_s
    assert (bench.state, bench.is_ready) == ("closed", True)


@pytest.mark.parametrize(
    "error",
    [
        ContextOverflow("too long", status=400), ContentRefused("no", status=400), UpstreamError("what?", status=400),
        UpstreamError("no such model", status=404), UpstreamError("no", status=422), Overloaded("full"),
        UpstreamError("no such endpoint", status=405), UpstreamError("not here", status=501),
    ],
)  # fmt: skip
def test_what_the_request_is_at_fault_for_does_not_count(bench: Bench, error: AlcoveError) -> None:
    for _ in range(20):
        bench.call(error)
    assert bench.state == "closed"


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("gone"), UpstreamTimeout("slow"), StreamInterrupted("cut"), UpstreamError("not JSON"),
        UpstreamError("bad key", status=401), UpstreamError("overloaded", status=529), UpstreamError("late", status=408),
    ],
)  # fmt: skip
def test_what_the_deployment_is_at_fault_for_counts(bench: Bench, error: AlcoveError) -> None:
    for _ in range(3):
        bench.call(error)
    assert bench.state == "open"


def test_latency_is_smoothed_and_forgotten(bench: Bench) -> None:
    assert bench.circuit.first_s(bench.now_s) is None
    bench.circuit.succeeded(bench.now_s, 1.0)
    bench.circuit.succeeded(bench.now_s, 2.0)
    assert bench.circuit.first_s(bench.now_s) == pytest.approx(1.3)
    assert bench.circuit.first_s(bench.now_s + 61) is None
    bench.circuit.succeeded(bench.now_s + 61, 4.0)
    assert bench.circuit.first_s(bench.now_s + 61) == 4.0


events = st.lists(
    st.tuples(st.sampled_from(["ok", "broken", "limit", "abandon", "wait", "cut"]), st.floats(0, 30)), max_size=80
)


@given(events)
def test_it_always_comes_back(script: list[tuple[str, float]]) -> None:
    """Whatever happened, after the longest pause a call may try it, and an answer closes it."""
    bench = Bench()
    for what, seconds in script:
        if what == "wait":
            bench.now_s += seconds
        elif bench.is_ready:
            if what == "abandon":
                is_trial = bench.circuit.is_open
                if is_trial:
                    bench.circuit.try_it()
                bench.circuit.abandoned(is_trial=is_trial)
            elif what == "cut":
                bench.call()
                bench.circuit.failed(bench.now_s, StreamInterrupted("cut"), is_trial=False)
            else:
                errors = {"ok": None, "broken": BROKEN, "limit": UpstreamError("x", status=429, retry_after_s=seconds)}
                bench.call(errors[what])
        assert bench.circuit.spared_until_s - bench.now_s <= 60 * 1.2
    bench.now_s += 60 * 1.2
    assert bench.is_ready
    bench.call()
    assert bench.state == "closed"
