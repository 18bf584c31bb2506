"""Who is asking."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do: an admin runs the house, a user lives in it."""

    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """A signed-in person or the holder of an API key, as every service sees them.

    Attributes:
        user_id: Owner of all that is made in this request.
        email: Their address; for audit and display, never for authorization.
        role: Their role at this moment, read anew for each request.
        key_id: The API key used, or None for a browser session.
        session_id: The browser session used, or None for an API key.
    """

    user_id: str
    email: str
    role: Role
    key_id: str | None = None
    session_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether this person may administer the house."""
        return self.role is Role.ADMIN
