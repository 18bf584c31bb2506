"""Types of the gateway: deployments, what its routes take and give, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from alcove.gateway.names import DeploymentName, ModelName, check_name
from alcove.gateway.routing.models import DeploymentHealth, ModelGroupSettings
from alcove.gateway.routing.options import PLAIN, DeploymentOptions
from alcove.infra.http import HttpLimits, Url
from alcove.kernel.ports import ModelInfo, ModelKind

_HINT_MIN_LENGTH = 12  # of shorter keys, four characters would be too large a part


class Provider(StrEnum):
    """Which protocol a deployment speaks."""

    OPENAI = "openai"
    OLLAMA = "ollama"
    ANTHROPIC = "anthropic"
    LOCAL = "local"
    FAKE = "fake"


class DeploymentSource(StrEnum):
    """Where a deployment comes from."""

    SETTINGS = "settings"
    ADMIN = "admin"
    DISCOVERED = "discovered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A model server that is in use.

    Attributes:
        id: Row id; for those of settings and discovery, a word and the name.
        name: Short name, unique; `name/model` is a model id that always works.
        provider: The protocol it speaks.
        base_url: Its address; for `openai` up to and including `/v1`, for others without.
        models: The models to offer; empty for all it lists.
        is_enabled: Whether it is used.
        source: Where it comes from.
        created_at: When it was added.
        updated_at: When it was changed last.
        changed_by: Id of the admin who did.
        options: How it is used.
        api_key: The key to send, in the clear: only in memory.
        sealed_key: The key as stored, encrypted for this deployment's id.
        key_hint: Its last four characters.
    """

    id: str
    name: str
    provider: Provider
    base_url: str
    models: tuple[str, ...] = ()
    is_enabled: bool = True
    source: DeploymentSource
    created_at: datetime
    updated_at: datetime
    changed_by: str | None = None
    options: DeploymentOptions = PLAIN
    api_key: SecretStr | None = None
    sealed_key: str | None = None
    key_hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedModel:
    """A model a server says it has.

    Attributes:
        id: Its id there.
        kind: What it does.
        created: Unix seconds, 0 where unknown.
        description: One sentence for people.
        capabilities: Words such as `vision`.
    """

    id: str
    kind: ModelKind = "chat"
    created: int = 0
    description: str = ""
    capabilities: tuple[str, ...] = ()


def key_hint(key: str) -> str:
    """Gives what may be shown of a key."""
    return key[-4:] if len(key) >= _HINT_MIN_LENGTH else ""


def check_base_url(value: str) -> str:
    """Gives the address of a model server in its plain form, without a slash at its end.

    Raises:
        ValueError: When it is not of the form `https://host:port/path`.
    """
    url = Url.parse(value.strip())
    if "?" in url.target:
        msg = "the base URL must not have a query"
        raise ValueError(msg)
    return str(url).rstrip("/")


FAKE_BASE_URL = "http://fake.invalid/v1"
LOCAL_BASE_URL = "http://local.invalid/v1"
LOCAL_NAME = "local"
"""Name of the deployment of the models on this machine's disk."""


def check_provider(value: Provider) -> Provider:
    """Gives the protocol of a deployment that somebody names.

    Raises:
        ValueError: When it is that of the one deployment that is there by itself.
    """
    if value is Provider.LOCAL:
        msg = "the models on this machine's disk are a deployment already, and there is one of them"
        raise ValueError(msg)
    return value


def with_fake_address(data: object) -> object:
    """Gives the built-in fake server the one address it has; other deployments stay as they are."""
    if isinstance(data, Mapping) and data.get("provider") == Provider.FAKE:
        return {**data, "base_url": FAKE_BASE_URL}
    return data


