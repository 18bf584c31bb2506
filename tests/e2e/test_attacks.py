"""Attacks on the real process, over its socket. The numbers are those of the project's list of attack cases."""

import io
import json
import pickle
import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import ADMIN, PASSWORD, Alcove, Starter, start
from tests.e2e.models import FakeModels, canary, fake_models
from tests.e2e.test_crash import wait_for
from tests.knowledge import files

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROVIDER_KEY = "sk-provider-planted-4711-abcdef"
STORED_KEY = "sk-stored-planted-0815-uvwxyz"
USER_PASSWORD = "planted horse battery staple"
WRONG_PASSWORD = "planted wrong password 12"
OPENAI_ROUTES = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/alcove/reader"),
)


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


@pytest.fixture(scope="module")
def house(models: FakeModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    names = ("echo", "bad-key", "rate-limited", "broken", "redirect", "hostile", "error-event")
    environment = models.deployment(*names, api_key=PROVIDER_KEY)
    server = start(tmp_path_factory.mktemp("attacked") / "data", ALCOVE_LOGGING__LEVEL="debug", **environment)
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="module")
def key(house: Alcove) -> str:
    return house.key()


@pytest.fixture
def admin(house: Alcove, key: str) -> Iterator[httpx2.Client]:
    with house.client(key) as http:
        yield http


