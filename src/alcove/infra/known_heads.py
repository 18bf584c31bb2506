"""Heads of requests that have been read before.

A client sends the same head thousands of times, but for the length of the body. What the parser and the edge made of one holds for
the same bytes again, so they are not asked again: a head is looked up whole, with the length cut out. Nothing is parsed here, and
nothing is accepted that was not accepted before.
"""

import re
from collections.abc import Iterable

_MAX_HEADS = 1024
_MAX_HEAD_BYTES = 4096
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)
_VARYING = frozenset({
    b"expect", b"forwarded", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"x-forwarded-for", b"x-forwarded-host",
    b"x-forwarded-proto", b"x-request-id",
})  # fmt: skip


class KnownHeads:
    """Knows the secret that came with a head, for heads that were learned.

    It holds as many as a thousand, each up to 4 KiB, in memory alone; when there are more it begins anew.
    """

    __slots__ = ("_max_body_bytes", "_secrets", "_start")

    def __init__(self, start: bytes, max_body_bytes: int) -> None:
        """Makes one that knows nothing.

        Args:
            start: What every head begins with: the request line, with its end.
            max_body_bytes: Largest body.
        """
        self._start = start
        self._max_body_bytes = max_body_bytes
        self._secrets: dict[bytes, str] = {}

    def recall(self, data: bytes) -> tuple[str, bytes] | None:
        """Gives the secret and the body of a request; None when its head is not known, or `data` is not one whole request."""
        if not data.startswith(self._start):
            return None
        parts = _apart(data)
        if parts is None:
            return None
        head, size, body_at = parts
        secret = self._secrets.get(head)
        if secret is None or size > self._max_body_bytes or len(data) != body_at + size:
            return None
        return secret, data[body_at:]

    def learn(self, data: bytes, fields: Iterable[tuple[bytes, bytes]], secret: str) -> None:
        """Takes in the head of a request that was read and found in order.

        Args:
            data: What the client sent, from the request's first byte on.
            fields: The header fields as the parser found them, names in lower case, none twice.
            secret: The secret that came with them.
        """
        parts = _apart(data)
        if parts is None or not data.startswith(self._start) or not all(_is_lasting(*each) for each in fields):
            return
        if len(self._secrets) >= _MAX_HEADS:
            self._secrets.clear()
        self._secrets[parts[0]] = secret


def _apart(data: bytes) -> tuple[bytes, int, int] | None:
    """Gives a head without the length of its body, that length, and where the body begins; None where there is no such head."""
    end = data.find(_END, 0, _MAX_HEAD_BYTES)
    length = _LENGTH.search(data, 0, end + 2) if end > 0 else None
    if length is None:
        return None
    return data[: length.start()] + data[length.end() - 2 : end], int(length[1]), end + len(_END)


def _is_lasting(name: bytes, value: bytes) -> bool:
    """Tells whether a field says nothing of this one request or connection that the next would have to say anew."""
    return name not in _VARYING and (name != b"connection" or value.lower() == b"keep-alive")
