"""Answers that belong to the server: started by a question, finished whether or not anybody watches."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import anyio
import structlog

from alcove.chats.events import (
    ChatEvent,
    CitationsEvent,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    EventLog,
    SourcesEvent,
    StatusEvent,
)
from alcove.chats.models import ChatSettings, Message, MessageRecord, MessageStatus
from alcove.chats.ports import ChatDocuments, ChatStore
from alcove.infra.problems import problem
from alcove.kernel.chat import Delta
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, InternalError, Overloaded, RateLimited, Unprocessable
from alcove.kernel.principal import Principal
from alcove.kernel.runner import BackgroundTasks, TurnRunner
from alcove.kernel.turn import Turn

log = structlog.get_logger(__name__)

_POLL_S = 0.2
_SAVE_ATTEMPTS = 5


@dataclass(slots=True)
class RunningAnswer:
    """One answer while it runs, and for a while after.

    Attributes:
        message: The answer as it is now.
        document_ids: Documents that must have been read first.
        log: Its events.
        scope: Cancelled when a person stops it.
        finished: Set once it is kept.
        finished_at_s: When that was, by the monotonic clock.
    """

    message: MessageRecord
    document_ids: tuple[str, ...]
    log: EventLog = field(default_factory=EventLog)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    finished_at_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Runs answers.

    Attributes:
        store: Where messages are kept.
        documents: Documents that a question may have to wait for.
        runner: Runs the turns.
        background: Where answers run.
        settings: Limits and intervals.
        clock: The time.
    """

    store: ChatStore
    documents: ChatDocuments
    runner: TurnRunner
    background: BackgroundTasks
    settings: ChatSettings
    clock: Clock
    _running: dict[str, RunningAnswer] = field(default_factory=dict)

    def check_room(self, owner_id: str) -> None:
        """Checks that one more answer may run.

        Raises:
            RateLimited: When this person has too many running.
            Overloaded: When the process has.
        """
        active = [each.message.owner_id for each in self._running.values() if not each.log.is_finished]
        if active.count(owner_id) >= self.settings.max_answers_per_user:
            detail = (
                f"{self.settings.max_answers_per_user} of your answers are still running; wait for one or stop one."
            )
            raise RateLimited(detail, retry_after_s=5)
        if len(active) >= self.settings.max_answers:
            detail = f"{len(active)} answers are running, the most this server takes; try again shortly."
            raise Overloaded(detail, retry_after_s=5)

    def start(self, message: MessageRecord, document_ids: tuple[str, ...], turn: Turn) -> None:
        """Starts an answer.

        Args:
            message: What will hold it; already kept, with status streaming.
            document_ids: Documents that must have been read first.
            turn: The turn that gives it, opened and not yet run.
        """
        self._forget_old()
        running = RunningAnswer(message, document_ids)
        self._running[message.id] = running
        self.background.start(lambda: self._run(running, turn), f"answer {message.id}")

    def latest(self, message: MessageRecord) -> MessageRecord:
        """Gives the message as it is now, newer than the last checkpoint where it is running here."""
        running = self._running.get(message.id)
        return running.message if running is not None else message

    async def stop(self, message_id: str) -> None:
        """Ends an answer early and waits until it is kept; nothing happens when it is not running."""
        running = self._running.get(message_id)
        if running is not None and not running.log.is_finished:
            running.scope.cancel()
            await running.finished.wait()

    def events(self, message: MessageRecord, after: int) -> AsyncGenerator[ChatEvent | None, None]:
        """Gives the events of an answer after number `after`; None now and then for a sign of life.

        An answer that ended longer ago is given as its final event alone.
        """
        running = self._running.get(message.id)
        events = running.log if running is not None else _final_log(message)
        if events.is_finished and running is None:
            after = 0
        return events.follow(after, keep_alive_s=self.settings.keep_alive_s)

    async def _run(self, running: RunningAnswer, turn: Turn) -> None:
        status, error = MessageStatus.INTERRUPTED, None
        try:
            with running.scope:
                await self._wait_for_documents(running, turn.context.principal)
                await self._follow(running, turn)
                status = MessageStatus.COMPLETE
            if running.scope.cancelled_caught:
                status = MessageStatus.STOPPED
        except AlcoveError as caught:
            status, error = MessageStatus.FAILED, caught
        except Exception as caught:  # a task root: whatever it is, the page must get an end
            log.exception("answer_failed", message_id=running.message.id)
            status, error = MessageStatus.FAILED, InternalError()
            error.__cause__ = caught
        finally:
            with anyio.CancelScope(shield=True):
                await self._finish(running, status, error)

    async def _wait_for_documents(self, running: RunningAnswer, who: Principal) -> None:
        if not running.document_ids:
            return
        deadline = self.clock.monotonic_s() + self.settings.document_wait_s
        told: str | None = None
        while unread := await self.documents.unread(who, running.document_ids):
            if self.clock.monotonic_s() > deadline:
                detail = f"{unread[0].name!r} is still being read after {self.settings.document_wait_s:.0f} s; ask again later."
                raise Unprocessable(detail)
            detail = f"Reading {unread[0].name}"
            if detail != told:
                running.log.append("status", StatusEvent(stage="reading", detail=detail))
                told = detail
            await anyio.sleep(_POLL_S)

    async def _follow(self, running: RunningAnswer, turn: Turn) -> None:
        saved_at = self.clock.monotonic_s()
        async with aclosing(self.runner.stream(turn)) as deltas:
            async for delta in deltas:
                self._take(running, turn, delta)
                if self.clock.monotonic_s() - saved_at >= self.settings.checkpoint_s:
                    await self.store.update_message(running.message)
                    saved_at = self.clock.monotonic_s()

    def _take(self, running: RunningAnswer, turn: Turn, delta: Delta) -> None:
        events = running.log
        if delta.status:
            events.append("status", StatusEvent(stage="retrieving", detail=delta.status))
        if delta.sources:
            events.append("sources", SourcesEvent(sources=list(delta.sources)))
        if delta.content or delta.reasoning:
            events.append("delta", DeltaEvent(content=delta.content, reasoning=delta.reasoning))
        if delta.citations:
            events.append("citations", CitationsEvent(citations=list(delta.citations)))
        answer = turn.answer
        running.message = replace(
            running.message,
            content=answer.content,
            reasoning=answer.reasoning,
            sources=answer.sources,
            citations=tuple(answer.citations),
            usage=answer.usage,
        )

    async def _finish(self, running: RunningAnswer, status: MessageStatus, error: AlcoveError | None) -> None:
        face = problem(error, trace_id=running.message.trace_id) if error is not None else None
        running.message = replace(running.message, status=status, error=face, finished_at=self.clock.now())
        try:
            await self._save(running.message)
        finally:
            wire = Message.of(running.message)
            if face is not None:
                running.log.append("error", ErrorEvent(error=face, message=wire))
            else:
                running.log.append("done", DoneEvent(message=wire))
            running.finished_at_s = self.clock.monotonic_s()
            running.finished.set()

    async def _save(self, message: MessageRecord) -> None:
        """Saves the end of an answer; tries a few times, since nothing else will."""
        for attempt in range(1, _SAVE_ATTEMPTS + 1):
            try:
                await self.store.update_message(message)
            except Exception:
                log.exception("answer_not_saved", message_id=message.id, attempt=attempt)
                if attempt == _SAVE_ATTEMPTS:
                    raise
                await anyio.sleep(_POLL_S * attempt)
            else:
                return

    def _forget_old(self) -> None:
        oldest = self.clock.monotonic_s() - self.settings.replay_s
        for message_id, running in list(self._running.items()):
            if running.finished_at_s is not None and running.finished_at_s < oldest:
                del self._running[message_id]


def _final_log(message: MessageRecord) -> EventLog:
    events = EventLog()
    wire = Message.of(message)
    if message.status is MessageStatus.FAILED and message.error is not None:
        events.append("error", ErrorEvent(error=message.error, message=wire))
    else:
        events.append("done", DoneEvent(message=wire))
    return events