@pytest.fixture
def anyone(house: Alcove) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=house.url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture
def person(admin: httpx2.Client, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A user of this test's own."""
    name = re.sub(r"\W+", "-", request.node.name)[:50]
    body = {"email": f"{name}@example.org", "name": name, "password": USER_PASSWORD, "role": "user"}
    made = admin.post("/api/v1/users", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


Browsers = Callable[[dict[str, Any]], httpx2.Client]


@pytest.fixture
def browse(house: Alcove) -> Iterator[Browsers]:
    """Signs people in, each in a browser that does what our page does."""
    opened: list[httpx2.Client] = []

    def sign_in(who: dict[str, Any]) -> httpx2.Client:
        http = httpx2.Client(base_url=house.url, timeout=30, trust_env=False, headers={"origin": house.url})
        opened.append(http)
        answer = http.post("/api/v1/auth/login", json={"email": who["email"], "password": USER_PASSWORD})
        assert answer.status_code == 200, answer.text
        http.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return http

    yield sign_in
    for each in opened:
        each.close()


def raw(house: Alcove, request: bytes) -> bytes:
    """Sends bytes as they are; gives what comes back until the server closes or is silent."""
    host, port = house.url.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        try:
            connection.sendall(request)
            while piece := connection.recv(65_536):
                found += piece
                if b"\r\n\r\n" in found and b"connection: close" not in request.lower():
                    break
        except (TimeoutError, ConnectionError):
            pass
    return found


def is_well(admin: httpx2.Client) -> bool:
    return admin.get("/health/ready").status_code == 200 and admin.get("/api/v1/users/me").status_code == 200


def test_case_1_odd_credentials_get_one_constant_401(house: Alcove, anyone: httpx2.Client):
    bodies = set()
    for verb, path in OPENAI_ROUTES:
        for value in (
            "Bearer ' OR 1=1--",
            "Bearer " + "a" * 30_000,
            "Bearer sk-as-aaaaaaaa_" + "a" * 32,
            "Bearer",
            "Basic x",
            "",
        ):
            answer = anyone.request(verb, path, headers={"authorization": value}, json={})
            assert answer.status_code == 401, (verb, path, value[:40], answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"
            bodies.add(answer.text)
    assert len(bodies) == 1
    for path in ("/v1/models", "/v1/chat/completions", "/api/v1/chats"):
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ".encode()
        answer = raw(house, head + b"a" * 1_000_000 + b"\r\nconnection: close\r\n\r\n")
        assert answer == b"" or answer.split(b" ")[1] in {b"400", b"401", b"404", b"405", b"431"}
    log = "".join(house.errors)
    assert "sqlite" not in log.lower()
    assert "Traceback" not in log


def test_case_3_setup_is_for_the_first_time_and_for_this_machine(
    starter: Starter, house: Alcove, anyone: httpx2.Client
):
    account = {"email": "first@example.org", "name": "First", "password": USER_PASSWORD}
    assert anyone.post("/api/v1/auth/setup", json={**account, "token": "x" * 43}).status_code == 404
    server = starter(ALCOVE_SETUP__ADMIN_EMAIL="", ALCOVE_SETUP__ADMIN_PASSWORD="")
    with httpx2.Client(base_url=server.url, timeout=30, trust_env=False) as http:
        assert http.get("/api/v1/auth/state").json()["setup_required"] is True
        link = server.run("setup-link", "--data-dir", str(server.data_dir))
        assert link.returncode == 0, link.stderr
        found = re.search(r"/setup#token=([A-Za-z0-9_-]+)", link.stdout)
        assert found is not None
        token = found[1]
        for bad in ("x" * 43, "", token[:-1], f"{token}x", "' OR 1=1--"):
            assert http.post("/api/v1/auth/setup", json={**account, "token": bad}).status_code == 403
        for headers in (
            {"x-forwarded-for": "203.0.113.9"},
            {"forwarded": "for=203.0.113.9"},
            {"origin": "https://evil.example"},
        ):
            refused = http.post("/api/v1/auth/setup", json={**account, "token": token}, headers=headers)
            assert refused.status_code == 403, headers
        assert http.get("/api/v1/auth/state").json()["setup_required"] is True
        assert http.post("/api/v1/auth/setup", json={**account, "token": token}).status_code == 201
        http.cookies.clear()
        assert http.post("/api/v1/auth/setup", json={**account, "token": token}).status_code == 404
    assert token not in "".join(server.errors)


def test_case_6_a_preset_session_is_not_kept(house: Alcove, person: dict[str, Any], browse: Browsers):
    first = browse(person)
    preset = first.cookies["as_session"]
    assert first.get("/api/v1/users/me").status_code == 200
    again = first.post("/api/v1/auth/login", json={"email": person["email"], "password": USER_PASSWORD})
    assert again.status_code == 200
    assert first.cookies["as_session"] != preset
    for token in (preset, "a" * 43, "fixed-by-the-attacker"):
        with httpx2.Client(base_url=house.url, trust_env=False, cookies={"as_session": token}) as thief:
            assert thief.get("/api/v1/users/me").status_code == 401
            body = {"email": person["email"], "password": USER_PASSWORD}
            fresh = thief.post("/api/v1/auth/login", json=body)
            assert f"as_session={token}" not in fresh.headers["set-cookie"]


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "admin"}, {"password": "another long secret 1"}, None])
def test_case_7_a_cookie_is_dead_at_once(
    admin: httpx2.Client, person: dict[str, Any], browse: Browsers, change: dict[str, Any] | None
):
    browser, other = browse(person), browse(person)
    if change is None:
        assert browser.post("/api/v1/auth/logout").status_code == 204
        assert other.get("/api/v1/users/me").status_code == 200
        body = {"current_password": USER_PASSWORD, "new_password": "another long secret 2"}
        cookie = browser.cookies.get("as_session")
        assert cookie is None  # our page forgets it, a thief would not: see the next lines
        third = browse(person)
        kept = dict(third.cookies)
        assert other.post("/api/v1/auth/password", json=body).status_code == 204
        third.cookies.update(kept)
        assert third.get("/api/v1/users/me").status_code == 401
        assert other.get("/api/v1/users/me").status_code == 200
        return
    assert browser.get("/api/v1/users/me").status_code == 200
    assert admin.patch(f"/api/v1/users/{person['id']}", json=change).status_code == 200
    for each in (browser, other):
        assert each.get("/api/v1/users/me").status_code == 401
        assert each.get("/api/v1/chats").status_code == 401


def test_case_7_a_logged_out_cookie_is_of_no_use_to_a_thief(house: Alcove, person: dict[str, Any], browse: Browsers):
    browser = browse(person)
    stolen = dict(browser.cookies)
    assert browser.post("/api/v1/auth/logout").status_code == 204
    with httpx2.Client(base_url=house.url, trust_env=False, cookies=stolen) as thief:
        assert thief.get("/api/v1/users/me").status_code == 401


