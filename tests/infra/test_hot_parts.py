"""What the hot route stands on: the watch, lean counters, the lean edge, keys that are known."""

import anyio
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from alcove.infra.lean_edge import LeanEdge, header_lines
from alcove.infra.lean_metrics import LeanCounter, LeanHistogram
from alcove.infra.middleware import EdgeSettings
from alcove.infra.watch import Watch


class Sleeper:
    def __init__(self) -> None:
        self.looks = 0

    def look(self, now_s: float) -> None:
        self.looks += 1


async def test_watch_looks_while_somebody_waits_and_rests_otherwise() -> None:
    watch, sleeper = Watch(0.08), Sleeper()
    watch.add(sleeper)
    await anyio.sleep(0.1)
    assert 3 <= sleeper.looks <= 11
    watch.discard(sleeper)
    seen = sleeper.looks
    await anyio.sleep(0.05)
    assert sleeper.looks == seen
    watch.add(sleeper)
    await anyio.sleep(0.05)
    assert sleeper.looks > seen


def test_lean_metrics_read_as_the_librarys_own() -> None:
    lean, full = CollectorRegistry(), CollectorRegistry()
    buckets = (0.1, 1, 5)
    counters = LeanCounter("a_b", "Things", ("x",), lean), Counter("a_b", "Things", ("x",), registry=full)
    histograms = (
        LeanHistogram("c_seconds", "Times", ("x",), buckets=buckets, registry=lean),
        Histogram("c_seconds", "Times", ("x",), buckets=buckets, registry=full),
    )
    for counter in counters:
        counter.labels("1").inc()
        counter.labels('q"\n').inc(2.5)
    for histogram in histograms:
        for value in (0.1, 0.05, 1, 3, 99):
            histogram.labels("1").observe(value)
    without = [line for line in generate_latest(full).splitlines() if b"_created" not in line]
    assert generate_latest(lean).splitlines() == without


def scope(*headers: tuple[bytes, bytes], **more: object) -> dict[str, object]:
    given = [(b"host", b"localhost:3000"), (b"authorization", b"Bearer sk-as-x")]
    return {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("10.0.0.9", 1),
        "headers": [*given, *headers],
        **more,
    }


EDGE = LeanEdge.of(EdgeSettings(trusted_proxies=("10.0.0.0/8",)), "127.0.0.1", 1000, "/v1/chat/completions")


def test_plain_request_is_read() -> None:
    asker = EDGE.read(scope((b"content-length", b"1000"), (b"x-request-id", b"abcdefgh")))
    assert asker is not None
    assert (asker.secret, asker.request_id, asker.is_secure) == ("sk-as-x", "abcdefgh", False)
    head = EDGE.head(asker, 429)
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nx-request-id: abcdefgh\r\n" in head
    assert b"\r\nx-content-type-options: nosniff\r\n" in head
    assert b"strict-transport-security" not in head


def test_trusted_proxy_is_seen_through() -> None:
    given = scope((b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https"))
    asker = EDGE.read(given)
    assert asker is not None
    assert (given["client"], asker.is_secure) == (("203.0.113.7", 0), True)
    assert b"strict-transport-security" in EDGE.head(asker)


@pytest.mark.parametrize(
    "odd",
    [
        scope((b"host", b"localhost")),
        scope((b"content-length", b"1001")),
        scope((b"content-length", b"-1")),
        scope((b"content-length", b"9" * 30)),
        scope(http_version="1.0"),
        {**scope(), "headers": [(b"host", b"evil.example"), (b"authorization", b"Bearer sk-as-x")]},
        {**scope(), "headers": [(b"authorization", b"Bearer sk-as-x")]},
        {**scope(), "headers": [(b"host", b"localhost"), (b"cookie", b"as_session=x")]},
        {**scope(), "headers": [(b"host", b"localhost"), (b"authorization", b"Basic abc")]},
    ],
)
def test_odd_request_is_left_to_the_layers(odd: dict[str, object]) -> None:
    assert EDGE.read(odd) is None


def test_request_id_that_could_break_a_line_is_not_taken() -> None:
    asker = EDGE.read(scope((b"x-request-id", b"abc def\r\nx: y")))
    assert asker is not None
    assert "\r" not in asker.request_id


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x", b"\0")])
def test_header_with_a_line_break_is_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line break"):
        header_lines([field])
