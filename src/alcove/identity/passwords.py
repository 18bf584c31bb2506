"""Passwords: which ones are good enough, and how they are hashed.

Argon2id with 19 MiB, 2 passes, 1 lane (OWASP's first choice) costs about 31 ms of one core; the library's own default of
64 MiB and 4 lanes costs seven times that, and a flood of sign-ins would take a small machine down. At most four are
computed at once, in worker threads; a bounded number waits, the rest is told to come back.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from anyio import to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from alcove.identity.common_passwords import COMMON_PASSWORDS
from alcove.kernel.errors import FieldError, InvalidRequest, Overloaded

T = TypeVar("T")

MIN_LENGTH = 8
MAX_LENGTH = 256
MAX_AT_ONCE = 4
MAX_WAITING = 64

_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1
_RETRY_AFTER_S = 2.0

# A hash of a random password nobody knows, made with the parameters above; compared with when there is no such user.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$YWxjb3ZlLW5vYm9keS0xIQ$0000000000000000000000000000000000000000000"


def check_password(password: str, *, email: str, field_name: str = "password") -> None:
    """Refuses passwords that are guessed first.

    Args:
        password: As chosen.
        email: Address of the account; must not be the password.
        field_name: The field of the form, for the message.

    Raises:
        InvalidRequest: When it is too short, too long, the address itself, or one of the most common.
    """
    reason = _weakness(password, email.casefold())
    if reason is not None:
        raise InvalidRequest(f"The password {reason}.", fields=(FieldError(field=field_name, message=reason),))


def _weakness(password: str, email: str) -> str | None:
    if len(password) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters; 15 or more are better"
    if len(password) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    folded = password.casefold()
    if folded in {email, email.partition("@")[0]}:
        return "must not be your e-mail address"
    if folded in COMMON_PASSWORDS or len(set(folded)) == 1:
        return "is one of the most common ones; choose another"
    return None


@dataclass(slots=True)
class Argon2Passwords:
    """Hashes with Argon2id in worker threads.

    Attributes:
        _hasher: The library, with our parameters.
        _slots: How many are computed at once.
        _under_way: How many are computed or wait.
    """

    _hasher: PasswordHasher = field(
        default_factory=lambda: PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)
    )
    _slots: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_AT_ONCE))
    _under_way: int = 0

    async def hash(self, password: str) -> str:
        """Gives the hash to keep.

        Raises:
            Overloaded: When too many passwords wait to be hashed.
        """
        return await self._in_thread(functools.partial(self._hasher.hash, password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Tells whether a password fits; takes as long when there is no hash to compare with.

        Raises:
            Overloaded: When too many passwords wait to be checked.
        """
        fits = await self._in_thread(functools.partial(self._verify, password, _NOBODY if kept is None else kept))
        return fits and kept is not None

    def needs_rehash(self, kept: str) -> bool:
        """Tells whether a hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._under_way >= MAX_AT_ONCE + MAX_WAITING:
            raise Overloaded("Too many people sign in at this moment; try again.", retry_after_s=_RETRY_AFTER_S)
        self._under_way += 1
        try:
            return await to_thread.run_sync(work, limiter=self._slots)
        finally:
            self._under_way -= 1
