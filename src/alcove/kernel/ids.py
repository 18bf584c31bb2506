"""Ids: UUIDv7 for rows, W3C ids for traces and spans."""

import os
import secrets
import threading
import time
import uuid

_COUNTER_MAX = 0xFFF  # 12 bits
_SEED_MASK = 0x7FF  # a new millisecond's counter begins in the lower half
_RANDOM_BYTES = 10  # 62 bits for the id, 11 others for the counter's beginning
_POOL_BYTES = 4000  # drawn from the system at once

_lock = threading.Lock()
_last_ms = 0
_sequence = 0
_pool = b""
_pool_at = 0


def uuid7() -> uuid.UUID:
    """Gives a new UUIDv7 (RFC 9562, section 5.7), strictly increasing within the process.

    48 bits of Unix milliseconds, then a 12-bit counter (method 1 of section 6.2, seeded at random each millisecond),
    then 62 random bits. When the counter overflows, the time part runs ahead by one millisecond.
    """
    return uuid.UUID(hex=_hex())


def new_id() -> str:
    """Gives a new row id: a UUIDv7 as text with dashes, sortable by time of creation."""
    text = _hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_trace_id() -> str:
    """Gives a new trace id: 32 hex digits, valid as a W3C trace id and sortable by time."""
    return _hex()


def _hex() -> str:
    """Gives a UUIDv7 as 32 hex digits; written without an object of its own, since every request has some."""
    global _last_ms, _sequence, _pool, _pool_at  # noqa: PLW0603  a monotonic counter is one per process by definition
    with _lock:
        if _pool_at + _RANDOM_BYTES > len(_pool):
            _pool, _pool_at = os.urandom(_POOL_BYTES), 0
        random = int.from_bytes(_pool[_pool_at : _pool_at + _RANDOM_BYTES], "big")
        _pool_at += _RANDOM_BYTES
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _sequence = now_ms, random & _SEED_MASK
        else:
            _sequence += 1
            if _sequence > _COUNTER_MAX:
                _last_ms, _sequence = _last_ms + 1, 0
        value = (_last_ms << 80) | (0x7 << 76) | (_sequence << 64) | (0b10 << 62) | (random >> 18)
    return f"{value:032x}"


def _forget_pool() -> None:
    """Keeps a child process from giving the ids of its parent."""
    global _pool_at  # noqa: PLW0603
    _pool_at = _POOL_BYTES


os.register_at_fork(after_in_child=_forget_pool)


def new_span_id() -> str:
    """Gives a new observation id: 16 hex digits, valid as a W3C span id (never all zero)."""
    return f"{secrets.randbits(63) + 1:016x}"


def is_id(text: str) -> bool:
    """Tells whether `text` has the form of a row id (a UUID with dashes)."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
