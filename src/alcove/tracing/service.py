"""Reading traces, each only by its owner; admins may look at all when they say so."""

from dataclasses import dataclass
from decimal import Decimal

from alcove.infra.cursors import a_text, a_time, read_cursor, write_cursor
from alcove.kernel.errors import Forbidden, NotFound
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Level
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import (
    Observation,
    ObservationRecord,
    Trace,
    TraceDetail,
    TraceHead,
    TraceQuery,
    TraceRecord,
    TraceSummary,
)
from alcove.tracing.ports import TraceStore


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceFilter:
    """Which traces a reader wants to see.

    Attributes:
        session_id: Only those of this chat.
        model: Only those that asked for this model.
        level: Only those that went so.
        text: Only those that contain it.
        is_everyones: Whether to look at everyone's traces; for admins.
    """

    session_id: str | None = None
    model: str | None = None
    level: Level | None = None
    text: str | None = None
    is_everyones: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceService:
    """Shows and deletes traces.

    Attributes:
        store: Where they are kept.
        intake: The way there; what it has acknowledged is waited for before reading.
    """

    store: TraceStore
    intake: TraceIntake

    async def find(self, who: Principal, wanted: TraceFilter, page: PageRequest) -> Page[TraceSummary]:
        """Lists traces, newest first.

        Raises:
            Forbidden: When someone who is no admin asks for everyone's.
            InvalidRequest: When the cursor is not one of ours.
        """
        query = TraceQuery(
            owner_id=_owner(who, is_everyones=wanted.is_everyones),
            session_id=wanted.session_id or None,
            model=wanted.model or None,
            level=wanted.level,
            text=wanted.text or None,
            before=None if page.cursor is None else read_cursor(page.cursor, a_time, a_text),
            limit=page.limit + 1,
        )
        await self.intake.catch_up()
        heads = await self.store.find(query)
        shown = heads[: page.limit]
        return Page(
            items=[_summary(head) for head in shown],
            next_cursor=_cursor(shown[-1]) if len(heads) > page.limit else None,
        )

    async def get(self, who: Principal, trace_id: str, *, is_everyones: bool = False) -> TraceDetail:
        """Gives a trace with its observations in order of start.

        Raises:
            Forbidden: When someone who is no admin asks for everyone's.
            NotFound: When there is none, or it is another's.
        """
        owner_id = _owner(who, is_everyones=is_everyones)
        await self.intake.catch_up()
        found = await self.store.get(owner_id, trace_id)
        if found is None:
            detail = "There is no such trace, or it is not yours."
            raise NotFound(detail)
        trace, observations = found
        return TraceDetail(trace=_trace(trace), observations=[_observation(each) for each in observations])

    async def delete_session(self, owner_id: str, session_id: str) -> None:
        """Deletes all traces of a chat, those of answers still under way too.

        Raises:
            Overloaded: When too much waits to be stored.
        """
        await self.intake.erase(owner_id, session_id)

    async def delete_owner(self, owner_id: str) -> None:
        """Deletes all traces of a person who is no longer here.

        Raises:
            Overloaded: When too much waits to be stored.
        """
        await self.intake.erase(owner_id, None)


def _owner(who: Principal, *, is_everyones: bool) -> str | None:
    if not is_everyones:
        return who.user_id
    if not who.is_admin:
        detail = "Only an admin may look at everyone's traces."
        raise Forbidden(detail)
    return None


def _cursor(head: TraceHead) -> str:
    return write_cursor(head.started_at, head.id)


def _summary(head: TraceHead) -> TraceSummary:
    return TraceSummary(
        id=head.id,
        name=head.name,
        user_id=head.owner_id,
        session_id=head.session_id,
        model=head.model,
        level=head.level,
        started_at=head.started_at,
        latency_ms=head.latency_ms,
        time_to_first_token_ms=head.time_to_first_token_ms,
        input_tokens=head.input_tokens,
        output_tokens=head.output_tokens,
        cost_usd=_money(head.cost_usd),
        input_preview=head.input_preview,
        output_preview=head.output_preview,
        observation_count=head.observation_count,
    )


def _trace(record: TraceRecord) -> Trace:
    return Trace(
        **dict(_summary(record.head)),
        status_message=record.head.status_message,
        unpriced_count=record.head.unpriced_count,
        input=record.input,
        output=record.output,
        metadata=record.metadata,
        tags=list(record.tags),
    )


def _observation(record: ObservationRecord) -> Observation:
    return Observation(
        id=record.id,
        parent_id=record.parent_id,
        kind=record.kind,
        name=record.name,
        started_at=record.started_at,
        ended_at=record.ended_at,
        latency_ms=record.latency_ms,
        time_to_first_token_ms=record.time_to_first_token_ms,
        model=record.model,
        input=record.input,
        output=record.output,
        usage=record.usage,
        cost_usd=_money(record.cost_usd),
        level=record.level,
        status_message=record.status_message,
        metadata=record.metadata,
    )


def _money(amount: Decimal | None) -> str | None:
    """Gives an amount as plain decimal text without zeros at its end (`0.00042`)."""
    if amount is None:
        return None
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
