"""An engine without processes, which does as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel

from alcove.kernel.errors import AlcoveError
from alcove.runtime.models import RunnerPlan


@dataclass(slots=True, eq=False)
class FakeRunner:
    """A process that is none.

    Attributes:
        plan: How it was to be run.
        pid: Its number.
        stderr: What it wrote.
        is_gone: Whether it has ended.
        used_s: Seconds of a processor it claims to have used.
        can_stop: Set while it may end when it is asked to.
    """

    plan: RunnerPlan
    pid: int
    stderr: Sequence[str] = ()
    is_gone: bool = False
    used_s: float = 0.0
    can_stop: anyio.Event = field(default_factory=anyio.Event)
    _how: str = ""
    _ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def socket(self) -> Path:
        """A socket that nobody listens at."""
        return Path("/nowhere") / f"{self.pid}.sock"

    def memory_bytes(self) -> int:
        """Gives what was predicted."""
        return 0 if self.is_gone else self.plan.memory_bytes

    def cpu_s(self) -> float:
        """Gives what it claims."""
        return self.used_s

    def crash(self, how: str = "its process was ended by SIGSEGV.", stderr: Sequence[str] = ("out of luck",)) -> None:
        """Ends without having been asked."""
        self.stderr = stderr
        self._end(how)

    async def wait(self) -> str:
        """Waits for its end."""
        await self._ended.wait()
        return self._how

    async def stop(self) -> None:
        """Ends, as soon as it may."""
        with anyio.CancelScope(shield=True):
            await self.can_stop.wait()
        self._end("its process ended with status 0.")

    def _end(self, how: str) -> None:
        self.is_gone = True
        self._how = self._how or how
        self._ended.set()


@dataclass(slots=True)
class FakeEngine:
    """Starts processes that are none.

    Attributes:
        is_slow: Whether a start waits until `let` is called.
        is_slow_to_stop: Whether runners wait with their end until `can_stop` is set.
        failure: What the next starts come to, in place of a runner.
        runners: All that were started, in order.
    """

    is_slow: bool = False
    is_slow_to_stop: bool = False
    failure: AlcoveError | None = None
    runners: list[FakeRunner] = field(default_factory=list)
    _may: anyio.Event = field(default_factory=anyio.Event)

    def let(self) -> None:
        """Lets the starts that wait go on."""
        self._may.set()
        self._may = anyio.Event()

    @property
    def alive(self) -> list[FakeRunner]:
        """Those that run."""
        return [each for each in self.runners if not each.is_gone]

    async def start(self, plan: RunnerPlan) -> FakeRunner:
        """Starts one.

        Raises:
            AlcoveError: When it was told to.
        """
        if self.is_slow:
            await self._may.wait()
        else:
            await anyio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        runner = FakeRunner(plan=plan, pid=len(self.runners) + 1)
        if not self.is_slow_to_stop:
            runner.can_stop.set()
        self.runners.append(runner)
        return runner
