"""Limits counted in this process: exact, and in microseconds, as nothing waits between the look and the taking."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from alcove.gateway.limits.budgets import Spent, budget_standings, spent_before
from alcove.gateway.limits.models import (
    BUCKETS,
    PARALLEL_WAIT_S,
    WINDOW_S,
    Left,
    LimitKind,
    LimitsLeft,
    Period,
    Standing,
    has_budget,
    nano_of,
    period_of,
    tighter,
)
from alcove.gateway.ports import SpendLedger
from alcove.kernel.clock import Clock
from alcove.kernel.principal import Allowance, BudgetPeriod

_MAX_SUBJECTS = 50_000
_IDLE_S = 600.0


class _Window:
    """What was used in the last minute, in buckets `[number, amount]`; a bucket that has left has the number -1."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self.total = 0
        self._buckets: deque[list[int]] = deque()

    def roll(self, now: int) -> int:
        """Lets go of what is older than a minute; gives what is left."""
        buckets = self._buckets
        oldest = now - BUCKETS
        while buckets and buckets[0][0] < oldest:
            bucket = buckets.popleft()
            bucket[0] = -1
            self.total -= bucket[1]
        return self.total

    def add(self, now: int, amount: int) -> list[int]:
        """Adds to the newest bucket, and gives it."""
        buckets = self._buckets
        self.total += amount
        if buckets and buckets[-1][0] >= now:
            bucket = buckets[-1]
            bucket[1] += amount
            return bucket
        bucket = [now, amount]
        buckets.append(bucket)
        return bucket

    def correct(self, bucket: list[int], by: int) -> None:
        """Corrects what was added to a bucket, if it still counts."""
        if bucket[0] >= 0:
            bucket[1] += by
            self.total += by

    def free_at(self, limit: int) -> int:
        """Gives the bucket with whose leaving less than the limit is used."""
        total = self.total
        for number, amount in self._buckets:
            total -= amount
            if total < limit:
                return number
        return self._buckets[-1][0] if self._buckets else 0

    def last(self) -> int | None:
        """Gives the newest bucket."""
        return self._buckets[-1][0] if self._buckets else None


class _Budget:
    """What was spent in one period, and what calls under way hold."""

    __slots__ = ("ends_s", "held_nano", "held_tokens", "kind", "period", "spent_nano", "spent_tokens")

    def __init__(self, kind: BudgetPeriod, period: Period, ends_s: float) -> None:
        self.kind = kind
        self.period = period
        self.ends_s = ends_s  # by the monotonic clock
        self.spent_nano = self.spent_tokens = 0
        self.held_nano = self.held_tokens = 0


class _Subject:
    """All that is counted of one subject, and its limits as they were last seen."""

    __slots__ = (
        "allowance", "budget", "budget_nano", "budget_tokens", "has_budget", "loading", "max_parallel", "parallel",
        "per_minute", "requests", "tokens", "tokens_per_minute", "used_in",
    )  # fmt: skip

    def __init__(self, allowance: Allowance) -> None:
        self.requests = _Window()
        self.tokens = _Window()
        self.parallel = 0
        self.budget: _Budget | None = None
        self.loading = anyio.Lock()
        self.used_in = 0
        self.bind(allowance)

    def bind(self, allowance: Allowance) -> None:
        """Takes the limits as they are now; other calls may come with others, as admins change them."""
        self.allowance = allowance
        self.per_minute = allowance.requests_per_minute
        self.tokens_per_minute = allowance.tokens_per_minute
        self.max_parallel = allowance.max_parallel
        self.budget_nano = None if allowance.budget_usd is None else nano_of(allowance.budget_usd)
        self.budget_tokens = allowance.budget_tokens
        self.has_budget = has_budget(allowance)

    def is_ready(self, now_s: float) -> bool:
        """Tells whether it is known what was spent in this period."""
        budget = self.budget
        return not self.has_budget or (
            budget is not None and budget.kind is self.allowance.budget_period and now_s < budget.ends_s
        )

    def is_full(self, bucket: int) -> bool:
        """Tells whether nothing is left of some limit."""
        if self.per_minute is not None and self.requests.roll(bucket) >= self.per_minute:
            return True
        if self.tokens_per_minute is not None and self.tokens.roll(bucket) >= self.tokens_per_minute:
            return True
        if self.max_parallel is not None and self.parallel >= self.max_parallel:
            return True
        budget = self.budget
        if not self.has_budget or budget is None:
            return False
        if self.budget_nano is not None and budget.spent_nano + budget.held_nano >= self.budget_nano:
            return True
        return self.budget_tokens is not None and budget.spent_tokens + budget.held_tokens >= self.budget_tokens


