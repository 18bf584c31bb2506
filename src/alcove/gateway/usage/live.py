"""The last minute, in memory: what charts that move show."""

from collections import deque
from dataclasses import dataclass, field

from alcove.gateway.calls import CLIENT_LEFT, UsageRow
from alcove.gateway.usage.models import LiveModel, LiveUsage
from alcove.kernel.clock import Clock

WINDOW_S = 60
_MAX_MODELS = 200
_FIRST_ERROR = 400
_OTHER = "other"


def is_error(status: int) -> bool:
    """Tells whether a status is that of a failure; a client that left is none."""
    return status >= _FIRST_ERROR and status != CLIENT_LEFT


@dataclass(slots=True)
class LiveCounts:
    """Counts calls by second and model, for a minute.

    Attributes:
        clock: The time.
    """

    clock: Clock
    _seconds: deque[tuple[int, dict[str, list[int]]]] = field(default_factory=deque)

    def note(self, row: UsageRow) -> None:
        """Counts a call that is over."""
        second = int(self.clock.monotonic_s())
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append((second, {}))
            while seconds[0][0] <= second - WINDOW_S:
                seconds.popleft()
        models = seconds[-1][1]
        counts = models.get(row.model)
        if counts is None:
            name = row.model if len(models) < _MAX_MODELS else _OTHER
            counts = models.setdefault(name, [0, 0, 0])
        counts[0] += 1
        counts[1] += is_error(row.status)
        counts[2] += row.input_tokens + row.output_tokens

    def read(self) -> LiveUsage:
        """Gives the last minute."""
        first = int(self.clock.monotonic_s()) - WINDOW_S + 1
        models: dict[str, LiveModel] = {}
        for second, counts_of in self._seconds:
            if second < first:
                continue
            for name, (requests, errors, tokens) in counts_of.items():
                found = models.setdefault(
                    name, LiveModel(model=name, requests=0, errors=0, tokens=0, requests_by_second=[0] * WINDOW_S)
                )
                found.requests += requests
                found.errors += errors
                found.tokens += tokens
                found.requests_by_second[second - first] += requests
        ordered = sorted(models.values(), key=lambda each: (-each.requests, each.model))
        return LiveUsage(
            at=self.clock.now(),
            requests=sum(each.requests for each in ordered),
            errors=sum(each.errors for each in ordered),
            tokens=sum(each.tokens for each in ordered),
            models=ordered[:_MAX_MODELS],
        )
