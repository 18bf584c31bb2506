"""What this room says and hears over HTTP. Unknown fields are refused: nothing can be set that is not listed here."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from alcove.identity import models
from alcove.kernel.principal import Role

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
"""What a person or a key is called."""

Email = Annotated[str, Field(max_length=254, examples=["ada@example.org"])]
Password = Annotated[SecretStr, Field(max_length=256)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(BaseModel):
    """A person with an account."""

    id: str
    email: str
    name: str
    role: Literal["admin", "user"]
    disabled: bool
    created_at: datetime
    last_seen_at: datetime | None

    @classmethod
    def of(cls, user: models.User) -> "User":
        """Gives the part of a user that may be seen."""
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role="admin" if user.role is Role.ADMIN else "user",
            disabled=user.is_disabled,
            created_at=user.created_at,
            last_seen_at=user.last_seen_at,
        )


class AuthState(BaseModel):
    """What the page needs to know before anything else."""

    setup_required: bool
    user: User | None
    csrf_token: str | None
    version: str


class SignedIn(BaseModel):
    """Who has just signed in; the session is in the cookie."""

    user: User
    csrf_token: str


class SetupRequest(_Sent):
    """The first account, with the token of the setup link."""

    token: Annotated[str, Field(max_length=200)]
    email: Email
    name: Name
    password: Password


class LoginRequest(_Sent):
    """A sign-in."""

    email: Email
    password: Password


class PasswordChange(_Sent):
    """A change of one's own password."""

    current_password: Password
    new_password: Password


class ProfileChange(_Sent):
    """What people may change of their own account."""

    name: Name | None = None


class UserCreate(_Sent):
    """An account to be made."""

    email: Email
    name: Name
    password: Password
    role: Literal["admin", "user"] = "user"


class UserUpdate(_Sent):
    """What an admin may change of an account."""

    name: Name | None = None
    role: Literal["admin", "user"] | None = None
    disabled: bool | None = None
    password: Password | None = None


class Key(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: models.ApiKey) -> "Key":
        """Gives the part of a key that may be seen."""
        return cls(
            id=key.id,
            name=key.name,
            prefix=f"sk-as-{key.prefix}",
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class KeyCreate(_Sent):
    """A key to be made."""

    name: Name
    expires_at: AwareDatetime | None = None

    def expires_at_utc(self) -> datetime | None:
        """Gives when the key shall end, in UTC."""
        return None if self.expires_at is None else self.expires_at.astimezone(UTC)


class KeyCreated(BaseModel):
    """A key just made; `secret` is shown this once."""

    key: Key
    secret: str


class AuditRecord(BaseModel):
    """A row of the audit table."""

    id: str
    at: datetime
    actor: str
    ip: str
    action: str
    object: str
    outcome: str
    request_id: str

    @classmethod
    def of(cls, entry: models.AuditEntry) -> "AuditRecord":
        """Gives a row as it is shown."""
        event = entry.event
        return cls(
            id=entry.id,
            at=event.at,
            actor=event.actor.name,
            ip=event.actor.ip,
            action=event.action.value,
            object=event.object,
            outcome=event.outcome.value,
            request_id=event.actor.request_id,
        )
