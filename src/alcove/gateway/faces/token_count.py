"""How many tokens a request has: counted by the server that would answer it, where it can; else estimated."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from alcove.gateway.faces.token_estimate import estimated_tokens
from alcove.gateway.ports import Target
from alcove.kernel.chat import ChatRequest
from alcove.kernel.principal import Principal
from alcove.kernel.runner import ModelCatalogue


@runtime_checkable
class CountsTokens(Protocol):
    """A deployment whose server counts tokens for anyone who asks."""

    async def count_tokens(self, request: ChatRequest, upstream_id: str, *, request_id: str) -> int:
        """Gives how many tokens the input of a request has for one of its models.

        Raises:
            AlcoveError: When the server cannot be reached, or refuses.
        """
        ...


class Targets(Protocol):
    """Knows which deployment has a model."""

    async def target(self, model_id: str) -> Target | None:
        """Gives the model of that id on its deployment; None when none has it."""
        ...


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Counts tokens.

    Attributes:
        models: Says whether this person may use a model.
        targets: Says who has it.
    """

    models: ModelCatalogue
    targets: Targets

    async def count(self, request: ChatRequest, who: Principal, *, request_id: str) -> int:
        """Gives how many tokens the input of a request has: exact for Anthropic's servers, an estimate for all other models.

        Raises:
            ModelNotFound: When there is no such model for this person.
            AlcoveError: When the server that would count refuses.
        """
        model = await self.models.chat_model(request.model, who)
        target = await self.targets.target(model.info.id)
        if target is not None and isinstance(target.upstream, CountsTokens):
            return await target.upstream.count_tokens(request, target.upstream_id, request_id=request_id)
        return estimated_tokens(request)
