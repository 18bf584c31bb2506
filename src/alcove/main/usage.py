"""Builds what keeps usage."""

from dataclasses import dataclass

from alcove.gateway.usage.journal import UsageJournal
from alcove.gateway.usage.live import LiveCounts
from alcove.gateway.usage.mover import UsageMover
from alcove.gateway.usage.service import UsageService
from alcove.gateway.usage.store import SqlUsageStore
from alcove.main.ground import Ground
from alcove.status.service import Part


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageParts:
    """What usage is made of.

    Attributes:
        journal: Takes rows; a `UsageLog`.
        mover: Moves them into the database.
        service: Answers questions, and knows what was spent; a `SpendLedger`.
    """

    journal: UsageJournal
    mover: UsageMover
    service: UsageService

    async def delete_owner(self, user_id: str) -> None:
        """Has a person's rows deleted.

        Raises:
            AlcoveError: When that cannot be noted down.
        """
        self.journal.erase(user_id)

    @property
    def part(self) -> Part:
        """The part of the house whose health can be asked for."""
        return Part(name="Usage", check=self._check)

    async def _check(self) -> tuple[bool, str]:
        journal = self.journal
        journal.admit()
        detail = f"{journal.backlog_bytes} bytes wait to be stored, {journal.lost_count} rows lost"
        if self.mover.trouble is not None:
            return False, f"{self.mover.trouble} {detail}"
        return journal.lost_count == 0, detail


async def open_usage(ground: Ground) -> UsageParts:
    """Opens the journal, moves what an earlier process left there, and starts the worker.

    The journal is closed when nobody is at work any more, so after the last answer.

    Raises:
        Unavailable: When another process has the journal.
    """
    options = ground.settings.usage
    live = LiveCounts(ground.clock)
    journal = UsageJournal(
        ground.settings.data_dir / "usage",
        max_bytes=options.max_journal_mb << 20,
        is_synced=options.is_synced,
        live=live,
    )
    store = SqlUsageStore(ground.database, ground.clock)
    mover = UsageMover(journal=journal, store=store, clock=ground.clock, settings=options)
    await mover.open()
    ground.stack.push_async_callback(mover.close)
    ground.workers.start(mover.run, "usage")
    watch = ground.metrics.watch
    watch("alcove_usage_journal_bytes", "Usage that waits to be stored", lambda: journal.backlog_bytes)
    watch("alcove_usage_rows_held", "Usage rows in memory alone, as the disk takes none", lambda: journal.held_count)
    watch("alcove_usage_rows_lost", "Usage rows that came to nothing", lambda: journal.lost_count)
    return UsageParts(journal=journal, mover=mover, service=UsageService(store=store, mover=mover, live=live))
