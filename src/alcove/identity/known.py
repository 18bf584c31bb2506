"""Keys that were recognised a moment ago, told without waiting; for routes that are asked thousands of times a second."""

import asyncio
from dataclasses import dataclass, field

from alcove.identity.service import Authenticator, Credential
from alcove.kernel.errors import NotAuthenticated
from alcove.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Tells whose a key is.

    Attributes:
        authenticator: Knows keys; everything found here was found by it.
    """

    authenticator: Authenticator
    _asking: dict[str, "asyncio.Future[None]"] = field(default_factory=dict)

    def known(self, secret: str) -> Principal | None:
        """Gives whose key it is, if that was found out a moment ago and still holds."""
        return self.authenticator.known_key(secret)

    async def find(self, secret: str) -> Principal | None:
        """Gives whose key it is; None when it is none that may be used. Those who ask for one key at a time share a look-up."""
        asked = self._asking.get(secret)
        if asked is not None:
            await asyncio.shield(asked)
            return self.known(secret)
        self._asking[secret] = done = asyncio.get_running_loop().create_future()
        try:
            return await self.authenticator.authenticate(Credential(is_key=True, secret=secret))
        except NotAuthenticated:
            return None
        finally:
            del self._asking[secret]
            done.set_result(None)