class MemoryReservation:
    """What a call holds here."""

    __slots__ = ("_held", "_is_settled", "_nano_usd", "_store", "_tokens")

    def __init__(self, store: "MemoryLimitStore", tokens: int, nano_usd: int) -> None:
        self._store = store
        self._tokens = tokens
        self._nano_usd = nano_usd
        self._held: list[tuple[_Subject, list[int] | None, _Budget | None]] = []
        self._is_settled = False

    def left(self) -> LimitsLeft:
        """Gives what is left of the limits now, this call counted."""
        store = self._store
        bucket = store.bucket()
        requests: Left | None = None
        tokens: Left | None = None
        budget_nano: int | None = None
        for subject, _, budget in self._held:
            if subject.per_minute is not None:
                requests = tighter(requests, store.left_in(subject.requests, subject.per_minute, bucket))
            if subject.tokens_per_minute is not None:
                tokens = tighter(tokens, store.left_in(subject.tokens, subject.tokens_per_minute, bucket))
            if budget is not None and subject.budget_nano is not None:
                nano = max(0, subject.budget_nano - budget.spent_nano - budget.held_nano)
                budget_nano = nano if budget_nano is None else min(budget_nano, nano)
        return LimitsLeft(requests, tokens, budget_nano)

    def hold(self, subject: _Subject, bucket: int) -> None:
        """Takes the call's part of one subject's limits."""
        window: list[int] | None = None
        budget: _Budget | None = None
        if subject.per_minute is not None:
            subject.requests.add(bucket, 1)
        if subject.tokens_per_minute is not None:
            window = subject.tokens.add(bucket, self._tokens)
        if subject.has_budget:
            budget = subject.budget
            if budget is not None:
                budget.held_nano += self._nano_usd
                budget.held_tokens += self._tokens
        subject.parallel += 1
        subject.used_in = bucket
        self._held.append((subject, window, budget))

    def settle(self, tokens: int, nano_usd: int) -> None:
        """Counts what the call came to in place of what it held. A second time does nothing."""
        if self._is_settled:
            return
        self._is_settled = True
        for subject, window, budget in self._held:
            subject.parallel -= 1
            if window is not None:
                subject.tokens.correct(window, tokens - self._tokens)
            if budget is not None:
                budget.held_nano -= self._nano_usd
                budget.held_tokens -= self._tokens
                budget.spent_nano += nano_usd
                budget.spent_tokens += tokens


