"""How much is left, as header fields: OpenAI's names for limits by the minute, and one of our own for money."""

import math
from functools import lru_cache

from alcove.gateway.limits.models import LimitsLeft

_MINUTE = b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"
_REQUESTS = _MINUTE % ((b"requests",) * 3)
_TOKENS = _MINUTE % ((b"tokens",) * 3)
_BUDGET = b"x-alcove-budget-remaining-usd: %d.%06d\r\n"
_HOUR_MINUTES = 60


def duration(seconds: float) -> str:
    """Gives a time as OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h2m3s`."""
    whole, rest = divmod(round(max(0.0, seconds) * 1000), 1000)
    if not whole and rest:
        return f"{rest}ms"
    minutes, second = divmod(whole, 60)
    text = f"{second}.{rest:03d}".rstrip("0").rstrip(".") + "s" if rest else f"{second}s"
    if minutes >= _HOUR_MINUTES:
        hours, minute = divmod(minutes, _HOUR_MINUTES)
        return f"{hours}h{minute}m{text}"
    return f"{minutes}m{text}" if minutes else text


@lru_cache(maxsize=256)
def _whole_seconds(seconds: int) -> bytes:
    return duration(seconds).encode()


def limit_lines(left: LimitsLeft) -> bytes:
    """Gives the header fields of the tightest limit of each kind, each ended by CR LF."""
    lines = b""
    if left.requests is not None:
        limit, rest, reset_s = left.requests
        lines = _REQUESTS % (limit, rest, _whole_seconds(math.ceil(reset_s)))
    if left.tokens is not None:
        limit, rest, reset_s = left.tokens
        lines += _TOKENS % (limit, rest, _whole_seconds(math.ceil(reset_s)))
    if left.budget_nano is not None:
        whole, micros = divmod((left.budget_nano + 500) // 1000, 1_000_000)
        lines += _BUDGET % (whole, micros)
    return lines
