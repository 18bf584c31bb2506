"""Token counts in answers that are passed through, in whichever of the vendors' ways; of answers without any, None."""

from dataclasses import dataclass, field
from typing import Protocol

import pydantic_core

from alcove.gateway.sse import EventTooLong, SseParser
from alcove.kernel.chat import JsonValue, Usage

_MAX_WHOLE_BYTES = 4 << 20
"""Of a JSON answer; in a longer one nothing is looked for."""

_MAX_EVENT_BYTES = 8 << 20
"""Of one event, which may hold a picture; after a longer one nothing is looked for."""

_NAME = b'"usage"'


class Counts(Protocol):
    """Looks for token counts in an answer."""

    def take(self, piece: bytes) -> None:
        """Takes its next bytes."""
        ...

    def usage(self) -> Usage | None:
        """Gives the counts that have come; None when there are none."""
        ...


def counts_of(content_type: str) -> Counts:
    """Gives what looks for counts in an answer of this type."""
    media_type = content_type.lower()
    if media_type.startswith("application/json"):
        return _WholeCounts()
    return _EventCounts() if media_type.startswith("text/event-stream") else _NoCounts()


class _NoCounts:
    def take(self, piece: bytes) -> None:
        """Takes nothing: there are none in sound."""

    def usage(self) -> None:
        """Gives None."""


@dataclass(slots=True)
class _WholeCounts:
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _MAX_WHOLE_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def usage(self) -> Usage | None:
        return _usage_in(b"".join(self._pieces))


@dataclass(slots=True)
class _EventCounts:
    """Of the events of a stream, only the last counts are kept."""

    _events: SseParser | None = field(default_factory=lambda: SseParser(_MAX_EVENT_BYTES))
    _usage: Usage | None = None

    def take(self, piece: bytes) -> None:
        if self._events is None:
            return
        try:
            found = self._events.feed(piece)
        except EventTooLong:
            self._events = None
            return
        self._look(found)

    def usage(self) -> Usage | None:
        if self._events is not None:
            self._look(self._events.end())
        return self._usage

    def _look(self, events: list[bytes]) -> None:
        for data in events:
            if _NAME in data:
                self._usage = _usage_in(data) or self._usage


def _usage_in(data: bytes) -> Usage | None:
    try:
        answer = pydantic_core.from_json(data)
    except ValueError:
        return None
    found = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        return None
    read = _count(found, "input_tokens", "prompt_tokens")
    written = _count(found, "output_tokens", "completion_tokens")
    if read is None and written is None:
        total = _count(found, "total_tokens")
        return None if total is None else Usage(input_tokens=total)
    return Usage(input_tokens=read or 0, output_tokens=written or 0)


def _count(found: dict[str, JsonValue], *names: str) -> int | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
            return value
    return None
