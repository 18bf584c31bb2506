"""What is counted, and what comes of a check.

Money is counted in whole nano-dollars (a thousand-millionth of a US dollar): sums are exact on every store, and the price of one call
is rounded up by less than that.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from alcove.kernel.principal import Allowance, BudgetPeriod

NANO = 1_000_000_000
WINDOW_S = 60.0
BUCKETS = 30
"""Parts a window is counted in: what was used counts for a minute and at most a thirtieth more, so never too much in any minute."""

PARALLEL_WAIT_S = 1.0
"""When to try again where others have as many calls under way as may be."""

FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
"""From when a budget without periods is counted."""


class LimitKind(StrEnum):
    """What can be limited, by the names of `Allowance`."""

    REQUESTS = "requests_per_minute"
    TOKENS = "tokens_per_minute"
    PARALLEL = "max_parallel"
    BUDGET_USD = "budget_usd"
    BUDGET_TOKENS = "budget_tokens"


def nano_of(usd: Decimal | None) -> int:
    """Gives an amount of US dollars in nano-dollars, rounded up; 0 for one that is not known."""
    return math.ceil(usd * NANO) if usd and usd > 0 else 0


def usd_of(nano: int) -> Decimal:
    """Gives nano-dollars as US dollars."""
    return Decimal(nano) / NANO


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a budget.

    Attributes:
        kind: How long it is.
        start: When it began, UTC.
        end: When the next one begins; None for a budget without periods.
    """

    kind: BudgetPeriod
    start: datetime
    end: datetime | None


def period_of(kind: BudgetPeriod, at: datetime) -> Period:
    """Gives the period a time is in: UTC days, weeks from Monday, calendar months."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if kind is BudgetPeriod.TOTAL:
        return Period(kind, FIRST_DAY, None)
    if kind is BudgetPeriod.DAY:
        return Period(kind, day, day + timedelta(days=1))
    if kind is BudgetPeriod.WEEK:
        monday = day - timedelta(days=day.weekday())
        return Period(kind, monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Period(kind, first, (first + timedelta(days=32)).replace(day=1))


def has_budget(allowance: Allowance) -> bool:
    """Tells whether money or tokens a period are limited."""
    return allowance.budget_usd is not None or allowance.budget_tokens is not None


def is_counted(allowance: Allowance) -> bool:
    """Tells whether anything of an allowance has to be counted; models and guardrails have not."""
    return (
        allowance.requests_per_minute is not None
        or allowance.tokens_per_minute is not None
        or allowance.max_parallel is not None
        or allowance.budget_usd is not None
        or allowance.budget_tokens is not None
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How one subject stands with one of its limits.

    Attributes:
        allowance: Whose limit it is.
        kind: Which.
        limit: How much there may be; money in nano-dollars.
        used: How much was used.
        held: How much calls under way hold beside that.
        wait_s: Seconds until some of it is free again, or the budget begins anew; 0 where that depends on others.
        reset_s: Seconds until all of it is free again.
        resets_at: When the budget begins anew; None for limits by the minute, and for a budget without periods.
    """

    allowance: Allowance
    kind: LimitKind
    limit: int
    used: int
    held: int = 0
    wait_s: float = 0.0
    reset_s: float = 0.0
    resets_at: datetime | None = None

    @property
    def left(self) -> int:
        """How much is left."""
        return max(0, self.limit - self.used - self.held)


class Left(NamedTuple):
    """What is left of a limit by the minute.

    Attributes:
        limit: How much there may be.
        left: How much of it is left.
        reset_s: Seconds until all of it is free again.
    """

    limit: int
    left: int
    reset_s: float


class LimitsLeft(NamedTuple):
    """What is left of the tightest limit of each kind; None where there is none.

    Attributes:
        requests: Of requests a minute.
        tokens: Of tokens a minute.
        budget_nano: Of money, in nano-dollars.
    """

    requests: Left | None = None
    tokens: Left | None = None
    budget_nano: int | None = None


def left_of(standings: Iterable[Standing]) -> LimitsLeft:
    """Gives what is left, by how the limits stand."""
    requests: Left | None = None
    tokens: Left | None = None
    budget_nano: int | None = None
    for each in standings:
        if each.kind is LimitKind.REQUESTS:
            requests = tighter(requests, Left(each.limit, each.left, each.reset_s))
        elif each.kind is LimitKind.TOKENS:
            tokens = tighter(tokens, Left(each.limit, each.left, each.reset_s))
        elif each.kind is LimitKind.BUDGET_USD and (budget_nano is None or each.left < budget_nano):
            budget_nano = each.left
    return LimitsLeft(requests, tokens, budget_nano)


def tighter(one: Left | None, other: Left) -> Left:
    """Gives that of two limits of which less is left."""
    return other if one is None or other.left < one.left else one
