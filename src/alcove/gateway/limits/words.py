"""Refusals in words: who is bound by what, how much was used, and when there is more."""

from datetime import datetime

from alcove.gateway.limits.headers import duration, limit_lines
from alcove.gateway.limits.models import LimitKind, Standing, left_of, usd_of
from alcove.infra.lean_edge import header_fields
from alcove.kernel.errors import BudgetExceeded, RateLimited
from alcove.kernel.principal import Allowance, BudgetPeriod

_PERIODS = {
    BudgetPeriod.DAY: "for today",
    BudgetPeriod.WEEK: "for this week",
    BudgetPeriod.MONTH: "for this month",
    BudgetPeriod.TOTAL: "in all",
}
_HELD_WAIT_S = 2.0
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def refusal(standing: Standing) -> RateLimited:
    """Gives the error of a limit that has nothing left."""
    who, has = _subject(standing.allowance)
    headers = {name.decode(): value.decode() for name, value in header_fields(limit_lines(left_of((standing,))))}
    limit, used = f"{standing.limit:,}", f"{standing.used:,}"
    if standing.kind in {LimitKind.BUDGET_USD, LimitKind.BUDGET_TOKENS}:
        return _budget_refusal(standing, headers)
    if standing.kind is LimitKind.REQUESTS:
        detail = (
            f"{who} {has} made {used} of {limit} requests in the last minute; try again in {duration(standing.wait_s)}."
        )
    elif standing.kind is LimitKind.TOKENS:
        detail = (
            f"{who} {has} used {used} of {limit} tokens in the last minute; try again in {duration(standing.wait_s)}."
        )
    else:
        detail = f"{who} {has} {used} of {limit} calls under way; wait for one to end."
    return RateLimited(detail, retry_after_s=max(standing.wait_s, 0.001), headers=headers)


def _budget_refusal(standing: Standing, headers: dict[str, str]) -> RateLimited:
    who, has = _subject(standing.allowance)
    period = _PERIODS[standing.allowance.budget_period]
    if standing.kind is LimitKind.BUDGET_USD:
        spent, most = f"${usd_of(standing.used):,.2f}", f"${usd_of(standing.limit):,.2f}"
    else:
        spent, most = f"{standing.used:,}", f"{standing.limit:,} tokens"
    if standing.used < standing.limit:
        detail = f"{who} {has} used {spent} of {most} {period}, and calls under way may take the rest; try again when one has ended."
        return RateLimited(detail, retry_after_s=_HELD_WAIT_S, headers=headers)
    if standing.resets_at is None:
        detail = f"{who} {has} used {spent} of {most} {period}; an admin can raise it."
        return BudgetExceeded(detail, headers=headers)
    detail = f"{who} {has} used {spent} of {most} {period}; it begins anew on {_day(standing.resets_at)}."
    return BudgetExceeded(detail, retry_after_s=standing.wait_s, headers=headers)


def _subject(allowance: Allowance) -> tuple[str, str]:
    kind = allowance.subject.partition(":")[0]
    if kind == "user":
        return "You", "have"
    return f"Your {kind} {allowance.name!r}", "has"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"
