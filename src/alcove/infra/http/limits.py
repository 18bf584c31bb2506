"""How long and how much: every bound of the client in one record."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpLimits:
    """Bounds of an exchange and of the pool.

    Attributes:
        connect_s: Seconds for the name look-up, the connection and the TLS handshake together.
        read_s: Longest silence while waiting for the response or its next bytes, in seconds.
        write_s: Seconds for sending the request.
        pool_s: Seconds to wait for a free connection.
        total_s: Seconds for the whole exchange, to the last byte of the body.
        idle_s: Seconds an unused connection is kept. Below the 5 s after which many servers close theirs.
        connections_per_origin: Connections to one server at most.
        header_bytes: Size of the response's head at most.
        header_count: Number of the response's header fields at most.
        body_bytes: Size of the response's body at most.
    """

    connect_s: float = 5.0
    read_s: float = 300.0
    write_s: float = 30.0
    pool_s: float = 5.0
    total_s: float = 1800.0
    idle_s: float = 4.0
    connections_per_origin: int = 512
    header_bytes: int = 64 * 1024
    header_count: int = 128
    body_bytes: int = 64 * 1024 * 1024
