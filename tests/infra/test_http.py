"""The outbound client against servers that speak bytes, good and bad ones."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from alcove.infra.http import (
    AddressGuard,
    AddressNotAllowed,
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    HttpClientError,
    HttpLimits,
    InvalidUrl,
    PoolFull,
    ProtocolViolation,
    ResponseTooLarge,
    TimedOut,
    Url,
)
from tests.wire.openai_server import END, Cut, Forever, OpenAiServer, Step, chunk, head

LOOPBACK = AddressGuard(frozenset({"127.0.0.1:*", "localhost:*"}))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def client(**limits: float) -> HttpClient:
    return HttpClient(HttpLimits(**limits), LOOPBACK)  # type: ignore[arg-type]  # ints and floats by name


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


def url(server: OpenAiServer, path: str = "/x") -> Url:
    return Url.parse(server.root_url + path)


async def get(server: OpenAiServer, *steps: Step, **limits: float) -> bytes:
    server.script.append(steps)
    http = client(**limits)
    try:
        with await http.request("GET", url(server), {}) as response:
            return await response.read()
    finally:
        http.close()


async def test_sends_exactly_what_was_asked(server: OpenAiServer) -> None:
    server.script.append([OK])
    http = client()
    with await http.request("POST", url(server, "/a?b=c"), {"x-one": "1"}, b'{"a":1}') as response:
        assert (response.status, await response.read()) == (200, b"ok")
    http.close()
    sent = server.requests[0]
    assert (sent.method, sent.path, sent.body) == ("POST", "/a?b=c", b'{"a":1}')
    assert sent.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "content-length": "7",
        "x-one": "1",
    }


async def test_connection_is_used_again(server: OpenAiServer) -> None:
    http = client()
    for _ in range(3):
        server.script.append([OK])
        with await http.request("GET", url(server), {}) as response:
            await response.read()
    http.close()
    assert {each.connection for each in server.requests} == {1}


async def test_stale_connection_is_replaced(server: OpenAiServer) -> None:
    http = client()
    server.script += [[OK], [Cut()], [OK]]
    for _ in range(2):
        with await http.request("GET", url(server), {}) as response:
            assert await response.read() == b"ok"
    http.close()
    assert [each.connection for each in server.requests] == [1, 1, 2]


async def test_fresh_connection_that_breaks_is_not_tried_again(server: OpenAiServer) -> None:
    server.script += [[Cut()], [OK]]
    http = client()
    with pytest.raises(ConnectionLost):
        await http.request("GET", url(server), {})
    assert len(server.requests) == 1


async def test_broken_response_on_a_used_connection_is_not_tried_again(server: OpenAiServer) -> None:
    server.script += [[OK], [b"HTTP/1.1 200", Cut()], [OK]]
    http = client()
    with await http.request("GET", url(server), {}) as response:
        await response.read()
    with pytest.raises(ConnectionLost):
        await http.request("GET", url(server), {})
    assert len(server.requests) == 2


async def test_pieces_come_as_they_are_sent(server: OpenAiServer) -> None:
    server.script.append([head(), chunk(b"one"), 0.15, chunk(b"two"), END])
    http = client()
    started = time.monotonic()
    with await http.request("GET", url(server), {}) as response:
        assert await response.read_some() == b"one"
        assert time.monotonic() - started < 0.12
        assert await response.read_some() == b"two"
        assert await response.read_some() == b""
        assert await response.read_some() == b""
    http.close()


async def test_body_without_length_ends_with_the_connection(server: OpenAiServer) -> None:
    server.script.append([b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsome", 0.01, b" more"])
    http = client()
    response = await http.request("GET", url(server), {})
    assert await response.read_some() == b"some"
    assert await response.read_some() == b" more"
    with anyio.fail_after(5):
        server._writers.copy().pop().close()
        assert await response.read_some() == b""


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        pytest.param([3600.0], TimedOut, id="nothing"),
        pytest.param([b"HTTP/1.1 200 OK\r\nx: ", Forever(b"y", 0.001)], TimedOut, id="header without end, slowly"),
        pytest.param([b"HTTP/1.1 200 OK\r\nx: ", Forever(b"y" * 9999)], ResponseTooLarge, id="header without end"),
        pytest.param([b"HTTP/1.1 200 OK\r\n", Forever(b"a: b\r\n" * 99)], ResponseTooLarge, id="headers without end"),
        pytest.param([Forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 99)], ResponseTooLarge, id="100 Continue without end"),
        pytest.param([head(), Forever(chunk(b"z" * 65536))], ResponseTooLarge, id="body without end"),
        pytest.param([head(), chunk(b"z"), 3600.0], TimedOut, id="stall in the body"),
        pytest.param([head(), chunk(b"z"), Cut()], ConnectionLost, id="reset in the body"),
        pytest.param([head(length=5) + b"abc", Cut()], ConnectionLost, id="less than it said"),
        pytest.param([head(), b"zz\r\nabc\r\n"], ProtocolViolation, id="bad chunk size"),
        pytest.param([head(), b"ffffffffffffffffff\r\nabc"], ProtocolViolation, id="chunk size beyond 64 bits"),
        pytest.param([head(), b"-1\r\nabc\r\n"], ProtocolViolation, id="negative chunk size"),
        pytest.param([head(), b"3\r\nabcdef\r\n"], ProtocolViolation, id="chunk longer than its size"),
        pytest.param([head(), b"0\r\n", Forever(b"t: v\r\n" * 99)], ResponseTooLarge, id="trailers without end"),
        pytest.param([b"SSH-2.0-OpenSSH_9.6\r\n"], ProtocolViolation, id="not HTTP"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"], ProtocolViolation, id="two lengths"),
        pytest.param([head(length=3, transfer_encoding="chunked") + b"abc"], ProtocolViolation, id="length and chunks"),
        pytest.param([head(length=9, content_encoding="gzip") + b"\x1f\x8b"], ProtocolViolation, id="compressed"),
        pytest.param([b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"], ProtocolViolation, id="upgrade"),
    ],
)  # fmt: skip
async def test_bad_server_is_refused(server: OpenAiServer, steps: Sequence[Step], error: type[HttpClientError]) -> None:
    with anyio.fail_after(5), pytest.raises(error):
        await get(server, *steps, read_s=0.3, total_s=0.6, body_bytes=4_000_000)
    await _until(lambda: server.open_connections == 0)


async def test_rubbish_behind_a_response_ends_the_connection(server: OpenAiServer) -> None:
    server.script += [[OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"], [OK]]
    http = client()
    for _ in range(2):
        with await http.request("GET", url(server), {}) as response:
            assert await response.read() == b"ok"
    http.close()
    assert [each.connection for each in server.requests] == [1, 2]


async def test_rubbish_on_an_idle_connection_ends_it(server: OpenAiServer) -> None:
    server.script += [[OK, 0.05, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"], [OK]]
    http = client()
    for _ in range(2):
        with await http.request("GET", url(server), {}) as response:
            assert await response.read() == b"ok"
        await anyio.sleep(0.15)
    http.close()
    assert [each.connection for each in server.requests] == [1, 2]


async def test_early_close_closes_the_socket_at_once(server: OpenAiServer) -> None:
    server.script.append([head(), chunk(b"one"), 3600.0])
    http = client()
    with await http.request("GET", url(server), {}) as response:
        await response.read_some()
    closed_at = time.monotonic()
    await _until(lambda: server.requests[0].left_at_s is not None)
    assert time.monotonic() - closed_at < 0.1


async def test_cancelled_request_closes_the_socket_at_once(server: OpenAiServer) -> None:
    server.script.append([3600.0])
    http = client()
    with anyio.move_on_after(0.05):
        await http.request("GET", url(server), {})
    await _until(lambda: server.open_connections == 0)


async def test_reader_that_is_slow_holds_the_server_back(server: OpenAiServer) -> None:
    """The server sends 200 MB a second if it may; what is held here stays small."""
    server.script.append([head(), Forever(chunk(b"z" * 65536))])
    http = client(body_bytes=1 << 40)
    with await http.request("GET", url(server), {}) as response:
        await response.read_some()
        await anyio.sleep(0.2)
        assert len(await response.read_some()) < 1_000_000
        assert len(await response.read_some()) > 0


async def test_large_request_to_a_server_that_does_not_read_times_out() -> None:
    enough, ended = anyio.Event(), anyio.Event()

    async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # there is no other way not to read
        await enough.wait()
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        ended.set()

    listener = await asyncio.start_server(never_reads, "127.0.0.1", 0)
    target = Url.parse(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
    with pytest.raises(TimedOut, match="take the request"):
        await client(write_s=0.2).request("POST", target, {}, b"x" * 50_000_000)
    enough.set()
    await ended.wait()
    listener.close()
    await listener.wait_closed()


async def test_pool_is_bounded_and_waits_for_a_bounded_time(server: OpenAiServer) -> None:
    http = client(connections_per_origin=1, pool_s=0.1)
    server.script += [[head(), 3600.0], [OK]]
    response = await http.request("GET", url(server), {})
    with pytest.raises(PoolFull):
        await http.request("GET", url(server), {})
    response.close()
    with await http.request("GET", url(server), {}) as again:
        assert await again.read() == b"ok"
    http.close()


async def test_hundred_at_a_time_share_the_pool(server: OpenAiServer) -> None:
    http = client(connections_per_origin=8, pool_s=5)
    server.script += [[0.005, OK]] * 100
    bodies: list[bytes] = []

    async def ask() -> None:
        with await http.request("GET", url(server), {}) as response:
            bodies.append(await response.read())

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    http.close()
    assert bodies == [b"ok"] * 100
    assert max(each.connection for each in server.requests) <= 8


async def test_old_idle_connection_is_not_used(server: OpenAiServer) -> None:
    http = client(idle_s=0.02)
    for _ in range(2):
        server.script.append([OK])
        with await http.request("GET", url(server), {}) as response:
            await response.read()
        await anyio.sleep(0.05)
    http.close()
    assert [each.connection for each in server.requests] == [1, 2]


async def test_redirect_is_given_back_not_followed(server: OpenAiServer) -> None:
    server.script.append([head(302, length=0, location="http://127.0.0.1:1/")])
    http = client()
    with await http.request("GET", url(server), {}) as response:
        assert (response.status, response.headers["location"]) == (302, "http://127.0.0.1:1/")
    assert len(server.requests) == 1


async def test_proxy_of_the_environment_is_not_used(server: OpenAiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await get(server, OK) == b"ok"


async def test_nobody_listening_is_said() -> None:
    with pytest.raises(ConnectFailed, match="cannot be reached"):
        await client().request("GET", Url.parse("http://127.0.0.1:1/"), {})


async def test_unknown_host_is_said() -> None:
    with pytest.raises(ConnectFailed, match="no such host"):
        await client().request("GET", Url.parse("http://does-not-exist.invalid/"), {})


@pytest.mark.parametrize("header", [{"x": "a\r\nb: c"}, {"x\n": "a"}, {"x": "\0"}])
async def test_header_with_a_line_break_is_refused(server: OpenAiServer, header: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        await client().request("GET", url(server), header)
    assert not server.requests


# Addresses

HOSTILE = [
    "http://0.0.0.0:{port}/", "http://10.0.0.1/", "http://100.64.0.1/", "http://100.100.100.200/", "http://127.0.0.1:{port}/",
    "http://127.1.2.3:{port}/", "http://localhost:{port}/", "http://localhost.:{port}/", "http://169.254.169.254/latest/meta-data/",
    "http://172.16.0.1/", "http://192.0.0.192/", "http://192.168.1.1/", "http://198.18.0.1/", "http://224.0.0.1/",
    "http://255.255.255.255/", "http://[::]:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/", "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]:{port}/", "http://[2001:0:0:0:0:0:80ff:fffe]/", "http://[fc00::1]/",
    "http://[fd00:ec2::254]/", "http://[fe80::1]/", "http://[fec0::1]/", "http://[2001:db8::1]/", "http://[ff02::1]/",
]  # fmt: skip
MALFORMED = [
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/", "http://010.0.0.1/",
    "http://user@example.com/", "http://user:pass@example.com/", "http://example.com\\@127.0.0.1/", "http://example.com#@127.0.0.1/",
    "http:/\\127.0.0.1/", "http://127.0.0.1%00.example.com/", "http://①②⑦.0.0.1/", "http://exam\tple.com/", "http:// example.com/",
    "http://example.com:99999/", "http://example.com:0/", "http://[fe80::1%25eth0]/", "http://[::1/", "file:///etc/passwd", "ftp://example.com/",
    "gopher://127.0.0.1/", "//example.com/", "http:///", "http://", "", "http://256.1.1.1/", "http://1.2.3/", "http://a..b/", "http://-a/",
    "http://example.com/\r\nx: y", "http://" + "a" * 300 + ".com/", "http://example.com/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
async def test_private_and_reserved_addresses_are_refused(server: OpenAiServer, text: str) -> None:
    http = HttpClient(HttpLimits(), AddressGuard())
    with pytest.raises(AddressNotAllowed, match="address not allowed"):
        await http.request("GET", Url.parse(text.format(port=server.port)), {})
    assert server._connections == 0


@pytest.mark.parametrize("text", MALFORMED)
def test_unusual_urls_are_refused(text: str) -> None:
    with pytest.raises(InvalidUrl):
        Url.parse(text)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
)
async def test_metadata_addresses_are_refused_even_when_named(host: str) -> None:
    guard = AddressGuard(frozenset({f"{host}:*", f"{host}:80"}))
    with pytest.raises(AddressNotAllowed):
        await guard.addresses(Url.parse(f"http://{host}/"))


async def test_named_address_is_allowed_on_its_port_only() -> None:
    guard = AddressGuard(frozenset({"127.0.0.1:8080", "[::1]:8080"}))
    assert await guard.addresses(Url.parse("http://127.0.0.1:8080/")) == ["127.0.0.1"]
    assert await guard.addresses(Url.parse("http://[::1]:8080/")) == ["::1"]
    with pytest.raises(AddressNotAllowed):
        await guard.addresses(Url.parse("http://127.0.0.1:8081/"))


async def test_public_addresses_are_allowed() -> None:
    for text in ("http://1.1.1.1/", "https://[2606:4700:4700::1111]/", "http://8.8.8.8:8080/"):
        assert await AddressGuard().addresses(Url.parse(text))


@given(st.ip_addresses(v=4))
def test_ipv4_wrapped_in_ipv6_is_judged_as_ipv4(address: ipaddress.IPv4Address) -> None:
    from alcove.infra.http.addresses import is_allowed  # noqa: PLC0415

    if not is_allowed(address, is_named=False):
        for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert not is_allowed(ipaddress.ip_address(wrapped), is_named=False)


@given(st.text(max_size=60))
def test_whatever_is_parsed_comes_back_the_same(text: str) -> None:
    try:
        parsed = Url.parse("http://" + text)
    except InvalidUrl:
        return
    assert Url.parse(str(parsed)) == parsed


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and localhost, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file


async def _tls_server(authority: Path) -> asyncio.Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_https_with_a_trusted_certificate(authority: Path, host: str) -> None:
    listener = await _tls_server(authority)
    trust = ssl.create_default_context(cafile=str(authority))
    http = HttpClient(HttpLimits(), LOOPBACK, trust)
    target = Url.parse(f"https://{host}:{listener.sockets[0].getsockname()[1]}/")
    with await http.request("GET", target, {}) as response:
        assert await response.read() == b"ok"
    http.close()
    listener.close()
    await listener.wait_closed()


async def test_https_with_an_untrusted_certificate_is_refused(authority: Path) -> None:
    listener = await _tls_server(authority)
    target = Url.parse(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
    with pytest.raises(ConnectFailed, match="no trusted TLS"):
        await client().request("GET", target, {})
    listener.close()
    await listener.wait_closed()


async def _until(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.005)
