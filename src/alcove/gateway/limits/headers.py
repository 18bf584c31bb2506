"""How much is left, as header fields: OpenAI's names for limits by the minute, and one of our own for money."""

from collections.abc import Sequence

from alcove.gateway.limits.models import LimitKind, Standing, usd_of

_NAMES = {LimitKind.REQUESTS: b"requests", LimitKind.TOKENS: b"tokens"}


def duration(seconds: float) -> str:
    """Gives a time as OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h2m3s`."""
    whole, rest = divmod(round(max(0.0, seconds) * 1000), 1000)
    if not whole and rest:
        return f"{rest}ms"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{second}.{rest:03d}".rstrip("0").rstrip(".") + "s" if rest else f"{second}s"
    if hours:
        return f"{hours}h{minute}m{text}"
    return f"{minute}m{text}" if minute else text


def limit_headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """Gives the header fields of the tightest limit of each kind."""
    headers: list[tuple[bytes, bytes]] = []
    for kind, name in _NAMES.items():
        tightest = min((each for each in standings if each.kind is kind), key=lambda each: each.left, default=None)
        if tightest is not None:
            headers.append((b"x-ratelimit-limit-" + name, str(tightest.limit).encode()))
            headers.append((b"x-ratelimit-remaining-" + name, str(tightest.left).encode()))
            headers.append((b"x-ratelimit-reset-" + name, duration(tightest.reset_s).encode()))
    left = [each.left for each in standings if each.kind is LimitKind.BUDGET_USD]
    if left:
        headers.append((b"x-alcove-budget-remaining-usd", f"{usd_of(min(left)):.6f}".encode()))
    return headers
