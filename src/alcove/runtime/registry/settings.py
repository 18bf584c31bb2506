"""Settings of pulling and pushing."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from alcove.infra.http import InvalidUrl, Url

MIB = 1 << 20


class RegistryLogin(BaseModel):
    """How to sign in to one registry."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: Annotated[str, Field(min_length=1, max_length=350)]
    """The registry, with its port if it has one: `registry.example.org`, `127.0.0.1:5000`, `huggingface.co` (or `hf.co`). One that is asked
    by http is named with its port, also with `:80`. A mirror has a login of its own: that of the host it stands in for is not sent to it."""

    username: str = ""
    """User name, for Basic authentication and for token servers."""

    password: SecretStr = SecretStr("")
    """Password that goes with it."""

    token: SecretStr = SecretStr("")
    """A token to send as `Authorization: Bearer …` instead: an access token of the hub, an API key of another Alcove."""

    realm: str = ""
    """Host (and port) of the token server, where it is not the registry itself; with its port if it is asked by http. Default: a registry that names another one is
    refused, so that no password goes where a server says it should."""


class RegistrySettings(BaseModel):
    """Where models may be pulled from and pushed to, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hosts: tuple[str, ...] = ("registry.ollama.ai", "huggingface.co", "hf.co")
    """Hosts that an admin may pull models from (and push to), with the port if it is not the usual one; `*` for every public one. A private
    address has to stand here by itself, with its port (`10.0.0.7:5000`). Empty: nothing is ever asked. Default: Ollama's registry and the Hugging Face hub."""

    mirrors: dict[str, str] = Field(default_factory=dict)
    """Addresses to ask in place of a host: `{"registry.ollama.ai": "https://mirror.example.org"}`; also for a mirror of the hub."""

    logins: tuple[RegistryLogin, ...] = ()
    """How to sign in where that is needed. Each is sent to its own host alone, never on to where that host redirects."""

    parts: Annotated[int, Field(ge=1, le=64)] = 8
    """Parts of a file that are fetched at the same time. 1 to 64. Default 8: more seldom help, and some servers refuse them."""

    min_part_bytes: Annotated[int, Field(ge=1024, le=1024 * MIB)] = 64 * MIB
    """Smallest part of a file that is fetched by itself, in bytes. Default 64 MiB."""

    stall_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds without a byte after which a part is asked for again. Default 30, as Ollama has it."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    """Times that a part is asked for in a row without one new byte before the pull fails (what is here is kept). The pauses between
    double, from `first_pause_s` to a minute. Default 8: over two minutes without a network."""

    first_pause_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Seconds before the first of these new attempts."""

    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """Seconds for a connection to a registry."""

    chunk_bytes: Annotated[int, Field(ge=1024, le=256 * MIB)] = 8 * MIB
    """Bytes that a push sends at a time, and holds in memory. Default 8 MiB."""

    @field_validator("mirrors")
    @classmethod
    def _check_mirrors(cls, mirrors: dict[str, str]) -> dict[str, str]:
        for host, address in mirrors.items():
            try:
                url = Url.parse(address)
            except InvalidUrl as error:
                msg = f"the mirror of {host} is no address: {error}"
                raise ValueError(msg) from error
            if url.target != "/":
                msg = f"the mirror of {host} has to be an address without a path, such as https://mirror.example.org"
                raise ValueError(msg)
        return mirrors

    def named_addresses(self) -> frozenset[str]:
        """Gives the hosts and ports that an operator has named, and that may be private addresses therefore."""
        mirrors = (Url.parse(each) for each in self.mirrors.values())
        named = {f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}" for url in mirrors}
        realms = (each.realm for each in self.logins)
        return frozenset({*named, *(each.lower() for each in (*self.hosts, *realms) if ":" in each)})
