"""Health checks: deployments that have them on are looked after while nobody asks them.

A deployment whose last check failed is asked only when no other member of a group can be; calls keep its circuits.
"""

import random
from dataclasses import dataclass, field

import anyio
import structlog

from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import Deployment
from alcove.gateway.ports import Target, Upstream
from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.failures import is_fault, is_limit
from alcove.gateway.routing.options import HealthCheck
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, UpstreamTimeout
from alcove.kernel.ports import CallContext
from alcove.kernel.principal import Principal, Role
from alcove.kernel.trace import Trace, Tracer

log = structlog.get_logger(__name__)

_AT_ONCE = 8
_JITTER = 0.2
_LOOK_EVERY_S = 1.0
_NOBODY = Principal(user_id="", email="health check", role=Role.USER)


@dataclass(slots=True, kw_only=True)
class HealthChecks:
    """Looks after deployments.

    Attributes:
        directory: The deployments in use.
        board: Where it is noted how they do.
        interval_s: Seconds between two checks of one, give or take a fifth.
        timeout_s: Seconds a check may take.
        clock: The time.
        chance: Where jitter comes from.
    """

    directory: DeploymentDirectory
    board: HealthBoard
    interval_s: float
    timeout_s: float
    clock: Clock
    chance: random.Random = field(default_factory=random.Random)
    _due_s: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Checks each deployment when it is due, until cancelled."""
        while True:
            await self.check_due()
            await anyio.sleep(_LOOK_EVERY_S)

    async def check_due(self) -> None:
        """Checks the deployments that are due; a few at a time, each within its time."""
        now_s = self.clock.monotonic_s()
        watched = [each for each in self.directory.deployments() if each.options.health_check is not HealthCheck.OFF]
        self._due_s = {each.id: self._due_s.get(each.id, now_s) for each in watched}
        slots = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as group:
            for each in watched:
                if self._due_s[each.id] <= now_s:
                    self._due_s[each.id] = now_s + self.interval_s * (1 + _JITTER * (2 * self.chance.random() - 1))
                    group.start_soon(self._check, each, slots)

    async def _check(self, deployment: Deployment, slots: anyio.CapacityLimiter) -> None:
        async with slots:
            error = await self._failure_of(deployment)
        capacity = self.board.capacity(deployment)
        is_reached = error is None
        if capacity.is_reached is not is_reached:
            capacity.is_reached, capacity.checked_s = is_reached, self.clock.monotonic_s()
            log.info("deployment_checked", deployment=deployment.name, is_reached=is_reached)
        if error is not None:
            capacity.last_error, capacity.last_error_s = error.detail, self.clock.monotonic_s()

    async def _failure_of(self, deployment: Deployment) -> AlcoveError | None:
        """Gives what is wrong with a deployment; None when it answers, if only to refuse."""
        upstream = self.directory.upstream(deployment.name)
        if upstream is None:
            return None
        try:
            with anyio.fail_after(self.timeout_s):
                await self._ask(deployment, upstream)
        except TimeoutError:
            detail = f"{deployment.name!r} did not answer a health check within {self.timeout_s:g} s."
            return UpstreamTimeout(detail)
        except AlcoveError as error:
            return error if is_fault(error) and not is_limit(error) else None
        return None

    async def _ask(self, deployment: Deployment, upstream: Upstream) -> None:
        options = deployment.options
        target = self._model(deployment) if options.health_check is HealthCheck.CALL else None
        if target is None:
            await upstream.list_models()
            return
        request = ChatRequest(
            model=target.upstream_id, messages=(ChatMessage.of(ChatRole.USER, "Hi"),), extra={"max_tokens": 1}
        )
        trace = Trace(id="0" * 32, owner_id="", name="health check", started_at=self.clock.now())
        context = CallContext(principal=_NOBODY, tracer=Tracer(trace, self.clock))
        stream = upstream.chat_model(target.info, target.upstream_id).stream(request, context)
        try:
            await anext(stream, None)
        finally:
            await stream.aclose()

    def _model(self, deployment: Deployment) -> Target | None:
        """Gives the model to have write a token: the one that is set, or the first that chats."""
        named = deployment.options.health_model
        if named is not None:
            return self.directory.target_on(deployment.name, named)
        return self.directory.first_chat_target(deployment.name)
