"""Keys that were recognised a moment ago, told without waiting; for routes that are asked thousands of times a second."""

from dataclasses import dataclass, field
from typing import NamedTuple

from alcove.identity.service import Authenticator, Credential
from alcove.kernel.errors import Forbidden, NotAuthenticated
from alcove.kernel.principal import Principal

_MAX_NOTES = 1024
_NOTE_S = 0.2


class _Note(NamedTuple):
    principal: Principal
    until_s: float
    generation: int


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Tells whose a key is.

    What the authenticator said is noted for a fifth of a second, and until anything is revoked; so a burst of requests does not
    have it said again for each.

    Attributes:
        authenticator: Knows keys; everything found here was found by it.
    """

    authenticator: Authenticator
    _notes: dict[tuple[str, str], _Note] = field(default_factory=dict, repr=False)

    def known(self, secret: str, ip: str) -> Principal | None:
        """Gives whose key it is, if that was found out a moment ago, still holds, and the key may be used from there."""
        cache = self.authenticator.cache
        now_s = self.authenticator.clock.monotonic_s()
        asked = (secret, ip)
        note = self._notes.get(asked)
        if note is not None and now_s < note.until_s and note.generation == cache.generation:
            return note.principal
        principal = self.authenticator.known(secret, ip)
        if principal is None:
            self._notes.pop(asked, None)
            return None
        if len(self._notes) >= _MAX_NOTES:
            self._notes.clear()
        self._notes[asked] = _Note(principal, now_s + _NOTE_S, cache.generation)
        return principal

    async def find(self, secret: str, ip: str) -> Principal | None:
        """Gives whose key it is; None when it is none that may be used from there."""
        try:
            return await self.authenticator.authenticate(Credential(is_key=True, secret=secret), ip)
        except (NotAuthenticated, Forbidden):
            return None
