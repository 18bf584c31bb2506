"""What was found about a credential a moment ago, so that a burst of requests asks the database once.

Everything is forgotten whenever anything is revoked in this process, so a revocation here counts at once; one made by another
process counts when the entry has grown old. A look-up that was under way during a revocation is not kept.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from alcove.identity.models import KnownKey, KnownSession
from alcove.kernel.clock import Clock

Known = KnownKey | KnownSession

_MAX_ENTRIES = 4096


@dataclass(slots=True)
class CredentialCache:
    """Remembers good credentials for a moment.

    Attributes:
        clock: The time.
        lifetime_s: How long an entry counts, in seconds.
        generation: Grows at each `forget_all`.
    """

    clock: Clock
    lifetime_s: float
    generation: int = 0
    _entries: OrderedDict[bytes, tuple[float, Known]] = field(default_factory=OrderedDict)

    def get(self, secret: str) -> Known | None:
        """Gives what is known of a credential, if it is fresh."""
        name = _name(secret)
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry[0] <= self.clock.monotonic_s():
            del self._entries[name]
            return None
        return entry[1]

    def put(self, secret: str, known: Known, *, generation: int) -> None:
        """Remembers a credential, if nothing was revoked since `generation` was read."""
        if generation != self.generation or self.lifetime_s <= 0:
            return
        self._entries[_name(secret)] = (self.clock.monotonic_s() + self.lifetime_s, known)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def forget_all(self) -> None:
        """Forgets everything; called when anything was revoked or changed."""
        self.generation += 1
        self._entries.clear()


def _name(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
