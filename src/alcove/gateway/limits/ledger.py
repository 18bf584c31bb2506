"""What was spent, in memory: for tests, and for a house whose usage is kept nowhere."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alcove.gateway.calls import UsageRow
from alcove.kernel.principal import BudgetPeriod


@dataclass(slots=True)
class MemoryLedger:
    """A usage log that keeps sums by subject and day, and answers for them as `SpendLedger`."""

    _usd: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    _tokens: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def admit(self) -> None:
        """Takes every call."""

    def append(self, row: UsageRow) -> None:
        """Adds a row to the sums of its key, and of the account it is charged to."""
        day = row.at.date().isoformat()
        account = f"group:{row.group_id}" if row.group_id is not None else f"user:{row.user_id}"
        for subject in (account, *(() if row.key_id is None else (f"key:{row.key_id}",))):
            self._usd[subject, day] += row.cost_usd or 0
            self._tokens[subject, day] += row.input_tokens + row.output_tokens

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:  # noqa: ARG002
        """Gives the US dollars and the tokens that a subject has spent since a midnight."""
        since = period_start.date().isoformat()
        days = [key for key in self._tokens if key[0] == subject and key[1] >= since]
        return sum((self._usd[key] for key in days), Decimal(0)), sum(self._tokens[key] for key in days)
