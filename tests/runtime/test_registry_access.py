"""Signing in to registries, and what is never sent to whom: Basic, tokens, redirects to content networks."""

import base64
import datetime
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from alcove.infra.http import AddressGuard, AddressNotAllowed, HttpClient, HttpLimits, Response, Url
from alcove.runtime.registry import web
from alcove.runtime.registry.errors import HostNotAsked, RegistryError, RegistryRefused
from alcove.runtime.registry.settings import RegistrySettings
from tests.runtime.places import CONFIG, LAYERS, open_place
from tests.wire.front_server import Answer, Asked, part, running_front
from tests.wire.registry_server import CONFIG_TYPE, MANIFEST_TYPE, RegistryServer, running_registry, script

WEIGHTS = LAYERS["model"]
DIGEST = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
CONFIG_BYTES = json.dumps(CONFIG).encode()
PASSWORD = "correct horse"
HTPASSWD = "$2b$04$t9qNZxhDM5ew6zqPLW0qfegXaPYuX6VvgGeOcoXtPxAr0PuUaT522"
BASIC = f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}"


def manifest() -> bytes:
    config = {
        "mediaType": CONFIG_TYPE,
        "digest": f"sha256:{hashlib.sha256(CONFIG_BYTES).hexdigest()}",
        "size": len(CONFIG_BYTES),
    }
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": DIGEST, "size": len(WEIGHTS)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]}).encode()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry that wants a user name and a password."""
    if script.find() is None:
        pytest.skip("no registry is installed: run scripts/registry.py")
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(f"ada:{HTPASSWD}\n")
    auth = f"auth: {{htpasswd: {{realm: here, path: {folder / 'htpasswd'}}}}}\n"
    with running_registry(folder, auth, {"authorization": BASIC}) as server:
        server.put_model("library/tiny", "1", LAYERS, CONFIG)
        yield server


async def test_basic_login_pulls_and_pushes(locked: RegistryServer, tmp_path: Path) -> None:
    name = f"{locked.host}/library/tiny:1"
    logins = ({"host": locked.host, "username": "ada", "password": PASSWORD},)
    async with open_place(tmp_path, hosts=(locked.host,), logins=logins) as place:
        await place.pull(name)
        await place.catalog.copy(name, f"{locked.host}/team/copy:1")
        told = [each async for each in place.pusher.push(f"{locked.host}/team/copy:1", is_insecure=True)]
        assert told[-1].status == "success"
    assert locked.request("HEAD", f"/v2/team/copy/blobs/{DIGEST}")[0] == 200


@pytest.mark.parametrize("logins", [(), ({"username": "ada", "password": "wrong"},), ({"token": "nonsense"},)])
async def test_without_the_right_login_it_is_said_what_to_set(
    locked: RegistryServer, tmp_path: Path, logins: tuple[dict[str, str], ...]
) -> None:
    given = tuple({"host": locked.host, **each} for each in logins)
    async with open_place(tmp_path, hosts=(locked.host,), logins=given) as place:
        with pytest.raises(RegistryRefused, match=r"runtime\.registry\.logins") as caught:
            await place.pull(f"{locked.host}/library/tiny:1")
        assert PASSWORD not in caught.value.detail


