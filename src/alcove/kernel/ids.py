"""Ids: UUIDv7 for rows, W3C ids for traces and spans."""

import os
import secrets
import threading
import time
import uuid

_COUNTER_MAX = 0xFFF  # 12 bits

_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def _next() -> int:
    """Gives the next UUIDv7 as a number."""
    global _last_ms, _sequence  # noqa: PLW0603  a monotonic counter is one per process by definition
    random = int.from_bytes(os.urandom(8), "big")
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _sequence = now_ms, secrets.randbits(11)
        else:
            _sequence += 1
            if _sequence > _COUNTER_MAX:
                _last_ms, _sequence = _last_ms + 1, 0
        ms, sequence = _last_ms, _sequence
    return (ms << 80) | (0x7 << 76) | (sequence << 64) | (0b10 << 62) | (random >> 2)


def uuid7() -> uuid.UUID:
    """Gives a new UUIDv7 (RFC 9562, section 5.7), strictly increasing within the process.

    48 bits of Unix milliseconds, then a 12-bit counter (method 1 of section 6.2, seeded at random each millisecond),
    then 62 random bits. When the counter overflows, the time part runs ahead by one millisecond.
    """
    return uuid.UUID(int=_next())


def new_id() -> str:
    """Gives a new row id: a UUIDv7 as text with dashes, sortable by time of creation."""
    text = f"{_next():032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_trace_id() -> str:
    """Gives a new trace id: 32 hex digits, valid as a W3C trace id and sortable by time."""
    return uuid7().hex


def new_span_id() -> str:
    """Gives a new observation id: 16 hex digits, valid as a W3C span id (never all zero)."""
    return f"{secrets.randbits(63) + 1:016x}"


def is_id(text: str) -> bool:
    """Tells whether `text` has the form of a row id (a UUID with dashes)."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
