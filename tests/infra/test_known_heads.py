"""Heads that were read before are known again, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.infra.known_heads import KnownHeads

START = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = (b"host", b"localhost")
KEY = (b"authorization", b"Bearer sk-as-ada")


def request(body: bytes, *fields: tuple[bytes, bytes], length: bytes | None = None, start: bytes = START) -> bytes:
    lines = [HOST, KEY, (b"Content-Length", length if length is not None else b"%d" % len(body)), *fields]
    return start + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body


def knowing(*fields: tuple[bytes, bytes], max_body_bytes: int = 1000) -> KnownHeads:
    heads = KnownHeads(START, max_body_bytes)
    heads.learn(request(b"{}", *fields), [HOST, KEY, (b"content-length", b"2"), *fields], "sk-as-ada")
    return heads


def test_head_is_known_again_whatever_the_length_of_the_body() -> None:
    heads = knowing()
    for body in (b"{}", b"", b'{"model":"a\r\n\r\nb"}'):
        assert heads.recall(request(body)) == ("sk-as-ada", body)


@pytest.mark.parametrize("data", [
    request(b"{}", (b"x-more", b"1")),
    request(b"{}", (b"content-length", b"2")),
    request(b"{}", (b"transfer-encoding", b"chunked")),
    request(b"{}", length=b"+2"),
    request(b"{}", length=b"2 "),
    request(b"{}", length=b"1"),  # and the beginning of another request
    request(b"{}", length=b"3"),  # not all of it is here
    request(b"x" * 1001),
    request(b"{}", length=b"99999999999999999999"),
    request(b"{}").replace(b"ada", b"bob"),
    request(b"{}").replace(b"localhost", b"evil.example"),
    request(b"{}").replace(b"host: ", b"Host: "),
    request(b"{}", start=b"POST /v1/embeddings HTTP/1.1\r\n"),
    request(b"{}", start=b"POST /v1/chat/completions?x HTTP/1.1\r\n"),
    request(b"{}")[:60],
    b"",
])  # fmt: skip
def test_any_other_head_has_to_be_read(data: bytes) -> None:
    assert knowing().recall(data) is None


@pytest.mark.parametrize("field", [
    (b"expect", b"100-continue"), (b"x-request-id", b"1"), (b"x-forwarded-for", b"10.0.0.1"), (b"connection", b"close"),
    (b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"te", b"trailers"),
])  # fmt: skip
def test_head_that_asks_for_something_of_this_one_request_is_not_learned(field: tuple[bytes, bytes]) -> None:
    assert knowing(field).recall(request(b"{}", field)) is None


def test_connection_that_is_to_be_kept_is_the_usual_one() -> None:
    field = (b"connection", b"keep-alive")
    assert knowing(field).recall(request(b"{}", field)) == ("sk-as-ada", b"{}")


def test_no_more_is_kept_than_a_thousand_heads() -> None:
    heads = KnownHeads(START, 10)
    for number in range(1500):
        key = (b"authorization", b"Bearer %d" % number)
        heads.learn(request(b"", key), [HOST, key], str(number))
    assert 0 < len(heads._secrets) <= 1024
    heads.learn(request(b"", (b"x-long", b"x" * 5000)), [HOST], "long")
    assert "long" not in heads._secrets.values()


@given(at=st.integers(0, 200), put=st.binary(max_size=4), out=st.integers(0, 4))
def test_changed_bytes_are_known_only_where_they_change_no_more_than_body_and_length(
    at: int, put: bytes, out: int
) -> None:
    whole = request(b"{}")
    changed = whole[:at] + put + whole[at + out :]
    found = knowing().recall(changed)
    if found is not None:
        secret, body = found
        assert secret == "sk-as-ada"
        assert changed == request(body, length=changed[changed.index(b"Length: ") + 8 : changed.index(b"\r\n\r\n")])
