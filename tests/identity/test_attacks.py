"""The attack cases of the security specification that this room answers for, over HTTP."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import structlog

from alcove.identity.accounts import UserEdit
from alcove.identity.models import IdentitySettings
from alcove.identity.testing import FakePasswords
from alcove.infra.logging import configure_logging
from alcove.infra.middleware import EdgeSettings
from alcove.kernel.principal import Role

from .conftest import ACTOR, PASSWORD, Browser

LOGIN = "/api/v1/auth/login"


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize(
    "secret",
    [
        "' OR 1=1--",
        "",
        "a" * 1_000_000,
        "sk-as-",
        "sk-as-abcdefgh_" + "a" * 32,
        "sk-as-abcdefgh_" + "a" * 33,
        "sk-as-' OR 1=_" + "a" * 32,
        "\x00\xff",
        "sk-1234",
    ],
)
async def test_case_1_a_bad_key_gets_a_constant_401_and_no_query_for_malformed_ones(
    house: Any, name: str, secret: str
) -> None:
    await house.add_admin()
    value = f"Bearer {secret}" if name == "authorization" else secret
    answer = await house.client().get("/v1/models", headers={name: value.encode("latin-1")})
    plain = await house.client().get("/v1/models")
    assert answer.status_code == plain.status_code == 401
    assert answer.content == plain.content
    assert len(answer.content) < 400


@pytest.mark.parametrize(
    ("email", "password"), [("admin", "admin"), ("admin", "password"), ("", ""), ("admin@example.org", "admin")]
)
async def test_case_2_there_is_no_default_account(house: Any, email: str, password: str) -> None:
    answer = await house.client().post(LOGIN, json={"email": email, "password": password})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


async def set_up(house: Any, token: str, **options: Any) -> Any:
    body = {"token": token, "email": "ada@example.org", "name": "Ada", "password": PASSWORD}
    return await house.client(**options.pop("client", {})).post("/api/v1/auth/setup", json=body, **options)


async def make_token(house: Any) -> str:
    link: str = await house.identity.setup.make_link("http://localhost")
    return link.partition("#token=")[2]


async def test_case_3_setup_over_http_works_once_and_signs_in(house: Any) -> None:
    token = await make_token(house)
    answer = await set_up(house, token)
    assert answer.status_code == 201
    assert answer.json()["user"]["role"] == "admin"
    assert answer.json()["csrf_token"]
    assert "HttpOnly" in answer.headers.get_list("set-cookie")[0]
    again = await set_up(house, token)
    assert again.status_code == 404
    assert len(house.tables.users) == 1


async def test_case_3_setup_is_refused_from_elsewhere_and_through_a_proxy_on_this_machine(house: Any) -> None:
    token = await make_token(house)
    assert (await set_up(house, token, client={"ip": "192.0.2.9"})).status_code == 403
    for forwarded in ({"x-forwarded-for": "203.0.113.5"}, {"forwarded": "for=203.0.113.5"}, {"x-forwarded-for": "::1"}):
        assert (await set_up(house, token, headers=forwarded)).status_code == 403
    assert (await set_up(house, "x" * 43)).status_code == 403
    house.clock.advance(3600)
    assert (await set_up(house, token)).status_code == 403
    assert house.tables.users == {}
    assert {entry.event.outcome for entry in house.audit()} == {"refused", "failed"}


async def test_case_3_a_foreign_page_cannot_set_up_or_sign_in(house: Any) -> None:
    token = await make_token(house)
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:8080"},
    ):
        assert (await set_up(house, token, headers=headers)).status_code == 403
    await house.add_admin()
    body = {"email": "ada@example.org", "password": PASSWORD}
    foreign = await house.client().post(LOGIN, json=body, headers={"origin": "http://evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "csrf_failed")


async def test_case_4_fifty_wrong_passwords_for_one_account_from_fifty_addresses(house: Any) -> None:
    await house.add_admin()
    statuses = []
    for number in range(50):
        client = house.client(ip=f"198.51.{number}.1")
        answer = await client.post(LOGIN, json={"email": "ada@example.org", "password": f"wrong {number}"})
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 900
            assert answer.json()["code"] == "rate_limited"
    assert statuses == [401] * 10 + [429] * 40
    assert house.passwords.calls["verify"] == 10


async def test_case_4_one_password_for_fifty_accounts_from_one_address(house: Any) -> None:
    for number in range(50):
        await house.add_user(f"u{number}@example.org")
    client = house.client(ip="198.51.100.9")
    statuses = [
        (await client.post(LOGIN, json={"email": f"u{number}@example.org", "password": "Summer!!"})).status_code
        for number in range(50)
    ]
    assert statuses == [401] * 10 + [429] * 40
    elsewhere = house.client(ip="198.51.100.10")
    good = await elsewhere.post(LOGIN, json={"email": "u1@example.org", "password": PASSWORD})
    assert good.status_code == 200


class SlowPasswords(FakePasswords):
    async def verify(self, password: str, kept: str | None) -> bool:
        await anyio.sleep(0.01)
        return await super().verify(password, kept)


async def test_case_5_a_hundred_sign_ins_at_once_get_no_more_tries_than_in_a_row(build: Callable[..., Any]) -> None:
    house = build(passwords=SlowPasswords())
    await house.add_admin()
    statuses: list[int] = []
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(one_login, house, number, statuses)
    assert sorted(statuses) == [401] * 10 + [429] * 90


async def one_login(house: Any, number: int, statuses: list[int]) -> None:
    client = house.client(ip=f"198.51.{number}.1")
    answer = await client.post(LOGIN, json={"email": "ada@example.org", "password": "wrong one"})
    statuses.append(answer.status_code)


async def test_case_6_signing_in_replaces_a_preset_cookie(house: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    old = browser.token
    assert (await browser.log_in("ada@example.org")).status_code == 200
    assert browser.token != old
    thief = house.client()
    thief.cookies.set("as_session", old)
    assert (await thief.get("/api/v1/users/me")).status_code == 401
    assert (await browser.get("/api/v1/users/me")).status_code == 200

    fixed = house.client()
    fixed.cookies.set("as_session", "f" * 43)
    answer = await fixed.post(LOGIN, json={"email": "ada@example.org", "password": PASSWORD})
    assert "f" * 43 not in answer.headers["set-cookie"]


async def log_out(house: Any, browser: Browser, user_id: str) -> None:
    assert (await browser.post("/api/v1/auth/logout")).status_code == 204


async def change_password(house: Any, browser: Browser, user_id: str) -> None:
    other = await house.browser("bob@example.org")
    body = {"current_password": PASSWORD, "new_password": "another good one"}
    assert (await other.post("/api/v1/auth/password", json=body)).status_code == 204
    assert (await other.get("/api/v1/users/me")).status_code == 200


def by_admin(change: UserEdit) -> Any:
    async def act(house: Any, browser: Browser, user_id: str) -> None:
        await house.identity.accounts.update(user_id, change, ACTOR)

    return act


async def delete(house: Any, browser: Browser, user_id: str) -> None:
    await house.identity.accounts.delete(user_id, ACTOR)


@pytest.mark.parametrize(
    "act",
    [
        log_out,
        change_password,
        delete,
        by_admin(UserEdit(is_disabled=True)),
        by_admin(UserEdit(role=Role.ADMIN)),
        by_admin(UserEdit(password="a new good one")),
    ],
)
async def test_case_7_a_cookie_is_dead_at_once(house: Any, act: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    browser = await house.browser("bob@example.org")
    token = browser.token
    assert (await browser.get("/api/v1/users/me")).status_code == 200
    await act(house, browser, bob.id)
    thief = house.client()
    thief.cookies.set("as_session", token)
    assert (await thief.get("/api/v1/users/me")).status_code == 401


async def test_rights_are_read_anew_for_a_key_when_the_role_changes(house: Any) -> None:
    ada = await house.add_admin()
    await house.add_admin("other@example.org")
    key = await house.add_key(ada)
    headers = {"x-api-key": key.secret}
    client = house.client()
    assert (await client.get("/api/v1/admin-only/x", headers=headers)).status_code == 200
    await house.identity.accounts.update(ada.id, UserEdit(role=Role.USER), ACTOR)
    assert (await client.get("/api/v1/admin-only/x", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/users/me", "/api/v1/keys", "/api/v1/admin-only/x"])
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
async def test_case_9_keys_of_a_disabled_user_are_dead_on_all_paths(house: Any, path: str, name: str) -> None:
    await house.add_admin()
    bob = await house.add_admin("bob@example.org")
    key = await house.add_key(bob)
    headers = {name: f"Bearer {key.secret}" if name == "authorization" else key.secret}
    client = house.client()
    assert (await client.get(path, headers=headers)).status_code == 200
    await house.identity.accounts.update(bob.id, UserEdit(is_disabled=True), ACTOR)
    assert (await client.get(path, headers=headers)).status_code == 401
    await house.identity.accounts.update(bob.id, UserEdit(is_disabled=False), ACTOR)
    assert (await client.get(path, headers=headers)).status_code == 200


async def test_case_10_a_key_in_the_address_is_never_read(house: Any) -> None:
    key = await house.add_key(await house.add_admin())
    for name in ("key", "api_key", "api-key", "x-api-key", "token", "access_token", "authorization"):
        answer = await house.client().get("/v1/models", params={name: key.secret})
        assert answer.status_code == 401


async def test_a_key_wins_over_a_cookie_and_a_bad_key_is_not_saved_by_one(house: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    key = await house.add_key(bob)
    browser = await house.browser("ada@example.org")
    assert (await browser.get("/v1/models", headers={"x-api-key": key.secret})).json() == {"who": "bob@example.org"}
    assert (await browser.get("/v1/models", headers={"x-api-key": "sk-as-bad"})).status_code == 401
    basic = await browser.get("/v1/models", headers={"authorization": "Basic cHJveHk6cHJveHk="})
    assert basic.json() == {"who": "ada@example.org"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost"}, 200),
        ({"origin": "http://localhost:80"}, 200),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://trusted.example"}, 200),
        ({"origin": "https://trusted.example", "sec-fetch-site": "cross-site"}, 200),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://localhost:8080"}, 403),
        ({"origin": "file://"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"origin": "http://localhost", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost", "sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://localhost", "x-csrf-token": ""}, 403),
        ({"origin": "http://localhost", "x-csrf-token": "0" * 64}, 403),
    ],
)
async def test_requests_forged_by_a_foreign_page_change_nothing(
    build: Callable[..., Any], headers: dict[str, str], status: int
) -> None:
    house = build(edge_settings=EdgeSettings(trusted_origins=("https://trusted.example",)))
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    del browser.headers["origin"]
    answer = await browser.patch("/api/v1/users/me", json={"name": "Changed"}, headers=headers)
    assert answer.status_code == status
    names = {user.name for user in house.tables.users.values()}
    assert names == ({"Changed"} if status == 200 else {"ada"})


async def test_the_token_against_forgery_of_one_session_is_of_no_use_with_another(house: Any) -> None:
    await house.add_admin()
    one, two = await house.browser("ada@example.org"), await house.browser("ada@example.org")
    two.headers["x-csrf-token"] = one.headers["x-csrf-token"]
    assert (await two.patch("/api/v1/users/me", json={"name": "x"})).status_code == 403


async def test_an_api_key_needs_no_token_against_forgery(house: Any) -> None:
    key = await house.add_key(await house.add_admin())
    headers = {"authorization": f"bearer {key.secret}"}
    assert (await house.client().patch("/api/v1/users/me", json={"name": "x"}, headers=headers)).status_code == 200


async def test_case_16_the_ids_of_others_give_404_or_403_for_each_verb(house: Any) -> None:
    ada = await house.add_admin()
    await house.add_user("bob@example.org")
    key = await house.add_key(ada)
    browser = await house.browser("bob@example.org")
    assert (await browser.delete(f"/api/v1/keys/{key.key.id}")).status_code == 404
    assert (await browser.patch(f"/api/v1/users/{ada.id}", json={"role": "user"})).status_code == 403
    assert (await browser.delete(f"/api/v1/users/{ada.id}")).status_code == 403
    assert house.tables.keys[key.key.id].revoked_at is None


async def test_nobody_makes_themselves_admin(house: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    browser = await house.browser("bob@example.org")
    for body in ({"role": "admin"}, {"name": "B", "role": "admin"}, {"name": "B", "disabled": False}):
        assert (await browser.patch("/api/v1/users/me", json=body)).status_code == 400
    assert house.tables.users[bob.id].role is Role.USER


async def test_case_23_forwarded_headers_of_strangers_are_not_believed(house: Any) -> None:
    await house.add_admin()
    client = house.client(ip="198.51.100.9")
    statuses = []
    for number in range(12):
        headers = {"x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}", "x-user": "ada"}
        body = {"email": f"u{number}@example.org", "password": "wrong one"}
        statuses.append((await client.post(LOGIN, json=body, headers=headers)).status_code)
    assert statuses == [401] * 10 + [429] * 2
    assert {entry.event.actor.ip for entry in house.audit()[1:]} == {"198.51.100.9"}
    spoofed = await client.get("/v1/models", headers={"x-user": "ada@example.org", "x-forwarded-user": "ada"})
    assert spoofed.status_code == 401
    proto = await house.client().get("/open", headers={"x-forwarded-proto": "https"})
    assert "strict-transport-security" not in proto.headers


async def test_case_23_a_listed_proxy_is_believed(build: Callable[..., Any]) -> None:
    house = build(edge_settings=EdgeSettings(trusted_proxies=("10.0.0.0/8",)))
    await house.add_admin()
    headers = {"x-forwarded-for": "6.6.6.6, 203.0.113.5, 10.0.0.3", "x-forwarded-proto": "https"}
    client = house.client(ip="10.0.0.2")
    answer = await client.post(LOGIN, json={"email": "ada@example.org", "password": PASSWORD}, headers=headers)
    assert answer.headers["set-cookie"].startswith("__Host-as_session=")
    assert answer.headers["strict-transport-security"]
    assert house.audit()[-1].event.actor.ip == "203.0.113.5"


async def test_case_40_no_secret_in_logs_audit_answers_or_error_pages(build: Callable[..., Any]) -> None:
    house = build(settings=IdentitySettings(login_attempts=100))
    stream = io.StringIO()
    configure_logging(level="debug", style="json")
    root = logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(root.handlers[0].formatter)
    root.handlers = [handler]
    try:
        token = await make_token(house)
        secrets = [token, PASSWORD, "planted wrong password", "planted new password"]
        answers = [await set_up(house, token)]
        browser = await house.browser("ada@example.org")
        made = await browser.post("/api/v1/keys", json={"name": "k"})
        secrets += [made.json()["secret"], browser.token]
        bodies = [
            (LOGIN, {"email": "ada@example.org", "password": "planted wrong password"}),
            (LOGIN, {"email": "planted wrong password", "password": PASSWORD}),
            (LOGIN, {"email": ["planted wrong password"], "password": 5}),
            ("/api/v1/users", {"email": "b", "name": "b", "password": "planted new password"}),
            ("/api/v1/users", {"email": "b@example.org", "name": "b", "password": "planted new password"}),
            ("/api/v1/auth/password", {"current_password": "planted wrong password", "new_password": PASSWORD}),
        ]
        answers += [await browser.post(path, json=body) for path, body in bodies]
        answers.append(await browser.get(f"/v1/models?api_key={secrets[4]}"))
        answers.append(await house.client().get("/v1/models", headers={"x-api-key": secrets[4] + "x"}))
        answers.append(await browser.get("/api/v1/audit?limit=200"))
        await anyio.wait_all_tasks_blocked()
    finally:
        structlog.reset_defaults()
        root.handlers = []
        root.setLevel(logging.WARNING)
    logs = stream.getvalue()
    assert "request_answered" in logs
    shown = logs + "".join(answer.text for answer in answers) + json.dumps([str(each) for each in house.audit()])
    for secret in secrets:
        assert secret not in shown


async def test_case_40_refusals_are_in_the_audit_table(house: Any) -> None:
    ada = await house.add_admin()
    await house.client(ip="192.0.2.50").get("/v1/models", headers={"x-api-key": "sk-as-bad"})
    await house.client().post(LOGIN, json={"email": "ada@example.org", "password": "wrong one"})
    browser = await house.browser("ada@example.org")
    del browser.headers["x-csrf-token"]
    await browser.patch("/api/v1/users/me", json={"name": "x"})
    await anyio.wait_all_tasks_blocked()
    events = [entry.event for entry in house.audit()]
    seen = [(event.action, event.outcome, event.actor.name, event.object) for event in events[1:]]
    assert set(seen) == {
        ("request", "refused", "anonymous", "GET /v1/models"),
        ("login", "failed", "anonymous", f"user:{ada.id}"),
        ("login", "ok", "ada@example.org", f"user:{ada.id}"),
        ("request", "refused", "ada@example.org", "PATCH /api/v1/users/me"),
    }
    assert await house.identity.audit.first_broken() is None


async def test_what_a_model_server_refuses_is_no_refusal_of_ours(house: Any) -> None:
    ada = await house.add_admin()
    made = await house.add_key(ada)
    before = len(house.audit())
    answer = await house.client().post("/v1/chat/completions", headers={"authorization": f"Bearer {made.secret}"})
    assert answer.status_code == 403
    await anyio.wait_all_tasks_blocked()
    assert len(house.audit()) == before
