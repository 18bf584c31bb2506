"""Connections to deployments that have timeouts of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from alcove.gateway.models import Deployment
from alcove.gateway.ports import Transport, Upstream, UpstreamFactory
from alcove.infra.http import AddressGuard, HttpClient, HttpLimits


@dataclass(slots=True)
class Transports:
    """Gives transports, one for each set of timeouts.

    Attributes:
        limits: The bounds of deployments that say nothing else.
        guard: Where connections may go.
    """

    limits: HttpLimits
    guard: AddressGuard
    _clients: dict[HttpLimits, HttpClient] = field(default_factory=dict)

    def of(self, deployment: Deployment) -> HttpClient:
        """Gives the transport for a deployment."""
        options = deployment.options
        limits = replace(
            self.limits,
            connect_s=options.connect_timeout_s or self.limits.connect_s,
            read_s=min(options.total_timeout_s or self.limits.read_s, self.limits.read_s),
            total_s=options.total_timeout_s or self.limits.total_s,
        )
        client = self._clients.get(limits)
        if client is None:
            client = self._clients[limits] = HttpClient(limits, self.guard)
        return client

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for client in self._clients.values():
            client.close()


@dataclass(frozen=True, slots=True)
class TimedUpstreams:
    """Opens deployments of one protocol, each with its own timeouts.

    Attributes:
        make: Gives the factory of the protocol over a transport.
        transports: Gives transports.
    """

    make: Callable[[Transport], UpstreamFactory]
    transports: Transports

    def open(self, deployment: Deployment) -> Upstream:
        """Gives the deployment, ready for use."""
        return self.make(self.transports.of(deployment)).open(deployment)
