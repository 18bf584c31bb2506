"""Answers that belong to the server: started by a question, finished whether or not anybody watches."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

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
from alcove.kernel.trace import ObservationKind
from alcove.kernel.turn import Turn

log = structlog.get_logger(__name__)

_POLL_S = 0.2
_SAVE_ATTEMPTS = 5
_SAVE_AGAIN_S = 5.0
_MAX_REPLAYS = 256
"""Finished answers whose events are kept at most, however short ago they ended."""


@dataclass(eq=False, slots=True)
class Place:
    """Room for one answer, held from before its question is kept until it has ended.

    Attributes:
        owner_id: Whose answer it is.
        message_id: The answer, once it has an id.
        is_taken: Whether an answer runs in it, which then gives it back.
        settled: Set once it is known whether an answer runs in it.
    """

    owner_id: str
    message_id: str | None = None
    is_taken: bool = False
    settled: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True)
class RunningAnswer:
    """One answer while it runs, and for a while after.

    Attributes:
        message: The answer as it was when it began or, once it has ended, as it is.
        document_ids: Documents that must have been read first.
        turn: The turn that gives it.
        place: The room it takes.
        log: Its events.
        scope: Cancelled when a person stops it.
        finished: Set once it has ended and is kept, or could not be for now.
        finished_at_s: When it was kept, by the monotonic clock; None as long as it is not.
    """

    message: MessageRecord
    document_ids: tuple[str, ...]
    turn: Turn
    place: Place
    log: EventLog = field(default_factory=EventLog)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    finished_at_s: float | None = None

    def current(self) -> MessageRecord:
        """Gives the answer as it is now. Joins its text, so not for every delta."""
        if self.message.status is not MessageStatus.STREAMING:
            return self.message
        answer = self.turn.answer
        return replace(
            self.message,
            content=answer.content,
            reasoning=answer.reasoning,
            sources=answer.sources,
            citations=tuple(answer.citations),
            usage=answer.usage,
        )


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
    _places: set[Place] = field(default_factory=set)

    @contextmanager
    def place(self, owner_id: str) -> Iterator[Place]:
        """Holds room for one more answer; it is given back at the end of the body, unless an answer was started in it.

        Raises:
            RateLimited: When this person has too many running.
            Overloaded: When the process has.
        """
        self._check_room(owner_id)
        place = Place(owner_id)
        self._places.add(place)
        try:
            yield place
        finally:
            place.settled.set()
            if not place.is_taken:
                self._places.discard(place)

    def _check_room(self, owner_id: str) -> None:
        active = [each.owner_id for each in self._places]
        if active.count(owner_id) >= self.settings.max_answers_per_user:
            detail = (
                f"{self.settings.max_answers_per_user} of your answers are still running; wait for one or stop one."
            )
            raise RateLimited(detail, retry_after_s=5)
        if len(active) >= self.settings.max_answers:
            detail = f"{len(active)} answers are running, the most this server takes; try again shortly."
            raise Overloaded(detail, retry_after_s=5)

    def start(self, message: MessageRecord, document_ids: tuple[str, ...], turn: Turn, place: Place) -> None:
        """Starts an answer.

        Args:
            message: What will hold it; already kept, with status streaming.
            document_ids: Documents that must have been read first.
            turn: The turn that gives it, opened and not yet run.
            place: The room held for it.
        """
        self._forget_old()
        running = RunningAnswer(message, document_ids, turn, place)
        self.background.start(lambda: self._run(running), f"answer {message.id}")
        self._running[message.id] = running
        place.is_taken = True

    def latest(self, message: MessageRecord) -> MessageRecord:
        """Gives the message as it is now: newer than the last checkpoint, and interrupted when nothing runs it any more."""
        running = self._find(message.id)
        if running is not None:
            return running.current()
        is_lost = message.status is MessageStatus.STREAMING and all(
            each.message_id != message.id for each in self._places
        )
        return replace(message, status=MessageStatus.INTERRUPTED) if is_lost else message

    async def stop(self, message_id: str) -> None:
        """Ends an answer early and waits until it is kept; nothing happens when it is not running."""
        running = self._find(message_id)
        if running is not None:
            await self._stop([running])

    async def stop_chat(self, owner_id: str, chat_id: str) -> None:
        """Ends every answer in a chat, and waits until they have ended."""
        await self._stop([each for each in await self._of(owner_id) if each.message.chat_id == chat_id])

    async def stop_owner(self, owner_id: str) -> None:
        """Ends every answer of a person, and waits until they have ended."""
        await self._stop(await self._of(owner_id))

    def events(self, message: MessageRecord, after: int) -> AsyncGenerator[ChatEvent | None, None]:
        """Gives the events of an answer after number `after`; None now and then for a sign of life.

        An answer that ended longer ago is given as its final event alone.
        """
        running = self._find(message.id)
        events = running.log if running is not None else _final_log(message)
        if events.is_finished and running is None:
            after = 0
        return events.follow(after, keep_alive_s=self.settings.keep_alive_s)

    async def _of(self, owner_id: str) -> list[RunningAnswer]:
        for place in [each for each in self._places if each.owner_id == owner_id and each.message_id is not None]:
            await place.settled.wait()
        return [each for each in self._running.values() if each.message.owner_id == owner_id]

    @staticmethod
    async def _stop(answers: list[RunningAnswer]) -> None:
        active = [each for each in answers if not each.finished.is_set()]
        for each in active:
            each.scope.cancel()
        for each in active:
            await each.finished.wait()

    async def _run(self, running: RunningAnswer) -> None:
        status, error = MessageStatus.INTERRUPTED, None
        try:
            with running.scope:
                await self._follow(running)
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
        await self._save_in_the_end(running)

    async def _prepare(self, running: RunningAnswer, turn: Turn) -> None:
        if running.document_ids:
            with turn.context.tracer.observe(ObservationKind.SPAN, "wait for documents") as observation:
                observation.input = list(running.document_ids)
                await self._wait_for_documents(running, turn.context.principal)

    async def _wait_for_documents(self, running: RunningAnswer, who: Principal) -> None:
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

    async def _follow(self, running: RunningAnswer) -> None:
        saved_at = self.clock.monotonic_s()
        async with aclosing(self.runner.stream(running.turn, first=partial(self._prepare, running))) as deltas:
            async for delta in deltas:
                self._take(running.log, delta)
                if self.clock.monotonic_s() - saved_at >= self.settings.checkpoint_s:
                    await self.store.update_message(running.current())
                    saved_at = self.clock.monotonic_s()

    @staticmethod
    def _take(events: EventLog, delta: Delta) -> None:
        if delta.status:
            events.append("status", StatusEvent(stage="retrieving", detail=delta.status))
        if delta.sources:
            events.append("sources", SourcesEvent(sources=list(delta.sources)))
        if delta.content or delta.reasoning:
            events.append("delta", DeltaEvent(content=delta.content, reasoning=delta.reasoning))
        if delta.citations:
            events.append("citations", CitationsEvent(citations=list(delta.citations)))

    async def _finish(self, running: RunningAnswer, status: MessageStatus, error: AlcoveError | None) -> None:
        face = problem(error, trace_id=running.message.trace_id) if error is not None else None
        running.message = replace(running.current(), status=status, error=face, finished_at=self.clock.now())
        for attempt in range(1, _SAVE_ATTEMPTS + 1):
            if await self._save(running):
                break
            await anyio.sleep(_POLL_S * attempt)
        self._places.discard(running.place)
        wire = Message.of(running.message)
        if face is not None:
            running.log.append("error", ErrorEvent(error=face, message=wire))
        else:
            running.log.append("done", DoneEvent(message=wire))
        running.finished.set()
        self._forget_old()

    async def _save_in_the_end(self, running: RunningAnswer) -> None:
        """Goes on trying to save the end of an answer, which stays in memory until then; the store's trouble may pass."""
        while running.finished_at_s is None:
            await anyio.sleep(_SAVE_AGAIN_S)
            await self._save(running)

    async def _save(self, running: RunningAnswer) -> bool:
        try:
            await self.store.update_message(running.message)
        except Exception:  # whatever ails the store: a locked database, a full disk, a server that restarts
            log.exception("answer_not_saved", message_id=running.message.id)
            return False
        running.finished_at_s = self.clock.monotonic_s()
        return True

    def _find(self, message_id: str) -> RunningAnswer | None:
        running = self._running.get(message_id)
        if running is not None and running.finished_at_s is not None and running.finished_at_s < self._oldest_s():
            del self._running[message_id]
            return None
        return running

    def _oldest_s(self) -> float:
        return self.clock.monotonic_s() - self.settings.replay_s

    def _forget_old(self) -> None:
        oldest = self._oldest_s()
        ended = {key: each.finished_at_s for key, each in self._running.items() if each.finished_at_s is not None}
        for number, message_id in enumerate(sorted(ended, key=ended.__getitem__, reverse=True)):
            if number >= _MAX_REPLAYS or ended[message_id] < oldest:
                del self._running[message_id]


def _final_log(message: MessageRecord) -> EventLog:
    events = EventLog()
    wire = Message.of(message)
    if message.status is MessageStatus.FAILED and message.error is not None:
        events.append("error", ErrorEvent(error=message.error, message=wire))
    else:
        events.append("done", DoneEvent(message=wire))
    return events
