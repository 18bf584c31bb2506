"""Types of the gateway: deployments, what its routes take and give, and its settings."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from alcove.infra.http import HttpLimits, Url
from alcove.kernel.ports import ModelInfo, ModelKind

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_RESERVED = frozenset({"alcove", "agent", "knowledge", "pipe", "memory", "discovered"})
_HINT_MIN_LENGTH = 12  # of shorter keys, four characters would be too large a part


class Provider(StrEnum):
    """Which protocol a deployment speaks."""

    OPENAI = "openai"
    OLLAMA = "ollama"


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
        base_url: Its address; for `openai` up to and including `/v1`, for `ollama` without.
        models: The models to offer; empty for all it lists.
        is_enabled: Whether it is used.
        source: Where it comes from.
        created_at: When it was added.
        updated_at: When it was changed last.
        changed_by: Id of the admin who did.
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


def check_name(value: str) -> str:
    """Gives the name of a deployment back if no other thing's model ids begin with it.

    Raises:
        ValueError: When they do.
    """
    if value.lower() in _RESERVED:
        msg = f"{value!r} is reserved; choose another name"
        raise ValueError(msg)
    return value


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


DeploymentName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class DeploymentSettings(BaseModel):
    """A model server named in the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: DeploymentName
    """Short name; `name/model` is a model id that always works. Letters, digits, `.`, `_`, `-`; up to 63."""

    provider: Provider = Provider.OPENAI
    """Protocol: `openai` for any server with OpenAI's API, `ollama` for Ollama."""

    base_url: str
    """Address; for `openai` up to and including `/v1`, for `ollama` without a path."""

    api_key: SecretStr | None = None
    """Key to send to it, if it wants one."""

    models: tuple[ModelName, ...] = ()
    """Models to offer; empty for all that the server lists."""

    _name = field_validator("name")(check_name)
    _base_url = field_validator("base_url")(check_base_url)


class GatewaySettings(BaseModel):
    """Model servers, and how requests to them are bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    deployments: tuple[DeploymentSettings, ...] = ()
    """Model servers to use, as `[[gateway.deployments]]` in the TOML file or a JSON list in the environment. Admins can add more in the page."""

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

    @classmethod
    def of(cls, deployment: Deployment) -> "DeploymentCard":
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

    _name = field_validator("name")(check_name)
    _base_url = field_validator("base_url")(check_base_url)


class DeploymentPatch(BaseModel):
    """Changes to a deployment; what is absent stays. A new `base_url` without a new `api_key` clears the key."""

    model_config = ConfigDict(extra="forbid")

    name: DeploymentName | None = None
    provider: Provider | None = None
    base_url: Annotated[str | None, Field(max_length=2048)] = None
    api_key: Annotated[SecretStr | None, Field(max_length=4096)] = None
    models: Annotated[list[ModelName] | None, Field(max_length=1000)] = None
    enabled: bool | None = None

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
