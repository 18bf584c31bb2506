"""Counters and histograms for what is counted thousands of times a second: a tenth of the price of the library's own.

They are counted by one thread, the event loop's, so they need no lock; the library renders them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class LeanCount:
    """One row of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Counts."""
        self.value += amount


class LeanCounter(Collector):
    """A counter, by labels."""

    def __init__(self, name: str, description: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name, self._description, self._labels = name, description, labels
        self._rows: dict[tuple[str, ...], LeanCount] = {}
        registry.register(self)

    def labels(self, *values: str) -> LeanCount:
        """Gives the row of these labels; keep it where it is counted often."""
        row = self._rows.get(values)
        if row is None:
            row = self._rows[values] = LeanCount()
        return row

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Gives all rows, as the library renders them."""
        family = CounterMetricFamily(self._name, self._description, labels=self._labels)
        for values, row in self._rows.items():
            family.add_metric(values, row.value)
        yield family


class LeanDistribution:
    """One row of a histogram."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class LeanHistogram(Collector):
    """A histogram, by labels."""

    def __init__(
        self,
        name: str,
        description: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._description, self._labels = name, description, labels
        self._bounds = tuple(buckets)
        self._rows: dict[tuple[str, ...], LeanDistribution] = {}
        registry.register(self)

    def labels(self, *values: str) -> LeanDistribution:
        """Gives the row of these labels; keep it where it is counted often."""
        row = self._rows.get(values)
        if row is None:
            row = self._rows[values] = LeanDistribution(self._bounds)
        return row

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Gives all rows, as the library renders them."""
        family = HistogramMetricFamily(self._name, self._description, labels=self._labels)
        for values, row in self._rows.items():
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(float, self._bounds), float("inf")), row.counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            family.add_metric(values, buckets, row.sum)
        yield family
