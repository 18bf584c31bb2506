"""Every route of the room over HTTP: no key, wrong owner, bad input, and what it is for."""

from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from alcove.identity.api import router

PASSWORD = "correct horse battery"
NOBODY = "01890000-0000-7000-8000-000000000000"

ROUTES = [
    ("POST", "/api/v1/auth/logout", None),
    ("POST", "/api/v1/auth/password", {"current_password": PASSWORD, "new_password": "another good one"}),
    ("GET", "/api/v1/users/me", None),
    ("PATCH", "/api/v1/users/me", {"name": "Eve"}),
    ("GET", "/api/v1/keys", None),
    ("POST", "/api/v1/keys", {"name": "k"}),
    ("PATCH", "/api/v1/keys/01890000-0000-7000-8000-000000000000", {"name": "Eve"}),
    ("POST", "/api/v1/keys/01890000-0000-7000-8000-000000000000/rotate", {}),
    ("DELETE", "/api/v1/keys/01890000-0000-7000-8000-000000000000", None),
    ("GET", "/api/v1/groups/mine", None),
]
ADMIN_ROUTES = [
    ("GET", "/api/v1/users", None),
    ("POST", "/api/v1/users", {"email": "n@example.org", "name": "n", "password": PASSWORD}),
    ("PATCH", "/api/v1/users/01890000-0000-7000-8000-000000000000", {"name": "x"}),
    ("DELETE", "/api/v1/users/01890000-0000-7000-8000-000000000000", None),
    ("GET", "/api/v1/groups", None),
    ("POST", "/api/v1/groups", {"name": "Research"}),
    ("GET", "/api/v1/groups/01890000-0000-7000-8000-000000000000", None),
    ("PATCH", "/api/v1/groups/01890000-0000-7000-8000-000000000000", {"name": "x"}),
    ("DELETE", "/api/v1/groups/01890000-0000-7000-8000-000000000000", None),
    ("GET", "/api/v1/groups/01890000-0000-7000-8000-000000000000/members", None),
    ("PUT", f"/api/v1/groups/{NOBODY}/members/{NOBODY}", None),
    ("DELETE", f"/api/v1/groups/{NOBODY}/members/{NOBODY}", None),
    ("GET", "/api/v1/audit", None),
]
OPEN_ROUTES = [("GET", "/api/v1/auth/state"), ("POST", "/api/v1/auth/setup"), ("POST", "/api/v1/auth/login")]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES + ADMIN_ROUTES)
async def test_without_credentials_each_route_answers_401(house: Any, method: str, path: str, body: Any) -> None:
    await house.add_admin()
    answer = await house.client().request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_ROUTES)
async def test_a_user_may_call_no_admin_route_and_the_refusal_is_audited(
    house: Any, method: str, path: str, body: Any
) -> None:
    await house.add_admin()
    await house.add_user("bob@example.org")
    browser = await house.browser("bob@example.org")
    answer = await browser.request(method, path, json=body)
    assert answer.status_code == 403
    await anyio.wait_all_tasks_blocked()
    last = house.audit()[-1].event
    assert (last.action, last.outcome, last.actor.name) == ("request", "refused", "bob@example.org")
    assert last.object.startswith(f"{method} /api/v1/")
    assert last.actor.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES + ADMIN_ROUTES)
