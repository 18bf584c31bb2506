"""Valkey (or Redis), for what several servers share: limits, cached answers. Without an address everything stays in memory."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

if TYPE_CHECKING:
    from redis.asyncio import Redis


class ValkeySettings(BaseModel):
    """A Valkey or Redis server that several servers of one house share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: SecretStr | None = None
    """Address, such as `redis://:password@host:6379/0`, or `rediss://…` for TLS. Default: none; limits are counted in this process."""

    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Seconds for making a connection. Up to 60."""

    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds for an answer; a call whose limits cannot be checked in time is refused. Up to 60."""

    max_connections: Annotated[int, Field(ge=2, le=1000)] = 64
    """Connections at a time. 2 to 1,000."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "alcove"
    """What every key begins with, so that several houses can share a server."""


def open_valkey(settings: ValkeySettings) -> "Redis":
    """Gives a client; nothing is connected yet. Close it with `aclose(close_connection_pool=True)`."""
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  11 MB that only houses with a server need

    pool = BlockingConnectionPool.from_url(
        "" if settings.url is None else settings.url.get_secret_value(),
        max_connections=settings.max_connections,
        timeout=settings.timeout_s,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.timeout_s,
        decode_responses=True,
    )
    return Redis(connection_pool=pool)
