"""Traces in memory: for tests, and to show what a store has to do in the fewest words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import to_json

from alcove.kernel.errors import Unavailable
from alcove.tracing.models import Change, Erasure, ObservationRecord, TraceHead, TraceQuery, TraceRecord, TraceWrite


@dataclass(slots=True)
class MemoryTraceStore:
    """Keeps traces until the process ends.

    Attributes:
        failures: How many of the next calls fail with Unavailable.
        poison: Name of a trace that cannot be written at all.
        writes: How many batches have been written.
    """

    failures: int = 0
    poison: str | None = None
    writes: int = 0
    _traces: dict[tuple[str, str], TraceRecord] = field(default_factory=dict)
    _observations: dict[tuple[str, str], dict[str, ObservationRecord]] = field(default_factory=dict)
    _erased: set[tuple[str, str | None]] = field(default_factory=set)

    async def write(self, changes: Sequence[Change]) -> None:
        """Makes all changes in the order given, or none of them."""
        self._fail()
        if any(isinstance(each, TraceWrite) and each.trace.head.name == self.poison for each in changes):
            msg = "this trace cannot be stored"
            raise ValueError(msg)
        for change in changes:
            if isinstance(change, Erasure):
                self._erase(change)
            else:
                self._keep(change)
        self.writes += 1

    async def find(self, query: TraceQuery) -> Sequence[TraceHead]:
        """Lists traces, newest first."""
        self._fail()
        found = sorted(
            (trace for trace in self._traces.values() if _matches(trace, query)),
            key=lambda trace: (trace.head.started_at, trace.head.id),
            reverse=True,
        )
        return [trace.head for trace in found[: query.limit]]

    async def get(self, owner_id: str | None, trace_id: str) -> tuple[TraceRecord, Sequence[ObservationRecord]] | None:
        """Gives a trace with its observations in order of start."""
        self._fail()
        for key, trace in self._traces.items():
            if key[1] == trace_id and owner_id in {None, key[0]}:
                observations = self._observations.get(key, {}).values()
                return trace, sorted(observations, key=lambda each: (each.started_at, each.position))
        return None

    async def prune(self, before: datetime) -> int:
        """Deletes the traces that started before a time; gives their number."""
        self._fail()
        old = [key for key, trace in self._traces.items() if trace.head.started_at < before]
        for key in old:
            self._forget(key)
        return len(old)

    async def check(self) -> None:
        """Tells whether it could be written to."""
        if self.failures:
            raise Unavailable

    async def release(self) -> None:
        """Has nothing to give back."""

    def _keep(self, change: TraceWrite) -> None:
        head = change.trace.head
        if {(head.owner_id, None), (head.owner_id, head.session_id)} & self._erased:
            return
        self._traces[head.owner_id, head.id] = change.trace
        kept = self._observations.setdefault((head.owner_id, head.id), {})
        kept.update({each.id: each for each in change.observations})

    def _erase(self, erasure: Erasure) -> None:
        self._erased.add((erasure.owner_id, erasure.session_id))
        for key, trace in list(self._traces.items()):
            if key[0] == erasure.owner_id and erasure.session_id in {None, trace.head.session_id}:
                self._forget(key)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._traces[key]
        self._observations.pop(key, None)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable


def _matches(trace: TraceRecord, query: TraceQuery) -> bool:
    head = trace.head
    if query.text is not None:
        texts = (head.name, to_json(trace.input).decode(), to_json(trace.output).decode())
        needle = to_json(query.text).decode()[1:-1].lower()
        if not any(needle in text.lower() for text in texts):
            return False
    return (
        query.owner_id in {None, head.owner_id}
        and query.session_id in {None, head.session_id}
        and query.model in {None, head.model}
        and query.level in {None, head.level}
        and (query.before is None or (head.started_at, head.id) < query.before)
    )
