"""Members, routes and senders for tests of routing, without a socket."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import anyio

from alcove.gateway.calls import Call
from alcove.gateway.ports import Target
from alcove.gateway.routing.capacity import Capacity
from alcove.gateway.routing.circuit import Circuit, CircuitLimits
from alcove.gateway.routing.members import Member
from alcove.gateway.routing.models import Fallbacks, RoutingStrategy
from alcove.gateway.routing.options import DeploymentOptions
from alcove.gateway.routing.route import PooledRoute, RoutePolicy
from alcove.gateway.routing.strategies import Choosers
from alcove.kernel.clock import FakeClock
from alcove.kernel.ports import ModelInfo

LIMITS = CircuitLimits(failures=3, cooldown_s=5, max_cooldown_s=60)


def call(**more: Any) -> Call:
    return Call(**{"model": "m", "at": datetime(2026, 1, 1, tzinfo=UTC), "began_s": 0.0, **more})


def member(name: str, *, options: DeploymentOptions | None = None, **more: Any) -> Member:
    upstream: Any = SimpleNamespace(provider_name="openai", endpoint=object())
    info = ModelInfo(id=f"{name}/m", owned_by=name)
    return Member(
        **{
            "target": Target(deployment=name, info=info, upstream_id="m", upstream=upstream),
            "capacity": Capacity(name=name, options=options or DeploymentOptions()),
            "circuit": Circuit(model="m", limits=LIMITS, chance=random.Random(7)),
            "provider": "openai",
            "key": name.encode(),
            **more,
        }
    )


@dataclass
class Answer:
    """An answer that has begun."""

    by: str
    closed: int = 0

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Senders:
    """Asks deployments: what each does is a list of errors to raise, seconds to take, or nothing for an answer at once."""

    script: dict[str, list[Exception | float]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def __call__(self, target: Target) -> Answer:
        name = target.deployment
        self.asked.append(name)
        steps = self.script.get(name, [])
        step = steps.pop(0) if steps else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            try:
                await anyio.sleep(step)
            except BaseException:
                self.cancelled.append(name)
                raise
        answer = Answer(name)
        self.answers.append(answer)
        return answer


@dataclass
class Naps:
    """Waits by moving the clock."""

    clock: FakeClock
    taken: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.clock.advance(seconds)


def route(
    *members: Member,
    clock: FakeClock | None = None,
    strategy: RoutingStrategy = RoutingStrategy.WEIGHTED,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    others: Sequence[PooledRoute] = (),
    model: str = "m",
    fallbacks: Fallbacks | None = None,
    **more: Any,
) -> PooledRoute:
    clock = clock or FakeClock()
    chance = random.Random(3)
    by_id = {each.info.id: each for each in others}
    policy = RoutePolicy(
        **{
            "choose": Choosers(chance).of(strategy),
            "retries": 2,
            "chance": chance,
            "sleep": sleep or Naps(clock),
            "fallbacks": fallbacks or Fallbacks(),
            **more,
        }
    )
    return PooledRoute(
        info=ModelInfo(id=model),
        members=members,
        policy=policy,
        clock=clock,
        find=by_id.get,
        has_fallbacks=bool(policy.fallbacks.all()),
        takes_bytes=True,
    )


def idle(*members: Member) -> bool:
    """Tells whether nobody holds a place."""
    return all(each.capacity.in_flight == 0 and each.capacity.waiting == 0 for each in members)
