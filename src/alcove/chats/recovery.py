"""What the start owes to answers that the end of the process before cut off: a mark, and a trace."""

from typing import Protocol

from alcove.chats.models import MessageRecord
from alcove.chats.ports import ChatStore
from alcove.kernel.clock import Clock
from alcove.kernel.errors import NotFound
from alcove.kernel.principal import Principal, Role
from alcove.kernel.trace import Level, Trace, TraceSink


class KeptTraces(Protocol):
    """Tells which traces are kept."""

    async def get(self, who: Principal, trace_id: str) -> object:
        """Gives a trace.

        Raises:
            NotFound: When there is none.
        """
        ...


async def interrupt_left(store: ChatStore, traces: KeptTraces, sink: TraceSink, clock: Clock) -> int:
    """Marks every answer that was running as interrupted; gives their number. For the start of the only process.

    A turn's trace is kept when the turn ends, so an answer cut off by `kill -9` has none yet; it gets one that says so. One
    whose turn had ended, while its message was not saved yet, keeps the trace it has.
    """
    for message in await store.running():
        owner = Principal(user_id=message.owner_id, email="", role=Role.USER)
        try:
            await traces.get(owner, message.trace_id or "")
        except NotFound:
            await sink.record(await _trace(store, message, clock))
    return await store.interrupt_all(clock.now())


async def _trace(store: ChatStore, message: MessageRecord, clock: Clock) -> Trace:
    question = await store.get_message(message.owner_id, message.chat_id, message.parent_id or "")
    return Trace(
        id=message.trace_id or "",
        owner_id=message.owner_id,
        name="chat",
        started_at=message.created_at,
        ended_at=clock.now(),
        session_id=message.chat_id,
        model=message.model,
        input=[] if question is None else [{"role": question.role, "content": question.content}],
        output=message.content,
        level=Level.WARNING,
        status_message="The server ended before the answer did; what happened inside the turn is not known.",
    )
