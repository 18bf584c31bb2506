"""What the page's routes about local models share."""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from alcove.kernel.clock import Clock
from alcove.runtime.catalog.ports import MemoryForecast
from alcove.runtime.library import ModelLibrary
from alcove.runtime.ports import LocalModels, ModelAccess, OpenAccess
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
        access: Who may use which of them.
    """

    library: ModelLibrary
    local: LocalModels
    memory: MemoryForecast
    clock: Clock
    service: RuntimeService
    seats: Seats = field(default_factory=Seats)
    access: ModelAccess = field(default_factory=OpenAccess)


def _desk(request: Request) -> RuntimeDesk:
    return cast("RuntimeDesk", request.state.runtime_desk)


DeskDep = Annotated[RuntimeDesk, Depends(_desk)]
