"""Those who are told of every change; one that is slow misses the oldest."""

import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

import anyio

from alcove.runtime.models import RunningModel

_KEPT = 256


@dataclass(slots=True, eq=False)
class _Watcher:
    pending: deque[RunningModel] = field(default_factory=lambda: deque(maxlen=_KEPT))
    called: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True)
class Watchers:
    """Tells all who watch."""

    _watchers: set[_Watcher] = field(default_factory=set)

    @property
    def are_there(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    def tell(self, change: RunningModel) -> None:
        """Tells them of a change; never waits."""
        for each in self._watchers:
            each.pending.append(change)
            each.called.set()

    async def watch(self, first: list[RunningModel]) -> AsyncGenerator[RunningModel, None]:
        """Gives what there is now, and from then on every change."""
        with self._joined() as watcher:
            watcher.pending.extend(first)
            while True:
                while watcher.pending:
                    yield watcher.pending.popleft()
                watcher.called = anyio.Event()
                await watcher.called.wait()

    @contextlib.contextmanager
    def _joined(self) -> Iterator[_Watcher]:
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
