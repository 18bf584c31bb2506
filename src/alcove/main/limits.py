"""Wires what limits calls: where it is counted, and whose it is."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from alcove.gateway.limits.access import PatternAccess
from alcove.gateway.limits.estimates import PricedEstimate
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.meter import LimitedMeter
from alcove.gateway.limits.ports import CostEstimate, LimitStore, ModelAccess, SpendLedger
from alcove.gateway.ports import UsageLog
from alcove.identity.service import Identity
from alcove.infra.background import Workers
from alcove.infra.metrics import Metrics
from alcove.infra.valkey import open_valkey
from alcove.kernel.clock import Clock
from alcove.kernel.errors import NotFound
from alcove.kernel.principal import Allowance
from alcove.settings import Settings

__all__ = ["AllowancesOfHouse", "PatternAccess", "PricedEstimate", "limited_meter", "open_limit_store"]


@dataclass(frozen=True, slots=True)
class AllowancesOfHouse:
    """What keys, people and groups may use, as the identity room knows it."""

    identity: Identity

    async def of(self, subject: str) -> Allowance | None:
        """Gives what a key, person or group may use; None when there is no such subject."""
        kind, _, row_id = subject.partition(":")
        try:
            if kind == "user":
                user = await self.identity.accounts.get(row_id)
                return user.limits.allowance(subject, user.name)
            if kind == "group":
                group = await self.identity.groups.get(row_id)
                return group.limits.allowance(subject, group.name)
            if kind == "key":
                key = await self.identity.keys.get(row_id)
                return key.limits.allowance(subject, key.name)
        except NotFound:
            pass
        return None


def open_limit_store(
    settings: Settings, ledger: SpendLedger, clock: Clock, workers: Workers, stack: AsyncExitStack
) -> LimitStore:
    """Gives where limits are counted: on the Valkey server of the settings, else in this process."""
    if settings.valkey.url is None:
        return MemoryLimitStore(ledger, clock)
    from alcove.gateway.limits.valkey import ValkeyLimitStore  # noqa: PLC0415  its client takes 11 MB that few need

    client = open_valkey(settings.valkey)
    stack.push_async_callback(partial(client.aclose, close_connection_pool=True))
    store = ValkeyLimitStore(client, ledger, clock, settings.valkey.prefix)
    workers.start(store.run, "limits")
    return store


def limited_meter(
    store: LimitStore, usage: UsageLog, estimate: CostEstimate, access: ModelAccess, metrics: Metrics
) -> LimitedMeter:
    """Gives the meter, and has the metrics tell of what goes wrong with it."""
    meter = LimitedMeter(store=store, usage=usage, estimate=estimate, access=access)
    counts = meter.counts
    watch = metrics.watch
    watch("alcove_calls_refused_unchecked", "Calls refused, as limits could not be checked", lambda: counts.unchecked)
    watch("alcove_calls_refused_limited", "Calls refused, as a limit was reached", lambda: counts.refused)
    watch("alcove_usage_rows_lost", "Usage rows that could not be kept", lambda: counts.lost_rows)
    return meter
