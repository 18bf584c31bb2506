"""What was found about a credential a moment ago, so that a burst of requests asks the database once.

Everything is forgotten whenever anything is revoked in this process, so a revocation here counts at once; one made by another
process counts when the entry has grown old. A look-up that was under way during a revocation is not kept.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from alcove.identity.limits import IpNetwork, networks_of
from alcove.identity.models import KnownKey, KnownSession, key_principal_of, principal_of
from alcove.kernel.clock import Clock
from alcove.kernel.principal import Principal

_MAX_ENTRIES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What was found about a good credential, ready for use.

    Attributes:
        found: The key or session with its owner.
        principal: Who it stands for.
        networks: Where it may be used from; empty for everywhere.
        ends_at: Until when it is good, by Unix seconds; None where that is not known beforehand.
    """

    found: KnownKey | KnownSession
    principal: Principal
    networks: tuple[IpNetwork, ...] = ()
    ends_at: float | None = None

    @classmethod
    def of(cls, found: KnownKey | KnownSession) -> "Known":
        """Gives what is to be known of a key or session."""
        if isinstance(found, KnownSession):
            return cls(found=found, principal=principal_of(found.user, session_id=found.session.id))
        key = found.key
        ends = [at for at in (key.expires_at, key.old_until if found.is_old else None) if at is not None]
        return cls(
            found=found,
            principal=key_principal_of(found),
            networks=networks_of(key.allowed_ips),
            ends_at=min(ends).timestamp() if ends else None,
        )


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

    def get(self, secret: str | bytes) -> Known | None:
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


def _name(secret: str | bytes) -> bytes:
    sent = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
    return hashlib.sha256(sent).digest()
