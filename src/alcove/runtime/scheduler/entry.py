"""What the scheduler knows of one model."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from alcove.runtime.models import FOREVER_S, InstalledModel, RunningModel, RunState
from alcove.runtime.scheduler.queue import FairQueue
from alcove.runtime.scheduler.turns import Phase, Run

_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 30.0


@dataclass(slots=True, eq=False)
class Entry:
    """One model: who waits for it, how it runs, and how long it stays.

    Attributes:
        model: The model, as it was asked for last.
        keep_alive_s: Seconds it stays after its last request.
        is_pinned: Whether it stays until it is unloaded by name, and never makes room.
        queue: Who waits.
        run: Its process; None for none.
        state: What it is doing.
        reason: Why.
        stderr: The last lines of a process that failed.
        drain: Why no more turns are given until it has been loaded anew; empty for no reason.
        idle_since_s: When its last turn ended; None while it has one.
        used_s: When its last turn began or ended.
        failures: Failures since its last good turn.
        not_before_s: When it may be loaded again after a failure.
        turn_s: About how long a turn takes.
        tokens_per_s: Speed of its last answers.
        published: What was told of it last.
    """

    model: InstalledModel
    keep_alive_s: float
    is_pinned: bool = False
    queue: FairQueue = field(default_factory=FairQueue)
    run: Run | None = None
    state: RunState = "unloaded"
    reason: str = ""
    stderr: tuple[str, ...] = ()
    drain: str = ""
    idle_since_s: float | None = None
    used_s: float = 0.0
    failures: int = 0
    not_before_s: float = 0.0
    turn_s: float = 1.0
    tokens_per_s: float = 0.0
    published: RunningModel | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def expires_s(self) -> float:
        """Gives when it is to be unloaded; for ever while it works, waits for turns, or is pinned."""
        if self.run is None or not self.run.is_idle or len(self.queue) or self.is_pinned or self.idle_since_s is None:
            return FOREVER_S
        return self.idle_since_s + self.keep_alive_s

    def note_failure(self, now_s: float, reason: str, stderr: tuple[str, ...]) -> None:
        """Keeps why its process failed; the more often, the longer until the next."""
        self.run = None
        self.drain = ""
        self.state, self.reason, self.stderr = "failed", reason, stderr
        self.not_before_s = now_s + self._pause_s()
        self.failures += 1

    def _pause_s(self) -> float:
        return 0.0 if not self.failures else min(_FIRST_PAUSE_S * 2.0 ** (self.failures - 1), _MAX_PAUSE_S)

    def as_running(self, expires_at: datetime | None) -> RunningModel:
        """Gives what pages are told."""
        run = self.run
        measured = run.runner.memory_bytes() if run is not None and run.runner is not None else 0
        return RunningModel(
            model=self.name,
            digest=self.model.digest,
            state=self.state,
            reason=self.reason,
            size_bytes=0 if run is None else measured or run.plan.memory_bytes,
            vram_bytes=0 if run is None else run.plan.vram_bytes,
            num_ctx=0 if run is None else run.plan.num_ctx,
            slots=1 if run is None else run.plan.slots,
            active=0 if run is None else len(run.active),
            queued=len(self.queue),
            expires_at=expires_at,
            keep_alive_s=self.keep_alive_s,
            is_pinned=self.is_pinned,
            tokens_per_s=self.tokens_per_s,
            stderr=self.stderr,
            pid=run.runner.pid if run is not None and run.runner is not None and run.phase is not Phase.ENDED else 0,
        )

    def is_news(self, told: RunningModel) -> bool:
        """Tells whether this differs from what was told last in more than the memory it takes."""
        last, self.published = self.published, told
        return last is None or replace(last, size_bytes=0, expires_at=None) != replace(
            told, size_bytes=0, expires_at=None
        )
