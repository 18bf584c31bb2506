"""One process of a model, from its planning to its end, and one turn on it."""

from dataclasses import dataclass, field
from enum import Enum, auto

import anyio

from alcove.kernel.errors import AlcoveError
from alcove.runtime.models import InstalledModel, LeaseRequest, Purpose, RunnerPlan
from alcove.runtime.ports import Runner


class Phase(Enum):
    """Where a process stands."""

    LOADING = auto()
    READY = auto()
    STOPPING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Run:
    """One process of a model.

    Attributes:
        plan: How it is run.
        phase: Where it stands.
        runner: The process; None until it is ready.
        active: Who has a turn now.
        since_s: When loading began.
        abandoned_s: When the last turn ended before its answer did; None when none did, or another turn came.
        measured: Processor's seconds it had used, and when that was looked at; to tell whether it goes on for nobody.
    """

    plan: RunnerPlan
    since_s: float
    phase: Phase = Phase.LOADING
    runner: Runner | None = None
    active: set["Ticket"] = field(default_factory=set)
    abandoned_s: float | None = None
    measured: tuple[float, float] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked."""
        return self.phase is Phase.READY

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked, and nobody asks."""
        return self.is_ready and not self.active


@dataclass(slots=True, eq=False)
class Ticket:
    """One who wants a turn.

    Attributes:
        request: What is asked for.
        model: The model, as it was on disk when it was asked for.
        purpose: What it is to be loaded for.
        number: Counts up; the lowest has waited longest.
        since_s: When it began to wait.
        called: Set when there is a turn, or an error.
        run: Where its turn is.
        error: Why it gets none.
        granted_s: When its turn began.
        load_s: Seconds of loading within its wait.
    """

    request: LeaseRequest
    model: InstalledModel
    purpose: Purpose
    number: int
    since_s: float
    called: anyio.Event = field(default_factory=anyio.Event)
    run: Run | None = None
    error: AlcoveError | None = None
    granted_s: float = 0.0
    load_s: float = 0.0

    def fail(self, error: AlcoveError) -> None:
        """Ends the wait with an error."""
        self.error = error
        self.called.set()
