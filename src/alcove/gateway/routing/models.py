"""Model groups: one model id that several deployments answer for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alcove.gateway.calls import CachePolicy
from alcove.gateway.names import DeploymentName, ModelName, check_model_id
from alcove.gateway.routing.options import AccessGroup, GuardName

GroupId = Annotated[ModelName, AfterValidator(check_model_id)]


class RoutingStrategy(StrEnum):
    """Which of the members that can answer is asked."""

    WEIGHTED = "weighted"
    LEAST_IN_FLIGHT = "least_in_flight"
    LOWEST_LATENCY = "lowest_latency"
    LOWEST_COST = "lowest_cost"
    PREFIX_AFFINITY = "prefix_affinity"


class GroupMember(BaseModel):
    """A model on a deployment that answers for a group."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    deployment: DeploymentName
    """Name of the deployment."""

    model: ModelName
    """The model's id there."""

    weight: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    """Its share of the calls. Default: the deployment's `weight`."""

    order: Annotated[int, Field(ge=0, le=100)] = 0
    """Members of a higher order are asked only when none of a lower one can be."""


class Fallbacks(BaseModel):
    """Other models that are asked when a group cannot answer, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    on_error: Annotated[tuple[ModelName, ...], Field(max_length=20)] = ()
    """When its members fail, cannot be reached, or are busy."""

    on_context_overflow: Annotated[tuple[ModelName, ...], Field(max_length=20)] = ()
    """When the conversation is too long for it."""

    on_content_policy: Annotated[tuple[ModelName, ...], Field(max_length=20)] = ()
    """When the vendor refuses the content."""

    def all(self) -> tuple[str, ...]:
        """Gives the ids of all models that may be asked in place of this one."""
        return (*self.on_error, *self.on_context_overflow, *self.on_content_policy)


class GroupOptions(BaseModel):
    """Who answers for a model group, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    members: Annotated[tuple[GroupMember, ...], Field(min_length=1, max_length=100)]
    """The models on deployments that answer for it."""

    strategy: RoutingStrategy = RoutingStrategy.WEIGHTED
    """Which member is asked: by weight, with the least under way, the quickest, the cheapest, or the one that saw the prompt's beginning before."""

    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How many more times a member is asked when one fails before its answer has begun. 0 to 10."""

    hedge_after_ms: Annotated[int | None, Field(ge=1, le=600_000)] = None
    """Milliseconds without a beginning after which a second member is asked too; the first to begin answers. Costs money twice. Default: never."""

    fallbacks: Fallbacks = Fallbacks()
    """Other models that are asked when this one cannot answer."""

    aliases: Annotated[tuple[GroupId, ...], Field(max_length=50)] = ()
    """Other names of the model."""

    description: Annotated[str, Field(max_length=500)] = ""
    """One sentence for the model picker."""

    access_groups: Annotated[tuple[AccessGroup, ...], Field(max_length=100)] = ()
    """Groups of models it belongs to; keys, people and groups are given `@name`."""

    cache: CachePolicy | None = None
    """Whether and how its answers are cached."""

    guards: Annotated[tuple[GuardName, ...], Field(max_length=100)] = ()
    """Guardrails that are on for it."""

    @model_validator(mode="after")
    def _members_differ(self) -> "GroupOptions":
        named = [(each.deployment.lower(), each.model) for each in self.members]
        if len(set(named)) != len(named):
            msg = "members: the same model on the same deployment is named twice"
            raise ValueError(msg)
        return self


class ModelGroupSettings(GroupOptions):
    """A model group named in the settings."""

    id: GroupId
    """The model's id, as clients send it."""

    def options(self) -> GroupOptions:
        """Gives all but the id."""
        return GroupOptions.model_validate(self.model_dump(exclude={"id"}))


