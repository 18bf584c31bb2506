"""Who is asking."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Role(StrEnum):
    """What a person may do: an admin runs the house, a user lives in it."""

    ADMIN = "admin"
    USER = "user"


class BudgetPeriod(StrEnum):
    """How often a budget begins anew; days, weeks (Monday) and months in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """What may be used of models. None is no limit.

    Attributes:
        models: Ids of models, `prefix*`, or `@name` for an access group.
        requests_per_minute: Calls a minute.
        tokens_per_minute: Tokens a minute, input and output together.
        max_parallel: Calls under way at a time.
        budget_usd: Money a period.
        budget_tokens: Tokens a period, input and output together.
        budget_period: How often the budget begins anew.
        guards: Guardrails that are on.
    """

    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_parallel: int | None = None
    budget_usd: Decimal | None = None
    budget_tokens: int | None = None
    budget_period: BudgetPeriod = BudgetPeriod.MONTH
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance(Quota):
    """What one subject may use of models. All allowances of a principal hold at once.

    Attributes:
        subject: Whose it is: `key:<id>`, `user:<id>` or `group:<id>`; what is counted is counted under it.
        name: What people read: the name of the key, person or group.
    """

    subject: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """A signed-in person or the holder of an API key, as every service sees them.

    Attributes:
        user_id: Owner of all that is made in this request.
        email: Their address; for audit and display, never for authorization.
        role: Their role at this moment, read anew for each request.
        key_id: The API key used, or None for a browser session.
        session_id: The browser session used, or None for an API key.
        group_id: The group on whose account this is; None for the person's own.
        scopes: What the key may be used for (`chat`, `embedding`, …, `api` for everything else); None for all.
        allowances: What may be used of models: the key's, the person's and their groups', those that limit anything.
    """

    user_id: str
    email: str
    role: Role
    key_id: str | None = None
    session_id: str | None = None
    group_id: str | None = None
    scopes: tuple[str, ...] | None = None
    allowances: tuple[Allowance, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether this person may administer the house."""
        return self.role is Role.ADMIN
