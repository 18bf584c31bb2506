"""What a call may cost before it is made, by the dearest of the deployments that may answer it."""

from dataclasses import dataclass, field

from alcove.gateway.calls import Call
from alcove.gateway.routing.router import PoolRouter
from alcove.kernel.chat import Usage
from alcove.kernel.ports import Pricing, Served

_MILLION = 1_000_000
_NANO_PER_TOKEN = 1000  # a US dollar for a million tokens is a thousand nano-dollars for one
_MAX_KNOWN = 4096


@dataclass(slots=True)
class RoutedEstimate:
    """Estimates calls to models that deployments answer for; the house's own models cost nothing.

    Prices are asked for once a model, and again when deployments or groups have changed.

    Attributes:
        router: Knows who answers.
        pricing: Knows what that costs.
    """

    router: PoolRouter
    pricing: Pricing
    _known: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    _version: tuple[int, int] = (-1, -1)

    def nano_usd(self, call: Call) -> int:
        """Gives the most a call may cost, in nano-dollars; 0 when no price is known."""
        if self._version != self.router.version or len(self._known) >= _MAX_KNOWN:
            self._version = self.router.version
            self._known = {}
        prices = self._known.get(call.model)
        if prices is None:
            prices = self._known[call.model] = self._prices(call.model)
        costs = (call.input_tokens * read + call.output_tokens * written for read, written in prices)
        return int(max(costs, default=0.0) * _NANO_PER_TOKEN)

    def _prices(self, model_id: str) -> tuple[tuple[float, float], ...]:
        """Gives the US dollars for a million tokens in and out, at each deployment that may answer, in place of the model's own too."""
        route = self.router.known(model_id)
        found: list[tuple[float, float]] = []
        for member in () if route is None else (each for way in route.with_fallbacks() for each in way.members):
            target = member.target
            served = Served(
                deployment=target.deployment, provider=target.upstream.provider_name, upstream_model=target.upstream_id
            )
            read = self.pricing.cost_usd(target.info, Usage(input_tokens=_MILLION), served)
            written = self.pricing.cost_usd(target.info, Usage(output_tokens=_MILLION), served)
            found.append((float(read or 0), float(written or 0)))
        return tuple(found)