async def test_a_session_cookie_alone_changes_nothing(house: Any, method: str, path: str, body: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    del browser.headers["x-csrf-token"]
    answer = await browser.request(method, path, json=body)
    if method == "GET":
        assert answer.status_code == (404 if NOBODY in path else 200)
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_every_route_of_the_room_is_in_the_tables_above() -> None:
    known = {(method, path.replace("01890000-0000-7000-8000-000000000000", "{}")) for method, path, _ in ROUTES}
    known |= {(method, path.replace("01890000-0000-7000-8000-000000000000", "{}")) for method, path, _ in ADMIN_ROUTES}
    known |= set(OPEN_ROUTES)
    there: set[tuple[str, str]] = set()
    for route in router.routes:
        path = (
            getattr(route, "path", "").replace("{user_id}", "{}").replace("{key_id}", "{}").replace("{group_id}", "{}")
        )
        there |= {(method, path) for method in getattr(route, "methods", ())}
    assert there == known


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", "/api/v1/users/me", {"role": "admin"}, "role"),
        ("PATCH", "/api/v1/users/me", {"name": ""}, "name"),
        ("PATCH", "/api/v1/users/me", {"name": "a\u0000b"}, "name"),
        ("POST", "/api/v1/users", {"email": "nobody", "name": "n", "password": PASSWORD}, "email"),
        ("POST", "/api/v1/users", {"email": "n@example.org", "name": "n", "password": "short"}, "password"),
        ("POST", "/api/v1/users", {"email": "n@example.org", "name": "n", "password": "password123"}, "password"),
        (
            "POST",
            "/api/v1/users",
            {"email": "nnnn@example.org", "name": "n", "password": "NNNN@example.org"},
            "password",
        ),
        ("POST", "/api/v1/users", {"email": "n@example.org", "name": "n", "password": "x" * 257}, "password"),
        ("POST", "/api/v1/users", {"email": "n@e.org", "name": "n", "password": PASSWORD, "role": "root"}, "role"),
        ("POST", "/api/v1/users", {"email": "n@e.org", "name": "n", "password": PASSWORD, "id": "x"}, "id"),
        ("POST", "/api/v1/keys", {"name": "k", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("POST", "/api/v1/keys", {"name": "k", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ("POST", "/api/v1/keys", {"name": "k", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ("POST", "/api/v1/keys", {"name": "k", "expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ("POST", "/api/v1/keys", {"name": "k", "owner_id": "someone"}, "owner_id"),
        ("GET", "/api/v1/users?limit=201", None, "limit"),
    ],
)
async def test_bad_input_is_refused_naming_the_field(house: Any, method: str, path: str, body: Any, field: str) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    answer = await browser.request(method, path, json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/keys", "/api/v1/audit"])
@pytest.mark.parametrize("cursor", ["x", "%00", "1;drop table users", "9" * 400])
async def test_a_cursor_that_is_not_ours_is_refused(house: Any, path: str, cursor: str) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    answer = await browser.get(f"{path}?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_the_state_tells_who_is_there(house: Any) -> None:
    client = house.client()
    first = (await client.get("/api/v1/auth/state")).json()
    assert (first["setup_required"], first["user"], first["csrf_token"]) == (True, None, None)
    assert first["version"]
    await house.add_admin()
    assert (await client.get("/api/v1/auth/state")).json()["setup_required"] is False
    browser = await house.browser("ada@example.org")
    state = (await browser.get("/api/v1/auth/state")).json()
    assert state["user"]["email"] == "ada@example.org"
    assert state["user"]["role"] == "admin"
    assert state["csrf_token"] == browser.headers["x-csrf-token"] == browser.cookies["alcove_csrf"]
    assert "password_hash" not in state["user"]


async def test_an_old_cookie_does_not_keep_anyone_from_the_sign_in(house: Any) -> None:
    await house.add_admin()
    client = house.client()
    client.cookies.set("as_session", "x" * 43)
    assert (await client.get("/api/v1/auth/state")).json()["user"] is None
    answer = await client.post("/api/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert answer.status_code == 200


async def test_the_session_cookie_is_for_the_server_alone(house: Any) -> None:
    await house.add_admin()
    answer = await house.client().post("/api/v1/auth/login", json={"email": " Ada@Example.org ", "password": PASSWORD})
    session, csrf = answer.headers.get_list("set-cookie")
    assert session.startswith("as_session=")
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Secure" not in session
    assert csrf.startswith("alcove_csrf=")
    assert "HttpOnly" not in csrf


async def test_over_https_the_cookie_has_the_host_prefix(house: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org", base_url="https://localhost")
    assert browser.cookies.get("__Host-as_session")
    assert (await browser.get("/api/v1/users/me")).status_code == 200
    plain = house.client(base_url="https://localhost")
    plain.cookies.set("as_session", browser.token)
    assert (await plain.get("/api/v1/users/me")).status_code == 401


async def test_accounts_are_made_changed_listed_and_deleted_by_an_admin(house: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    body = {"email": "Bob@Example.org", "name": "Bob", "password": PASSWORD}
    made = await browser.post("/api/v1/users", json=body)
    assert made.status_code == 201
    bob = made.json()
    assert bob == {
        "id": bob["id"], "email": "bob@example.org", "name": "Bob", "role": "user", "disabled": False,
        "created_at": "2026-01-01T00:00:00Z", "last_seen_at": None, "limits": None,
    }  # fmt: skip
    again = await browser.post("/api/v1/users", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert [each["field"] for each in again.json()["errors"]] == ["email"]
    changed = await browser.patch(f"/api/v1/users/{bob['id']}", json={"name": "Robert", "role": "admin"})
    assert (changed.json()["name"], changed.json()["role"]) == ("Robert", "admin")
    first = (await browser.get("/api/v1/users?limit=1")).json()
    second = (await browser.get(f"/api/v1/users?limit=1&cursor={first['next_cursor']}")).json()
    assert [each["email"] for each in first["items"] + second["items"]] == ["bob@example.org", "ada@example.org"]
    assert second["next_cursor"] is None
    assert (await browser.delete(f"/api/v1/users/{bob['id']}")).status_code == 204
    assert (await browser.delete(f"/api/v1/users/{bob['id']}")).status_code == 404
    assert (await browser.patch("/api/v1/users/not-an-id", json={"name": "x"})).status_code == 404
    actions = [entry["action"] for entry in (await browser.get("/api/v1/audit")).json()["items"]]
    assert actions[:3] == ["user.delete", "user.update", "user.create"]


async def test_the_audit_table_is_paged(house: Any) -> None:
    await house.add_admin()
    for number in range(4):
        await house.add_user(f"u{number}@example.org")
    browser = await house.browser("ada@example.org")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await browser.get(f"/api/v1/audit?limit=2{cursor}")).json()
        seen += [entry["id"] for entry in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 6
    assert set(page["items"][0]) == {"id", "at", "actor", "ip", "action", "object", "outcome", "request_id"}


@pytest.mark.parametrize("change", [{"role": "user"}, {"disabled": True}, None])
async def test_the_last_admin_cannot_go(house: Any, change: dict[str, Any] | None) -> None:
    ada = await house.add_admin()
    other = await house.add_admin("off@example.org")
    browser = await house.browser("ada@example.org")
    assert (await browser.patch(f"/api/v1/users/{other.id}", json={"disabled": True})).status_code == 200
    path = f"/api/v1/users/{ada.id}"
    answer = await browser.delete(path) if change is None else await browser.patch(path, json=change)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await browser.get("/api/v1/users/me")).json()["role"] == "admin"
    assert (await browser.patch(path, json={"name": "Still here"})).status_code == 200


async def test_keys_are_shown_once_listed_and_revoked(house: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    made = await browser.post("/api/v1/keys", json={"name": "laptop"})
    assert made.status_code == 201
    secret, key = made.json()["secret"], made.json()["key"]
    assert secret.startswith(key["prefix"] + "_")
    assert len(secret) == len("sk-as-") + 8 + 1 + 32
    listed = await browser.get("/api/v1/keys")
    assert listed.json()["items"] == [key]
    assert secret not in listed.text
    client = house.client()
    headers = {"authorization": f"Bearer {secret}"}
    assert (await client.get("/v1/models", headers=headers)).json() == {"who": "ada@example.org"}
    assert (await browser.delete(f"/api/v1/keys/{key['id']}")).status_code == 204
    assert (await client.get("/v1/models", headers=headers)).status_code == 401
    assert (await browser.get("/api/v1/keys")).json()["items"][0]["revoked_at"] is not None


async def test_nobody_sees_or_revokes_the_keys_of_others(house: Any) -> None:
    ada, _bob = await house.add_admin(), await house.add_user("bob@example.org")
    key = await house.add_key(ada)
    browser = await house.browser("bob@example.org")
    assert (await browser.get("/api/v1/keys")).json()["items"] == []
    assert (await browser.delete(f"/api/v1/keys/{key.key.id}")).status_code == 404
    headers = {"authorization": f"Bearer {key.secret}"}
    assert (await house.client().get("/v1/models", headers=headers)).status_code == 200


async def test_a_key_makes_no_other_keys(house: Any) -> None:
    key = await house.add_key(await house.add_admin())
    headers = {"authorization": f"Bearer {key.secret}"}
    client = house.client()
    assert (await client.post("/api/v1/keys", json={"name": "k"}, headers=headers)).status_code == 403
    body = {"current_password": PASSWORD, "new_password": "another good one"}
    assert (await client.post("/api/v1/auth/password", json=body, headers=headers)).status_code == 403


async def test_the_password_is_changed_only_by_who_knows_it(house: Any) -> None:
    await house.add_admin()
    browser = await house.browser("ada@example.org")
    wrong = await browser.post(
        "/api/v1/auth/password", json={"current_password": "wrong one", "new_password": "another good one"}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "current_password")
    weak = await browser.post("/api/v1/auth/password", json={"current_password": PASSWORD, "new_password": "changeme"})
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (400, "new_password")
    body = {"current_password": PASSWORD, "new_password": "another good one"}
    assert (await browser.post("/api/v1/auth/password", json=body)).status_code == 204
    assert (await _log_in(house, PASSWORD)).status_code == 401
    assert (await _log_in(house, "another good one")).status_code == 200


async def _log_in(house: Any, password: str) -> Any:
    return await house.client().post("/api/v1/auth/login", json={"email": "ada@example.org", "password": password})


async def test_other_rooms_clean_up_before_a_user_is_gone(house: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    seen: list[tuple[str, bool]] = []
    fails = True

    async def chats(user_id: str) -> None:
        seen.append((user_id, house.tables.users[user_id].is_disabled))
        if fails:
            raise OSError("disk")

    house.deleted.append(chats)
    browser = await house.browser("ada@example.org")
    with capture_logs() as logs:
        answer = await browser.delete(f"/api/v1/users/{bob.id}")
    assert answer.status_code == 500
    assert logs[0]["event"] == "request_failed"
    assert house.tables.users[bob.id].is_disabled
    fails = False
    assert (await browser.delete(f"/api/v1/users/{bob.id}")).status_code == 204
    assert bob.id not in house.tables.users
    assert seen == [(bob.id, True), (bob.id, True)]


async def test_openapi_declares_the_errors_of_each_route() -> None:
    app = FastAPI()
    app.include_router(router)
    for path, verbs in app.openapi()["paths"].items():
        for verb, operation in verbs.items():
            codes = set(operation["responses"])
            assert {"400", "401"} <= codes, (verb, path)
            if "{" in path:
                assert "404" in codes, (verb, path)


async def test_below_open_paths_nobody_is_known(house: Any) -> None:
    key = await house.add_key(await house.add_admin())
    headers = {"x-api-key": key.secret}
    assert (await house.client().get("/assets/whoami", headers=headers)).status_code == 401
    assert (await house.client().get("/v1/models", headers=headers)).status_code == 200


async def test_signing_out_with_a_key_leaves_the_key_alone(house: Any) -> None:
    key = await house.add_key(await house.add_admin())
    headers = {"x-api-key": key.secret}
    assert (await house.client().post("/api/v1/auth/logout", headers=headers)).status_code == 204
    assert (await house.client().get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("cookie", ["as_session", "as_session=", "as_session=;", "=as_session", 'as_session="', "\xff"])
async def test_a_malformed_cookie_is_no_session(house: Any, cookie: str) -> None:
    await house.add_admin()
    answer = await house.client().get("/api/v1/users/me", headers={"cookie": cookie.encode("latin-1")})
    assert answer.status_code == 401
