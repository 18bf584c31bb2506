"""What routing can be measured by. Values are read when they are asked for, so that a call pays nothing for them."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.router import PoolRouter


@dataclass(frozen=True, eq=False)
class RoutingCollector(Collector):
    """Gives Prometheus how deployments do, and what happened on the way to model groups.

    Attributes:
        board: How the deployments do.
        router: What happened on the way.
    """

    board: HealthBoard
    router: PoolRouter

    def collect(self) -> Iterator[Metric]:
        """Gives the values of this moment."""
        by_deployment = ["deployment"]
        requests = CounterMetricFamily(
            "alcove_gateway_deployment_requests", "Calls made to a deployment", labels=by_deployment
        )
        failures = CounterMetricFamily(
            "alcove_gateway_deployment_failures", "Calls at which a deployment failed", labels=by_deployment
        )
        in_flight = GaugeMetricFamily(
            "alcove_gateway_deployment_in_flight", "Calls a deployment has under way", labels=by_deployment
        )
        waiting = GaugeMetricFamily(
            "alcove_gateway_deployment_waiting", "Calls that wait for room at a deployment", labels=by_deployment
        )
        spared = GaugeMetricFamily(
            "alcove_gateway_deployment_spared_models", "Models of a deployment that are spared", labels=by_deployment
        )
        for each in self.board.capacities():
            requests.add_metric([each.name], each.requests)
            failures.add_metric([each.name], each.failures)
            in_flight.add_metric([each.name], each.in_flight)
            waiting.add_metric([each.name], each.waiting)
        for name, count in self.board.spared():
            spared.add_metric([name], count)
        yield from (requests, failures, in_flight, waiting, spared)
        events = CounterMetricFamily(
            "alcove_gateway_group_events", "Retries, fallbacks and hedges of a model group", labels=["model", "event"]
        )
        for model, counts in self.router.counts().items():
            events.add_metric([model, "retry"], counts.retries)
            events.add_metric([model, "fallback"], counts.fallbacks)
            events.add_metric([model, "hedge"], counts.hedges)
        yield events
