"""The plainest way: the one deployment that has the model is asked once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from alcove.gateway.calls import Call, CallKind
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.ports import Lease, Route, T, Target
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import ModelInfo, Served
from alcove.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class DirectLease:
    """A deployment nobody keeps account of."""

    target: Target

    def succeeded(self, *, first_s: float, total_s: float) -> None:
        """Notes nothing."""

    def failed(self, error: AlcoveError) -> None:
        """Notes nothing."""

    def abandoned(self) -> None:
        """Notes nothing."""


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """The way to a model on one deployment."""

    target: Target

    @property
    def info(self) -> ModelInfo:
        """Gives how the model is known here."""
        return self.target.info

    @property
    def can_pass_through(self) -> bool:
        """Whether its deployment takes OpenAI's bytes as they are."""
        return self.target.upstream.endpoint is not None

    async def attempt(
        self,
        call: Call,  # noqa: ARG002  nothing depends on it here
        send: Callable[[Target], Awaitable[T]],
        served: Served,
        *,
        prefix: bytes = b"",  # noqa: ARG002
    ) -> tuple[Lease, T]:
        """Asks the deployment once.

        Raises:
            AlcoveError: When it does not begin to answer.
        """
        served.deployment = self.target.deployment
        served.provider = self.target.upstream.provider_name
        served.upstream_model = self.target.upstream_id
        served.attempts += 1
        return DirectLease(self.target), await send(self.target)


@dataclass(frozen=True, slots=True)
class DirectRouter:
    """Finds the deployment that has a model."""

    directory: DeploymentDirectory

    async def route(self, model_id: str, who: Principal, kind: CallKind) -> Route | None:  # noqa: ARG002
        """Gives the way to the model of that id; None when no deployment has it."""
        target = await self.directory.target(model_id)
        return None if target is None else DirectRoute(target)
