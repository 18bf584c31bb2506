"""What this room says and hears over HTTP. Unknown fields are refused: nothing can be set that is not listed here."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from alcove.identity import models
from alcove.identity.limits import Limits as KeptLimits
from alcove.identity.scopes import SCOPES
from alcove.kernel.principal import BudgetPeriod, Role

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
"""What a person or a key is called."""

Email = Annotated[str, Field(max_length=254, examples=["ada@example.org"])]
Password = Annotated[SecretStr, Field(max_length=256)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Word = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x20\x7f]+$")]
_Amount = Annotated[int | None, Field(ge=1, le=1_000_000_000)]


class Limits(_Sent):
    """What may be used of models; a field left out is no limit. Limits are always sent whole: they replace those before."""

    models: Annotated[list[_Word] | None, Field(max_length=200, examples=[["gpt-4o", "local/*", "@fast"]])] = None
    """Ids of models, `prefix*`, or `@name` for an access group; an empty list allows none."""
    requests_per_minute: _Amount = None
    tokens_per_minute: _Amount = None
    """Input and output together."""
    max_parallel: _Amount = None
    """Calls under way at a time."""
    budget_usd: Annotated[Decimal | None, Field(ge=0, le=1_000_000, decimal_places=6)] = None
    """Money a period, in US dollars."""
    budget_tokens: Annotated[int | None, Field(ge=0, le=1_000_000_000_000)] = None
    """Tokens a period, input and output together."""
    budget_period: BudgetPeriod = BudgetPeriod.MONTH
    """How often the budgets begin anew; in UTC, weeks on Monday."""
    guards: Annotated[list[_Word], Field(max_length=50)] = []
    """Guardrails that are on."""

    @classmethod
    def of(cls, limits: KeptLimits) -> "Limits | None":
        """Gives limits as they are shown; None when nothing is limited."""
        if not limits.is_any:
            return None
        return cls.model_validate({name: getattr(limits, name) for name in cls.model_fields})

    def kept(self) -> KeptLimits:
        """Gives the limits as they are kept."""
        return KeptLimits(
            models=None if self.models is None else tuple(dict.fromkeys(self.models)),
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            max_parallel=self.max_parallel,
            budget_usd=self.budget_usd,
            budget_tokens=self.budget_tokens,
            budget_period=self.budget_period,
            guards=tuple(dict.fromkeys(self.guards)),
        )


def kept(limits: Limits | None) -> KeptLimits:
    """Gives limits as they are kept; for `null`, none."""
    return KeptLimits() if limits is None else limits.kept()


class User(BaseModel):
    """A person with an account."""

    id: str
    email: str
    name: str
    role: Literal["admin", "user"]
    disabled: bool
    created_at: datetime
    last_seen_at: datetime | None
    limits: Limits | None
    """What they may use of models on their own account; models and guardrails hold for keys of groups too."""

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
            limits=Limits.of(user.limits),
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
    limits: Limits | None = None
    """What they may use of models on their own account, models and guardrails also with keys of groups; `null` for no limits, left out to leave them."""


Scope = Annotated[str, Field(max_length=40, json_schema_extra={"enum": sorted(SCOPES)})]
Network = Annotated[str, Field(max_length=64, examples=["203.0.113.0/24"])]


class Key(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    old_secret_until: datetime | None
    """Until when the secret from before the last rotation still counts."""
    limits: Limits | None
    scopes: list[str] | None
    allowed_ips: list[str]
    group_id: str | None

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
            rotated_at=key.rotated_at,
            old_secret_until=key.old_until,
            limits=Limits.of(key.limits),
            scopes=None if key.scopes is None else list(key.scopes),
            allowed_ips=list(key.allowed_ips),
            group_id=key.group_id,
        )


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        message = "must be in the years 1 to 9999 in UTC"
        raise ValueError(message) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its zone, in UTC."""


class _KeyTerms(_Sent):
    expires_at: Moment | None = None
    limits: Limits | None = None
    scopes: Annotated[list[Scope] | None, Field(max_length=len(SCOPES))] = None
    """What it may be used for; left out for everything."""
    allowed_ips: Annotated[list[Network], Field(max_length=100)] = []
    """Addresses and networks it may be used from; empty for all."""
    group_id: Annotated[str | None, Field(max_length=64)] = None
    """The group it is charged to; left out for one's own account."""

    def terms(self) -> models.KeyTerms:
        """Gives what the key may be used for."""
        return models.KeyTerms(
            expires_at=self.expires_at,
            limits=kept(self.limits),
            scopes=None if self.scopes is None else tuple(dict.fromkeys(self.scopes)),
            allowed_ips=tuple(dict.fromkeys(self.allowed_ips)),
            group_id=self.group_id,
        )


class KeyCreate(_KeyTerms):
    """A key to be made."""

    name: Name


class KeyUpdate(_KeyTerms):
    """What to change of a key; fields left out stay as they are."""

    name: Name | None = None

    def terms_after(self, key: models.ApiKey) -> models.KeyTerms:
        """Gives what the key may be used for once it is changed."""
        sent, wanted = self.model_fields_set, self.terms()
        return models.KeyTerms(
            expires_at=wanted.expires_at if "expires_at" in sent else key.expires_at,
            limits=wanted.limits if "limits" in sent else key.limits,
            scopes=wanted.scopes if "scopes" in sent else key.scopes,
            allowed_ips=wanted.allowed_ips if "allowed_ips" in sent else key.allowed_ips,
            group_id=wanted.group_id if "group_id" in sent else key.group_id,
        )


class KeyRotate(_Sent):
    """How to replace a key's secret."""

    grace_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = 0
    """Seconds for which the secret before still counts; the settings say how many at most (7 days unless changed)."""


class KeyCreated(BaseModel):
    """A key just made; `secret` is shown this once."""

    key: Key
    secret: str


class Group(BaseModel):
    """People who share an account."""

    id: str
    name: str
    created_at: datetime
    members: int
    limits: Limits | None

    @classmethod
    def of(cls, group: models.Group) -> "Group":
        """Gives a group as it is shown."""
        return cls(
            id=group.id,
            name=group.name,
            created_at=group.created_at,
            members=group.member_count,
            limits=Limits.of(group.limits),
        )


class Groups(BaseModel):
    """The groups one is in."""

    items: list[Group]


class GroupCreate(_Sent):
    """A group to be made."""

    name: Name
    limits: Limits | None = None


class GroupUpdate(_Sent):
    """What to change of a group; fields left out stay as they are."""

    name: Name | None = None
    limits: Limits | None = None


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