def test_case_9_keys_of_a_disabled_user_are_dead_on_every_path(
    house: Alcove, admin: httpx2.Client, anyone: httpx2.Client, person: dict[str, Any]
):
    secret = house.key(person["email"])
    for name in ("authorization", "x-api-key", "api-key"):
        value = f"Bearer {secret}" if name == "authorization" else secret
        assert anyone.get("/v1/models", headers={name: value}).status_code == 200
    assert admin.patch(f"/api/v1/users/{person['id']}", json={"disabled": True}).status_code == 200
    for name in ("authorization", "x-api-key", "api-key"):
        value = f"Bearer {secret}" if name == "authorization" else secret
        for verb, path in (
            *OPENAI_ROUTES,
            ("GET", "/api/v1/chats"),
            ("GET", "/api/v1/users/me"),
            ("GET", "/api/v1/traces"),
        ):
            assert anyone.request(verb, path, headers={name: value}, json={}).status_code == 401, (name, path)


def test_case_10_a_key_in_the_address_is_never_read(anyone: httpx2.Client, key: str):
    for name in ("api_key", "key", "api-key", "x-api-key", "authorization", "access_token", "token"):
        for verb, path in (*OPENAI_ROUTES, ("GET", "/api/v1/chats")):
            assert anyone.request(verb, path, params={name: key}, json={}).status_code == 401, (name, path)
    assert anyone.get("/v1/models", headers={"cookie": f"api_key={key}; as_session={key}"}).status_code == 401
    assert anyone.post("/v1/chat/completions", json={"api_key": key, "model": "alcove/reader"}).status_code == 401


def test_case_21_what_runs_behind_is_for_admins(
    house: Alcove, anyone: httpx2.Client, person: dict[str, Any], admin: httpx2.Client
):
    with house.client(house.key(person["email"])) as user:
        for path in ("/api/v1/status", "/api/v1/audit", "/api/v1/users", "/api/v1/deployments"):
            assert anyone.get(path).status_code == 401, path
            assert user.get(path).status_code == 403, path
            assert admin.get(path).status_code == 200, path
        for http in (anyone, user):
            through = http.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})
            assert through.status_code == 403  # a proxy on this machine does not make the caller local
            for path in (
                "/docs",
                "/redoc",
                "/openapi.json",
                "/debug",
                "/metrics/",
                "/admin/migrations",
                "/.env",
                "/.git/config",
            ):
                answer = http.get(path)
                assert "swagger" not in answer.text.lower(), path
                assert "alcove_http" not in answer.text, path
                assert answer.status_code == 404 or "<div id=" in answer.text, path


def test_case_23_forwarded_headers_of_strangers_are_ignored(admin: httpx2.Client, anyone: httpx2.Client):
    claims = {
        "x-forwarded-for": "203.0.113.66", "x-real-ip": "203.0.113.66", "forwarded": "for=203.0.113.66;proto=https",
        "x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-user": ADMIN, "x-forwarded-user": ADMIN,
        "x-forwarded-email": ADMIN, "x-auth-request-email": ADMIN, "remote-user": ADMIN,
    }  # fmt: skip
    assert anyone.get("/api/v1/users/me", headers=claims).status_code == 401
    body = {"email": "spoofer@example.org", "password": WRONG_PASSWORD}
    refused = anyone.post("/api/v1/auth/login", json=body, headers=claims)
    assert refused.status_code == 401
    assert "strict-transport-security" not in refused.headers
    entries = admin.get("/api/v1/audit?limit=200").json()["items"]
    found = [each for each in entries if each["request_id"] == refused.headers["x-request-id"]]
    assert [each["ip"] for each in found] == ["127.0.0.1"]


