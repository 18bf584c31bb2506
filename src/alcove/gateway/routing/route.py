"""The way to a model: which member is asked, and what is done when one does not answer.

This is the hot path, so the plain case (one member that answers, or a choice by weight) is a few comparisons and one `await`:
no task, no timer, no logging. A timer is set only for a first-token timeout, tasks are made only for a hedged call.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from alcove.gateway.calls import Call
from alcove.gateway.ports import T, Target
from alcove.gateway.routing.failures import may_ask_again, may_ask_another, replacements
from alcove.gateway.routing.hedging import first_to_begin
from alcove.gateway.routing.members import Member, PooledLease
from alcove.gateway.routing.models import Fallbacks
from alcove.gateway.routing.strategies import Chooser
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, RateLimited, Unavailable, UpstreamTimeout
from alcove.kernel.ports import ModelInfo, Served

_FIRST_PAUSE_S = 0.25
_MAX_PAUSE_S = 8.0
_MAX_FALLBACKS = 20  # models asked in place of one, those in place of these included

_UNREACHED = 1 << 20  # what failed its health check comes after every order
_LAST = 1 << 30

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class RouteCounts:
    """What happened on the way to one model.

    Attributes:
        retries: Members asked after another had failed.
        fallbacks: Calls handed on to another model.
        hedges: Second members asked because the first was slow.
    """

    retries: int = 0
    fallbacks: int = 0
    hedges: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutePolicy:
    """What is done when a member does not answer.

    Attributes:
        choose: Which of the members that can answer is asked.
        retries: How many more times a member is asked.
        max_wait_s: How long a call waits at most before it is tried again.
        hedge_after_s: When a second member is asked as well; None for never.
        fallbacks: Models to ask instead.
        spares: Whether members are spared that failed lately; not where there is only one, and nobody else to ask.
        chance: Where jitter comes from.
        sleep: Waits; another in tests.
    """

    choose: Chooser
    retries: int = 0
    max_wait_s: float = 10.0
    hedge_after_s: float | None = None
    fallbacks: Fallbacks = field(default_factory=Fallbacks)
    spares: bool = True
    chance: random.Random = field(default_factory=random.Random)
    sleep: Sleep = anyio.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledRoute:
    """The way to a model that one or several members answer for.

    Attributes:
        info: How the model is known here.
        members: Who can answer.
        policy: What is done when one does not.
        clock: The time.
        find: Gives the way to another model by its id, for fallbacks; None when there is none, or not for this person.
        counts: What happened.
        has_fallbacks: Whether other models may be asked in its place.
        takes_bytes: Whether every member takes OpenAI's bytes as they are.
    """

    info: ModelInfo
    members: tuple[Member, ...]
    policy: RoutePolicy
    clock: Clock
    find: Callable[[str], "PooledRoute | None"]
    counts: RouteCounts = field(default_factory=RouteCounts)
    has_fallbacks: bool = False
    takes_bytes: bool = False

    @property
    def can_pass_through(self) -> bool:
        """Whether every deployment that may be asked, fallbacks included, takes OpenAI's bytes as they are."""
        return self.takes_bytes and (not self.has_fallbacks or self._all_take_bytes({self.info.id}))

    @property
    def has_detours(self) -> bool:
        """Whether options that only Ollama has names for reach a deployment that may be asked by another protocol."""
        ends = (each.target.upstream.endpoint for route in self.with_fallbacks() for each in route.members)
        return any(each is not None and each.has_detours for each in ends)

    def with_fallbacks(self) -> "Sequence[PooledRoute]":
        """Gives this way and those to all models that may be asked in its place, or in place of these."""
        found, ids = [self], {self.info.id}
        for route in found:  # grows on the way
            for model_id in route.policy.fallbacks.all():
                other = self.find(model_id)
                if other is not None and other.info.id not in ids:
                    ids.add(other.info.id)
                    found.append(other)
        return found

    async def attempt(
        self, call: Call, send: Callable[[Target], Awaitable[T]], served: Served, *, prefix: bytes = b""
    ) -> tuple[PooledLease, T]:
        """Asks members until one begins to answer: chooses, waits for room, retries, hedges; then other models.

        Raises:
            AlcoveError: The last failure, when none does.
        """
        policy = self.policy
        now_s = self.clock.monotonic_s()
        member = self._choose(call, prefix, now_s, ())
        try:
            if member is None or policy.hedge_after_s is not None:
                return await self._ask_members(call, send, served, prefix)
            return await self._ask(member, call, send, served, now_s)
        except AlcoveError as failure:
            error = failure
        if member is not None and policy.hedge_after_s is None and policy.retries and may_ask_another(error):
            try:
                return await self._ask_members(call, send, served, prefix, (member, error))
            except AlcoveError as failure:
                error = failure
        if self.has_fallbacks and replacements(policy.fallbacks, error):
            return await self._fall_back(error, call, send, served, prefix)
        raise error

    async def _ask_members(
        self,
        call: Call,
        send: Callable[[Target], Awaitable[T]],
        served: Served,
        prefix: bytes,
        first: tuple[Member, AlcoveError] | None = None,
    ) -> tuple[PooledLease, T]:
        """Asks members, one after another, as often as is allowed.

        Args:
            call: What is wanted.
            send: Asks one.
            served: Is told who serves.
            prefix: The beginning of the prompt.
            first: Who was asked already, and what came of it.

        Raises:
            AlcoveError: The last failure, when none begins to answer.
        """
        policy = self.policy
        error: AlcoveError | None = None
        tried: set[Member] = set()
        hopeless: set[Member] = set()  # those that would say the same again
        if first is not None:
            error = _noted(*first, tried, hopeless)
        for number in range(0 if first is None else 1, policy.retries + 1):
            now_s = self.clock.monotonic_s()
            member = self._choose(call, prefix, now_s, tried)
            if member is None:
                pause_s = self._pause_s(error, now_s, number, hopeless)
                if pause_s is None:
                    break
                await policy.sleep(pause_s)
                tried = set(hopeless)
                now_s = self.clock.monotonic_s()
                member = self._choose(call, prefix, now_s, tried)
                if member is None:
                    break
            if number:
                self.counts.retries += 1
            try:
                if policy.hedge_after_s is None:
                    return await self._ask(member, call, send, served, now_s)
                another = partial(self._second, call, prefix, {*tried, member})
                return await self._ask_hedged(member, call, send, served, another)
            except AlcoveError as failure:
                if not may_ask_another(failure):
                    raise
                error = _noted(member, failure, tried, hopeless)
        raise error if error is not None else self._nobody(self.clock.monotonic_s())

    async def _ask(
        self, member: Member, call: Call, send: Callable[[Target], Awaitable[T]], served: Served, now_s: float
    ) -> tuple[PooledLease, T]:
        """Asks one member once.

        Raises:
            AlcoveError: When it has no room, or does not begin to answer.
        """
        capacity, target = member.capacity, member.target
        if not capacity.try_take():
            await capacity.take()
            now_s = self.clock.monotonic_s()
        lease = PooledLease(member, self.clock, now_s, call.began_s)
        served.deployment = target.deployment
        served.provider = member.provider
        served.upstream_model = target.upstream_id
        served.attempts += 1
        timeout_s = capacity.options.first_token_timeout_s
        try:
            if timeout_s is None:
                begun = await send(target)
            else:
                begun = await _within(timeout_s, send, target)
        except AlcoveError as error:
            lease.failed(error)
            raise
        except BaseException:
            lease.abandoned()
            raise
        if lease.is_trial:
            lease.begun()
        return lease, begun

    async def _ask_hedged(
        self,
        member: Member,
        call: Call,
        send: Callable[[Target], Awaitable[T]],
        served: Served,
        another: Callable[[], Member | None],
    ) -> tuple[PooledLease, T]:
        """Asks one member, and a second one when the first takes long to begin."""

        async def ask(each: Member, noted: Served) -> tuple[PooledLease, T]:
            return await self._ask(each, call, send, noted, self.clock.monotonic_s())

        return await first_to_begin(member, another, ask, served, self.policy.hedge_after_s or 0.0)

    def _second(self, call: Call, prefix: bytes, tried: set[Member]) -> Member | None:
        """Gives who is asked beside a slow member: one that has room."""
        second = self._choose(call, prefix, self.clock.monotonic_s(), tried)
        if second is None or not second.capacity.has_room:
            return None
        self.counts.hedges += 1
        return second

    def _choose(self, call: Call, prefix: bytes, now_s: float, tried: Collection[Member]) -> Member | None:
        """Gives the member to ask; None when none may be asked (again).

        Of those that are not spared: those that were reached; there the lowest order, and of these those with room.
        """
        members, policy = self.members, self.policy
        if len(members) == 1:
            member = members[0]
            if member in tried or (policy.spares and not member.circuit.is_ready(now_s)):
                return None
            return member
        best: list[Member] = []
        best_rank = _LAST
        for each in members:
            circuit, capacity = each.circuit, each.capacity
            if circuit.spared_until_s > now_s or (circuit.is_open and not circuit.is_ready(now_s)) or each in tried:
                continue
            rank = each.order << 1
            if capacity.options.max_parallel is not None and not capacity.has_room:
                rank += 1
            if capacity.is_reached is False:
                rank += _UNREACHED
            if rank < best_rank:
                best, best_rank = [each], rank
            elif rank == best_rank:
                best.append(each)
        if len(best) > 1:
            return policy.choose(best, call, prefix, now_s)
        return best[0] if best else None

    def _pause_s(self, error: AlcoveError | None, now_s: float, number: int, hopeless: set[Member]) -> float | None:
        """Gives how long to wait before members are asked again; None when that would be too long, or in vain."""
        policy = self.policy
        again = [each for each in self.members if each not in hopeless]
        if not again or not policy.retries:
            return None
        if error is None and any(each.circuit.is_open for each in again):
            return None  # they failed others a moment ago: this call need not find out
        ready_s = min(each.circuit.spared_until_s for each in again) if policy.spares else now_s
        backoff_s = min(_FIRST_PAUSE_S * 2 ** max(number - 1, 0), _MAX_PAUSE_S) * (0.5 + policy.chance.random())
        wanted_s = backoff_s
        if error is not None and error.retry_after_s is not None and len(again) == 1:
            wanted_s = max(backoff_s, error.retry_after_s)
        pause_s = max(wanted_s, ready_s - now_s)
        return pause_s if pause_s <= max(policy.max_wait_s, 0.0) else None

    def _nobody(self, now_s: float) -> AlcoveError:
        """Gives the error for a call that nobody may be asked for."""
        soonest = min(self.members, key=lambda each: each.circuit.spared_until_s)
        wait_s = max(soonest.circuit.spared_until_s - now_s, 1.0)
        if all(each.circuit.state(now_s) == "limited" for each in self.members):
            detail = f"Every deployment of {self.info.id!r} is at its limit; try again in {wait_s:.0f} s."
            return RateLimited(detail, retry_after_s=wait_s)
        detail = f"Every deployment of {self.info.id!r} failed lately and is spared for a while; try again in {wait_s:.0f} s."
        return Unavailable(detail, retry_after_s=wait_s)

    async def _fall_back(
        self, error: AlcoveError, call: Call, send: Callable[[Target], Awaitable[T]], served: Served, prefix: bytes
    ) -> tuple[PooledLease, T]:
        """Asks other models in place of this one, each once, depth first.

        Raises:
            AlcoveError: The last failure, when none answers.
        """
        asked = {self.info.id}
        waiting = list(replacements(self.policy.fallbacks, error))
        while waiting and len(asked) <= _MAX_FALLBACKS:
            route = self.find(waiting.pop(0))
            if route is None or route.info.id in asked:
                continue
            asked.add(route.info.id)
            self.counts.fallbacks += 1
            try:
                return await route._ask_members(call, send, served, prefix)  # noqa: SLF001  one of ours
            except AlcoveError as failure:
                error = failure
                waiting = [*replacements(route.policy.fallbacks, failure), *waiting]
        raise error

    def _all_take_bytes(self, seen: set[str]) -> bool:
        for model_id in self.policy.fallbacks.all():
            route = self.find(model_id)
            if route is None or route.info.id in seen:
                continue
            seen.add(route.info.id)
            if not route.takes_bytes or not route._all_take_bytes(seen):  # noqa: SLF001  one of ours
                return False
        return True


def _noted(member: Member, error: AlcoveError, tried: set[Member], hopeless: set[Member]) -> AlcoveError:
    tried.add(member)
    if not may_ask_again(error):
        hopeless.add(member)
    return error


async def _within(timeout_s: float, send: Callable[[Target], Awaitable[T]], target: Target) -> T:
    """Asks, and gives up when the answer has not begun in time.

    Raises:
        UpstreamTimeout: Then.
        AlcoveError: When it does not begin at all.
    """
    timer = asyncio.timeout(timeout_s)
    try:
        async with timer:
            return await send(target)
    except TimeoutError:
        if not timer.expired():
            raise
        detail = f"The model server of {target.deployment!r} did not begin its answer within {timeout_s:g} s."
        raise UpstreamTimeout(detail) from None
