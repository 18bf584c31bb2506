"""The audit table: who did what, from where, and how it ended.

Each row carries a SHA-256 over itself and the row before, so a row that is changed or taken out of the middle shows. Rows
about refusals can be caused by anyone, so for each address only so many are written in a window.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC

from alcove.identity.models import Action, Actor, AuditEntry, AuditEvent, Outcome
from alcove.identity.ports import AuditStore, Quota
from alcove.kernel.clock import Clock
from alcove.kernel.pages import Page, PageRequest

FIRST_HASH = "0" * 64
"""What the first row has in place of the hash of the row before."""

_BATCH = 500


def chain(event: AuditEvent, *, entry_id: str, sequence: int, previous_hash: str) -> AuditEntry:
    """Gives the row for an event at its place in the chain."""
    digest = chain_hash(event, entry_id=entry_id, sequence=sequence, previous_hash=previous_hash)
    return AuditEntry(id=entry_id, sequence=sequence, event=event, previous_hash=previous_hash, hash=digest)


def chain_hash(event: AuditEvent, *, entry_id: str, sequence: int, previous_hash: str) -> str:
    """Gives SHA-256, hex, over the JSON list of all fields in the order of the table, without spaces, in UTF-8."""
    fields = [
        sequence,
        entry_id,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor.name,
        event.actor.ip,
        event.action.value,
        event.object,
        event.outcome.value,
        event.actor.request_id,
        previous_hash,
    ]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditService:
    """Writes and shows the audit table.

    Attributes:
        store: Keeps the rows.
        clock: The time.
        refusals: How many rows about refusals one address can cause.
    """

    store: AuditStore
    clock: Clock
    refusals: Quota

    async def record(self, actor: Actor, action: Action, object_: str, outcome: Outcome = Outcome.OK) -> None:
        """Writes a row."""
        event = AuditEvent(at=self.clock.now(), actor=actor, action=action, object=object_, outcome=outcome)
        await self.store.append(event)

    async def record_refusal(
        self, actor: Actor, action: Action, object_: str, outcome: Outcome = Outcome.REFUSED
    ) -> None:
        """Writes a row about something refused, unless the same address caused too many lately."""
        if await self.refusals.hit(actor.ip or actor.name) is None:
            await self.record(actor, action, object_, outcome)

    async def page(self, page: PageRequest) -> Page[AuditEntry]:
        """Gives rows, the newest first."""
        return await self.store.page(page)

    async def entries(self) -> AsyncIterator[AuditEntry]:
        """Gives all rows, the oldest first, for export."""
        sequence = 0
        while batch := await self.store.after(sequence, _BATCH):
            for entry in batch:
                yield entry
            sequence = batch[-1].sequence

    async def first_broken(self) -> int | None:
        """Gives the sequence number at which the chain is broken, or None when it is whole."""
        sequence, previous_hash = 0, FIRST_HASH
        async for entry in self.entries():
            expected = chain_hash(entry.event, entry_id=entry.id, sequence=sequence + 1, previous_hash=previous_hash)
            if entry.sequence != sequence + 1 or entry.previous_hash != previous_hash or entry.hash != expected:
                return sequence + 1
            sequence, previous_hash = entry.sequence, entry.hash
        return None
