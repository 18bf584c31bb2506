"""What deployments and model groups say of their models' answers: whether they are cached, which guardrails are on, who may ask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alcove.gateway.access import matches
from alcove.gateway.calls import CachePolicy
from alcove.gateway.routing.route import PooledRoute
from alcove.gateway.routing.router import PoolRouter

_REMEMBERED = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPolicy:
    """What is said of one model.

    Attributes:
        cache: Whether and how its answers are cached: as its group says, or for a model of its own its deployment.
        guards: The guardrails that are on: its group's, and those of every deployment and fallback that may answer for it.
        names: Its own names, and those of every model and fallback that may answer for it, with and without its deployment.
    """

    cache: CachePolicy | None = None
    guards: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


_NOTHING = ModelPolicy()


@dataclass(slots=True)
class RoutedPolicies:
    """Knows what is said of models; a look-up, as it is asked at every call.

    Attributes:
        router: Knows who answers for them.
    """

    router: PoolRouter
    _seen: tuple[int, int] = (-1, -1)
    _known: dict[str, ModelPolicy] = field(default_factory=dict)

    def of(self, model_id: str) -> ModelPolicy:
        """Gives what is said of a model; nothing of one that is not from here."""
        if self._seen != self.router.version or len(self._known) >= _REMEMBERED:
            self._seen = self.router.version
            self._known = {}
        found = self._known.get(model_id)
        if found is None:
            found = self._known[model_id] = self._made(model_id)
        return found

    def allows(self, model_id: str, patterns: Sequence[str]) -> bool:
        """Tells whether a model is among those that patterns name: by id, alias, `prefix*`, or `@name` for an access group."""
        if model_id in patterns:
            return True
        route = self.router.known(model_id)
        if route is None:
            return matches(patterns, (model_id,))
        return matches(patterns, (model_id, route.info.id, *route.info.aliases), route.info.access_groups)

    def _made(self, model_id: str) -> ModelPolicy:
        route = self.router.known(model_id)
        if route is None:
            return _NOTHING
        group = self.router.group(model_id)
        cache = route.members[0].capacity.options.cache if group is None else group.options.cache
        routes = list(route.with_fallbacks())
        guards = [name for each in routes for name in self._guards(each)]
        names = [name for each in routes for name in _names(each)]
        return ModelPolicy(cache=cache, guards=tuple(dict.fromkeys(guards)), names=tuple(dict.fromkeys(names)))

    def _guards(self, route: PooledRoute) -> Iterator[str]:
        group = self.router.group(route.info.id)
        if group is not None:
            yield from group.options.guards
        for each in route.members:
            yield from each.capacity.options.guards


def _names(route: PooledRoute) -> Iterator[str]:
    yield from (route.info.id, *route.info.aliases)
    for each in route.members:
        yield from (f"{each.target.deployment}/{each.target.upstream_id}", each.target.upstream_id)


@dataclass(frozen=True, slots=True)
class RoutedCaching:
    """Knows whether and how the answers of models are cached.

    Attributes:
        policies: What is said of models.
    """

    policies: RoutedPolicies

    def of(self, model_id: str) -> CachePolicy | None:
        """Gives a model's policy; None where its answers are not cached."""
        return self.policies.of(model_id).cache


@dataclass(frozen=True, slots=True)
class RoutedGuards:
    """Knows which guardrails are on for models.

    Attributes:
        policies: What is said of models.
    """

    policies: RoutedPolicies

    def of(self, model_id: str) -> tuple[str, ...]:
        """Gives the names of a model's guardrails."""
        return self.policies.of(model_id).guards


@dataclass(frozen=True, slots=True)
class RoutedNames:
    """Knows all names of models.

    Attributes:
        policies: What is said of models.
    """

    policies: RoutedPolicies

    def of(self, model_id: str) -> tuple[str, ...]:
        """Gives the names of a model and of all that may answer for it; none of one that is not from here."""
        return self.policies.of(model_id).names
