"""What the room needs of others: a place for traces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from alcove.tracing.models import Change, ObservationRecord, TraceHead, TraceQuery, TraceRecord


class TraceStore(Protocol):
    """Keeps traces. Ids are unique for an owner only, so that nobody can write over, or find out about, another's."""

    async def write(self, changes: Sequence[Change]) -> None:
        """Makes all changes in the order given, or none of them.

        A trace or observation of the same owner and id takes the place of the earlier one, so the same changes may come
        twice. Traces of an erased session or owner are not kept, however late they come.

        Raises:
            Unavailable: When it cannot be done now; it is to be tried again.
        """
        ...

    async def find(self, query: TraceQuery) -> Sequence[TraceHead]:
        """Lists traces, newest first.

        Raises:
            Unavailable: When it cannot be done now, or takes too long.
        """
        ...

    async def get(self, owner_id: str | None, trace_id: str) -> tuple[TraceRecord, Sequence[ObservationRecord]] | None:
        """Gives a trace with its observations in order of start; `owner_id` None looks at everyone's.

        Raises:
            Unavailable: As `find`.
        """
        ...

    async def prune(self, before: datetime) -> int:
        """Deletes the traces that started before a time; gives their number.

        Raises:
            Unavailable: When it cannot be done now.
        """
        ...

    async def check(self) -> None:
        """Tells whether it could be written to; cheap, and wakes nothing that sleeps.

        Raises:
            Unavailable: When it could not.
        """
        ...

    async def release(self) -> None:
        """Gives back what it can while it is not needed; the next call takes it again."""
        ...
