"""Every setting, in one tree; the only reader of the environment.

A setting comes from, the first that has it: the command line, an environment variable (`ALCOVE_SERVER__PORT=8080`; groups
are joined by two underscores), the file `alcove.toml` (in the data folder, or named by `ALCOVE_CONFIG`), the default below.
What an admin changes at run time (users, keys, deployments) is data in the database, not a setting.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from alcove.chats.models import ChatSettings
from alcove.gateway.cache.models import CacheSettings
from alcove.gateway.guards.models import GuardSettings
from alcove.gateway.models import GatewaySettings
from alcove.gateway.usage.models import UsageSettings
from alcove.identity.models import IdentitySettings, SetupSettings
from alcove.infra.middleware import EdgeSettings
from alcove.infra.valkey import ValkeySettings
from alcove.kernel.errors import AlcoveError
from alcove.knowledge.models import KnowledgeSettings
from alcove.runtime.models import RuntimeSettings
from alcove.tracing.models import TracingSettings

PREFIX = "ALCOVE_"
DATABASE_FILE = "alcove.db"
CLIENT_VARIABLES = frozenset({"ALCOVE_URL", "ALCOVE_API_KEY", "ALCOVE_CONFIG"})
"""Variables with the prefix that are not settings of the server."""


class BadSettings(AlcoveError):
    """The settings cannot be used."""

    code = "bad_settings"
    title = "Bad settings"


class ServerSettings(BaseModel):
    """Where the server listens, and how it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on. The default is reached from this machine only; `0.0.0.0` opens it to the network, and belongs behind TLS."""

    port: Annotated[int, Field(ge=0, le=65_535)] = 3000
    """Port to listen on; 0 picks a free one. 0 to 65,535."""

    seed_ports: bool = False
    """Whether to listen also on the ports that people know from other products, on the same address: 4100 (an LLM proxy) and 11434 (Ollama). All
    of them answer everything. Default: no."""

    drain_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    """Seconds that running answers and requests have to finish when the server is told to stop. 0 to 600."""


class LoggingSettings(BaseModel):
    """What the server writes to standard error. Never prompts, answers or keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written."""

    style: Literal["auto", "json", "text"] = "auto"
    """`json` writes a JSON object a line; `text` writes for people; `auto` is text on a terminal and JSON elsewhere."""


class DatabaseSettings(BaseModel):
    """Where users, chats, keys, jobs and the audit trail are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: SecretStr | None = None
    """SQLAlchemy URL, such as `postgresql+psycopg://user:password@host/alcove`. Default: SQLite in the data folder."""


class SecuritySettings(BaseModel):
    """The key under which secrets are encrypted and API keys are fingerprinted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    master_key: SecretStr | None = None
    """32 bytes, as base64 or hex. Default: made at first start and kept in `master.key` in the data folder."""

    master_key_file: Path | None = None
    """File that holds the master key, such as a systemd credential or a mounted secret."""


class Settings(BaseSettings):
    """All settings of Alcove."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(default_factory=lambda: default_data_dir(os.environ))  # noqa: TID251  the one reader
    """Folder for everything that Alcove keeps. Default: `$XDG_DATA_HOME/alcove`, that is `~/.local/share/alcove`."""

    server: ServerSettings = ServerSettings()
    edge: EdgeSettings = EdgeSettings()
    logging: LoggingSettings = LoggingSettings()
    database: DatabaseSettings = DatabaseSettings()
    valkey: ValkeySettings = ValkeySettings()
    security: SecuritySettings = SecuritySettings()
    setup: SetupSettings = SetupSettings()
    identity: IdentitySettings = IdentitySettings()
    gateway: GatewaySettings = GatewaySettings()
    runtime: RuntimeSettings = RuntimeSettings()
    usage: UsageSettings = UsageSettings()
    cache: CacheSettings = CacheSettings()
    guards: GuardSettings = GuardSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    tracing: TracingSettings = TracingSettings()
    chats: ChatSettings = ChatSettings()

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the database."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir / DATABASE_FILE}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads the command line, then the environment, then the TOML file."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        file = _config_file(init_settings, env_settings)
        if file is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=file))
        return tuple(sources)


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Gives the data folder of a person who chose none (XDG Base Directory Specification 0.8)."""
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "alcove"


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401  any field of the tree
    """Reads the settings.

    Args:
        overrides: Values from the command line, by field of `Settings`; groups as nested dictionaries.

    Raises:
        BadSettings: When a value cannot be used; names every one, and what to do.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"  {PREFIX}{'__'.join(str(part) for part in each['loc']).upper()}: {each['msg']}"
            for each in error.errors()
        ]
        detail = "These settings cannot be used:\n" + "\n".join(lines)
        raise BadSettings(detail) from error
    except (OSError, ValueError) as error:
        detail = f"The settings cannot be read: {error}"
        raise BadSettings(detail) from error


def environment() -> Mapping[str, str]:
    """Gives the environment, for files that name variables in place of secrets."""
    return dict(os.environ)  # noqa: TID251  the one reader


def unknown_variables(given: Mapping[str, str] | None = None) -> list[str]:
    """Gives the `ALCOVE_…` variables that name no setting: most likely misspelt."""
    found = os.environ if given is None else given  # noqa: TID251  the one reader
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(
        name
        for name in found
        if name.startswith(PREFIX) and name not in CLIENT_VARIABLES and name.split("__", 1)[0] not in known
    )


def _config_file(init: PydanticBaseSettingsSource, env: PydanticBaseSettingsSource) -> Path | None:
    named = os.environ.get("ALCOVE_CONFIG")  # noqa: TID251  the one reader
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            msg = f"ALCOVE_CONFIG names {str(path)!r}, which is not a file"
            raise ValueError(msg)
        return path
    data_dir = None
    for source in (init, env):
        if isinstance(source, InitSettingsSource | EnvSettingsSource) and data_dir is None:
            data_dir = source().get("data_dir")
    folder = Path(str(data_dir)) if data_dir else default_data_dir(os.environ)  # noqa: TID251  the one reader
    path = folder.expanduser() / "alcove.toml"
    return path if path.is_file() else None