def hostile_urls(port: int) -> list[str]:
    return [
        f"http://127.0.0.1:{port}/v1", f"http://localhost:{port}/v1", f"http://[::1]:{port}/v1", f"http://0.0.0.0:{port}/v1",
        f"http://0:{port}/v1", f"http://127.1:{port}/v1", f"http://2130706433:{port}/v1", f"http://0x7f000001:{port}/v1",
        f"http://0177.0.0.1:{port}/v1", f"http://[::ffff:127.0.0.1]:{port}/v1", f"http://[::ffff:7f00:1]:{port}/v1",
        f"http://[64:ff9b::7f00:1]:{port}/v1", f"http://[2002:7f00:1::]:{port}/v1", f"http://[::127.0.0.1]:{port}/v1",
        f"http://127.0.0.1.:{port}/v1", f"http://LOCALHOST.:{port}/v1", f"http://127.0.0.2:{port}/v1",
        f"http://user@127.0.0.1:{port}/v1", f"http://api.openai.com@127.0.0.1:{port}/v1",
        f"http://127.0.0.1:{port}\\@api.openai.com/v1", f"http://api.openai.com#@127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}%2f@api.openai.com/v1", f"http://①②⑦.⓪.⓪.①:{port}/v1",
        "http://169.254.169.254/latest/meta-data", "http://169.254.170.2/v2/credentials", "http://[fd00:ec2::254]/latest",
        "http://[fe80::1]/v1", "http://[::ffff:169.254.169.254]/v1", "http://[64:ff9b::a9fe:a9fe]/v1", "http://0xa9fea9fe/v1",
        "http://100.100.100.200/latest", "http://168.63.129.16/machine", "http://192.0.0.192/opc/v2",
        "http://10.0.0.1/v1", "http://172.16.0.1/v1", "http://192.168.1.1/v1", "http://100.64.0.1/v1", "http://[fc00::1]/v1",
        "http://224.0.0.1/v1", "http://255.255.255.255/v1", "http://198.18.0.1/v1",
        f"file:///etc/passwd?{port}", f"gopher://127.0.0.1:{port}/_x", f"ftp://127.0.0.1:{port}/", f"//127.0.0.1:{port}/v1",
        f"http://127.0.0.1:{port}/v1\r\nx-evil: 1", "http://", "https://[::1", "javascript:alert(1)",
    ]  # fmt: skip


def test_case_24_a_model_server_cannot_be_an_address_inside(house: Alcove, admin: httpx2.Client):
    body = {"name": "outside", "provider": "openai", "base_url": "https://models.invalid/v1", "api_key": STORED_KEY}
    made = admin.post("/api/v1/deployments", json=body)
    assert made.status_code == 201, made.text
    assert STORED_KEY not in made.text
    path = f"/api/v1/deployments/{made.json()['id']}"
    with canary() as bird:
        for number, url in enumerate(hostile_urls(bird.port)):
            for provider in ("openai", "ollama"):
                refused = admin.post(
                    "/api/v1/deployments",
                    json={"name": f"in-{number}-{provider}", "provider": provider, "base_url": url},
                )
                assert refused.status_code == 400, (url, refused.text)
            refused = admin.patch(path, json={"base_url": url})
            assert refused.status_code == 400, (url, refused.text)
        assert admin.post(f"{path}/test").json()["ok"] is False
        assert bird.visits == []
    (kept,) = [each for each in admin.get("/api/v1/deployments").json()["items"] if each["name"] == "outside"]
    assert kept["base_url"] == "https://models.invalid/v1"
    assert kept["api_key_hint"] == STORED_KEY[-4:]
    moved = admin.patch(path, json={"base_url": "https://other.invalid/v1"})
    assert moved.json()["api_key_hint"] is None  # another server never gets the key of the first


def test_case_24_link_local_stays_closed_even_when_an_operator_names_it(starter: Starter):
    server = starter(ALCOVE_GATEWAY__PRIVATE_ADDRESSES='["169.254.169.254:*", "[fd00:ec2::254]:*", "10.1.2.3:80"]')
    with server.client() as http:
        for url, status in (
            ("http://169.254.169.254/v1", 400),
            ("http://[fd00:ec2::254]/v1", 400),
            ("http://10.1.2.3/v1", 201),
        ):
            body = {"name": "named", "provider": "openai", "base_url": url, "models": ["m"], "enabled": False}
            assert http.post("/api/v1/deployments", json=body).status_code == status, url


