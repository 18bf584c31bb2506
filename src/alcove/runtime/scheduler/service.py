"""Lends loaded models for one request at a time.

Everything that decides is synchronous and in one place: `_advance` gives turns, ends what is to end, and begins to load what is
wanted, after each change. What takes time (loading, ending, waiting for a process's end) runs in tasks of `run`, which report back and
advance again. So two decisions can never overlap, and tests drive them with a clock that stands still.

Order: within a model, users take turns; between models, the one whose oldest request has waited longest is loaded next, one at a
time, and nothing else begins before it, but while it has to end its turns first (to be loaded with other options). A model that is loaded gives its first turn before it can be asked to make room, so everybody is
served in the end.
"""

import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog
from anyio.abc import TaskGroup

from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, Overloaded, Unavailable
from alcove.runtime.errors import ModelFailed, NotEnoughMemory, QueueFull
from alcove.runtime.gpu import GpuBudget
from alcove.runtime.models import (
    FOREVER_S,
    InstalledModel,
    Lease,
    LeaseRequest,
    MemoryUse,
    RunnerPlan,
    RunningModel,
    RuntimeSettings,
)
from alcove.runtime.ports import Catalog, Engine
from alcove.runtime.scheduler.entry import Entry
from alcove.runtime.scheduler.planning import Planner, purpose_of
from alcove.runtime.scheduler.turns import Phase, Run, Ticket
from alcove.runtime.scheduler.watchers import Watchers

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_KEPT_ENTRIES = 200
_FURTHEST = timedelta(days=36_500)
_MB = 1 << 20
_OVERDUE_S = 10.0  # so long after its deadline a turn's process is ended
_ABANDONED_S = 2.0  # so long a process may go on for nobody
_BUSY_SHARE = 0.5
_SMOOTHING = 0.3
_OTHER_OPTIONS = "is loaded anew with other options"


