"""The state of every deployment in use: its room, its models' circuits. It outlives changes of what is set up."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from alcove.gateway.calls import CallKind
from alcove.gateway.models import Deployment
from alcove.gateway.routing.capacity import Capacity
from alcove.gateway.routing.circuit import Circuit, CircuitLimits
from alcove.gateway.routing.models import CircuitState, DeploymentHealth
from alcove.kernel.clock import Clock

_WORST_FIRST: tuple[CircuitState, ...] = ("open", "half_open", "limited")


@dataclass(slots=True)
class _Place:
    deployment: Deployment
    capacity: Capacity
    circuits: dict[tuple[str, CallKind], Circuit] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class HealthBoard:
    """Knows how each deployment does.

    Attributes:
        limits: When circuits open.
        clock: The time.
        chance: Where jitter comes from.
    """

    limits: CircuitLimits
    clock: Clock
    chance: random.Random = field(default_factory=random.Random)
    _places: dict[str, _Place] = field(default_factory=dict)

    def capacity(self, deployment: Deployment) -> Capacity:
        """Gives the room of a deployment."""
        return self._place(deployment).capacity

    def circuit(self, deployment: Deployment, upstream_id: str, kind: CallKind = CallKind.CHAT) -> Circuit:
        """Gives the circuit of a model on a deployment. Ask only for models that are set up: it is kept.

        Each kind of call has its own: a model that fails to embed may chat well.
        """
        circuits = self._place(deployment).circuits
        found = circuits.get((upstream_id, kind))
        if found is None:
            found = circuits[upstream_id, kind] = self.loose_circuit(upstream_id)
        return found

    def loose_circuit(self, upstream_id: str) -> Circuit:
        """Gives a circuit that nobody keeps, for models that clients name as they like."""
        return Circuit(model=upstream_id, limits=self.limits, chance=self.chance)

    def retain(self, deployments: Iterable[Deployment]) -> None:
        """Takes over what changed in the deployments in use, and forgets all others."""
        in_use = {each.id: each for each in deployments}
        for gone in self._places.keys() - in_use.keys():
            del self._places[gone]
        for each in in_use.values():
            if each.id in self._places:
                self._place(each)

    def health(self, deployment: Deployment) -> DeploymentHealth:
        """Gives how a deployment does, for admins."""
        place = self._places.get(deployment.id)
        if place is None:
            return DeploymentHealth()
        now_s, now = self.clock.monotonic_s(), self.clock.now()
        capacity = place.capacity
        states = {key: circuit.state(now_s) for key, circuit in place.circuits.items()}
        worst = next((each for each in _WORST_FIRST if each in states.values()), "closed")
        changes = [place.circuits[key].since_s for key, state in states.items() if state == worst]
        changed_s = max((each for each in changes if each is not None), default=None)
        return DeploymentHealth(
            state=worst,
            since=None if changed_s is None else now - timedelta(seconds=now_s - changed_s),
            spared_models=sorted({name for (name, _), state in states.items() if state in {"open", "limited"}}),
            is_reached=capacity.is_reached,
            last_error=capacity.last_error,
            last_error_at=None
            if capacity.last_error_s is None
            else now - timedelta(seconds=now_s - capacity.last_error_s),
            in_flight=capacity.in_flight,
            waiting=capacity.waiting,
            requests=capacity.requests,
            failures=capacity.failures,
            first_token_ms=_latest_ms(place.circuits.values(), now_s),
        )

    def capacities(self) -> Sequence[Capacity]:
        """Gives the room of every deployment that is known."""
        return [each.capacity for each in self._places.values()]

    def spared(self) -> Sequence[tuple[str, int]]:
        """Gives each deployment's name with how many of its models are spared now."""
        now_s = self.clock.monotonic_s()
        return [
            (
                each.capacity.name,
                len({name for (name, _), circuit in each.circuits.items() if not circuit.is_ready(now_s)}),
            )
            for each in self._places.values()
        ]

    def _place(self, deployment: Deployment) -> _Place:
        place = self._places.get(deployment.id)
        if place is None:
            place = _Place(deployment, Capacity(name=deployment.name, options=deployment.options))
            self._places[deployment.id] = place
        elif place.deployment is not deployment:
            before, place.deployment = place.deployment, deployment
            place.capacity.name, place.capacity.options = deployment.name, deployment.options
            place.capacity.admit_waiting()
            if _leads_elsewhere(before, deployment):
                place.circuits.clear()
                place.capacity.is_reached = None
        return place


def _latest_ms(circuits: Iterable[Circuit], now_s: float) -> float | None:
    """Gives how long answers lately took to begin, as the mean over models; None when that is not known."""
    known = [each for each in (circuit.first_s(now_s) for circuit in circuits) if each is not None]
    return round(1000 * sum(known) / len(known), 1) if known else None


def _leads_elsewhere(before: Deployment, after: Deployment) -> bool:
    """Tells whether what was learned of a deployment no longer holds: its address, protocol or key is another."""
    return (before.base_url, before.provider, before.api_key) != (after.base_url, after.provider, after.api_key)
