"""Ids: UUIDv7 for rows, W3C ids for traces and spans."""

import os
import secrets
import threading
import time
import uuid

_COUNTER_MAX = 0xFFF  # 12 bits
_DIGITS = 19  # hex digits of chance for an id: 16 for its end, 3 for the counter, which begins in the lower half each millisecond
_POOL_BYTES = 19 * 200  # drawn from the system at once
_VARIANT = {f"{digit:x}": f"{0b1000 | digit & 0b11:x}" for digit in range(16)}

_lock = threading.Lock()
_last_ms = 0
_sequence = 0
_last_text = ""
_pool = ""
_pool_at = 0


def uuid7() -> uuid.UUID:
    """Gives a new UUIDv7 (RFC 9562, section 5.7), strictly increasing within the process.

    48 bits of Unix milliseconds, then a 12-bit counter (method 1 of section 6.2, seeded at random each millisecond),
    then 62 random bits. When the counter overflows, the time part runs ahead by one millisecond.
    """
    return uuid.UUID(hex=_hex())


def new_id() -> str:
    """Gives a new row id: a UUIDv7 as text with dashes, sortable by time of creation."""
    time_part, sequence, random = _parts()
    return f"{time_part[:8]}-{time_part[8:]}-7{sequence:03x}-{random[:4]}-{random[4:]}"


def new_trace_id() -> str:
    """Gives a new trace id: 32 hex digits, valid as a W3C trace id and sortable by time."""
    return _hex()


def _hex() -> str:
    time_part, sequence, random = _parts()
    return f"{time_part}7{sequence:03x}{random}"


def _parts() -> tuple[str, int, str]:
    """Gives the parts of a UUIDv7: 12 hex digits of time, the counter, 16 hex digits of variant and chance.

    Put together as text, from chance drawn for hundreds at once: every request has some ids.
    """
    global _last_ms, _last_text, _sequence, _pool, _pool_at  # noqa: PLW0603  a monotonic counter is one per process by definition
    with _lock:
        at = _pool_at
        if at >= len(_pool):
            _pool, at = os.urandom(_POOL_BYTES).hex(), 0
        _pool_at = at + _DIGITS
        digits = _pool[at : at + _DIGITS]
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _last_text, _sequence = now_ms, f"{now_ms:012x}", int(digits[16:], 16) >> 1
        else:
            _sequence += 1
            if _sequence > _COUNTER_MAX:
                _last_ms, _sequence = _last_ms + 1, 0
                _last_text = f"{_last_ms:012x}"
        return _last_text, _sequence, _VARIANT[digits[0]] + digits[1:16]


def _forget_pool() -> None:
    """Keeps a child process from giving the ids of its parent."""
    global _pool_at  # noqa: PLW0603
    _pool_at = len(_pool)


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
