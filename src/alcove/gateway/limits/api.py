"""Routes about limits: what binds me, how much of it is used, when it begins anew."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel

from alcove.gateway.limits.models import LimitKind, Standing, usd_of
from alcove.gateway.limits.service import LimitService
from alcove.infra.web import AdminDep, PrincipalDep, problems
from alcove.kernel.principal import Allowance, BudgetPeriod

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])


class LimitState(BaseModel):
    """How one limit stands."""

    kind: LimitKind
    limit: Decimal
    """How much there may be: calls, tokens, or US dollars."""
    used: Decimal
    held: Decimal
    """What calls under way hold beside that."""
    left: Decimal
    resets_in_s: float
    """Seconds until all of it is free again."""
    resets_at: datetime | None
    """When the budget begins anew; null for limits by the minute, and for a budget without periods."""
    period: BudgetPeriod | None

    @classmethod
    def of(cls, standing: Standing) -> "LimitState":
        """Gives a limit as it is shown."""
        is_money = standing.kind is LimitKind.BUDGET_USD
        is_budget = is_money or standing.kind is LimitKind.BUDGET_TOKENS

        def shown(amount: int) -> Decimal:
            return usd_of(amount) if is_money else Decimal(amount)

        return cls(
            kind=standing.kind,
            limit=shown(standing.limit),
            used=shown(standing.used),
            held=shown(standing.held),
            left=shown(standing.left),
            resets_in_s=round(standing.reset_s, 3),
            resets_at=standing.resets_at,
            period=standing.allowance.budget_period if is_budget else None,
        )


class SubjectLimits(BaseModel):
    """What one subject may use, and how it stands."""

    subject: str
    """`key:<id>`, `user:<id>` or `group:<id>`."""
    name: str
    models: list[str] | None
    """Ids of models, `prefix*` or `@access-group`; null for all."""
    guards: list[str]
    limits: list[LimitState]

    @classmethod
    def of(cls, allowance: Allowance, standings: Sequence[Standing]) -> "SubjectLimits":
        """Gives a subject as it is shown."""
        return cls(
            subject=allowance.subject,
            name=allowance.name,
            models=None if allowance.models is None else list(allowance.models),
            guards=list(allowance.guards),
            limits=[LimitState.of(each) for each in standings],
        )


class MyLimits(BaseModel):
    """All that binds the caller; all of it holds at once."""

    items: list[SubjectLimits]


def _service(request: Request) -> LimitService:
    return cast("LimitService", request.state.limits)


LimitsDep = Annotated[LimitService, Depends(_service)]


@router.get("/me", responses=problems(503))
async def my_limits(who: PrincipalDep, limits: LimitsDep) -> MyLimits:
    """Lists what binds me: with an API key, the key and the account it is charged to; in the page, my own account."""
    return MyLimits(items=[SubjectLimits.of(*each) for each in await limits.mine(who)])


@router.get("/{subject}", responses=problems(403, 404, 503))
async def limits_of(subject: Annotated[str, Path(max_length=100)], _who: AdminDep, limits: LimitsDep) -> SubjectLimits:
    """Gives what a key, person or group may use, and how it stands."""
    return SubjectLimits.of(*await limits.of(subject))
