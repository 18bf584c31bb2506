"""Limits counted on a Valkey server, for several servers of one house: one round trip takes all of a call's part, or nothing.

A settled call is written down by a worker, so that settling never waits. While the server is away the calls that are limited are
refused, and what is to be settled waits in a bounded list; what does not reach the server is in the usage rows all the same, from
which a budget begins when its counter is gone.
"""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import anyio
import structlog
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from alcove.gateway.limits.budgets import Spent, budget_standings, spent_before
from alcove.gateway.limits.models import (
    BUCKETS,
    PARALLEL_WAIT_S,
    WINDOW_S,
    LimitKind,
    LimitsLeft,
    Period,
    Standing,
    has_budget,
    left_of,
    nano_of,
    period_of,
)
from alcove.gateway.limits.scripts import BEGIN, RENEW, RESERVE, SETTLE
from alcove.gateway.ports import SpendLedger
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Unavailable
from alcove.kernel.principal import Allowance

log = structlog.get_logger(__name__)

LEASE_S = 60.0
"""How long what a call holds stays held after the last word from its server."""

_MAX_WAITING = 100_000
_BATCH = 500
_PAUSE_S = 0.5
_CLOSE_S = 2.0
_KEPT_AFTER = timedelta(days=2)
_KEPT_IDLE = timedelta(days=40)
_TRIES = 3
_AWAY = (
    "Limits cannot be checked right now, because the server that counts them cannot be reached; calls that are limited are refused "
    "until it is back. Try again shortly."
)


@dataclass(slots=True, eq=False)
class ValkeyReservation:
    """What a call holds on the server."""

    store: "ValkeyLimitStore"
    lease: str
    keys: list[str]
    tokens: int
    nano_usd: int
    bucket: int = -1
    standing: Sequence[Standing] = ()
    is_settled: bool = False

    def left(self) -> LimitsLeft:
        """Gives what was left of the limits when the call was taken, this call counted."""
        return left_of(self.standing)

    def settle(self, tokens: int, nano_usd: int) -> None:
        """Counts what the call came to in place of what it held, soon. A second time does nothing."""
        if not self.is_settled:
            self.is_settled = True
            self.store.later(self, tokens, nano_usd, is_whole=True)


