"""The events of a running answer, numbered and kept, so that any number of pages can watch, leave and come back."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal

import anyio
from pydantic import BaseModel

from alcove.chats.models import Message
from alcove.infra.problems import Problem
from alcove.kernel.chat import Citation, Source

EventName = Literal["status", "sources", "delta", "citations", "done", "error"]
FINAL: frozenset[EventName] = frozenset({"done", "error"})


class StatusEvent(BaseModel):
    """What is being done now."""

    stage: Literal["reading", "retrieving", "generating"]
    detail: str


class SourcesEvent(BaseModel):
    """The passages found."""

    sources: list[Source]


class DeltaEvent(BaseModel):
    """More of the answer."""

    content: str = ""
    reasoning: str = ""


class CitationsEvent(BaseModel):
    """What the answer rests on."""

    citations: list[Citation]


class DoneEvent(BaseModel):
    """The answer is over: complete, or stopped."""

    message: Message


class ErrorEvent(BaseModel):
    """The answer failed."""

    error: Problem
    message: Message


EventData = StatusEvent | SourcesEvent | DeltaEvent | CitationsEvent | DoneEvent | ErrorEvent


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One event.

    Attributes:
        id: Its number within the answer, from 1.
        name: Its kind.
        data: Its content, as JSON text.
    """

    id: int
    name: EventName
    data: str

    def encode(self) -> bytes:
        """Gives the event as server-sent events have it (WHATWG HTML, section 9.2)."""
        return f"id: {self.id}\nevent: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(slots=True)
class EventLog:
    """The events of one answer. One writer, any number of readers, no reader can slow the writer down."""

    _events: list[ChatEvent] = field(default_factory=list)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def is_finished(self) -> bool:
        """Whether the final event is in."""
        return bool(self._events) and self._events[-1].name in FINAL

    def append(self, name: EventName, data: EventData) -> None:
        """Adds an event and wakes the readers."""
        text = data.model_dump_json(exclude_defaults=isinstance(data, DeltaEvent))
        self._events.append(ChatEvent(len(self._events) + 1, name, text))
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def follow(self, after: int, *, keep_alive_s: float) -> AsyncGenerator[ChatEvent | None, None]:
        """Gives the events after number `after`, then new ones as they come, up to the final one.

        Args:
            after: The last event the reader has; 0 for all.
            keep_alive_s: Seconds of silence after which None is given, to be sent as a comment.
        """
        at = max(0, after)
        while True:
            for event in self._events[at:]:
                at = event.id
                yield event
                if event.name in FINAL:
                    return
            if self.is_finished:
                return
            changed = self._changed
            with anyio.move_on_after(keep_alive_s) as silence:
                await changed.wait()
            if silence.cancelled_caught:
                yield None
