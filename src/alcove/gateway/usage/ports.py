"""What keeping usage needs of a store."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from alcove.gateway.usage.models import RowFilter, RowPosition, StoredRow, SummaryLine, SummaryQuery
from alcove.gateway.usage.sums import Batch
from alcove.kernel.principal import BudgetPeriod


class UsageStore(Protocol):
    """Keeps usage for good. Every method raises `Unavailable` when the database does not answer."""

    async def position(self, journal: str) -> int:
        """Gives how far a journal has been moved; 0 for one that is not known."""
        ...

    async def erased(self) -> frozenset[str]:
        """Gives the ids of people who have been deleted lately."""
        ...

    async def move(self, batch: Batch, *, journal: str, begin: int, end: int) -> None:
        """Stores a batch and, in the same transaction, that the journal has been moved from `begin` to `end`.

        Raises:
            Conflict: When the journal has not been moved to `begin`; nothing is stored.
        """
        ...

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:
        """Gives the US dollars and tokens a subject has used in a period."""
        ...

    async def rows(self, wanted: RowFilter, before: RowPosition | None, limit: int) -> Sequence[StoredRow]:
        """Gives rows, the newest first."""
        ...

    async def summary(self, wanted: SummaryQuery) -> Sequence[SummaryLine]:
        """Gives sums, the oldest first."""
        ...

    async def prune(self, *, rows_before: datetime | None, hours_before: datetime | None, limit: int) -> int:
        """Deletes what is older, at most `limit` of each; gives how much that was."""
        ...
