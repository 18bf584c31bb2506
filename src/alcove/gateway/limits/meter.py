"""The meter of a house that limits: scope, models and limits are checked before a call; what it came to is counted after it."""

from dataclasses import dataclass, field

import structlog

from alcove.gateway.calls import Call, Outcome
from alcove.gateway.limits.headers import limit_lines
from alcove.gateway.limits.models import Standing, is_counted, nano_of
from alcove.gateway.limits.ports import CostEstimate, LimitStore, Reservation
from alcove.gateway.limits.words import refusal
from alcove.gateway.metering import usage_row
from alcove.gateway.ports import Admission, UsageLog
from alcove.kernel.errors import Forbidden, Unavailable
from alcove.kernel.principal import Allowance, Principal

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class MeterCounts:
    """What went wrong since the start, for admins.

    Attributes:
        unchecked: Calls that were refused because limits could not be checked.
        lost_rows: Usage rows that could not be kept.
        refused: Calls that were refused because a limit was reached.
    """

    unchecked: int = 0
    lost_rows: int = 0
    refused: int = 0


class _Kept:
    """A call that leaves its usage row; nothing is counted."""

    __slots__ = ("_call", "_counts", "_is_settled", "_log", "_who")

    def __init__(self, who: Principal, call: Call, usage: UsageLog, counts: MeterCounts) -> None:
        self._who = who
        self._call = call
        self._log = usage
        self._counts = counts
        self._is_settled = False

    def lines(self) -> bytes:
        """Gives no header fields: nothing is counted."""
        return b""

    def settle(self, outcome: Outcome) -> None:
        """Keeps the usage row. Never raises; a second call does nothing."""
        if self._is_settled:
            return
        self._is_settled = True
        try:
            self._log.append(usage_row(self._who, self._call, outcome))
        except Exception:  # the answer was given; what can be done is to say that its row is lost
            self._counts.lost_rows += 1
            log.exception("usage_row_lost", request_id=self._call.request_id)


class _Limited(_Kept):
    """A call that holds its part of limits."""

    __slots__ = ("_reservation",)

    def __init__(
        self, who: Principal, call: Call, usage: UsageLog, counts: MeterCounts, reservation: Reservation
    ) -> None:
        super().__init__(who, call, usage, counts)
        self._reservation = reservation

    def lines(self) -> bytes:
        """Gives the header fields that tell how much is left."""
        return limit_lines(self._reservation.left())

    def settle(self, outcome: Outcome) -> None:
        """Counts what the call came to, and keeps its usage row, even if counting fails."""
        if self._is_settled:
            return
        try:
            usage = outcome.usage
            self._reservation.settle(0 if usage is None else max(0, usage.total_tokens), nano_of(outcome.cost_usd))
        except Exception:  # the row has to be kept in any case, and budgets are counted by it again at the next start
            log.exception("call_not_counted", request_id=self._call.request_id)
        super().settle(outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitedMeter:
    """Checks calls against what their principal may use.

    Attributes:
        store: Counts.
        usage: Keeps usage rows.
        estimate: What calls may cost.
        counts: What went wrong.
    """

    store: LimitStore
    usage: UsageLog
    estimate: CostEstimate
    counts: MeterCounts = field(default_factory=MeterCounts)

    async def admit(self, who: Principal, call: Call) -> Admission:
        """Reserves what a call may come to.

        Raises:
            Forbidden: When this key is not for such calls. Whether it may use the model is seen to by whoever finds it.
            RateLimited: When a limit is reached, with the seconds to wait.
            BudgetExceeded: When a budget is spent.
            Unavailable: When limits cannot be checked; they fail closed, and calls that nothing limits go on. Or when what the
                call comes to could not be kept.
        """
        self.usage.admit()
        if who.scopes is not None and call.kind.value not in who.scopes:
            made_for = ", ".join(who.scopes) or "nothing"
            detail = (
                f"This API key is limited to {made_for}; this needs the scope {call.kind.value!r}. Use another key."
            )
            raise Forbidden(detail)
        if not who.allowances:
            return _Kept(who, call, self.usage, self.counts)
        counted: list[Allowance] = []
        is_money_limited = False
        for each in who.allowances:
            if is_counted(each):
                counted.append(each)
                is_money_limited = is_money_limited or each.budget_usd is not None
        if not counted:
            return _Kept(who, call, self.usage, self.counts)
        nano_usd = self.estimate.nano_usd(call) if is_money_limited else 0
        try:
            taken = await self.store.reserve(counted, call.input_tokens + call.output_tokens, nano_usd)
        except Unavailable:
            self.counts.unchecked += 1
            raise
        if isinstance(taken, Standing):
            self.counts.refused += 1
            raise refusal(taken)
        return _Limited(who, call, self.usage, self.counts, taken)
