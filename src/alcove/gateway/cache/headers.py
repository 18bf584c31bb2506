"""What HTTP says about caches, both ways (RFC 9111, sections 5.1 and 5.2.1)."""

from collections.abc import Iterable

from alcove.kernel.ports import Served

_UNDERSTOOD = frozenset({"no-cache", "no-store"})
_WORDS = {"exact": b"hit", "semantic": b"semantic"}


def cache_control(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    """Gives those of `no-cache` and `no-store` that a request's `cache-control` names."""
    return frozenset(
        word
        for name, value in headers
        if name == b"cache-control"
        for each in value.decode("latin-1").split(",")
        if (word := each.strip().lower()) in _UNDERSTOOD
    )


def cache_headers(served: Served) -> list[tuple[bytes, bytes]]:
    """Gives the header fields that tell which cache answered; none where no cache was asked."""
    if served.cache:
        return [(b"x-alcove-cache", _WORDS[served.cache]), (b"age", str(int(served.cache_age_s)).encode())]
    return [(b"x-alcove-cache", b"miss")] if served.is_cache_missed else []
