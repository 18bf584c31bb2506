"""What a batch of rows comes to: the rows as the database takes them, and their sums by subject and by hour.

Money is counted in whole picodollars (10⁻¹² US dollars): a price of $0.000001 for a million tokens is one for each, so sums are exact,
and 64 bits hold nine million dollars; there a sum stays, so that a budget that is spent cannot become unspent.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from alcove.kernel.principal import BudgetPeriod

PICO = 10**12
MAX_PICO = 9 * 10**18
DELETED = "deleted"
"""Stands for a person who is no longer here."""

LATENCY_BOUNDS_MS = (50, 100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 60_000)
"""Calls are counted by the first of these they did not exceed; one more count is of those that exceeded all."""

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MAX_ROW_PICO = 10**17  # a hundred thousand dollars for one call
_EPOCH = date(1970, 1, 1)

SpendKey = tuple[str, str, int]
HourKey = tuple[int, str, str, str, str, str, str, int]


@dataclass(slots=True)
class Batch:
    """Changes that go into the database in one transaction.

    Attributes:
        rows: Values of rows, in the order of `alcove.gateway.usage.store.usage_rows`.
        spend: By subject, period and first day: picodollars, tokens, requests.
        hours: By hour, user, key, group, kind, model, deployment and status: the sums.
        erased: Ids of people whose rows are to be deleted.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    spend: dict[SpendKey, list[int]] = field(default_factory=dict)
    hours: dict[HourKey, list[float]] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Sums entries up.

    Attributes:
        erased: Ids of people who are no longer here.
        batch: What has been found so far; `spend` is there after `finish`.
    """

    erased: frozenset[str]
    batch: Batch = field(default_factory=Batch)
    _days: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def add(self, values: Sequence[Any]) -> None:
        """Adds the values of a row, in the order of `UsageRow`."""
        (
            row_id, at, user_id, key_id, group_id, kind, endpoint, model, deployment, provider, upstream_model,
            input_tokens, output_tokens, cached_tokens, reasoning_tokens, is_estimated, cost, latency_ms, first_ms,
            status, error_code, cache, is_streaming, attempts, trace_id, request_id,
        ) = values  # fmt: skip
        at_ms = milliseconds(at)
        pico = None if cost is None else picodollars(cost)
        spent, tokens = pico or 0, input_tokens + output_tokens
        if user_id in self.erased:
            user_id, key_id = DELETED, None
        else:
            self.batch.rows.append((
                row_id, at_ms, user_id, key_id, group_id, kind, endpoint, model, deployment, provider, upstream_model,
                input_tokens, output_tokens, cached_tokens, reasoning_tokens, is_estimated, pico, latency_ms, first_ms,
                status, error_code, cache, is_streaming, attempts, trace_id, request_id,
            ))  # fmt: skip
            if group_id is None:
                self._spend(f"user:{user_id}", at_ms, spent, tokens)
            if key_id is not None:
                self._spend(f"key:{key_id}", at_ms, spent, tokens)
        if group_id is not None:
            self._spend(f"group:{group_id}", at_ms, spent, tokens)
        key = (at_ms // _HOUR_MS, user_id, key_id or "", group_id or "", kind, model, deployment, status)
        sums = self.batch.hours.get(key)
        if sums is None:
            sums = self.batch.hours[key] = [0] * HOUR_VALUES
        sums[0] += 1
        sums[1] += input_tokens
        sums[2] += output_tokens
        sums[3] += cached_tokens
        sums[4] += reasoning_tokens
        sums[5] += spent
        sums[6] += pico is None
        sums[7] += bool(cache)
        sums[8] += latency_ms
        if first_ms is not None:
            sums[9] += first_ms
            sums[10] += 1
        sums[_BEFORE_BUCKETS + bisect_left(LATENCY_BOUNDS_MS, latency_ms)] += 1

    def finish(self) -> Batch:
        """Gives what all entries come to."""
        spend = self.batch.spend
        for (subject, day), (pico, tokens, requests) in self._days.items():
            for period, start in periods_of(day):
                sums = spend.setdefault((subject, period, start), [0, 0, 0])
                sums[0] = min(sums[0] + pico, MAX_PICO)
                sums[1] += tokens
                sums[2] += requests
        return self.batch

    def _spend(self, subject: str, at_ms: int, pico: int, tokens: int) -> None:
        key = (subject, at_ms // _DAY_MS)
        sums = self._days.get(key)
        if sums is None:
            self._days[key] = [pico, tokens, 1]
            return
        sums[0] += pico
        sums[1] += tokens
        sums[2] += 1


_BEFORE_BUCKETS = 11
HOUR_VALUES = _BEFORE_BUCKETS + len(LATENCY_BOUNDS_MS) + 1
"""How many sums an hour has."""


def milliseconds(at: datetime) -> int:
    """Gives milliseconds since 1970, exactly."""
    since = at - _ZERO
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def picodollars(cost: str) -> int:
    """Gives an amount in US dollars, as decimal text, in whole picodollars; never less than 0."""
    return min(max(int((Decimal(cost) * PICO).to_integral_value()), 0), _MAX_ROW_PICO)


@lru_cache(maxsize=1024)
def periods_of(day: int) -> tuple[tuple[str, int], ...]:
    """Gives the periods a day is in: each with its first day, as days since 1970."""
    month = (_EPOCH + timedelta(days=day)).replace(day=1)
    starts = (day, day - (day + 3) % 7, (month - _EPOCH).days, 0)  # the first day of 1970 was a Thursday
    return tuple(zip((period.value for period in BudgetPeriod), starts, strict=True))


def first_day(period: BudgetPeriod, start: datetime) -> int:
    """Gives the first day of a period as days since 1970."""
    return 0 if period is BudgetPeriod.TOTAL else milliseconds(start) // _DAY_MS