def test_a_redirect_of_a_model_server_is_not_followed(admin: httpx2.Client):
    body = {"model": "redirect", "messages": [{"role": "user", "content": "Hi"}]}
    answer = admin.post("/v1/chat/completions", json=body)
    assert answer.status_code >= 400
    assert "location" not in answer.headers


MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)<\\/script>'


def test_case_30_markup_in_names_and_answers_comes_back_as_data(admin: httpx2.Client):
    collection = admin.post("/api/v1/knowledge/collections", json={"name": MARKUP, "description": MARKUP})
    assert collection.status_code == 201, collection.text
    assert collection.json()["name"] == MARKUP
    page = b"<html><body><script>alert(3)</script><h1>Lamps</h1><p>The lamp is green.</p></body></html>"
    url = f"/api/v1/knowledge/collections/{collection.json()['id']}/documents"
    name = '<img src=x onerror="alert(4)">\r\nset-cookie: a=b; é.html'
    sent = admin.post(url, files={"file": (name, page, "text/html")})
    assert sent.status_code == 202, sent.text
    document = sent.json()
    assert not re.search(r"[\x00-\x1f]", document["name"])
    path = f"/api/v1/knowledge/documents/{document['id']}"
    wait_for(lambda: admin.get(path).json()["status"] == "ready")
    file = admin.get(f"{path}/file")
    assert file.content == page
    assert file.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in file.headers
    chat = admin.post("/api/v1/chats", json={"title": MARKUP}).json()
    assert chat["title"] == MARKUP
    asked = admin.post(f"/api/v1/chats/{chat['id']}/messages", json={"content": MARKUP, "model": "hostile"}).json()
    events = admin.get(f"/api/v1/chats/{chat['id']}/messages/{asked['assistant_message']['id']}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert {line.split(":")[0] for line in events.text.splitlines() if line} <= {"id", "event", "data", ""}
    exports = [admin.get(f"/api/v1/chats/{chat['id']}/export?format={each}") for each in ("json", "markdown")]
    for download in (file, *exports):
        assert download.status_code == 200
        assert download.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in download.headers["content-security-policy"]
    for answer in (events, file, *exports, admin.get(f"/api/v1/chats/{chat['id']}"), admin.get("/api/v1/models"), sent):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "html" not in answer.headers["content-type"]


def zipped(*entries: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return packed.getvalue()


class Exploit:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("/tmp/alcove-was-here"),)  # type: ignore[return-value]  # as an attacker would


ENTITY = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&e;</w:t></w:r></w:p></w:body></w:document>"""


def hostile_files() -> Iterator[tuple[str, bytes]]:
    yield "inflating.docx", files.inflating_docx(2_000_000_000)
    yield "lying.docx", files.lying_docx(200_000_000)
    yield "bomb.pdf", files.bomb_pdf(300_000_000)
    yield "encrypted.pdf", files.encrypted_pdf()
    yield "pages.pdf", files.many_pages_pdf(20_000)
    yield "cut.pdf", files.pdf([["some text"] * 30])[:400]
    yield (
        "up.docx",
        zipped(
            ("../../../tmp/alcove-was-here", b"x"), ("/tmp/alcove-was-here", b"x"), ("[Content_Types].xml", b"<x/>")
        ),
    )
    yield "many.zip", zipped(*((f"{number}.txt", b"") for number in range(20_000)))
    yield "nested.zip", zipped(("inner.zip", zipped(("inner.zip", zipped(("zeros", b"\0" * 50_000_000))))))
    yield "entity.docx", zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", ENTITY))
    yield (
        "laughs.docx",
        zipped(
            ("[Content_Types].xml", b"<Types/>"),
            (
                "word/document.xml",
                ENTITY.replace(b'SYSTEM "file:///etc/passwd"', b'"' + b"ha" * 1000 + b'"').replace(
                    b"&e;", b"&e;" * 50_000
                ),
            ),
        ),
    )
    yield "model.pt", pickle.dumps(Exploit())
    yield "model.txt", pickle.dumps([Exploit()])
    yield "empty.md", b""
    yield "program.txt", b"\x7fELF" + bytes(range(256)) * 20
    yield "nothing.html", b"<html>" + b"<div>" * 200_000


def test_case_33_hostile_files_fail_with_a_reason_and_harm_nobody(house: Alcove, admin: httpx2.Client):
    collection = admin.post("/api/v1/knowledge/collections", json={"name": "Hostile"}).json()["id"]
    url = f"/api/v1/knowledge/collections/{collection}/documents"
    sent = {}
    for name, data in hostile_files():
        answer = admin.post(url, files={"file": (name, data)})
        if answer.status_code == 202:
            sent[name] = answer.json()["id"]
        else:
            assert answer.status_code in {400, 413, 415, 422}, (name, answer.text)
            assert len(answer.json()["detail"]) > 10
    good = admin.post(url, files={"file": ("good.md", b"# Lamps\n\nThe lamp of the harbour is green.")}).json()["id"]
    for name, document_id in sent.items():
        path = f"/api/v1/knowledge/documents/{document_id}"
        wait_for(lambda: admin.get(path).json()["status"] in {"failed", "ready"})  # noqa: B023
        document = admin.get(path).json()
        assert document["status"] == "failed", name
        assert document["error"]["code"] != "internal_error", (name, document["error"])
        assert len(document["error"]["detail"]) > 10
        assert "/tmp" not in document["error"]["detail"]
        assert "Traceback" not in document["error"]["detail"]
        assert admin.get(f"{path}/text").status_code == 409
    wait_for(lambda: admin.get(f"/api/v1/knowledge/documents/{good}").json()["status"] == "ready")
    found = admin.post(
        f"/api/v1/knowledge/collections/{collection}/search", json={"query": "root lamp harbour passwd"}
    ).json()
    assert {each["document"] for each in found["sources"]} == {"good.md"}
    assert "root:" not in json.dumps(found)
    assert not Path("/tmp/alcove-was-here").exists()
    assert is_well(admin)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:3000",
        "localhost@evil.example",
        "127.0.0.1/../x",
        "",
        "a b",
        "10.0.0.1",
        "[::1",
    ],
)
def test_a_host_that_is_not_ours_gets_400(house: Alcove, key: str, host: str):
    head = f"GET /v1/models HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    answer = raw(house, head.encode())
    assert answer.split(b" ")[1] == b"400", answer[:300]
    assert b"alcove/reader" not in answer


def test_two_hosts_or_none_get_400(house: Alcove, key: str):
    for hosts in ("", "host: 127.0.0.1\r\nhost: evil.example\r\n", "host: evil.example\r\nhost: 127.0.0.1\r\n"):
        head = f"GET /v1/models HTTP/1.1\r\n{hosts}authorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        assert raw(house, head.encode()).split(b" ")[1] == b"400", hosts


def test_paths_are_judged_as_they_are_routed(anyone: httpx2.Client, house: Alcove):
    """The class of Starlette's CVE-2026-48710: one reading for who may, another for what is done."""
    for path in (
        "/health/../api/v1/chats", "/assets/..%2fapi/v1/chats", "/assets/../v1/models", "//api/v1/chats", "/api//v1/chats",
        "/api/v1/chats/", "/API/v1/chats", "/v1/models%00", "/health/live/../../api/v1/users", "/api/v1/auth/state/../../chats",
        "http://127.0.0.1/api/v1/chats", "/health/%2e%2e/api/v1/chats", "/api/v1/chats;x=/health/",
    ):  # fmt: skip
        answer = raw(house, f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        assert b'"items"' not in answer, path
        assert b'"data"' not in answer, path
        assert answer.split(b" ")[1] in {b"200", b"307", b"400", b"401", b"404"}, (path, answer[:200])
        if answer.split(b" ")[1] == b"200":
            assert b"<div id=" in answer, path  # an address of the page


def test_smuggled_and_broken_requests_leave_it_well(house: Alcove, admin: httpx2.Client):
    for request in (
        b"POST /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 99999999999\r\ncontent-type: application/json\r\n\r\n{}",
        b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET /\xff\xfe HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    ):  # fmt: skip
        answer = raw(house, request + b"")
        assert answer == b"" or answer.split(b" ")[1] in {b"200", b"400", b"404", b"405", b"413", b"431"}, answer[:200]
    deep = b"[" * 100_000 + b"]" * 100_000
    for path in ("/v1/chat/completions", "/v1/embeddings", "/api/v1/chats"):
        for body in (
            deep,
            b'{"model": ' + deep + b"}",
            b"\xff\xfe",
            b"null",
            b"1e999",
            b'{"model": "\\ud800", "messages": []}',
            b"{" * 10,
        ):
            answer = admin.post(path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 400, (path, body[:30], answer.text[:200])
    assert is_well(admin)


def test_case_40_no_secret_is_anywhere(
    house: Alcove, admin: httpx2.Client, key: str, person: dict[str, Any], browse: Browsers
):
    """Last: what all tests before left in logs, traces, audit, metrics, error bodies and on disk."""
    browser = browse(person)
    made = browser.post("/api/v1/keys", json={"name": "planted"}).json()
    token = browser.cookies["as_session"]
    secrets = [key, PASSWORD, USER_PASSWORD, WRONG_PASSWORD, PROVIDER_KEY, STORED_KEY, made["secret"], token]
    answers = [browser.post("/api/v1/auth/login", json={"email": person["email"], "password": WRONG_PASSWORD})]
    answers.append(
        browser.post("/api/v1/auth/login", json={"email": person["email"], "password": {"x": WRONG_PASSWORD}})
    )
    answers.append(
        browser.post("/api/v1/auth/login", json={"email": WRONG_PASSWORD, "password": USER_PASSWORD, "more": PASSWORD})
    )
    body = {"current_password": WRONG_PASSWORD, "new_password": USER_PASSWORD}
    answers.append(browser.post("/api/v1/auth/password", json=body))
    answers.append(admin.get(f"/v1/models?api_key={key}"))
    answers.append(admin.get(f"/api/v1/chats/{key}"))
    for model in ("echo", "bad-key", "rate-limited", "broken", "error-event", "redirect", "nope"):
        for is_streaming in (False, True):
            ask = {"model": model, "stream": is_streaming, "messages": [{"role": "user", "content": "Hello"}]}
            answers.append(admin.post("/v1/chat/completions", json=ask))
    answers += [
        admin.post(
            "/api/v1/deployments",
            json={"name": "bad name!", "base_url": "x", "api_key": STORED_KEY, "provider": "openai"},
        )
    ]
    answers += [
        admin.get(path)
        for path in (
            "/api/v1/deployments",
            "/api/v1/keys",
            "/api/v1/users",
            "/api/v1/status",
            "/metrics",
            "/api/v1/models",
        )
    ]
    cursor = None
    while True:
        page = admin.get(
            "/api/v1/traces", params={"all": "true", "limit": 200, **({"cursor": cursor} if cursor else {})}
        )
        answers.append(page)
        answers += [admin.get(f"/api/v1/traces/{each['id']}?all=true") for each in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    answers.append(admin.get("/api/v1/audit?limit=200"))
    audit = answers[-1].json()["items"]
    assert {"failed", "refused"} <= {each["outcome"] for each in audit}
    assert is_well(admin)
    shown = {f"{each.request.method} {each.request.url.path}": each.text for each in answers}
    for number, answer in enumerate(answers):
        # the address of a request is told back to who sent it, and nowhere else
        text = answer.text.replace(f"/api/v1/chats/{key}", "")
        assert [each for each in secrets if each in text] == [], (number, answer.request.url.path, text[:300])
    assert len(shown) > 10
    assert house.stop() == 0
    log = "".join(house.errors)
    assert "request_answered" in log
    assert [each for each in secrets if each in log] == []
    for path in house.data_dir.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert [each for each in secrets if each.encode() in data] == [], path
            assert (
                path.stat().st_mode & 0o077 == 0
                or path.parent.stat().st_mode & 0o077 == 0
                or house.data_dir.stat().st_mode & 0o077 == 0
            )
