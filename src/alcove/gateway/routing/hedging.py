"""Hedged calls: when the first member is slow to begin, a second one is asked too, and the first to begin answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic

import anyio

from alcove.gateway.ports import T
from alcove.gateway.routing.members import Member, PooledLease
from alcove.kernel.ports import Served

Ask = Callable[[Member, Served], Awaitable[tuple[PooledLease, T]]]


async def first_to_begin(
    first: Member, another: Callable[[], Member | None], ask: Ask[T], served: Served, after_s: float
) -> tuple[PooledLease, T]:
    """Gives the answer that began first; the other is ended at once.

    Args:
        first: Who is asked at once.
        another: Gives who is asked when the first has not begun in time; None for nobody.
        ask: Asks one.
        served: Is told who serves.
        after_s: How long the first may take before the second is asked.

    Raises:
        AlcoveError: When none begins: what the first one said.
    """
    race: _Race[T] = _Race(ask)
    winner: asyncio.Task[tuple[PooledLease, T] | Exception] | None = None
    try:
        async with asyncio.TaskGroup() as group:
            race.start(group, first)
            await asyncio.wait(race.runs, timeout=after_s)
            second = another() if not race.is_over else None
            if second is not None:
                race.start(group, second)
            winner = await race.winner()
            race.stop_others(winner)
    except BaseException:
        winner = None
        for noted in race.runs.values():  # a call that is given up is counted as one of the last that was asked
            served.deployment, served.provider, served.upstream_model = (
                noted.deployment,
                noted.provider,
                noted.upstream_model,
            )
        raise
    finally:
        served.attempts += race.attempts
        await race.discard(winner)
    chosen = winner or next(iter(race.runs))
    noted, outcome = race.runs[chosen], chosen.result()
    served.deployment, served.provider, served.upstream_model = noted.deployment, noted.provider, noted.upstream_model
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class _Race(Generic[T]):
    """The runs of one hedged call, each with a note of who serves."""

    def __init__(self, ask: Ask[T]) -> None:
        self._ask = ask
        self.runs: dict[asyncio.Task[tuple[PooledLease, T] | Exception], Served] = {}

    @property
    def attempts(self) -> int:
        """How many were asked."""
        return sum(noted.attempts for noted in self.runs.values())

    @property
    def is_over(self) -> bool:
        """Whether every run has ended."""
        return all(each.done() for each in self.runs)

    def start(self, group: asyncio.TaskGroup, member: Member) -> None:
        noted = Served()
        self.runs[group.create_task(self._outcome(member, noted))] = noted

    async def _outcome(self, member: Member, noted: Served) -> tuple[PooledLease, T] | Exception:
        try:
            return await self._ask(member, noted)
        except Exception as error:  # noqa: BLE001  handed to the task that asked, which would else get it in a group
            return error

    async def winner(self) -> asyncio.Task[tuple[PooledLease, T] | Exception] | None:
        """Waits for the first that begins; None when none does."""
        pending = set(self.runs)
        while pending:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            begun = [each for each in self.runs if each.done() and not isinstance(each.result(), Exception)]
            if begun:
                return begun[0]
        return None

    def stop_others(self, winner: object) -> None:
        for each in self.runs:
            if each is not winner:
                each.cancel()

    async def discard(self, winner: object) -> None:
        """Ends the answers that began in vain."""
        for each in self.runs:
            if each is winner or not each.done() or each.cancelled() or each.exception() is not None:
                continue
            outcome = each.result()
            if not isinstance(outcome, Exception):
                outcome[0].abandoned()
                with anyio.CancelScope(shield=True):
                    await outcome[1].aclose()
