"""Wires what limits calls: where it is counted, and whose it is."""

from dataclasses import dataclass
from functools import partial

from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.meter import LimitedMeter
from alcove.gateway.limits.ports import CostEstimate, LimitStore
from alcove.identity.service import Identity
from alcove.infra.valkey import open_valkey
from alcove.kernel.errors import NotFound
from alcove.kernel.principal import Allowance
from alcove.main.ground import Ground
from alcove.main.usage import UsageParts


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


def open_meter(ground: Ground, usage: UsageParts, estimate: CostEstimate) -> LimitedMeter:
    """Opens the meter: limits are counted on the Valkey server of the settings, else in this process."""
    settings, clock = ground.settings, ground.clock
    store: LimitStore
    if settings.valkey.url is None:
        store = MemoryLimitStore(usage.service, clock)
    else:
        from alcove.gateway.limits.valkey import ValkeyLimitStore  # noqa: PLC0415  its client takes 11 MB that few need

        client = open_valkey(settings.valkey)
        ground.stack.push_async_callback(partial(client.aclose, close_connection_pool=True))
        shared = ValkeyLimitStore(client, usage.service, clock, settings.valkey.prefix)
        ground.workers.start(shared.run, "limits")
        store = shared
    meter = LimitedMeter(store=store, usage=usage.journal, estimate=estimate)
    counts = meter.counts
    watch = ground.metrics.watch
    watch("alcove_calls_refused_unchecked", "Calls refused, as limits could not be checked", lambda: counts.unchecked)
    watch("alcove_calls_refused_limited", "Calls refused, as a limit was reached", lambda: counts.refused)
    watch("alcove_usage_rows_refused", "Usage rows that the journal could not take", lambda: counts.lost_rows)
    return meter
