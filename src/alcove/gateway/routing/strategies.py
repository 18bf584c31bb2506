"""Which of the members that can answer is asked. Each strategy chooses one of at least one; who may be asked is decided before."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from alcove.gateway.calls import Call
from alcove.gateway.routing.members import Member
from alcove.gateway.routing.models import RoutingStrategy

Chooser = Callable[[Sequence[Member], Call, bytes, float], Member]
"""Gives one of the members, for a call with a prompt that begins so, at a time of the monotonic clock."""

MAX_PREFIX_BYTES = 2048
"""How much of the prompt's beginning is looked at."""


@dataclass(frozen=True, slots=True)
class Choosers:
    """The strategies.

    Attributes:
        chance: Where chance comes from.
    """

    chance: random.Random = field(default_factory=random.Random)

    def of(self, strategy: RoutingStrategy) -> Chooser:
        """Gives a strategy."""
        chosen: Mapping[RoutingStrategy, Chooser] = {
            RoutingStrategy.WEIGHTED: self.weighted,
            RoutingStrategy.LEAST_IN_FLIGHT: self.least_in_flight,
            RoutingStrategy.LOWEST_LATENCY: self.lowest_latency,
            RoutingStrategy.LOWEST_COST: self.lowest_cost,
            RoutingStrategy.PREFIX_AFFINITY: self.prefix_affinity,
        }
        return chosen[strategy]

    def weighted(self, members: Sequence[Member], call: Call, prefix: bytes, now_s: float) -> Member:  # noqa: ARG002
        """Chooses by chance, in proportion to the weights."""
        total = 0.0
        for each in members:
            total += each.weight
        point = self.chance.random() * total
        for each in members:
            point -= each.weight
            if point < 0:
                return each
        return members[-1]

    def least_in_flight(self, members: Sequence[Member], call: Call, prefix: bytes, now_s: float) -> Member:
        """Chooses one with the fewest calls under way for its weight; by weight among equals."""
        loads = [each.capacity.in_flight / each.weight for each in members]
        least = min(loads)
        equals = [each for each, load in zip(members, loads, strict=True) if load == least]
        return equals[0] if len(equals) == 1 else self.weighted(equals, call, prefix, now_s)

    def lowest_latency(self, members: Sequence[Member], call: Call, prefix: bytes, now_s: float) -> Member:
        """Chooses the one whose answers lately began soonest, counting those that are under way.

        One of which nothing is known (any more) is asked when it is idle, so that it becomes known, and else comes last.
        """

        def expected_s(each: Member) -> float:
            first_s = each.circuit.first_s(now_s)
            if first_s is None:
                return math.inf if each.capacity.in_flight else 0.0
            return first_s * (each.capacity.in_flight + 1)

        waits = [expected_s(each) for each in members]
        least = min(waits)
        equals = [each for each, wait in zip(members, waits, strict=True) if wait == least]
        return equals[0] if len(equals) == 1 else self.weighted(equals, call, prefix, now_s)

    def lowest_cost(self, members: Sequence[Member], call: Call, prefix: bytes, now_s: float) -> Member:
        """Chooses the one at which this call costs least; those whose price is not known come last."""
        taken = call.input_tokens or 1000
        given = call.output_tokens or 500

        def cost(each: Member) -> float:
            if each.input_usd is None or each.output_usd is None:
                return math.inf
            return taken * each.input_usd + given * each.output_usd

        costs = [cost(each) for each in members]
        least = min(costs)
        equals = [each for each, price in zip(members, costs, strict=True) if price == least]
        return equals[0] if len(equals) == 1 else self.weighted(equals, call, prefix, now_s)

    def prefix_affinity(self, members: Sequence[Member], call: Call, prefix: bytes, now_s: float) -> Member:
        """Chooses by the prompt's beginning: the same one for the same beginning, so that it finds it in its cache.

        Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005): when a
        member goes, only its own prompts move, and they spread over all others.
        """
        if not prefix:
            return self.least_in_flight(members, call, prefix, now_s)
        start = blake2b(prefix[:MAX_PREFIX_BYTES], digest_size=16).digest()
        return max(members, key=lambda each: _score(each, start))


def _score(member: Member, start: bytes) -> float:
    drawn = int.from_bytes(blake2b(start, digest_size=8, key=member.key[:64]).digest(), "big")
    return member.weight / -math.log((drawn + 0.5) / 2**64)
