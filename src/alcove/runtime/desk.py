"""What the page's routes about local models share."""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from alcove.kernel.clock import Clock
from alcove.runtime.catalog.ports import MemoryForecast
from alcove.runtime.library import ModelLibrary
from alcove.runtime.ports import LocalModels
from alcove.runtime.running_events import Seats
from alcove.runtime.service import RuntimeService


@dataclass(frozen=True, slots=True)
class RuntimeDesk:
    """What these routes need.

    Attributes:
        library: The models on this machine's disk.
        local: Those that are loaded.
        memory: What they take.
        clock: The time.
        service: Loads and unloads them by hand.
        seats: Bounds how many pages follow them.
    """

    library: ModelLibrary
    local: LocalModels
    memory: MemoryForecast
    clock: Clock
    service: RuntimeService
    seats: Seats = field(default_factory=Seats)


def _desk(request: Request) -> RuntimeDesk:
    return cast("RuntimeDesk", request.state.runtime_desk)


DeskDep = Annotated[RuntimeDesk, Depends(_desk)]
