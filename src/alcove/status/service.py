"""Asks every part how it is, each with a deadline, so that one that hangs does not hide the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import structlog

from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError
from alcove.status.models import PartStatus, Status

log = structlog.get_logger(__name__)

_CACHE_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the house, as its room registers it.

    Attributes:
        name: What people call it (`database`).
        check: Gives whether it is well, and a few words for admins. An error counts as unwell; its message is shown.
        is_essential: Whether requests cannot be answered without it; the process is then not ready.
        timeout_s: Seconds after which it counts as unwell.
    """

    name: str
    check: Callable[[], Awaitable[tuple[bool, str]]]
    is_essential: bool = False
    timeout_s: float = 2.0


@dataclass(slots=True)
class _Last:
    at_s: float
    is_ready: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusService:
    """Tells how the house is.

    Attributes:
        parts: What can be asked.
        clock: The time.
        version: Alcove's version.
        started_s: Monotonic time at which the process began.
    """

    parts: Sequence[Part]
    clock: Clock
    version: str
    started_s: float
    _asking: anyio.Lock = field(default_factory=anyio.Lock)
    _last: list[_Last] = field(default_factory=list)

    async def is_ready(self) -> bool:
        """Tells whether requests can be answered. Anyone may ask, so it is found out once a second at most."""
        async with self._asking:
            now_s = self.clock.monotonic_s()
            if not self._last or now_s - self._last[0].at_s >= _CACHE_S:
                found = await _ask([part for part in self.parts if part.is_essential])
                unwell = [part.name for part in found if not part.healthy]
                if unwell:
                    log.warning("not_ready", parts=unwell)
                self._last[:] = [_Last(now_s, not unwell)]
            return self._last[0].is_ready

    async def report(self) -> Status:
        """Tells how each part is."""
        return Status(
            version=self.version,
            uptime_s=round(self.clock.monotonic_s() - self.started_s, 1),
            parts=await _ask(self.parts),
        )


async def _ask(parts: Sequence[Part]) -> list[PartStatus]:
    """Asks all parts at once; gives their answers in the same order."""
    answers: dict[str, PartStatus] = {}

    async def ask(part: Part) -> None:
        answers[part.name] = await _ask_one(part)

    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(ask, part)
    return [answers[part.name] for part in parts]


async def _ask_one(part: Part) -> PartStatus:
    try:
        with anyio.fail_after(part.timeout_s):
            healthy, detail = await part.check()
    except TimeoutError:
        healthy, detail = False, f"It did not answer within {part.timeout_s:g} s."
    except AlcoveError as error:
        healthy, detail = False, error.detail
    except Exception as error:  # whatever a part raises, it is unwell
        log.exception("status_check_failed", part=part.name)
        healthy, detail = False, f"The check failed ({type(error).__name__}); the log has the details."
    return PartStatus(name=part.name, healthy=healthy, detail=detail)