class DeploymentSettings(BaseModel):
    """A model server named in the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: DeploymentName
    """Short name; `name/model` is a model id that always works. Letters, digits, `.`, `_`, `-`; up to 63."""

    provider: Provider = Provider.OPENAI
    """Protocol: `openai` for any server with OpenAI's API, `ollama` for Ollama, `anthropic` for Anthropic's Messages API; `fake` is built in, for tests and demos."""

    base_url: str
    """Address; for `openai` up to and including `/v1`, for `ollama` and `anthropic` without it."""

    api_key: SecretStr | None = None
    """Key to send to it, if it wants one."""

    models: tuple[ModelName, ...] = ()
    """Models to offer; empty for all that the server lists."""

    options: DeploymentOptions = PLAIN
    """How it is used: room, timeouts, prices, access groups, health check."""

    _fake = model_validator(mode="before")(with_fake_address)
    _provider = field_validator("provider")(check_provider)
    _name = field_validator("name")(check_name)
    _base_url = field_validator("base_url")(check_base_url)


class GatewaySettings(BaseModel):
    """Model servers, and how requests to them are bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    deployments: tuple[DeploymentSettings, ...] = ()
    """Model servers to use, as `[[gateway.deployments]]` in the TOML file or a JSON list in the environment. Admins can add more in the page."""

    model_groups: tuple[ModelGroupSettings, ...] = ()
    """Model ids that several deployments answer for, as `[[gateway.model_groups]]` in the TOML file. Admins can add more in the page."""

    default_model: str | None = None
    """Model that a new chat begins with. Default: the first generative model there is, else `alcove/reader`."""

    ollama_discovery: bool = True
    """Whether to look for an Ollama server at `ollama_url` and offer its models. Only that address is tried."""

    ollama_url: str = "http://127.0.0.1:11434"
    """Where Ollama is looked for; the default is its usual address."""

    private_addresses: tuple[str, ...] = tuple(
        f"{host}:{port}" for host in ("127.0.0.1", "localhost") for port in (1234, 8000, 8080, 11434, 30000)
    )
    """Private addresses, as `host:port` or `host:*`, that admins may name as model servers, beside those of these settings. Default: this machine, on the usual ports of LM Studio, vLLM, llama.cpp and LocalAI, Ollama, SGLang."""

    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Seconds to connect to a model server, name look-up and TLS included. Up to 120."""

    read_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Longest silence of a model server, in seconds; large prompts on small machines need minutes. Up to 3,600."""

    write_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds for sending a request to a model server. Up to 600."""

    pool_timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Seconds to wait for a free connection to a model server before answering 503. Up to 120."""

    total_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 1800.0
    """Seconds for a whole answer. Up to a day."""

    connections_per_server: Annotated[int, Field(ge=1, le=10_000)] = 512
    """Connections to one model server at most. 1 to 10,000."""

    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Answers and calls for embeddings under way at a time through `/v1`; more are refused with 503. 1 to 100,000."""

    max_streams_per_user: Annotated[int, Field(ge=1, le=100_000)] = 100
    """The same for one person; more are refused with 429. 1 to 100,000."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 10 * 1024 * 1024
    """Largest request body on `/v1/chat/completions`, in bytes; the server's own limit applies too. 1 kB to 1 GB."""

    keep_alive_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """Seconds of silence in a stream after which a comment is sent, so that proxies keep the connection. Up to 600."""

    slow_client_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds a client may take none of what is sent to it before it is given up. Up to 3,600."""

    cooldown_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Failures in a row after which model groups spare a deployment's model for a while; also half of the last 20 calls. 1 to 1,000."""

    cooldown_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds it is spared the first time; twice as long each time it fails again. Up to 3,600."""

    max_cooldown_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds it is spared at most, also for a longer `Retry-After`. Up to a day."""

    max_retry_wait_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    """Seconds a call waits at most before it is tried again; a longer `Retry-After` is handed on to the client. 0 to 600."""

    health_check_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 30.0
    """Seconds between two health checks of a deployment that has them on, give or take a fifth. 1 to 86,400."""

    health_check_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds a health check may take. Up to 600."""
    traces_per_s: Annotated[float, Field(ge=0, le=10_000)] = 0.5
    """Answers a second that leave a trace with their texts, where their bytes are passed through; sixty times as many at once. Every call leaves a usage row, every error a trace, and turns (chats of the page, answers from documents, agents) always have one. Default 0.5, so thirty at once: a person always has every trace, and under load they cost nothing that can be measured. Up to 10,000; 0 for none."""

    _ollama_url = field_validator("ollama_url")(check_base_url)

    @field_validator("deployments")
    @classmethod
    def _names_differ(cls, value: tuple[DeploymentSettings, ...]) -> tuple[DeploymentSettings, ...]:
        names = [each.name.lower() for each in value]
        if len(set(names)) != len(names):
            msg = "two deployments have the same name"
            raise ValueError(msg)
        return value

    @field_validator("model_groups")
    @classmethod
    def _groups_differ(cls, value: tuple[ModelGroupSettings, ...]) -> tuple[ModelGroupSettings, ...]:
        names = [name for each in value for name in (each.id, *each.aliases)]
        if len(set(names)) != len(names):
            msg = "two model groups have the same id or alias"
            raise ValueError(msg)
        return value

    def http_limits(self) -> HttpLimits:
        """Gives the bounds of calls to model servers."""
        return HttpLimits(
            connect_s=self.connect_timeout_s,
            read_s=self.read_timeout_s,
            write_s=self.write_timeout_s,
            pool_s=self.pool_timeout_s,
            total_s=self.total_timeout_s,
            connections_per_origin=self.connections_per_server,
        )

    def named_addresses(self) -> frozenset[str]:
        """Gives the private addresses an operator has named, here or by naming a deployment."""
        urls = [Url.parse(each.base_url) for each in self.deployments]
        if self.ollama_discovery:
            urls.append(Url.parse(self.ollama_url))
        hosts = {f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}" for url in urls}
        return frozenset({*self.private_addresses, *hosts})


class ModelCard(BaseModel):
    """A model, as the page's model picker shows it."""

    id: str
    name: str
    kind: ModelKind
    provider: str
    description: str
    is_default: bool
    is_generative: bool
    capabilities: list[str]

    @classmethod
    def of(cls, info: ModelInfo, *, default_id: str) -> "ModelCard":
        """Gives the card of a model."""
        return cls(
            id=info.id,
            name=info.name or info.id,
            kind=info.kind,
            provider=info.provider,
            description=info.description,
            is_default=info.id == default_id,
            is_generative=info.is_generative and info.kind == "chat",
            capabilities=list(info.capabilities),
        )


