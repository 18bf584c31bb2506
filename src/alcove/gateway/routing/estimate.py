"""What a call may cost before it is made, by the dearest of the deployments that may answer it."""

from dataclasses import dataclass

from alcove.gateway.calls import Call
from alcove.gateway.routing.router import PoolRouter

_NANO_PER_TOKEN = 1000  # a US dollar for a million tokens is a thousand nano-dollars for one


@dataclass(frozen=True, slots=True)
class RoutedEstimate:
    """Estimates calls to models that deployments answer for; the house's own models cost nothing.

    Attributes:
        router: Knows who answers, and their prices.
    """

    router: PoolRouter

    def nano_usd(self, call: Call) -> int:
        """Gives the most a call may cost, in nano-dollars; 0 when no price is known."""
        route = self.router.known(call.model)
        if route is None:
            return 0
        most = 0.0
        for member in route.members:
            cost = call.input_tokens * (member.input_usd or 0) + call.output_tokens * (member.output_usd or 0)
            most = max(most, cost)
        return int(most * _NANO_PER_TOKEN)
