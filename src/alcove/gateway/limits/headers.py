"""How much is left, as header fields: OpenAI's names for limits by the minute, and one of our own for money."""

from alcove.gateway.limits.models import LimitsLeft


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


def limit_headers(left: LimitsLeft) -> list[tuple[bytes, bytes]]:
    """Gives the header fields of the tightest limit of each kind."""
    headers: list[tuple[bytes, bytes]] = []
    for name, each in ((b"requests", left.requests), (b"tokens", left.tokens)):
        if each is not None:
            headers.append((b"x-ratelimit-limit-" + name, b"%d" % each.limit))
            headers.append((b"x-ratelimit-remaining-" + name, b"%d" % each.left))
            headers.append((b"x-ratelimit-reset-" + name, duration(each.reset_s).encode()))
    if left.budget_nano is not None:
        whole, micros = divmod((left.budget_nano + 500) // 1000, 1_000_000)
        headers.append((b"x-alcove-budget-remaining-usd", b"%d.%06d" % (whole, micros)))
    return headers