class ModelList(BaseModel):
    """The models a person may use.

    Attributes:
        items: The models.
        notice: What to do when there is no generative model.
    """

    items: list[ModelCard]
    notice: str | None = None


class DeploymentCard(BaseModel):
    """A deployment, as admins see it; the key itself never leaves the server."""

    id: str
    name: str
    provider: Provider
    base_url: str
    api_key_hint: str | None
    models: list[str]
    enabled: bool
    source: DeploymentSource
    created_at: datetime
    options: DeploymentOptions
    health: DeploymentHealth

    @classmethod
    def of(cls, deployment: Deployment, health: DeploymentHealth | None = None) -> "DeploymentCard":
        """Gives the card of a deployment."""
        return cls(
            id=deployment.id,
            name=deployment.name,
            provider=deployment.provider,
            base_url=deployment.base_url,
            api_key_hint=deployment.key_hint,
            models=list(deployment.models),
            enabled=deployment.is_enabled,
            source=deployment.source,
            created_at=deployment.created_at,
            options=deployment.options,
            health=health or DeploymentHealth(),
        )


class DeploymentCreate(BaseModel):
    """A deployment to add."""

    model_config = ConfigDict(extra="forbid")

    name: DeploymentName
    provider: Provider
    base_url: Annotated[str, Field(max_length=2048)]
    api_key: Annotated[SecretStr | None, Field(max_length=4096)] = None
    models: Annotated[list[ModelName], Field(max_length=1000)] = Field(default_factory=list)
    enabled: bool = True
    options: DeploymentOptions = PLAIN

    _fake = model_validator(mode="before")(with_fake_address)
    _provider = field_validator("provider")(check_provider)
    _name = field_validator("name")(check_name)
    _base_url = field_validator("base_url")(check_base_url)


class DeploymentPatch(BaseModel):
    """Changes to a deployment; what is absent stays. A new `base_url` without a new `api_key` clears the key, and `options` are replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    name: DeploymentName | None = None
    provider: Provider | None = None
    base_url: Annotated[str | None, Field(max_length=2048)] = None
    api_key: Annotated[SecretStr | None, Field(max_length=4096)] = None
    models: Annotated[list[ModelName] | None, Field(max_length=1000)] = None
    enabled: bool | None = None
    options: DeploymentOptions | None = None

    _fake = model_validator(mode="before")(with_fake_address)

    @field_validator("provider")
    @classmethod
    def _check_provider(cls, value: Provider | None) -> Provider | None:
        return None if value is None else check_provider(value)

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        return None if value is None else check_name(value)

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str | None) -> str | None:
        return None if value is None else check_base_url(value)


class DeploymentTest(BaseModel):
    """What came of asking a deployment for its models."""

    ok: bool
    detail: str
    models: list[str]
    latency_ms: float
