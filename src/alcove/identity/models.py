"""The records and settings of the identity room."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from alcove.identity.limits import NO_LIMITS, Limits
from alcove.kernel.errors import AlreadyExists, Conflict, FieldError, Forbidden
from alcove.kernel.principal import Allowance, Principal, Role


class IdentitySettings(BaseModel):
    """How long people stay signed in, and how often they may guess."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    session_idle_s: int = Field(default=12 * 3600, ge=60, le=30 * 86400)
    """Seconds without a request after which a browser session ends. Default 12 hours: a working day with a break."""

    session_absolute_s: int = Field(default=30 * 86400, ge=60, le=365 * 86400)
    """Seconds after which a browser session ends in any case. Default 30 days."""

    login_attempts: int = Field(default=10, ge=3, le=1000)
    """Wrong passwords within the window, for one account and for one address, before more are refused. Default 10."""

    login_window_s: int = Field(default=15 * 60, ge=1, le=86400)
    """Length of that window in seconds. Default 15 minutes: some 1,000 guesses a day, useless against 8 characters."""

    setup_token_lifetime_s: int = Field(default=3600, ge=60, le=86400)
    """Seconds for which the link of the first start can be used. Default one hour; `alcove setup-link` makes another."""

    max_keys_per_user: int = Field(default=100, ge=1, le=10_000)
    """API keys that one user may have at a time, revoked ones not counted. Default 100."""

    max_rotation_grace_s: int = Field(default=7 * 86400, ge=0, le=30 * 86400)
    """Seconds for which the old secret of a rotated key may still count, at most. Default 7 days."""

    cache_s: float = Field(default=1.0, ge=0, le=5)
    """Seconds for which a checked key or session is remembered. What this process revokes ends at once; what another
    process revokes ends after this time. Default 1."""


