"""Who may call what, how often and for how much; in words, in header fields, and in totals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alcove.gateway.calls import CallKind, UsageRow
from alcove.gateway.limits.headers import duration
from alcove.gateway.limits.ledger import MemoryLedger
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.models import NANO, LimitKind, Standing, nano_of, period_of
from alcove.gateway.metering import MemoryUsageLog
from alcove.identity.scopes import CALL_SCOPES
from alcove.infra.lean_edge import header_fields
from alcove.kernel.chat import Usage
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import BudgetExceeded, Forbidden, RateLimited
from alcove.kernel.principal import BudgetPeriod
from tests.gateway.limits.conftest import START, Flat, Ledger, a_call, came_to, holder, meter_of, subject


def memory(clock: FakeClock, ledger: Any = None) -> MemoryLimitStore:
    return MemoryLimitStore(ledger or Ledger(), clock)


# --- who, and which model -----------------------------------------------------------------------------------------


def test_scopes_are_the_kinds_of_calls() -> None:
    assert set(CALL_SCOPES) == set(CallKind)


async def test_a_key_without_the_scope_is_refused_whatever_door_it_came_by(fake_clock: FakeClock) -> None:
    meter = meter_of(memory(fake_clock))
    with pytest.raises(Forbidden, match="limited to embedding"):
        await meter.admit(holder(scopes=("embedding",)), a_call())
    await meter.admit(holder(scopes=("embedding",)), a_call(kind=CallKind.EMBEDDING))


# --- in words and header fields -----------------------------------------------------------------------------------


async def test_a_spent_budget_says_whose_how_much_and_until_when(fake_clock: FakeClock) -> None:
    meter = meter_of(memory(fake_clock))
    who = holder(subject(budget_usd=Decimal(5)))
    (await meter.admit(who, a_call())).settle(came_to(10, "5.00"))
    with pytest.raises(BudgetExceeded) as refused:
        await meter.admit(who, a_call())
    assert (
        refused.value.detail
        == "Your key 'laptop' has used $5.00 of $5.00 for this month; it begins anew on 1 December."
    )
    assert refused.value.retry_after_s == (datetime(2026, 12, 1, tzinfo=UTC) - START).total_seconds()
    assert refused.value.headers["x-alcove-budget-remaining-usd"] == "0.000000"
    fake_clock.advance(6 * 86400)
    await meter.admit(who, a_call())


async def test_money_that_is_only_held_is_no_spent_budget(fake_clock: FakeClock) -> None:
    meter = meter_of(memory(fake_clock), Flat(6 * NANO))
    who = holder(subject("user:1", budget_usd=Decimal(5)))
    first = await meter.admit(who, a_call())
    with pytest.raises(
        RateLimited, match=r"You have used \$0.00 of \$5.00 for this month, and calls under way"
    ) as refused:
        await meter.admit(who, a_call())
    assert not isinstance(refused.value, BudgetExceeded)
    first.settle(came_to(1, "0.10"))
    await meter.admit(who, a_call())


@pytest.mark.parametrize(("limits", "words"), [
    ({"requests_per_minute": 1}, "has made 1 of 1 requests in the last minute; try again in 1m2s"),
    ({"tokens_per_minute": 5}, "has used 30 of 5 tokens in the last minute"),
    ({"max_parallel": 1}, "has 1 of 1 calls under way; wait for one to end"),
    ({"budget_tokens": 30, "budget_period": BudgetPeriod.TOTAL}, "calls under way may take the rest"),
])  # fmt: skip
async def test_each_limit_says_what_it_is(fake_clock: FakeClock, limits: dict[str, Any], words: str) -> None:
    meter = meter_of(memory(fake_clock))
    who = holder(subject(**limits))
    await meter.admit(who, a_call(input_tokens=10, output_tokens=20))
    with pytest.raises(RateLimited, match=words) as refused:
        await meter.admit(who, a_call())
    assert refused.value.status == 429
    assert (refused.value.retry_after_s or 0) > 0
    assert meter.counts.refused == 1


async def test_header_fields_tell_of_the_tightest_limit(fake_clock: FakeClock) -> None:
    meter = meter_of(memory(fake_clock), Flat(NANO // 100))
    key = subject("key:1", requests_per_minute=10, tokens_per_minute=1000, budget_usd=Decimal(1))
    group = subject("group:1", requests_per_minute=5, budget_usd=Decimal("0.50"))
    admission = await meter.admit(holder(key, group), a_call(input_tokens=100, output_tokens=50))
    assert admission.lines() == b"".join(b"%b: %b\r\n" % field for field in header_fields(admission.lines()))
    assert dict(header_fields(admission.lines())) == {
        b"x-ratelimit-limit-requests": b"5",
        b"x-ratelimit-remaining-requests": b"4",
        b"x-ratelimit-reset-requests": b"1m2s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"850",
        b"x-ratelimit-reset-tokens": b"1m2s",
        b"x-alcove-budget-remaining-usd": b"0.490000",
    }
    assert list(header_fields((await meter.admit(holder(), a_call())).lines())) == []


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0s"), (0.02, "20ms"), (1, "1s"), (8.64, "8.64s"), (360, "6m0s"), (3723.5, "1h2m3.5s"), (-1, "0s"), (59.9999, "1m0s"),
])  # fmt: skip
def test_times_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("kind", "start", "end"), [
    (BudgetPeriod.DAY, "2026-11-25", "2026-11-26"), (BudgetPeriod.WEEK, "2026-11-23", "2026-11-30"),
    (BudgetPeriod.MONTH, "2026-11-01", "2026-12-01"),
])  # fmt: skip
def test_periods_begin_at_midnight_utc(kind: BudgetPeriod, start: str, end: str) -> None:
    period = period_of(kind, START)
    assert period.end is not None
    assert (period.start.isoformat()[:10], period.end.isoformat()[:10]) == (start, end)
    assert period.start.hour == period.end.hour == 0


@given(st.integers(1_610_000_000, 3_780_000_000), st.sampled_from(BudgetPeriod))
def test_a_time_is_in_its_period_and_the_end_begins_the_next(at: int, kind: BudgetPeriod) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    period = period_of(kind, moment)
    assert period.start <= moment
    if period.end is not None:
        assert moment < period.end
        assert period_of(kind, period.end).start == period.end
        assert period_of(kind, period.end - timedelta(microseconds=1)) == period


# --- settling -----------------------------------------------------------------------------------------------------


class BrokenLog:
    def admit(self) -> None:
        pass

    def append(self, row: UsageRow) -> None:
        raise OSError("disk full")


async def test_settling_never_raises_counts_once_and_keeps_the_row_whatever_fails(fake_clock: FakeClock) -> None:
    store, log = memory(fake_clock), MemoryUsageLog()
    meter = meter_of(store, usage=log)
    who = holder(subject(budget_tokens=100, max_parallel=1))
    admission = await meter.admit(who, a_call())
    for _ in range(3):
        admission.settle(came_to(7, "0.5", status=499))
    assert [(row.status, row.input_tokens, row.cost_usd) for row in log.rows] == [(499, 7, Decimal("0.5"))]
    assert store.under_way == 0
    broken = meter_of(store, usage=BrokenLog())
    (await broken.admit(who, a_call())).settle(came_to(3))
    assert broken.counts.lost_rows == 1
    (await broken.admit(holder(), a_call())).settle(came_to(3))
    assert [each.used for each in await store.look(who.allowances)] == [0, 10]

    class Broken:
        def settle(self, tokens: int, nano_usd: int) -> None:
            raise RuntimeError

    admission = await meter.admit(who, a_call())
    admission._reservation = Broken()  # type: ignore[attr-defined]
    admission.settle(came_to(9))
    assert log.rows[-1].input_tokens == 9


@pytest.mark.parametrize("tokens", [-5, 0])
async def test_a_server_that_reports_nonsense_gives_nobody_anything_back(fake_clock: FakeClock, tokens: int) -> None:
    meter = meter_of(memory(fake_clock))
    who = holder(subject(budget_tokens=100, budget_usd=Decimal(1)))
    outcome = came_to(0)
    (await meter.admit(who, a_call())).settle(
        type(outcome)(usage=Usage(input_tokens=tokens), cost_usd=Decimal(-3), ended_s=1)
    )
    assert [each.used for each in await meter.store.look(who.allowances)] == [0, 0]


async def test_a_budget_survives_a_restart_by_its_ledger(fake_clock: FakeClock) -> None:
    ledger = MemoryLedger()
    who = holder(subject("key:k", budget_usd=Decimal(1)), subject("user:user-ada", budget_tokens=1000), key_id="k")
    first = meter_of(memory(fake_clock, ledger), usage=ledger)
    (await first.admit(who, a_call())).settle(came_to(600, "0.99"))
    again = meter_of(memory(fake_clock, ledger), usage=ledger)
    assert [each.used for each in await again.store.look(who.allowances)] == [nano_of(Decimal("0.99")), 600]
    (await again.admit(who, a_call())).settle(came_to(1, "0.01"))
    with pytest.raises(BudgetExceeded):
        await again.admit(who, a_call())
    with pytest.raises(BudgetExceeded):
        await meter_of(memory(fake_clock, ledger)).admit(who, a_call())


async def test_a_call_that_began_before_midnight_counts_on_the_day_it_began(fake_clock: FakeClock) -> None:
    meter = meter_of(memory(fake_clock), Flat(NANO))
    who = holder(subject(budget_usd=Decimal(1), budget_period=BudgetPeriod.DAY))
    late = await meter.admit(who, a_call())
    fake_clock.advance(86400)
    late_settled = came_to(1, "0.90")
    fresh = await meter.admit(who, a_call())
    late.settle(late_settled)
    fresh.settle(came_to(1, "0.10"))
    assert [(each.used, each.held) for each in await meter.store.look(who.allowances)] == [(NANO // 10, 0)]


# --- totals under any order of events -----------------------------------------------------------------------------


class Accounts(RuleBasedStateMachine):
    """Calls that begin and end in any order, while time passes: what is counted is what was spent."""

    @initialize()
    def open(self) -> None:
        self.clock = FakeClock(at=START)
        self.store = MemoryLimitStore(MemoryLedger(), self.clock)
        self.key = subject("key:1", budget_usd=Decimal("0.000001"), tokens_per_minute=300, max_parallel=4)
        self.group = subject("group:1", budget_tokens=2_000, requests_per_minute=12, budget_period=BudgetPeriod.WEEK)
        self.running: list[tuple[Any, int, int]] = []
        self.spent_nano = self.spent_tokens = 0
        self.begun_s: list[float] = []

    @rule(tokens=st.integers(0, 100), nano=st.integers(0, 200))
    def begin(self, tokens: int, nano: int) -> None:
        found = _run(self.store.reserve([self.key, self.group], tokens, nano))
        held_nano, held_tokens = sum(each[2] for each in self.running), sum(each[1] for each in self.running)
        if isinstance(found, Standing):
            assert found.left == 0
            return
        assert len(self.running) < 4
        assert self.spent_nano + held_nano < 1000
        assert self.spent_tokens + held_tokens < 2000
        assert sum(at > self.clock.monotonic_s() - 60 for at in self.begun_s) < 12
        self.begun_s.append(self.clock.monotonic_s())
        self.running.append((found, tokens, nano))

    @rule(part=st.floats(0, 1), which=st.integers(0, 3))
    def end(self, part: float, which: int) -> None:
        if self.running:
            held, tokens, nano = self.running.pop(which % len(self.running))
            held.settle(int(tokens * part), int(nano * part))
            held.settle(10**6, 10**6)
            self.spent_tokens += int(tokens * part)
            self.spent_nano += int(nano * part)

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def totals_are_exact(self) -> None:
        if not hasattr(self, "store"):
            return
        standing = {each.kind: each for each in _run(self.store.look([self.key, self.group]))}
        assert standing[LimitKind.BUDGET_USD].used == self.spent_nano
        assert standing[LimitKind.BUDGET_USD].held == sum(each[2] for each in self.running)
        assert standing[LimitKind.BUDGET_TOKENS].used == self.spent_tokens
        assert standing[LimitKind.PARALLEL].used == len(self.running)
        assert standing[LimitKind.TOKENS].used >= 0
        assert self.spent_nano < 1000 + 200, "one call at most goes beyond"


def _run(work: Any) -> Any:
    """Runs what never waits for anything real."""

    async def run() -> Any:
        return await work

    return anyio.run(run)


TestAccounts = Accounts.TestCase
TestAccounts.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