class GroupSource(StrEnum):
    """Where a model group comes from."""

    SETTINGS = "settings"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelGroup:
    """A model group.

    Attributes:
        id: Row id; for those of settings, a word and the model's id.
        model: The model's id, as clients send it; unique.
        options: Who answers for it, and how.
        is_enabled: Whether it is used.
        source: Where it comes from.
        created_at: When it was added.
        updated_at: When it was changed last.
        changed_by: Id of the admin who did.
    """

    id: str
    model: str
    options: GroupOptions
    is_enabled: bool = True
    source: GroupSource
    created_at: datetime
    updated_at: datetime
    changed_by: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every id under which clients find it."""
        return (self.model, *self.options.aliases)


class ModelGroupCreate(GroupOptions):
    """A model group to add."""

    model: GroupId
    """The model's id, as clients send it."""

    enabled: bool = True
    """Whether it is used."""

    def options(self) -> GroupOptions:
        """Gives all but the id."""
        return GroupOptions.model_validate(self.model_dump(exclude={"model", "enabled"}))


class ModelGroupPatch(BaseModel):
    """Changes to a model group; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    model: GroupId | None = None
    enabled: bool | None = None
    members: Annotated[tuple[GroupMember, ...] | None, Field(min_length=1, max_length=100)] = None
    strategy: RoutingStrategy | None = None
    retries: Annotated[int | None, Field(ge=0, le=10)] = None
    hedge_after_ms: Annotated[int | None, Field(ge=1, le=600_000)] = None
    fallbacks: Fallbacks | None = None
    aliases: Annotated[tuple[GroupId, ...] | None, Field(max_length=50)] = None
    description: Annotated[str | None, Field(max_length=500)] = None
    access_groups: Annotated[tuple[AccessGroup, ...] | None, Field(max_length=100)] = None
    cache: CachePolicy | None = None
    guards: Annotated[tuple[GuardName, ...] | None, Field(max_length=100)] = None

    def applied_to(self, options: GroupOptions) -> GroupOptions:
        """Gives options with these changes; `null` takes `hedge_after_ms` and `cache` away, and elsewhere changes nothing."""
        changes = {
            name: value
            for name, value in self.model_dump(exclude={"model", "enabled"}, exclude_unset=True).items()
            if value is not None or name in {"hedge_after_ms", "cache"}
        }
        return GroupOptions.model_validate({**options.model_dump(), **changes})


class ModelGroupCard(BaseModel):
    """A model group, as admins see it."""

    id: str
    model: str
    enabled: bool
    source: GroupSource
    members: list[GroupMember]
    strategy: RoutingStrategy
    retries: int
    hedge_after_ms: int | None
    fallbacks: Fallbacks
    aliases: list[str]
    description: str
    access_groups: list[str]
    cache: CachePolicy | None
    guards: list[str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, group: ModelGroup) -> "ModelGroupCard":
        """Gives the card of a model group."""
        options = group.options
        return cls(
            id=group.id,
            model=group.model,
            enabled=group.is_enabled,
            source=group.source,
            members=list(options.members),
            strategy=options.strategy,
            retries=options.retries,
            hedge_after_ms=options.hedge_after_ms,
            fallbacks=options.fallbacks,
            aliases=list(options.aliases),
            description=options.description,
            access_groups=list(options.access_groups),
            cache=options.cache,
            guards=list(options.guards),
            created_at=group.created_at,
            updated_at=group.updated_at,
        )


CircuitState = Literal["closed", "limited", "open", "half_open"]
"""`closed`: asked as usual; `limited`: spared until its `Retry-After`; `open`: spared after failures; `half_open`: one call tries it."""


class DeploymentHealth(BaseModel):
    """How a deployment does."""

    state: CircuitState = "closed"
    """The worst state of its models' circuits."""

    since: datetime | None = None
    """When it came into that state; null for always."""

    spared_models: list[str] = Field(default_factory=list)
    """Its models that model groups do not ask now."""

    is_reached: bool | None = None
    """Whether the last health check got an answer; null where there is none."""

    last_error: str | None = None
    last_error_at: datetime | None = None
    in_flight: int = 0
    waiting: int = 0
    requests: int = 0
    failures: int = 0
    first_token_ms: float | None = None
    """Milliseconds to the beginning of an answer, lately."""