class SetupSettings(BaseModel):
    """The first account, for unattended installation; without these the first start prints a link."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    admin_email: str | None = None
    """E-mail address of the first admin. Used only while there is no user. Default: none."""

    admin_password: SecretStr | None = None
    """Password of the first admin, 8 to 256 characters; values from documentation are refused. Default: none."""

    admin_name: str = "Admin"
    """Name of the first admin, as shown in the page."""

    allow_remote: bool = False
    """Whether the setup link also works from other machines, for a container whose port is mapped. Default: no; the
    one-time token is asked for in any case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person with an account.

    Attributes:
        id: Row id.
        email: Address in lower case; unique.
        name: What they are called.
        role: What they may do.
        is_disabled: Whether every credential of theirs is dead for now.
        password_hash: Argon2id in PHC form.
        created_at: When the account was made.
        last_seen_at: Their last request, to the minute; None before the first.
        limits: What they may use of models on their own account; admins set it. Models and guardrails hold on every account.
    """

    id: str
    email: str
    name: str
    role: Role
    is_disabled: bool
    password_hash: str = field(repr=False)
    created_at: datetime
    last_seen_at: datetime | None = None
    limits: Limits = NO_LIMITS

    @property
    def is_active_admin(self) -> bool:
        """Whether this account can run the house right now."""
        return self.role is Role.ADMIN and not self.is_disabled


@dataclass(frozen=True, kw_only=True, slots=True)
class UserChange:
    """What to change of a user; None leaves a field as it is."""

    name: str | None = None
    role: Role | None = None
    is_disabled: bool | None = None
    password_hash: str | None = field(default=None, repr=False)
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """People who share an account: what their group's keys use is charged to it.

    Attributes:
        id: Row id.
        name: What it is called; unique, whatever the case.
        created_at: When it was made.
        limits: What it may use of models; admins set it.
        member_count: How many people are in it.
    """

    id: str
    name: str
    created_at: datetime
    limits: Limits = NO_LIMITS
    member_count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupChange:
    """What to change of a group; None leaves a field as it is."""

    name: str | None = None
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A browser session.

    Attributes:
        id: Row id; never leaves the server.
        user_id: Whose it is.
        token_hash: SHA-256 of the token in the cookie, hex. The token has 256 random bits, so no slow hash is needed.
        created_at: When they signed in.
        last_seen_at: The last request, to the minute.
        expires_at: When it ends in any case.
    """

    id: str
    user_id: str
    token_hash: str = field(repr=False)
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key, without its secret.

    Attributes:
        id: Row id.
        owner_id: Whose it is.
        name: What the owner calls it.
        prefix: The 8 characters after `sk-as-`; finds the key and shows which one it is.
        digest: HMAC-SHA256 of the whole key under the pepper, hex.
        created_at: When it was made.
        expires_at: When it ends by itself; None for never.
        last_used_at: The last request with it, to the minute.
        revoked_at: When it was revoked; None while it is good.
        limits: What it may use of models.
        scopes: What it may be used for; None for everything.
        allowed_ips: Addresses and networks it may be used from; empty for all.
        group_id: The group it is charged to; None for its owner's own account.
        rotated_at: When its secret was last replaced; None for never.
        old_digest: Digest of the secret before, while that still counts.
        old_until: Until when it does.
    """

    id: str
    owner_id: str
    name: str
    prefix: str
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    limits: Limits = NO_LIMITS
    scopes: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] = ()
    group_id: str | None = None
    rotated_at: datetime | None = None
    old_digest: str | None = field(default=None, repr=False)
    old_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyTerms:
    """All that can be said of a key beside its name, and changed later.

    Attributes:
        expires_at: When it ends by itself; None for never.
        limits: What it may use of models.
        scopes: What it may be used for; None for everything.
        allowed_ips: Addresses and networks it may be used from; empty for all.
        group_id: The group it is charged to; None for its owner's own account.
    """

    expires_at: datetime | None = None
    limits: Limits = NO_LIMITS
    scopes: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] = ()
    group_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeySecret:
    """What a rotation changes of a key.

    Attributes:
        digest: Of the new secret.
        rotated_at: When it was made.
        old_digest: Of the secret before, where that still counts.
        old_until: Until when it does.
    """

    digest: str = field(repr=False)
    rotated_at: datetime
    old_digest: str | None = field(default=None, repr=False)
    old_until: datetime | None = None


class Action(StrEnum):
    """What the audit table tells of."""

    SETUP = "setup"
    LOGIN = "login"
    LOGOUT = "logout"
    PASSWORD_CHANGE = "password.change"  # noqa: S105  the name of an action
    USER_CREATE = "user.create"
    USER_UPDATE = "user.update"
    USER_DELETE = "user.delete"
    KEY_CREATE = "key.create"
    KEY_UPDATE = "key.update"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    GROUP_CREATE = "group.create"
    GROUP_UPDATE = "group.update"
    GROUP_DELETE = "group.delete"
    GROUP_JOIN = "group.join"
    GROUP_LEAVE = "group.leave"
    DEPLOYMENT_CREATE = "deployment.create"
    DEPLOYMENT_UPDATE = "deployment.update"
    DEPLOYMENT_DELETE = "deployment.delete"
    DEPLOYMENT_TEST = "deployment.test"
    MODEL_GROUP_CREATE = "model_group.create"
    MODEL_GROUP_UPDATE = "model_group.update"
    MODEL_GROUP_DELETE = "model_group.delete"
    GUARDRAIL_CREATE = "guardrail.create"
    GUARDRAIL_UPDATE = "guardrail.update"
    GUARDRAIL_DELETE = "guardrail.delete"
    CACHE_CLEAR = "cache.clear"
    LOCAL_MODEL_PULL = "local_model.pull"
    LOCAL_MODEL_PUSH = "local_model.push"
    LOCAL_MODEL_CREATE = "local_model.create"
    LOCAL_MODEL_COPY = "local_model.copy"
    LOCAL_MODEL_DELETE = "local_model.delete"
    LOCAL_MODEL_LOAD = "local_model.load"
    LOCAL_MODEL_UNLOAD = "local_model.unload"
    LOCAL_MODEL_PIN = "local_model.pin"
    LOCAL_MODEL_UNPIN = "local_model.unpin"
    REQUEST = "request"


class Outcome(StrEnum):
    """How it ended."""

    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"
    LIMITED = "limited"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """On whose behalf something is done, for the audit table.

    Attributes:
        name: E-mail address of a signed-in person, else what stands for them: `anonymous`, `cli`, `system`.
        ip: Where the request came from; empty outside of requests.
        request_id: The request; empty outside of requests.
    """

    name: str
    ip: str = ""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEvent:
    """Something to be written into the audit table.

    Attributes:
        at: When it happened.
        actor: Who did it, from where.
        action: What it was.
        object: What it was done to, such as `user:<id>`; never a secret.
        outcome: How it ended.
    """

    at: datetime
    actor: Actor
    action: Action
    object: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """A row of the audit table.

    Attributes:
        id: Row id.
        sequence: Number in the chain, from 1, without gaps.
        event: What happened.
        previous_hash: `hash` of the row before; 64 zeros for the first.
        hash: SHA-256 over this row and `previous_hash`, hex; see `audit.chain_hash`.
    """

    id: str
    sequence: int
    event: AuditEvent
    previous_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownKey:
    """An API key with its owner, as found for a request.

    Attributes:
        key: The key.
        user: Its owner.
        group: The group it is charged to, as long as its owner is in it.
        is_old: Whether it came with the secret from before the last rotation.
    """

    key: ApiKey
    user: User
    group: Group | None = None
    is_old: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSession:
    """A session with its owner, as found for a request."""

    session: Session
    user: User


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """What a sign-in gives the browser.

    Attributes:
        user: Who signed in.
        token: The secret for the session cookie; kept nowhere else.
        csrf_token: What the page must send with unsafe requests.
    """

    user: User
    token: str = field(repr=False)
    csrf_token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKey:
    """A key just made, with its secret, which is shown once."""

    key: ApiKey
    secret: str = field(repr=False)


def principal_of(user: User, *, session_id: str | None = None) -> Principal:
    """Gives a person as every service sees them; what they use is charged to their own account."""
    return Principal(
        user_id=user.id,
        email=user.email,
        role=user.role,
        session_id=session_id,
        allowances=_limiting((user.limits, f"user:{user.id}", user.name)),
    )


def key_principal_of(known: KnownKey) -> Principal:
    """Gives the holder of a key as every service sees them: bound by the key, and by the account it is charged to.

    Which models the person may use, and their guardrails, hold whatever account is charged: access is no money.
    """
    key, user, group = known.key, known.user, known.group
    own = user.limits if group is None else Limits(models=user.limits.models, guards=user.limits.guards)
    found = [(key.limits, f"key:{key.id}", key.name), (own, f"user:{user.id}", user.name)]
    if group is not None:
        found.append((group.limits, f"group:{group.id}", group.name))
    return Principal(
        user_id=user.id,
        email=user.email,
        role=user.role,
        key_id=key.id,
        group_id=key.group_id,
        scopes=key.scopes,
        allowances=_limiting(*found),
    )


def _limiting(*found: tuple[Limits, str, str]) -> tuple[Allowance, ...]:
    return tuple(limits.allowance(subject, name) for limits, subject, name in found if limits.is_any)


def group_taken(name: str) -> AlreadyExists:
    """Gives the error of a second group with one name; it names the field."""
    detail = f"There is a group named {name!r} already."
    return AlreadyExists(detail, fields=(FieldError(field="name", message="is taken by another group"),))


def email_taken(email: str) -> AlreadyExists:
    """Gives the error of a second account with one address; it names the field."""
    detail = f"There is an account with the address {email!r} already."
    return AlreadyExists(detail, fields=(FieldError(field="email", message="is taken by another account"),))


class LastAdmin(Conflict):
    """This is the last active admin: make another one first, or nobody could run the house any more."""

    code = "last_admin"
    title = "The last admin"


class ForgedRequest(Forbidden):
    """The request does not come from this server's own page: `x-csrf-token` or the origin is missing or wrong; reload the page."""

    code = "csrf_failed"
    title = "Request not from this page"


class SetupRefused(Forbidden):
    """The setup link is wrong, used or expired; make a new one on this machine with `alcove setup-link`."""

    code = "setup_refused"
    title = "Setup link not valid"
