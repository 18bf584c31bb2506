"""What people and admins ask about usage; everyone sees their own, admins everyone's when they ask for it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from alcove.gateway.usage.export import Format, written
from alcove.gateway.usage.live import LiveCounts
from alcove.gateway.usage.models import (
    Grouping,
    Interval,
    LiveUsage,
    RowFilter,
    RowPosition,
    StoredRow,
    SummaryLine,
    SummaryQuery,
    UsageSummary,
    UsageSums,
)
from alcove.gateway.usage.mover import UsageMover
from alcove.gateway.usage.ports import UsageStore
from alcove.gateway.usage.reading import usd_text
from alcove.gateway.usage.sums import LATENCY_BOUNDS_MS, milliseconds
from alcove.kernel.errors import Forbidden, InvalidRequest
from alcove.kernel.ids import is_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import BudgetPeriod, Principal

_MAX_LINES = 5000
_EXPORT_PIECE = 200  # a few milliseconds of work between two looks at the event loop
_MAX_DIGITS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageService:
    """Answers questions about usage.

    Attributes:
        store: Where usage is kept.
        mover: What brings it there.
        live: The last minute.
    """

    store: UsageStore
    mover: UsageMover
    live: LiveCounts

    async def rows(
        self, who: Principal, wanted: RowFilter, page: PageRequest, *, is_everyones: bool
    ) -> Page[StoredRow]:
        """Gives rows, the newest first.

        Raises:
            Forbidden: When somebody who is no admin asks for what is not theirs.
            InvalidRequest: When the cursor is not one of ours.
        """
        allowed = _allowed(who, wanted, is_everyones=is_everyones)
        before = None if page.cursor is None else _position(page.cursor)
        await self.mover.catch_up()
        found = await self.store.rows(allowed, before, page.limit + 1)
        items = list(found[: page.limit])
        return Page(items=items, next_cursor=_cursor(items[-1]) if len(found) > page.limit else None)

    async def summary(
        self, who: Principal, wanted: RowFilter, by: Grouping | None, interval: Interval, *, is_everyones: bool
    ) -> UsageSummary:
        """Gives sums, the oldest first, and the sum of all.

        Raises:
            Forbidden: When somebody who is no admin asks for what is not theirs.
        """
        allowed = _allowed(who, wanted, is_everyones=is_everyones)
        await self.mover.catch_up()
        lines: Sequence[SummaryLine] = ()
        if by is not None or interval is not Interval.ALL:
            query = SummaryQuery(wanted=allowed, by=by, interval=interval, limit=_MAX_LINES + 1)
            lines = await self.store.summary(query)
        (total,) = await self.store.summary(SummaryQuery(wanted=allowed, limit=1))
        return UsageSummary(
            items=[_sums(line) for line in lines[:_MAX_LINES]], is_cut=len(lines) > _MAX_LINES, total=_sums(total)
        )

    async def export(
        self, who: Principal, wanted: RowFilter, form: Format, *, is_everyones: bool
    ) -> AsyncIterator[bytes]:
        """Gives rows as a file, the newest first, piece by piece.

        Raises:
            Forbidden: When somebody who is no admin asks for what is not theirs.
        """
        allowed = _allowed(who, wanted, is_everyones=is_everyones)
        await self.mover.catch_up()
        return written(self._pieces(allowed), form)

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:
        """Gives the US dollars and tokens a subject has used in a period, with every call that was over before this one.

        Raises:
            Unavailable: When that cannot be told now.
        """
        await self.mover.catch_up_or_fail()
        return await self.store.spent(subject, period, period_start)

    def last_minute(self) -> LiveUsage:
        """Gives what this process answered in the last minute."""
        return self.live.read()

    async def _pieces(self, wanted: RowFilter) -> AsyncIterator[Sequence[StoredRow]]:
        before: RowPosition | None = None
        while True:
            found = await self.store.rows(wanted, before, _EXPORT_PIECE)
            if found:
                yield found
            if len(found) < _EXPORT_PIECE:
                return
            before = RowPosition(at_ms=milliseconds(found[-1].at), id=found[-1].id)


def _allowed(who: Principal, wanted: RowFilter, *, is_everyones: bool) -> RowFilter:
    """Gives the filter with the owner it may have."""
    is_others = is_everyones or wanted.owner_id not in {None, who.user_id}
    if is_others and not who.is_admin:
        detail = "Only an admin may look at the usage of others; leave `all` and `user_id` out."
        raise Forbidden(detail)
    for name, time in (("since", wanted.since), ("until", wanted.until)):
        if time is not None and time.tzinfo is None:
            detail = f"{name}: the time needs a zone, such as 2026-05-01T00:00:00Z."
            raise InvalidRequest(detail)
    return wanted if is_everyones or wanted.owner_id is not None else replace(wanted, owner_id=who.user_id)


def _cursor(row: StoredRow) -> str:
    return f"{milliseconds(row.at)}.{row.id}"


def _position(cursor: str) -> RowPosition:
    time, _, row_id = cursor.partition(".")
    if not (time.isascii() and time.isdecimal() and len(time) <= _MAX_DIGITS and is_id(row_id)):
        detail = "The cursor is not one of ours; send `next_cursor` of the page before."
        raise InvalidRequest(detail)
    return RowPosition(at_ms=int(time), id=row_id)


def _sums(line: SummaryLine) -> UsageSums:
    return UsageSums(
        start=line.start,
        name=line.name,
        requests=line.requests,
        errors=line.errors,
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        cached_input_tokens=line.cached_input_tokens,
        reasoning_tokens=line.reasoning_tokens,
        cost_usd=usd_text(line.cost_usd),
        unpriced=line.unpriced,
        cached=line.cached,
        latency_mean_ms=round(line.latency_ms / line.requests, 1) if line.requests else None,
        latency_p50_ms=quantile(line.latency_counts, 0.5),
        latency_p95_ms=quantile(line.latency_counts, 0.95),
        first_token_mean_ms=(
            round(line.first_token_ms / line.first_token_count, 1) if line.first_token_count else None
        ),
    )


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Gives the time that `share` of the calls did not exceed, interpolated; the last bound for what is beyond it."""
    wanted, below = share * sum(counts), 0.0
    if not wanted:
        return None
    lower = 0
    for bound, count in zip(LATENCY_BOUNDS_MS, counts, strict=False):
        if count and below + count >= wanted:
            return round(lower + (bound - lower) * (wanted - below) / count, 1)
        below += count
        lower = bound
    return float(LATENCY_BOUNDS_MS[-1])
