"""Finds the way to a model: a group's members, or the one deployment that has it.

Ways are made once and kept until something changes, so that finding one is a look-up. `deployment/model` always leads to that
deployment; then come groups; then the first deployment that has a model of that id. Only groups fail over.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b

from alcove.gateway.access import check_use, may_use
from alcove.gateway.calls import CallKind
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import Deployment
from alcove.gateway.ports import Target
from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.groups import GroupDirectory
from alcove.gateway.routing.members import Member
from alcove.gateway.routing.models import GroupMember, ModelGroup, RoutingStrategy
from alcove.gateway.routing.route import PooledRoute, RouteCounts, RoutePolicy, Sleep
from alcove.gateway.routing.strategies import Choosers
from alcove.kernel.chat import Usage
from alcove.kernel.clock import Clock
from alcove.kernel.ports import ModelInfo, Pricing
from alcove.kernel.principal import Principal

_MILLION = 1_000_000


@dataclass(slots=True, kw_only=True)
class PoolRouter:
    """Finds the way to a model.

    Attributes:
        directory: The deployments in use.
        groups: The model groups in use.
        board: How the deployments do.
        pricing: What calls cost, for the strategy that asks the cheapest.
        clock: The time.
        chance: Where chance comes from.
        sleep: Waits before a call is tried again; None for really.
    """

    directory: DeploymentDirectory
    groups: GroupDirectory
    board: HealthBoard
    pricing: Pricing
    clock: Clock
    chance: random.Random = field(default_factory=random.Random)
    sleep: Sleep | None = None
    _seen: tuple[int, int] = (-1, -1)
    _routes: dict[str, PooledRoute] = field(default_factory=dict)  # of chats
    _other_routes: dict[CallKind, dict[str, PooledRoute]] = field(default_factory=dict)
    _counts: dict[str, RouteCounts] = field(default_factory=dict)
    _passed: set[tuple[tuple[str, ...], str]] = field(default_factory=set)  # lists of models, and what is in them

    async def route(self, model_id: str, who: Principal, kind: CallKind) -> PooledRoute | None:
        """Gives the way to the model of that id, for calls of a kind; None when there is none.

        Raises:
            ModelNotAllowed: When this person may not use it.
        """
        found = self._routes_of(kind).get(model_id) if self._is_current() else None
        if found is None:
            found = self.known(model_id, kind)
            if found is None:
                await self.directory.target(model_id)  # asks the servers that were not asked yet
                found = self.known(model_id, kind)
        if found is None or not who.allowances:
            return found
        for each in who.allowances:
            if each.models is not None and (each.models, found.info.id) not in self._passed:
                check_use(who, found.info)
                if found.info.id in self._routes_of(kind):  # ids that clients make up are not remembered
                    self._passed.add((each.models, found.info.id))
        return self._bound(found, who, kind) if found.has_fallbacks else found

    def known(self, model_id: str, kind: CallKind = CallKind.CHAT) -> PooledRoute | None:
        """Gives the way to a model for everybody, without asking servers what they have."""
        if not self._is_current():
            self._forget()
        routes = self._routes_of(kind)
        found = routes.get(model_id)
        if found is not None:
            return found
        group = self.group(model_id)
        if group is not None:
            found = routes.get(group.model) or self._group_route(group, kind)
            if found is not None:
                routes[group.model] = routes[model_id] = found
                return found
        target = self.directory.known_target(model_id)
        if target is None:
            return None
        is_kept = self.directory.is_offered(model_id)
        found = self._direct_route(target, kind, is_kept=is_kept)
        if found is not None and is_kept:
            routes[model_id] = found
        return found

    def listing(self) -> Sequence[PooledRoute]:
        """Gives the ways to all groups that have a member in use."""
        found = [self.known(each.model) for each in self.groups.list()]
        return [each for each in found if each is not None]

    def group(self, model_id: str) -> ModelGroup | None:
        """Gives the group that an id or alias leads to, in use or not; None where it leads elsewhere."""
        return None if self.directory.is_prefixed(model_id) else self.groups.find(model_id)

    @property
    def version(self) -> tuple[int, int]:
        """What grows with every change of deployments and groups."""
        return self.directory.version, self.groups.version

    def counts(self) -> dict[str, RouteCounts]:
        """Gives what happened on the way to each group, by its id."""
        return self._counts

    def _is_current(self) -> bool:
        return self._seen[0] == self.directory.version and self._seen[1] == self.groups.version

    def _routes_of(self, kind: CallKind) -> dict[str, PooledRoute]:
        return self._routes if kind is CallKind.CHAT else self._other_routes.setdefault(kind, {})

    def _forget(self) -> None:
        self._seen = self.version
        self._routes, self._other_routes = {}, {}
        self._passed = set()
        self.board.retain(self.directory.deployments())
        models = {each.model for each in self.groups.list()}
        self._counts = {name: counts for name, counts in self._counts.items() if name in models}

    def _bound(self, route: PooledRoute, who: Principal, kind: CallKind) -> PooledRoute:
        """Gives a way whose fallbacks are those that a person may use."""
        if all(each.models is None for each in who.allowances):
            return route

        def find(model_id: str) -> PooledRoute | None:
            found = self.known(model_id, kind)
            return found if found is not None and may_use(who, found.info) else None

        return replace(route, find=find)

    def _direct_route(self, target: Target, kind: CallKind, *, is_kept: bool) -> PooledRoute | None:
        deployment = self.directory.deployment(target.deployment)
        if deployment is None:
            return None
        circuit = (
            self.board.circuit(deployment, target.upstream_id, kind)
            if is_kept
            else self.board.loose_circuit(target.upstream_id)
        )
        member = Member(
            target=target,
            capacity=self.board.capacity(deployment),
            circuit=circuit,
            provider=target.upstream.provider_name,
        )
        policy = RoutePolicy(choose=_only, spares=False, chance=self.chance)
        return self._made(target.info, (member,), policy, RouteCounts(), kind)

    def _group_route(self, group: ModelGroup, kind: CallKind) -> PooledRoute | None:
        options = group.options
        found = [self._member(each, options.strategy, kind) for each in options.members]
        members = tuple(each for each in found if each is not None)
        if not members:
            return None
        policy = RoutePolicy(
            choose=Choosers(self.chance).of(options.strategy),
            retries=options.retries,
            max_wait_s=self.directory.settings.max_retry_wait_s,
            hedge_after_s=None
            if options.hedge_after_ms is None or len(members) == 1
            else options.hedge_after_ms / 1000,
            fallbacks=options.fallbacks,
            chance=self.chance,
        )
        if self.sleep is not None:
            policy = replace(policy, sleep=self.sleep)
        counts = self._counts.setdefault(group.model, RouteCounts())
        return self._made(_info_of(group, members), members, policy, counts, kind)

    def _made(
        self,
        info: ModelInfo,
        members: tuple[Member, ...],
        policy: RoutePolicy,
        counts: RouteCounts,
        kind: CallKind,
    ) -> PooledRoute:
        return PooledRoute(
            info=info,
            members=members,
            policy=policy,
            clock=self.clock,
            find=partial(self.known, kind=kind),
            counts=counts,
            has_fallbacks=bool(policy.fallbacks.all()),
            takes_bytes=all(each.target.upstream.endpoint is not None for each in members),
        )

    def _member(self, named: GroupMember, strategy: RoutingStrategy, kind: CallKind) -> Member | None:
        target = self.directory.target_on(named.deployment, named.model)
        deployment = None if target is None else self.directory.deployment(target.deployment)
        if target is None or deployment is None:
            return None
        prices = self._prices(deployment, target) if strategy is RoutingStrategy.LOWEST_COST else (None, None)
        return Member(
            target=target,
            capacity=self.board.capacity(deployment),
            circuit=self.board.circuit(deployment, named.model, kind),
            weight=named.weight or deployment.options.weight,
            order=named.order,
            input_usd=prices[0],
            output_usd=prices[1],
            provider=target.upstream.provider_name,
            key=blake2b(f"{deployment.name}/{named.model}".encode(), digest_size=16).digest(),
        )

    def _prices(self, deployment: Deployment, target: Target) -> tuple[float | None, float | None]:
        """Gives the prices of a million tokens in and out: those set for the deployment, else the vendor's."""
        own = deployment.options.prices
        if own is not None:
            return float(own.input_usd), float(own.output_usd)
        taken = self.pricing.cost_usd(target.info, Usage(input_tokens=_MILLION))
        given = self.pricing.cost_usd(target.info, Usage(output_tokens=_MILLION))
        return None if taken is None else float(taken), None if given is None else float(given)


def _only(members: Sequence[Member], *_: object) -> Member:
    return members[0]


def _info_of(group: ModelGroup, members: Sequence[Member]) -> ModelInfo:
    infos = [each.target.info for each in members]
    return ModelInfo(
        id=group.model,
        kind=infos[0].kind,
        name=group.model,
        provider=_shared([each.provider for each in infos]) or "alcove",
        owned_by=_shared([each.owned_by for each in infos]) or "alcove",
        description=group.options.description or f"From {', '.join(dict.fromkeys(each.owned_by for each in infos))}",
        created=int(group.created_at.timestamp()),
        capabilities=tuple(word for word in infos[0].capabilities if all(word in each.capabilities for each in infos)),
        aliases=group.options.aliases,
        access_groups=group.options.access_groups,
    )


def _shared(values: Collection[str]) -> str | None:
    """Gives the one value that all have."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