@dataclass(slots=True)
class ModelScheduler:
    """Loads, lends and unloads local models; implements `LocalModels`.

    Attributes:
        settings: The room's settings.
        catalog: The models on disk.
        engine: Runs them.
        planner: Says how, and what that takes.
        gpus: What of them goes to a GPU.
        clock: The time.
    """

    settings: RuntimeSettings
    catalog: Catalog
    engine: Engine
    planner: Planner
    gpus: GpuBudget
    clock: Clock
    _entries: dict[str, Entry] = field(default_factory=dict)
    _watchers: Watchers = field(default_factory=Watchers)
    _group: TaskGroup | None = None
    _woken: anyio.Event = field(default_factory=anyio.Event)
    _tickets: int = 0

    # What callers use

    @contextlib.asynccontextmanager
    async def lease(self, request: LeaseRequest) -> AsyncIterator[Lease]:
        """Waits for a turn and for the model to be loaded; the turn ends with the block.

        Raises:
            ModelNotFound: When there is no such model.
            BadModelFile: When its file is damaged.
            QueueFull: When too many wait already.
            NotEnoughMemory: When it can never fit.
            ModelFailed: When its process did not start.
        """
        model = await self.catalog.get(request.model)
        ticket = Ticket(
            request=request,
            model=model,
            purpose=request.purpose or purpose_of(model),
            number=self._tickets,
            since_s=self.clock.monotonic_s(),
        )
        self._tickets += 1
        entry = self._enqueue(ticket)
        is_whole = False
        try:
            await ticket.called.wait()
            if ticket.error is not None:
                raise ticket.error
            yield self._lease(entry, ticket)
            is_whole = True
        finally:
            self._leave(entry, ticket, is_whole=is_whole)

    def running(self) -> Sequence[RunningModel]:
        """Gives every model that is loaded, loading, waited for, pinned, or failed."""
        known = self._entries.values()
        return [self._told(each) for each in known if each.state != "unloaded" or each.is_pinned or len(each.queue)]

    async def unload(self, model: str) -> None:
        """Unloads a model: at once when it is idle, else after its requests, which is not waited for."""
        entry = self._entries.get(await self._name(model))
        if entry is None or entry.run is None:
            return
        run = entry.run
        entry.drain = "was unloaded by hand"
        self._advance()
        if run.phase is Phase.STOPPING and run.runner is not None:
            await run.runner.wait()

    async def expire(self, model: str) -> None:
        """Lets a model go once nobody has a turn on it or waits for one, as if its last request had said so; pinned ones stay."""
        entry = self._entries.get(await self._name(model))
        if entry is None or entry.run is None or entry.is_pinned:
            return
        run = entry.run
        entry.keep_alive_s = 0.0
        self._advance()
        if run.phase is Phase.STOPPING and run.runner is not None:
            await run.runner.wait()

    async def pin(self, model: str, *, is_pinned: bool) -> None:
        """Pins a model, loaded or not, or lets it go; what is pinned stays loaded and never makes room.

        Raises:
            ModelNotFound: When there is no such model.
        """
        self._entry(await self.catalog.get(model)).is_pinned = is_pinned
        self._advance()

    def memory(self) -> MemoryUse:
        """Gives what models take of what they may take together."""
        return MemoryUse(budget_bytes=self.planner.budget_bytes, taken_bytes=_taken(list(self._entries.values())))

    async def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives every model's state now, and then every change."""
        async with contextlib.aclosing(self._watchers.watch(list(self.running()))) as changes:
            async for each in changes:
                yield each

    # The life of the whole

    async def run(self) -> None:
        """Works until cancelled; then ends every process. Requests are refused before and after."""
        for entry in self._entries.values():
            entry.run = None
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                while True:
                    self.tick()
                    self._woken = anyio.Event()
                    with anyio.move_on_after(_TICK_S if self._entries else None):
                        await self._woken.wait()
        finally:
            self._group = None
            await self._end_all()

    def tick(self) -> None:
        """Does what is due: unloads what nobody asked for, ends what takes too long, tries again what failed."""
        now_s = self.clock.monotonic_s()
        for entry in self._entries.values():
            run = entry.run
            if run is not None and run.is_ready:
                self._look_after(entry, run, now_s)
        self._advance()

    # What decides

    def _enqueue(self, ticket: Ticket) -> Entry:
        if self._group is None:
            msg = "Local models are not being run here at the moment; try again shortly."
            raise Unavailable(msg, retry_after_s=5)
        entry = self._entry(ticket.model)
        waiting = len(entry.queue)
        if waiting >= self.settings.max_queue:
            slots = entry.run.plan.slots if entry.run is not None else self.settings.parallel
            retry_s = min(max(1.0, entry.turn_s * waiting / slots), 60.0)
            msg = f"{waiting} requests wait for {entry.name!r} already; yours would be number {waiting + 1}. Try again in {retry_s:.0f} s."
            raise QueueFull(msg, retry_after_s=math.ceil(retry_s))
        entry.model = ticket.model
        entry.queue.add(ticket)
        self._advance()
        return entry

    def _entry(self, model: InstalledModel) -> Entry:
        entry = self._entries.get(model.name)
        if entry is None:
            keep_alive_s = FOREVER_S if self.settings.keep_alive_s < 0 else self.settings.keep_alive_s
            entry = Entry(model=model, keep_alive_s=keep_alive_s, is_pinned=model.name in self.settings.pinned)
            self._entries[model.name] = entry
        return entry

    def _leave(self, entry: Entry, ticket: Ticket, *, is_whole: bool) -> None:
        """Ends a turn, or a wait for one."""
        now_s = self.clock.monotonic_s()
        run = ticket.run
        if run is None:
            entry.queue.discard(ticket)
            self._take_back_drain(entry)
        elif ticket in run.active:
            run.active.discard(ticket)
            entry.turn_s += _SMOOTHING * (now_s - ticket.granted_s - entry.turn_s)
            entry.used_s = now_s
            if is_whole:
                entry.failures = 0
            else:
                run.abandoned_s, run.measured = now_s, None
            if run is entry.run and not run.active:
                entry.idle_since_s = now_s
        self._advance()

    def _take_back_drain(self, entry: Entry) -> None:
        """Goes on with a process that was to end for one who has left, where it serves the next."""
        run, ticket = entry.run, entry.queue.first()
        if run is None or not run.is_ready or entry.drain != _OTHER_OPTIONS:
            return
        if ticket is None or self._is_served_by(run, ticket):
            entry.drain = ""

    def _advance(self) -> None:
        """Does everything that can be done now."""
        for entry in self._entries.values():
            self._give_turns(entry)
        now_s = self.clock.monotonic_s()
        for entry in self._entries.values():
            if entry.run is None or not entry.run.is_idle:
                continue
            if entry.drain:
                self._stop(entry, entry.run, entry.drain)
            elif entry.expires_s() <= now_s:
                self._stop(entry, entry.run, f"nobody asked for it for {entry.keep_alive_s:g} s")
        if self._group is not None:
            self._load_next(now_s)
        self._tell()
        self._woken.set()

    def _give_turns(self, entry: Entry) -> None:
        run = entry.run
        while run is not None and run.is_ready and not entry.drain and len(run.active) < run.plan.slots:
            ticket = entry.queue.first()
            if ticket is None:
                return
            if not self._is_served_by(run, ticket):
                entry.drain = _OTHER_OPTIONS
                return
            entry.queue.take()
            ticket.run = run
            ticket.granted_s = entry.used_s = self.clock.monotonic_s()
            run.active.add(ticket)
            run.abandoned_s = run.measured = None
            entry.idle_since_s = None
            if ticket.request.keep_alive_s is not None:
                wanted = ticket.request.keep_alive_s
                entry.keep_alive_s = FOREVER_S if wanted < 0 else wanted
            ticket.called.set()

    def _is_served_by(self, run: Run, ticket: Ticket) -> bool:
        try:
            return self.planner.fits(run.plan, ticket.model, ticket.request.options, ticket.purpose)
        except AlcoveError:
            return False  # its own plan will say what is wrong with it

    def _load_next(self, now_s: float) -> None:
        """Begins to load the model that was waited for longest, if it may be, or makes room for it."""
        while not any(each.run is not None and each.run.phase is Phase.LOADING for each in self._entries.values()):
            wanting = [each for each in self._entries.values() if len(each.queue) and each.not_before_s <= now_s]
            wanting = [each for each in wanting if each.run is None or each.run.phase is Phase.STOPPING]
            if not wanting:
                return
            entry = min(wanting, key=lambda each: each.queue.oldest())
            if entry.run is not None:
                return  # its old process has to end first
            ticket = entry.queue.first()
            if ticket is None:
                return
            try:
                plan = self.planner.plan(ticket.model, ticket.request.options, ticket.purpose)
                has_room = self._make_room(entry, plan)
            except AlcoveError as error:
                entry.queue.take().fail(error)
                if not len(entry.queue) and entry.state == "loading":
                    entry.state = "unloaded"
                entry.reason = error.detail
                continue
            entry.state = "loading"
            if not has_room:
                entry.reason = "waits for other models to make room"
                return
            entry.reason = plan.note
            entry.drain = ""
            entry.stderr = ()
            run = Run(plan=plan, since_s=now_s)
            entry.run = run
            self._start(self._load, entry, run)
            return

    def _make_room(self, entry: Entry, plan: RunnerPlan) -> bool:
        """Tells whether a model may be loaded now; if not, unloads others as far as that is possible.

        Raises:
            NotEnoughMemory: When pinned models leave too little.
            Overloaded: When a pinned model excludes it.
        """
        others = [each for each in self._entries.values() if each is not entry and each.run is not None]
        excluded = [each for each in others if self._excludes(each.name, entry.name)]
        for each in excluded:
            if each.is_pinned:
                msg = f"{entry.name!r} is never loaded together with {each.name!r}, which is pinned; unpin that first."
                raise Overloaded(msg)
            self._retire(each, f"makes room for {entry.name}, which excludes it")
        pinned = [each for each in others if each.is_pinned]
        budget = self.planner.budget_bytes
        if _taken(pinned) + plan.memory_bytes > budget or 0 < self.settings.max_loaded <= len(pinned):
            names = ", ".join(each.name for each in pinned)
            msg = (
                f"{entry.name!r} needs {plan.memory_bytes // _MB} MB; of the {budget // _MB} MB for local models, pinned ones "
                f"({names}) take {_taken(pinned) // _MB} MB. Unpin one, or choose a smaller model."
            )
            raise NotEnoughMemory(msg)
        staying = [each for each in others if not _is_leaving(each)]
        leaving_last = sorted(
            (each for each in staying if not each.is_pinned),
            key=lambda each: (each.run is not None and not each.run.is_idle, each.used_s),
        )
        for each in leaving_last:
            if self._has_room(staying, plan):
                break
            self._retire(each, f"makes room for {entry.name}")
            staying.remove(each)
        still_there = [each for each in others if each.run is not None]
        return self._has_room(still_there, plan) and not any(each in still_there for each in excluded)

    def _has_room(self, others: list[Entry], plan: RunnerPlan) -> bool:
        is_few = not self.settings.max_loaded or len(others) < self.settings.max_loaded
        return is_few and _taken(others) + plan.memory_bytes <= self.planner.budget_bytes

    def _retire(self, entry: Entry, reason: str) -> None:
        """Ends a model's process: now, or after its turns."""
        if entry.run is not None and entry.run.is_idle:
            self._stop(entry, entry.run, reason)
        else:
            entry.drain = entry.drain or reason

    def _excludes(self, one: str, other: str) -> bool:
        return any(one in group and other in group for group in self.settings.exclusive_groups)

    def _look_after(self, entry: Entry, run: Run, now_s: float) -> None:
        """Ends a process that is beyond its deadline, or works for nobody."""
        latest_s = now_s - self.settings.deadline_s - _OVERDUE_S
        if any(each.granted_s < latest_s for each in run.active):
            self._stop(entry, run, "a request went on after its deadline")
            return
        if run.abandoned_s is None or run.active or run.runner is None or now_s - run.abandoned_s < _ABANDONED_S:
            return
        used_s = run.runner.cpu_s()
        if run.measured is None:
            run.measured = (used_s, now_s)
            return
        before_s, at_s = run.measured
        if now_s - at_s < _TICK_S / 2:
            return
        if used_s - before_s > _BUSY_SHARE * (now_s - at_s):
            self._stop(entry, run, "it went on computing after its last request had ended")
        else:
            run.abandoned_s = run.measured = None

    # What takes time

    def _start(self, task: object, *arguments: object) -> None:
        if self._group is not None:
            self._group.start_soon(task, *arguments)  # type: ignore[arg-type]  # the signatures of our own methods

    async def _load(self, entry: Entry, run: Run) -> None:
        began_s = self.clock.monotonic_s()
        try:
            await self.catalog.verify(run.plan.model)
            run.plan = await self.gpus.fitted(run.plan)
            runner = await self.engine.start(run.plan)
        except AlcoveError as error:
            self._load_failed(entry, run, error)
            return
        except Exception as error:  # whatever it was, those who wait are told, and the next may try
            log.exception("model_not_started", model=entry.name)
            msg = f"{entry.name!r} could not be started: {type(error).__name__}: {error}"
            self._load_failed(entry, run, ModelFailed(msg))
            return
        now_s = self.clock.monotonic_s()
        run.runner, run.phase = runner, Phase.READY
        entry.state, entry.reason = "loaded", run.plan.note
        entry.idle_since_s = entry.used_s = now_s
        for each in entry.queue.all():
            each.load_s = now_s - began_s
        log.info("model_loaded", model=entry.name, load_s=round(now_s - began_s, 3), num_ctx=run.plan.num_ctx)
        self._start(self._attend, entry, run)
        self._advance()

    def _load_failed(self, entry: Entry, run: Run, error: AlcoveError) -> None:
        run.phase = Phase.ENDED
        entry.note_failure(self.clock.monotonic_s(), error.detail, getattr(error, "stderr", ()))
        for each in entry.queue.all():
            if self._is_served_by(run, each):
                entry.queue.discard(each)
                each.fail(error)
        self._advance()

    async def _attend(self, entry: Entry, run: Run) -> None:
        """Waits for the end of a process, and notes one that was not asked for."""
        if run.runner is None:
            return
        how = await run.runner.wait()
        if run.phase is not Phase.READY:
            return
        run.phase = Phase.ENDED
        log.warning("model_stopped", model=entry.name, how=how, active=len(run.active))
        if entry.run is run:
            entry.note_failure(self.clock.monotonic_s(), f"It stopped unexpectedly: {how}", tuple(run.runner.stderr))
        self._advance()

    def _stop(self, entry: Entry, run: Run, reason: str) -> None:
        run.phase = Phase.STOPPING
        entry.state, entry.reason = "unloaded", reason
        log.info("model_unloaded", model=entry.name, reason=reason)
        self._start(self._end, entry, run)

    async def _end(self, entry: Entry, run: Run) -> None:
        try:
            if run.runner is not None:
                await run.runner.stop()
        finally:
            run.phase = Phase.ENDED
            if entry.run is run:
                entry.run = None
                entry.drain = ""
        self._advance()

    async def _end_all(self) -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for entry in self._entries.values():
                    for ticket in entry.queue.all():
                        entry.queue.discard(ticket)
                        ticket.fail(Unavailable("The server is stopping."))
                    run = entry.run
                    if run is not None and run.runner is not None and run.phase is not Phase.ENDED:
                        run.phase = Phase.ENDED
                        group.start_soon(run.runner.stop)
                    entry.run = None
                    entry.state = "unloaded"

    # What is told

    def _lease(self, entry: Entry, ticket: Ticket) -> Lease:
        run = ticket.run
        if run is None or run.runner is None:
            msg = f"{entry.name!r} has no process."
            raise ModelFailed(msg)

        def report(tokens_per_s: float) -> None:
            entry.tokens_per_s = tokens_per_s

        return Lease(
            model=run.plan.model,
            socket=run.runner.socket,
            num_ctx=run.plan.num_ctx,
            waited_s=ticket.granted_s - ticket.since_s,
            load_s=ticket.load_s,
            deadline_s=self.settings.deadline_s,
            note=run.plan.note,
            report_speed=report,
        )

    def _told(self, entry: Entry) -> RunningModel:
        left_s = entry.expires_s() - self.clock.monotonic_s()
        expires_at: datetime | None = None
        if math.isfinite(left_s):
            expires_at = self.clock.now() + min(timedelta(seconds=max(left_s, 0.0)), _FURTHEST)
        return entry.as_running(expires_at)

    def _tell(self) -> None:
        for entry in tuple(self._entries.values()):
            if self._watchers.are_there and entry.is_news(told := self._told(entry)):
                self._watchers.tell(told)
            is_gone = entry.run is None and not len(entry.queue)
            if is_gone and (entry.state == "unloaded" or len(self._entries) > _KEPT_ENTRIES) and not entry.is_pinned:
                del self._entries[entry.name]

    async def _name(self, model: str) -> str:
        if model in self._entries:
            return model
        return (await self.catalog.get(model)).name


def _taken(entries: Sequence[Entry]) -> int:
    return sum(each.run.plan.memory_bytes for each in entries if each.run is not None)


def _is_leaving(entry: Entry) -> bool:
    return bool(entry.drain) or (entry.run is not None and entry.run.phase is Phase.STOPPING)