@dataclass(slots=True)
class MemoryLimitStore:
    """Counts limits in memory; what was spent before is asked of the ledger when a subject is first seen in a period.

    Attributes:
        ledger: What was spent before.
        clock: The time.
        window_s: Length of the window of limits by the minute; another one only in tests.
    """

    ledger: SpendLedger
    clock: Clock
    window_s: float = WINDOW_S
    _subjects: dict[str, _Subject] = field(default_factory=dict)

    async def reserve(
        self, allowances: Sequence[Allowance], tokens: int, nano_usd: int
    ) -> MemoryReservation | Standing:
        """Takes a call's part of every limit, or of none; gives the limit that has nothing left.

        Raises:
            Unavailable: When what was spent before cannot be found out.
        """
        now_s = self.clock.monotonic_s()
        subjects = [self._subject(each) for each in allowances]
        for each in subjects:
            if not each.is_ready(now_s):
                subjects, now_s = await self._ready(allowances)
                break
        # From here on nothing waits.
        bucket = int(now_s * BUCKETS / self.window_s)
        for each in subjects:
            if each.is_full(bucket):
                return next(found for found in self.standings(each.allowance, each) if not found.left)
        reservation = MemoryReservation(self, tokens, nano_usd)
        for each in subjects:
            reservation.hold(each, bucket)
        return reservation

    async def look(self, allowances: Sequence[Allowance]) -> Sequence[Standing]:
        """Gives how every limit stands, and takes nothing.

        Raises:
            Unavailable: When what was spent before cannot be found out.
        """
        subjects, _ = await self._ready(allowances)
        return [standing for each in subjects for standing in self.standings(each.allowance, each)]

    @property
    def under_way(self) -> int:
        """How many calls hold something, once for each subject."""
        return sum(each.parallel for each in self._subjects.values())

    def standings(self, allowance: Allowance, subject: _Subject) -> Sequence[Standing]:
        """Gives how every limit of a subject stands."""
        found: list[Standing] = []
        bucket = self.bucket()
        for kind, limit, window in (
            (LimitKind.REQUESTS, allowance.requests_per_minute, subject.requests),
            (LimitKind.TOKENS, allowance.tokens_per_minute, subject.tokens),
        ):
            if limit is not None:
                used, last = window.roll(bucket), window.last()
                found.append(
                    Standing(
                        allowance=allowance, kind=kind, limit=limit, used=used,
                        wait_s=self._leaves_in_s(window.free_at(limit)) if used >= limit else 0.0,
                        reset_s=0.0 if last is None else self._leaves_in_s(last),
                    )
                )  # fmt: skip
        if allowance.max_parallel is not None:
            found.append(
                Standing(
                    allowance=allowance, kind=LimitKind.PARALLEL, limit=allowance.max_parallel, used=subject.parallel,
                    wait_s=PARALLEL_WAIT_S,
                )
            )  # fmt: skip
        budget = subject.budget
        if budget is not None:
            spent = Spent(
                nano_usd=budget.spent_nano, tokens=budget.spent_tokens, held_nano_usd=budget.held_nano,
                held_tokens=budget.held_tokens,
            )  # fmt: skip
            found.extend(budget_standings(allowance, spent, budget.period, self.clock.now()))
        return found

    def left_in(self, window: _Window, limit: int, bucket: int) -> Left:
        """Gives what is left of a limit by the minute."""
        used, last = window.roll(bucket), window.last()
        return Left(limit, max(0, limit - used), 0.0 if last is None else self._leaves_in_s(last))

    def bucket(self) -> int:
        """Gives the number of the bucket of now."""
        return int(self.clock.monotonic_s() * BUCKETS / self.window_s)

    def _leaves_in_s(self, bucket: int) -> float:
        return max(0.0, (bucket + BUCKETS + 1) * self.window_s / BUCKETS - self.clock.monotonic_s())

    def _subject(self, allowance: Allowance) -> _Subject:
        found = self._subjects.get(allowance.subject)
        if found is None:
            if len(self._subjects) >= _MAX_SUBJECTS:
                self._forget_idle()
            found = self._subjects[allowance.subject] = _Subject(allowance)
        elif found.allowance is not allowance:
            found.bind(allowance)
        return found

    def _forget_idle(self) -> None:
        """Lets go of subjects nobody asked for in a while; what they spent is in the ledger."""
        before = self.bucket() - int(_IDLE_S / self.window_s * BUCKETS)
        self._subjects = {name: each for name, each in self._subjects.items() if each.parallel or each.used_in > before}

    async def _ready(self, allowances: Sequence[Allowance]) -> tuple[list[_Subject], float]:
        """Finds out what was spent before; when it returns, all of it is known, at the time it gives."""
        while True:
            now_s = self.clock.monotonic_s()
            subjects = [self._subject(each) for each in allowances]
            missing = [each for each in subjects if not each.is_ready(now_s)]
            if not missing:
                return subjects, now_s
            for each in missing:
                await self._load(each)

    async def _load(self, subject: _Subject) -> None:
        async with subject.loading:
            now_s = self.clock.monotonic_s()
            if subject.is_ready(now_s):
                return  # another call found it out meanwhile
            allowance, now = subject.allowance, self.clock.now()
            period = period_of(allowance.budget_period, now)
            usd, tokens = await spent_before(self.ledger, allowance.subject, period)
            ends_s = math.inf if period.end is None else now_s + (period.end - now).total_seconds()
            budget = _Budget(allowance.budget_period, period, ends_s)
            budget.spent_nano, budget.spent_tokens = usd, tokens
            subject.used_in = self.bucket()
            subject.budget = budget
            self._subjects[allowance.subject] = subject  # it may have been let go meanwhile
