"""What a call costs: by the deployment's own prices where it has some, else by the list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from alcove.gateway.calls import ModelPrices
from alcove.kernel.chat import Usage
from alcove.kernel.ports import ModelInfo, Pricing, Served

_MILLION = Decimal(1_000_000)
_FREE = Decimal(0)
_MAX_INFOS = 4096
_MAX_TOKENS = 10**9
"""No call has more; a server that says so is not believed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenPrices:
    """US dollars for one token of each kind."""

    input_usd: Decimal
    output_usd: Decimal
    cached_input_usd: Decimal

    @classmethod
    def of(cls, prices: ModelPrices) -> "TokenPrices":
        """Gives the same by token."""
        cached = prices.input_usd if prices.cached_input_usd is None else prices.cached_input_usd
        return cls(
            input_usd=prices.input_usd / _MILLION,
            output_usd=prices.output_usd / _MILLION,
            cached_input_usd=cached / _MILLION,
        )

    def cost_usd(self, usage: Usage) -> Decimal:
        """Gives the price of a call, exactly. Reasoning is output, and costs as it does."""
        counted = believed(usage)
        plain = counted.input_tokens - counted.cached_input_tokens
        cost = plain * self.input_usd + counted.output_tokens * self.output_usd
        return cost + counted.cached_input_tokens * self.cached_input_usd if counted.cached_input_tokens else cost


def count(tokens: int) -> int:
    """Gives a number of tokens as a server told it, within reason: not negative, and no more than a billion."""
    return 0 if tokens < 0 else min(tokens, _MAX_TOKENS)


def believed(usage: Usage) -> Usage:
    """Gives tokens within reason: none negative or absurd, and parts no larger than what they are parts of."""
    total_in, total_out = usage.input_tokens, usage.output_tokens
    if (
        0 <= usage.cached_input_tokens <= total_in <= _MAX_TOKENS
        and 0 <= usage.reasoning_tokens <= total_out <= _MAX_TOKENS
    ):
        return usage
    total_in, total_out = count(total_in), count(total_out)
    return Usage(
        input_tokens=total_in,
        output_tokens=total_out,
        cached_input_tokens=min(count(usage.cached_input_tokens), total_in),
        reasoning_tokens=min(count(usage.reasoning_tokens), total_out),
    )


@dataclass(frozen=True, slots=True)
class DeploymentPricing:
    """Takes the prices of the deployment that served a call, where it has its own, else those of the list.

    Attributes:
        listed: Prices by vendor and model.
        prices_of: Gives a deployment's own prices, by its name; None where it has none. Asked at every call.
    """

    listed: Pricing
    prices_of: Callable[[str], ModelPrices | None]
    _known: dict[str, tuple[ModelPrices, TokenPrices]] = field(default_factory=dict)
    _infos: dict[tuple[str, str], ModelInfo] = field(default_factory=dict)

    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal | None:
        """Gives the price of a call in US dollars; None when it is not known. What a cache answered costs nothing."""
        deployment = model.owned_by if served is None else served.deployment
        if served is not None and served.cache:
            return _FREE
        own = self.prices_of(deployment) if deployment else None
        if own is not None:
            known = self._known.get(deployment)
            if known is None or known[0] is not own:
                known = self._known[deployment] = (own, TokenPrices.of(own))
            return known[1].cost_usd(usage)
        if served is not None and served.upstream_model and served.provider:
            model = self._there(served)
        return self.listed.cost_usd(model, usage)

    def _there(self, served: Served) -> ModelInfo:
        """Gives the model as its vendor has it, whatever it is called here."""
        key = (served.provider, served.upstream_model)
        info = self._infos.get(key)
        if info is None:
            if len(self._infos) >= _MAX_INFOS:
                self._infos.clear()
            info = self._infos[key] = ModelInfo(id=served.upstream_model, provider=served.provider)
        return info
