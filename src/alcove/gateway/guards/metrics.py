"""What guardrails did, for Prometheus."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from alcove.gateway.guards.filter import GuardCounts


@dataclass(frozen=True, slots=True, eq=False)
class GuardCollector(Collector):
    """Reads the counts of the filter; names are those of guardrails that exist, so there are few."""

    counts: GuardCounts

    def collect(self) -> Iterable[Metric]:
        """Gives what guardrails did."""
        family = CounterMetricFamily(
            "alcove_guardrail_actions", "What guardrails did, by name and action", labels=("guardrail", "action")
        )
        for (name, action), number in list(self.counts.actions.items()):
            family.add_metric((name, action), number)
        yield family