@dataclass
class TokenServer:
    """Gives tokens as Docker's token specification has it, to those who know the password."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> "TokenServer":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != BASIC:
            return Answer(status=401)
        query = parse_qs(urlsplit(asked.path).query)
        kind, name, actions = query["scope"][0].split(":")
        now = int(time.time())
        header = {
            "typ": "JWT",
            "alg": "ES256",
            "x5c": [base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()],
        }
        claims = {
            "iss": "tokens", "sub": "ada", "aud": query["service"][0], "exp": now + 60, "nbf": now - 60, "iat": now, "jti": "1",
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }  # fmt: skip
        text = ".".join(_base64(json.dumps(each).encode()) for each in (header, claims))
        r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{text}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        return Answer(body=json.dumps({"token": token, "expires_in": 60}).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_tokens_are_fetched_where_an_operator_said_so(tmp_path: Path) -> None:
    if script.find() is None:
        pytest.skip("no registry is installed: run scripts/registry.py")
    tokens = TokenServer.make()
    async with running_front(tokens.answer) as front:
        folder = tmp_path / "registry"
        folder.mkdir()
        (folder / "tokens.pem").write_bytes(tokens.certificate.public_bytes(serialization.Encoding.PEM))
        auth = (
            f"auth: {{token: {{realm: 'http://{front.host}/token', service: here, issuer: tokens, "
            f"rootcertbundle: {folder / 'tokens.pem'}}}}}\n"
        )
        with running_registry(folder, auth) as server:
            logins: tuple[dict[str, Any], ...] = (
                {"host": server.host, "username": "ada", "password": PASSWORD, "realm": front.host},
            )
            # A model is put there by another place: nothing else in these tests can get a token.
            async with (
                running_front(_plain) as plain,
                open_place(tmp_path / "a", hosts=(server.host, plain.host), logins=logins) as place,
            ):
                await place.pull(f"{plain.host}/library/tiny:1")
                await place.catalog.copy(f"{plain.host}/library/tiny:1", f"{server.host}/library/tiny:1")
                told = [each async for each in place.pusher.push(f"{server.host}/library/tiny:1", is_insecure=True)]
                assert told[-1].status == "success"
            async with open_place(tmp_path / "b", hosts=(server.host,), logins=logins) as place:
                await place.pull(f"{server.host}/library/tiny:1")
                assert len(await place.catalog.list()) == 1
            front.asked.clear()
            elsewhere = ({"host": server.host, "username": "ada", "password": PASSWORD},)
            async with open_place(tmp_path / "c", hosts=(server.host,), logins=elsewhere) as place:
                with pytest.raises(RegistryRefused, match="not the registry itself"):
                    await place.pull(f"{server.host}/library/tiny:1")
            assert front.asked == []  # the password went nowhere


def _plain(asked: Asked) -> Answer:
    """A registry with one model."""
    if "/manifests/" in asked.path:
        return Answer(body=manifest())
    return part(asked, WEIGHTS if asked.path.endswith(DIGEST) else CONFIG_BYTES)


async def test_credentials_do_not_go_where_a_registry_redirects(tmp_path: Path) -> None:
    async with running_front(lambda asked: part(asked, WEIGHTS)) as network:

        def answer(asked: Asked) -> Answer:
            if asked.headers.get("authorization") != "Bearer hf_secret":
                return Answer(status=401, headers={"www-authenticate": "Bearer"})
            if asked.path.endswith(DIGEST):
                return Answer(status=307, headers={"location": f"http://{network.host}/signed?{asked.path[-8:]}"})
            return _plain(asked)

        async with running_front(answer) as front:
            logins = ({"host": front.host, "token": "hf_secret"},)
            async with open_place(tmp_path, hosts=(front.host, network.host), logins=logins) as place:
                await place.pull(f"{front.host}/library/tiny:1")
            assert network.asked
            assert all("authorization" not in each.headers for each in network.asked)
            assert all(each.headers["range"].startswith("bytes=") for each in network.asked)


async def test_private_addresses_are_not_reached_by_redirects(tmp_path: Path) -> None:
    async with running_front(lambda asked: part(asked, WEIGHTS)) as inside:

        def answer(asked: Asked) -> Answer:
            if asked.path.endswith(DIGEST):
                return Answer(status=307, headers={"location": f"http://{inside.host}/secret"})
            return _plain(asked)

        async with running_front(answer) as front, open_place(tmp_path, hosts=(front.host,)) as place:
            with pytest.raises(Exception, match="private or reserved"):
                await place.pull(f"{front.host}/library/tiny:1")
        assert inside.asked == []


@pytest.mark.parametrize("origin", ["not a name", "ftp://x/y/z", "gpt-oss:120b-cloud", "///", "/root/.ollama/blobs/x"])
async def test_a_model_with_an_odd_origin_of_a_layer_is_pushed(tmp_path: Path, origin: str) -> None:
    pulled = json.loads(manifest())
    pulled["layers"][0]["from"] = origin

    def answer(asked: Asked) -> Answer:
        if asked.method == "GET":
            return Answer(body=json.dumps(pulled).encode()) if "/manifests/" in asked.path else _plain(asked)
        if asked.method == "HEAD":
            return Answer(status=404)
        if asked.method == "PUT":
            return Answer(status=201)
        return Answer(status=202, headers={"location": "/v2/library/tiny/blobs/uploads/1"})

    async with running_front(answer) as front, open_place(tmp_path, hosts=(front.host,)) as place:
        name = f"{front.host}/library/tiny:1"
        await place.pull(name)
        told = [each async for each in place.pusher.push(name, is_insecure=True)]
        assert told[-1].status == "success"
        begun = [each.path for each in front.asked if each.method == "POST"]
        assert begun == ["/v2/library/tiny/blobs/uploads/"] * 2


class Wire(HttpClient):
    """Notes what would be sent, and sends nothing."""

    def __init__(self) -> None:
        super().__init__(HttpLimits(), AddressGuard())
        self.sent: list[tuple[str, str]] = []

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> Response:
        self.sent.append((f"{url.scheme}://{url.authority}", headers.get("authorization", "")))
        raise AddressNotAllowed


@pytest.mark.parametrize(
    ("host", "login", "mirror", "is_insecure", "is_sent"),
    [
        ("hf.co", "huggingface.co", "", False, True),
        ("hf.co", "HF.co", "", False, True),
        ("huggingface.co", "hf.co", "", False, True),
        ("huggingface.co", "huggingface.co:443", "", False, True),
        ("huggingface.co", "huggingface.co", "", True, False),
        ("huggingface.co", "huggingface.co:80", "", True, True),
        ("huggingface.co", "huggingface.co", "https://mirror.example.org", False, False),
        ("hf.co", "hf.co", "https://mirror.example.org", False, False),
        ("hf.co", "mirror.example.org", "https://mirror.example.org", False, True),
        ("hf.co", "hf.co", "http://mirror.example.org", False, False),
        ("hf.co", "mirror.example.org", "http://mirror.example.org", False, False),
        ("hf.co", "mirror.example.org:80", "http://mirror.example.org", False, True),
        ("registry.example.org", "registry.example.org", "", False, True),
        ("registry.example.org", "registry.example.org", "", True, False),
        ("registry.example.org:5000", "registry.example.org:5000", "", True, True),
        ("registry.example.org:5000", "registry.example.org", "", False, False),
        ("registry.example.org", "hf.co", "", False, False),
    ],
)
async def test_a_token_is_sent_to_the_host_it_is_for(
    *, host: str, login: str, mirror: str, is_insecure: bool, is_sent: bool
) -> None:
    wire = Wire()
    mirrors = {"huggingface.co": mirror} if mirror else {}
    settings = RegistrySettings.model_validate(
        {"hosts": ["*"], "logins": [{"host": login, "token": "hf_secret"}], "mirrors": mirrors}
    )
    registry = web.open_registry(wire, settings, host, scheme="", is_insecure=is_insecure)
    with pytest.raises(HostNotAsked):
        await registry.send(web.Asked(method="GET", url=registry.base.at("/v2/")))
    ((_, authorization),) = wire.sent
    assert authorization == ("Bearer hf_secret" if is_sent else "")


async def test_a_mirror_is_not_told_the_password_of_the_host_it_stands_in_for(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if "authorization" in asked.headers:
            return _plain(asked)
        return Answer(status=401, headers={"www-authenticate": 'Basic realm="here"'})

    async with running_front(answer) as front:
        mirrors = {"registry.example.org": f"http://{front.host}"}
        login = {"username": "ada", "password": PASSWORD}
        given: dict[str, Any] = {"hosts": ("registry.example.org",), "mirrors": mirrors}
        theirs = ({"host": "registry.example.org", **login},)
        async with open_place(tmp_path, **given, logins=theirs) as place:
            with pytest.raises(RegistryRefused, match="wants a user name"):
                await place.pull("registry.example.org/library/tiny:1")
        assert all("authorization" not in each.headers for each in front.asked)
        async with open_place(tmp_path, **given, logins=({"host": front.host, **login},)) as place:
            await place.pull("registry.example.org/library/tiny:1")
        assert front.asked[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "location", ["", "file:///etc/passwd", "http://user:pw@127.0.0.1/x", "gopher://x/", "http://\\evil/"]
)
async def test_strange_redirects_are_refused(tmp_path: Path, location: str) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            return Answer(status=302, headers={"location": location})
        return _plain(asked)

    async with running_front(answer) as front, open_place(tmp_path, hosts=(front.host,)) as place:
        with pytest.raises(RegistryError):
            await place.pull(f"{front.host}/library/tiny:1")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "schema version"),
        (b'{"schemaVersion": 2, "config": {}, "layers": []}', "without media type"),
        (manifest().replace(DIGEST.encode(), b"sha256:../../../etc/passwd"), "digest"),
        (manifest().replace(b"ollama.image.model", b"ollama.image.tensor"), "safetensors"),
        (manifest().replace(b"ollama.image.model", b"other"), "names no weights"),
        (b" " * (5 << 20), "more than"),
    ],
)
async def test_manifests_that_are_none_are_refused(tmp_path: Path, body: bytes, words: str) -> None:
    async with running_front(lambda _: Answer(body=body)) as front, open_place(tmp_path, hosts=(front.host,)) as place:
        with pytest.raises(Exception, match=words):
            await place.pull(f"{front.host}/library/tiny:1")
        assert await place.catalog.list() == []
