"""How a deployment is used: how much at a time, how long, by whom, at what price."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from alcove.gateway.calls import CachePolicy, ModelPrices
from alcove.gateway.names import ModelName

AccessGroup = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
GuardName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]+$")]


class HealthCheck(StrEnum):
    """How a deployment is looked after while nobody asks it."""

    OFF = "off"
    MODELS = "models"
    CALL = "call"


class DeploymentOptions(BaseModel):
    """How a deployment is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_parallel: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Calls under way at a time; more wait. Default: no limit."""

    max_waiting: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Calls that may wait for room; more are refused with 503. 0 lets none wait."""

    max_wait_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds a call waits for room before it is refused with 503. Up to 600."""

    connect_timeout_s: Annotated[float | None, Field(gt=0, le=120)] = None
    """Seconds to connect, in place of the gateway's `connect_timeout_s`."""

    first_token_timeout_s: Annotated[float | None, Field(gt=0, le=3600)] = None
    """Seconds until an answer must have begun. Default: none but the gateway's `read_timeout_s`."""

    total_timeout_s: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds for a whole answer, in place of the gateway's `total_timeout_s`."""

    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Share of the calls it gets in model groups whose members say nothing else."""

    prices: ModelPrices | None = None
    """Prices of its models, in place of the vendor's list."""

    access_groups: Annotated[tuple[AccessGroup, ...], Field(max_length=100)] = ()
    """Groups of models its models belong to; keys, people and groups are given `@name`."""

    cache: CachePolicy | None = None
    """Whether and how the answers of its models are cached."""

    guards: Annotated[tuple[GuardName, ...], Field(max_length=100)] = ()
    """Guardrails that are on for its models."""

    health_check: HealthCheck = HealthCheck.OFF
    """Whether it is looked after while nobody asks it: `models` asks for its list of models, `call` has a model write one token."""

    health_model: ModelName | None = None
    """For `call`: the model that is asked. Default: the first it has."""


PLAIN = DeploymentOptions()
"""The options of a deployment of which nobody said anything."""
