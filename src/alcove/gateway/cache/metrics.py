"""The cache's figures for Prometheus."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from alcove.gateway.cache.shelf import Shelf


@dataclass(frozen=True, slots=True, eq=False)
class CacheCollector(Collector):
    """Reads the counts of a shelf."""

    shelf: Shelf

    def collect(self) -> Iterable[Metric]:
        """Gives what came of asking the cache."""
        counts = self.shelf.counts
        found = CounterMetricFamily(
            "alcove_cache_lookups", "Requests to the cache by what came of them", labels=("result",)
        )
        for name, value in (("hit", counts.hits), ("semantic", counts.semantic_hits), ("miss", counts.misses)):
            found.add_metric((name,), value)
        yield found
        away = CounterMetricFamily(
            "alcove_cache_failures", "Times the cache did not answer; requests went on without it"
        )
        away.add_metric((), counts.failures)
        yield away
