"""A meter without limits: every call may be made, and leaves its usage row. For tests, and for a house that limits nobody."""

import contextlib
from dataclasses import dataclass, field
from decimal import Decimal

from alcove.gateway.calls import Call, Outcome, UsageRow
from alcove.gateway.ports import Admission, UsageLog
from alcove.gateway.prices import believed
from alcove.kernel.chat import Usage
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Principal


def usage_row(who: Principal, call: Call, outcome: Outcome) -> UsageRow:
    """Gives what is kept of a call that is over."""
    usage = believed(outcome.usage or Usage())
    return UsageRow(
        id=new_id(),
        at=call.at,
        user_id=who.user_id,
        key_id=who.key_id,
        group_id=who.group_id,
        kind=call.kind,
        endpoint=call.endpoint,
        model=call.model,
        deployment=outcome.served.deployment,
        provider=outcome.served.provider,
        upstream_model=outcome.served.upstream_model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        is_estimated=outcome.is_estimated,
        cost_usd=outcome.cost_usd,
        latency_ms=(outcome.ended_s - call.began_s) * 1000,
        first_token_ms=None if outcome.first_s is None else (outcome.first_s - call.began_s) * 1000,
        status=outcome.status,
        error_code=outcome.error_code,
        cache=outcome.served.cache,
        is_streaming=call.is_streaming,
        attempts=outcome.served.attempts,
        trace_id=call.trace_id,
        request_id=call.request_id,
    )


@dataclass(slots=True)
class MemoryUsageLog:
    """Keeps usage rows in a list."""

    rows: list[UsageRow] = field(default_factory=list)

    def admit(self) -> None:
        """Lets every call be made: a list has room."""

    def append(self, row: UsageRow) -> None:
        """Adds a row."""
        self.rows.append(row)

    @property
    def cost_usd(self) -> Decimal:
        """What all calls cost together, as far as it is known."""
        return sum((row.cost_usd for row in self.rows if row.cost_usd is not None), Decimal(0))


@dataclass(slots=True)
class FreeAdmission:
    """A call nobody limits."""

    _who: Principal
    _call: Call
    _log: UsageLog
    _is_settled: bool = False

    def lines(self) -> bytes:
        """Gives no header fields: nothing is limited."""
        return b""

    def settle(self, outcome: Outcome) -> None:
        """Keeps the usage row."""
        if not self._is_settled:
            self._is_settled = True
            with contextlib.suppress(AlcoveError):  # the log has said so itself, and the answer is given
                self._log.append(usage_row(self._who, self._call, outcome))


@dataclass(frozen=True, slots=True)
class FreeMeter:
    """Lets every call be made."""

    log: UsageLog

    async def admit(self, who: Principal, call: Call) -> Admission:
        """Admits the call.

        Raises:
            Unavailable: When its row could not be kept.
            Overloaded: Likewise, when too many rows wait.
        """
        self.log.admit()
        return FreeAdmission(who, call, self.log)