@dataclass(slots=True)
class ValkeyLimitStore:
    """Counts limits on a Valkey server.

    Attributes:
        client: The server.
        ledger: What was spent before a budget's counter was there.
        clock: The time, for the periods of budgets.
        prefix: What every key begins with.
        window_s: Length of the window of limits by the minute; another one only in tests.
        lease_s: How long what a call holds stays held after the last word from its server.
    """

    client: Redis
    ledger: SpendLedger
    clock: Clock
    prefix: str = "alcove"
    window_s: float = WINDOW_S
    lease_s: float = LEASE_S
    lost_count: int = 0
    _held: set[ValkeyReservation] = field(default_factory=set)
    _waiting: deque[tuple[ValkeyReservation, int, int, bool]] = field(default_factory=deque)
    _has_more: anyio.Event = field(default_factory=anyio.Event)
    _flushing: anyio.Lock = field(default_factory=anyio.Lock)
    _reserve: AsyncScript = field(init=False)

    def __post_init__(self) -> None:
        """Names the script that every call runs, so that only its digest is sent."""
        self._reserve = self.client.register_script(RESERVE)

    async def reserve(
        self, allowances: Sequence[Allowance], tokens: int, nano_usd: int
    ) -> ValkeyReservation | Standing:
        """Takes a call's part of every limit, or of none; gives the limit that has nothing left.

        Raises:
            Unavailable: When the server or the ledger cannot be reached.
        """
        now = self.clock.now()
        keys = self._keys(allowances, now)
        reservation = ValkeyReservation(self, secrets.token_hex(8), keys, tokens, nano_usd)
        self._held.add(reservation)
        try:
            answer = await self._run(reservation, allowances, now, is_look=False)
        except Unavailable:  # what the server may have taken ends by itself
            self._held.discard(reservation)
            raise
        except BaseException:  # a client that left: whether the server took anything is not known
            self.later(reservation, 0, 0, is_whole=False)
            raise
        if answer[0] == "full":
            self._held.discard(reservation)
            index, kind = int(str(answer[1])) - 1, str(answer[2])
            row = cast("list[int]", answer[3])
            found = self._standings(allowances[index], row, now)
            return next(each for each in found if each.kind.value == kind)
        reservation.bucket = int(str(answer[1]))
        rows = cast("list[list[int]]", answer[2])
        reservation.standing = [
            standing
            for allowance, row in zip(allowances, rows, strict=True)
            for standing in self._standings(allowance, row, now)
        ]
        return reservation

    async def look(self, allowances: Sequence[Allowance]) -> Sequence[Standing]:
        """Gives how every limit stands, and takes nothing.

        Raises:
            Unavailable: When the server or the ledger cannot be reached.
        """
        if not allowances:
            return ()
        now = self.clock.now()
        nothing = ValkeyReservation(self, "look", self._keys(allowances, now), 0, 0)
        answer = await self._run(nothing, allowances, now, is_look=True)
        rows = cast("list[list[int]]", answer[2])
        return [
            standing
            for allowance, row in zip(allowances, rows, strict=True)
            for standing in self._standings(allowance, row, now)
        ]

    def later(self, reservation: ValkeyReservation, tokens: int, nano_usd: int, *, is_whole: bool) -> None:
        """Has the worker settle a reservation, or let it go."""
        self._held.discard(reservation)
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self.lost_count += 1
        self._waiting.append((reservation, tokens, nano_usd, is_whole))
        self._has_more.set()

    async def run(self) -> None:
        """Settles, and keeps the leases of calls that run, until cancelled; then settles what is left, for two seconds at most."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_settling)
                group.start_soon(self._keep_renewing)
        finally:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await self.flush()

    async def flush(self) -> bool:
        """Settles all that waits; tells whether it could. What could not stays for the next time."""
        async with self._flushing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                pipe = self.client.pipeline(transaction=False)
                for reservation, tokens, nano_usd, is_whole in batch:
                    keys = [f"{self._base}s:{reservation.lease}", *reservation.keys]
                    arguments = (
                        reservation.lease, reservation.bucket, reservation.nano_usd, reservation.tokens, nano_usd,
                        tokens, int(is_whole), int(max(self.lease_s * 10, 600) * 1000),
                    )  # fmt: skip
                    pipe.eval(SETTLE, len(keys), *keys, *arguments)
                try:
                    answers = await pipe.execute(raise_on_error=False)
                except BaseException as error:  # whatever reached the server counts once, however often it is sent
                    self._waiting.extendleft(reversed(batch))
                    if not isinstance(error, (RedisError, OSError, TimeoutError)):
                        raise
                    log.warning("limits_not_settled", waiting=len(self._waiting), reason=type(error).__name__)
                    return False
                for answer in answers:
                    if isinstance(answer, Exception):  # sent again it would fail again, and hold up all the others
                        self.lost_count += 1
                        log.error("limit_not_settled", reason=str(answer))
        return True

    @property
    def _base(self) -> str:
        return f"{{{self.prefix}:limits}}:"  # the braces keep all keys in one slot of a cluster

    async def _keep_settling(self) -> None:
        while True:
            await self._has_more.wait()
            self._has_more = anyio.Event()
            if not await self.flush():
                await anyio.sleep(_PAUSE_S)
                self._has_more.set()

    async def _keep_renewing(self) -> None:
        while True:
            await anyio.sleep(self.lease_s / 3)
            held = list(self._held)
            for start in range(0, len(held), _BATCH):
                pipe = self.client.pipeline(transaction=False)
                for each in held[start : start + _BATCH]:
                    arguments = (each.lease, int(self.lease_s * 1000), each.nano_usd, each.tokens)
                    pipe.eval(RENEW, len(each.keys), *each.keys, *arguments)
                try:
                    await pipe.execute()
                except (RedisError, OSError, TimeoutError) as error:
                    log.warning("leases_not_renewed", held=len(held), reason=type(error).__name__)

    async def _run(
        self, reservation: ValkeyReservation, allowances: Sequence[Allowance], now: datetime, *, is_look: bool
    ) -> list[object]:
        arguments: list[str | int] = [
            reservation.lease, reservation.tokens, reservation.nano_usd, int(self.window_s * 1000), BUCKETS,
            int(self.lease_s * 1000), int(is_look),
        ]  # fmt: skip
        for each in allowances:
            arguments += [
                _or_none(each.requests_per_minute), _or_none(each.tokens_per_minute), _or_none(each.max_parallel),
                -1 if each.budget_usd is None else nano_of(each.budget_usd), _or_none(each.budget_tokens),
                _kept_until_ms(period_of(each.budget_period, now), now),
            ]  # fmt: skip
        keys = reservation.keys
        for _ in range(_TRIES + len(allowances)):
            try:
                answer = await self._reserve(keys=keys, args=arguments)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("limits_unreachable", reason=type(error).__name__)
                raise Unavailable(_AWAY, retry_after_s=1) from error
            if answer[0] != "unknown":
                return cast("list[object]", answer)
            await self._begin(allowances[int(answer[1]) - 1], keys[(int(answer[1]) - 1) * 5 + 3], now)
        raise Unavailable(_AWAY, retry_after_s=1)

    async def _begin(self, allowance: Allowance, key: str, now: datetime) -> None:
        period = period_of(allowance.budget_period, now)
        usd, tokens = await spent_before(self.ledger, allowance.subject, period)
        try:
            await self.client.eval(BEGIN, 1, key, str(usd), str(tokens), str(_kept_until_ms(period, now)))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(_AWAY, retry_after_s=1) from error

    def _keys(self, allowances: Sequence[Allowance], now: datetime) -> list[str]:
        keys: list[str] = []
        for each in allowances:
            start = period_of(each.budget_period, now).start.date().isoformat() if has_budget(each) else "none"
            budget = f"{each.subject}:{each.budget_period.value}:{start}"
            names = (f"r:{each.subject}", f"t:{each.subject}", f"p:{each.subject}", f"b:{budget}", f"h:{budget}")
            keys += [f"{self._base}{name}" for name in names]
        return keys

    def _standings(self, allowance: Allowance, row: Sequence[int], now: datetime) -> Sequence[Standing]:
        (
            requests,
            requests_ms,
            tokens,
            tokens_ms,
            parallel,
            nano,
            spent_tokens,
            held_nano,
            held_tokens,
            wait_r,
            wait_t,
        ) = row
        found: list[Standing] = []
        for kind, limit, used, reset_ms, wait_ms in (
            (LimitKind.REQUESTS, allowance.requests_per_minute, requests, requests_ms, wait_r),
            (LimitKind.TOKENS, allowance.tokens_per_minute, tokens, tokens_ms, wait_t),
        ):
            if limit is not None:
                found.append(
                    Standing(
                        allowance=allowance, kind=kind, limit=limit, used=used, wait_s=wait_ms / 1000,
                        reset_s=reset_ms / 1000,
                    )
                )  # fmt: skip
        if allowance.max_parallel is not None:
            found.append(
                Standing(
                    allowance=allowance, kind=LimitKind.PARALLEL, limit=allowance.max_parallel, used=parallel,
                    wait_s=PARALLEL_WAIT_S,
                )
            )  # fmt: skip
        if has_budget(allowance):
            spent = Spent(nano_usd=nano, tokens=spent_tokens, held_nano_usd=held_nano, held_tokens=held_tokens)
            found.extend(budget_standings(allowance, spent, period_of(allowance.budget_period, now), now))
        return found


def _or_none(limit: int | None) -> int:
    return -1 if limit is None else limit


def _kept_until_ms(period: Period, now: datetime) -> int:
    """Gives until when a budget's counter is kept; one without periods goes when idle, and comes back from the ledger."""
    end = now + _KEPT_IDLE if period.end is None else period.end + _KEPT_AFTER
    return int(end.timestamp() * 1000)
