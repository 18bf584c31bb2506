"""What both stores do alike about budgets: ask the ledger, and say how they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alcove.gateway.limits.models import LimitKind, Period, Standing, nano_of
from alcove.gateway.ports import SpendLedger
from alcove.kernel.errors import AlcoveError, Unavailable
from alcove.kernel.principal import Allowance


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What was spent in a period, and what calls under way hold beside that."""

    nano_usd: int
    tokens: int
    held_nano_usd: int
    held_tokens: int


async def spent_before(ledger: SpendLedger, subject: str, period: Period) -> tuple[int, int]:
    """Gives the nano-dollars and the tokens that the ledger knows of.

    Raises:
        Unavailable: When it cannot be asked: a budget that is not known is not open.
    """
    try:
        usd, tokens = await ledger.spent(subject, period.kind, period.start)
    except AlcoveError:
        raise
    except Exception as error:  # whatever the database fails at
        detail = "What was spent so far cannot be found out right now, so calls that a budget binds are refused; try again shortly."
        raise Unavailable(detail, retry_after_s=1) from error
    return nano_of(usd), tokens


def budget_standings(allowance: Allowance, spent: Spent, period: Period, now: datetime) -> Sequence[Standing]:
    """Gives how the budgets of an allowance stand."""
    reset_s = 0.0 if period.end is None else max(0.0, (period.end - now).total_seconds())
    amounts = (
        (LimitKind.BUDGET_USD, allowance.budget_usd, spent.nano_usd, spent.held_nano_usd),
        (LimitKind.BUDGET_TOKENS, allowance.budget_tokens, spent.tokens, spent.held_tokens),
    )
    return [
        Standing(
            allowance=allowance,
            kind=kind,
            limit=limit if isinstance(limit, int) else nano_of(limit),
            used=used,
            held=held,
            wait_s=reset_s,
            reset_s=reset_s,
            resets_at=period.end,
        )
        for kind, limit, used, held in amounts
        if limit is not None
    ]
