"""Keys that are limited: in what for, how much, from where, until when, and on whose account."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from alcove.identity.accounts import UserEdit
from alcove.identity.limits import NO_LIMITS, Limits, check_within
from alcove.identity.middleware import Authentication
from alcove.identity.models import Actor, GroupChange, IdentitySettings, KeyTerms
from alcove.identity.scopes import SCOPES, needed_scope
from alcove.identity.service import Credential
from alcove.infra.middleware import EdgeSettings
from alcove.kernel.errors import AlreadyExists, Conflict, Forbidden, InvalidRequest, NotAuthenticated, NotFound
from alcove.kernel.pages import PageRequest
from alcove.kernel.principal import BudgetPeriod, Principal, Role

ACTOR = Actor(name="test")


def api_key(secret: str) -> Credential:
    return Credential(is_key=True, secret=secret)


async def made(house: Any, user: Any, **terms: Any) -> Any:
    return await house.identity.keys.create(user.id, "laptop", ACTOR, terms=KeyTerms(**terms))


# --- scopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [
    lambda key: {"authorization": f"Bearer {key}"}, lambda key: {"x-api-key": key}, lambda key: {"api-key": key},
])  # fmt: skip
async def test_a_key_for_embeddings_opens_no_chat_by_any_header(house: Any, headers: Callable[[str], Any]) -> None:
    ada = await house.add_admin()
    key = (await made(house, ada, scopes=("embedding",))).secret
    client = house.client()
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/api/v1/users/me"), ("GET", "/v1/unheard/of")):
        answer = await client.request(method, path, headers=headers(key), json={})
        assert answer.status_code in {403, 404} if "unheard" in path else answer.status_code == 403, path
    refused = await client.post("/v1/chat/completions", headers=headers(key), json={})
    assert "embedding" in refused.json()["error"]["message"]
    assert refused.json()["error"]["code"] == "forbidden"
    assert (await client.get("/v1/models", headers=headers(key))).status_code == 200
    await anyio.wait_all_tasks_blocked()
    assert house.audit()[-1].event.outcome == "refused"


async def test_a_key_in_the_query_string_is_never_read(house: Any) -> None:
    ada = await house.add_admin()
    key = (await made(house, ada)).secret
    for name in ("key", "api_key", "api-key", "x-api-key", "token", "access_token"):
        answer = await house.client().get("/v1/models", params={name: key})
        assert answer.status_code == 401


async def test_a_websocket_key_is_held_to_its_scopes_by_the_same_function(house: Any) -> None:
    ada = await house.add_admin()
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"].get("principal") or scope["state"].get("refusal"))

    async def nothing(message: Message | None = None) -> Any: ...

    for scopes, expected in ((("embedding",), Forbidden), (("chat",), Principal)):
        key = (await made(house, ada, scopes=scopes)).secret
        scope = {
            "type": "websocket", "path": "/v1/responses", "headers": [], "state": {"identity": house.identity},
            "subprotocols": ["realtime", f"openai-insecure-api-key.{key}"], "client": ("127.0.0.1", 1),
        }  # fmt: skip
        await Authentication(app)(scope, nothing, nothing)  # type: ignore[arg-type]
        assert isinstance(seen[-1], expected)


@given(st.text(alphabet="/abcpiv1.*", max_size=30).map(lambda text: f"/v1/{text}"))
def test_a_path_nobody_thought_of_needs_the_scope_for_everything_else(path: str) -> None:
    assert needed_scope(path) in SCOPES | {None}
    if not path.startswith("/v1/models"):
        assert needed_scope(path) is not None


async def test_scopes_that_do_not_exist_and_more_than_the_makers_are_refused(house: Any) -> None:
    ada = await house.add_admin()
    with pytest.raises(InvalidRequest, match="'root' is no scope"):
        await made(house, ada, scopes=("root",))
    maker = Principal(user_id=ada.id, email=ada.email, role=Role.ADMIN, key_id="k", scopes=("chat", "api"))
    create = house.identity.keys.create
    for scopes in (None, ("chat", "image")):
        with pytest.raises(Forbidden):
            await create(ada.id, "more", ACTOR, terms=KeyTerms(scopes=scopes), maker=maker)
    assert (await create(ada.id, "less", ACTOR, terms=KeyTerms(scopes=("chat",)), maker=maker)).key.scopes == ("chat",)


async def test_a_key_makes_changes_and_rotates_no_keys(house: Any) -> None:
    ada = await house.add_admin()
    key = await made(house, ada)
    client, headers = house.client(), {"authorization": f"Bearer {key.secret}"}
    for method, path, body in (
        ("POST", "/api/v1/keys", {"name": "n"}),
        ("PATCH", f"/api/v1/keys/{key.key.id}", {"limits": None}),
        ("POST", f"/api/v1/keys/{key.key.id}/rotate", {}),
    ):
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 403


# --- addresses ----------------------------------------------------------------------------------------------------


async def test_a_key_is_good_from_its_addresses_alone_and_claims_of_strangers_change_nothing(
    build: Callable[..., Any],
) -> None:
    house = build(edge_settings=EdgeSettings(trusted_proxies=("10.0.0.1",), allowed_hosts=("*",)))
    ada = await house.add_admin()
    key = (await made(house, ada, allowed_ips=("203.0.113.0/24", "2001:db8::/32"))).secret
    authorization = {"authorization": f"Bearer {key}"}

    async def status(ip: str, **more: str) -> int:
        answer = await house.client(ip=ip).get("/v1/models", headers={**authorization, **more})
        return int(answer.status_code)

    assert await status("203.0.113.9") == 200
    assert await status("2001:db8::7") == 200
    assert await status("::ffff:203.0.113.9") == 200
    assert await status("198.51.100.1") == 403
    assert await status("198.51.100.1", **{"x-forwarded-for": "203.0.113.9"}) == 403  # nobody we trust
    assert await status("198.51.100.1", **{"x-real-ip": "203.0.113.9", "forwarded": "for=203.0.113.9"}) == 403
    assert await status("10.0.0.1", **{"x-forwarded-for": "203.0.113.9"}) == 200  # our own proxy
    assert await status("10.0.0.1", **{"x-forwarded-for": "203.0.113.9, 198.51.100.1"}) == 403
    assert await status("10.0.0.1") == 403
    known = house.identity.authenticator.known
    assert known(key, "203.0.113.9") is not None
    assert known(key, "198.51.100.1") is None
    assert known(key, "") is None
    with pytest.raises(InvalidRequest, match="neither an address"):
        await made(house, ada, allowed_ips=("everywhere",))


# --- rotation -----------------------------------------------------------------------------------------------------


async def test_a_rotated_key_keeps_its_id_and_its_old_secret_only_for_the_grace_period(
    build: Callable[..., Any],
) -> None:
    house = build(settings=IdentitySettings(cache_s=5))
    ada = await house.add_admin()
    first = await made(house, ada, scopes=("chat",))
    authenticate = house.identity.authenticator.authenticate
    await authenticate(api_key(first.secret))
    second = await house.identity.keys.rotate(ada.id, first.key.id, ACTOR, grace_s=3600)
    assert second.secret != first.secret
    for secret in (first.secret, second.secret):
        who = await authenticate(api_key(secret))
        assert (who.key_id, who.scopes) == (first.key.id, ("chat",))
    house.clock.advance(3600)
    assert house.identity.authenticator.known(first.secret, "") is None
    with pytest.raises(NotAuthenticated):
        await authenticate(api_key(first.secret))
    await authenticate(api_key(second.secret))
    third = await house.identity.keys.rotate(ada.id, first.key.id, ACTOR)
    with pytest.raises(NotAuthenticated):  # at once, though it was remembered
        await authenticate(api_key(second.secret))
    await authenticate(api_key(third.secret))
    for grace_s in (-1, 7 * 86400 + 1):
        with pytest.raises(InvalidRequest, match="grace_s"):
            await house.identity.keys.rotate(ada.id, first.key.id, ACTOR, grace_s=grace_s)
    assert [each.event.action for each in house.audit()].count("key.rotate") == 2
    await house.identity.keys.revoke(ada.id, first.key.id, ACTOR)
    with pytest.raises(NotFound):
        await house.identity.keys.rotate(ada.id, first.key.id, ACTOR)


# --- never more than the maker ------------------------------------------------------------------------------------


async def test_a_key_promises_no_more_than_its_owner_has_and_both_hold(house: Any) -> None:
    ada = await house.add_user("ada@example.org")
    most = Limits(models=("gpt-*", "@fast"), requests_per_minute=60, budget_usd=Decimal(5))
    await house.identity.accounts.update(ada.id, UserEdit(limits=most), ACTOR)
    with pytest.raises(InvalidRequest) as refused:
        await made(
            house, ada, limits=Limits(models=("claude-3", "gpt-4o"), requests_per_minute=61, budget_usd=Decimal(6))
        )
    assert {each.field for each in refused.value.fields} == {
        "limits.models", "limits.requests_per_minute", "limits.budget_usd"
    }  # fmt: skip
    key = await made(house, ada, limits=Limits(models=("gpt-4o",), requests_per_minute=10))
    who = await house.identity.authenticator.authenticate(api_key(key.secret))
    assert [each.subject for each in who.allowances] == [f"key:{key.key.id}", f"user:{ada.id}"]
    assert who.allowances[1].budget_usd == 5
    page = await house.browser(ada.email)
    await house.identity.accounts.update(ada.id, UserEdit(limits=replace(most, requests_per_minute=1)), ACTOR)
    path = f"/api/v1/keys/{key.key.id}"
    assert (await page.patch(path, json={"name": "renamed"})).status_code == 200, "less holds, but forbids no new name"
    assert (await page.patch(path, json={"limits": {"requests_per_minute": 2}})).status_code == 400
    mine = (await page.get("/api/v1/users/me")).json()["limits"]
    assert (mine["budget_usd"], mine["budget_period"], mine["models"]) == ("5", "month", ["gpt-*", "@fast"])


@pytest.mark.parametrize(("most", "wanted", "is_fine"), [
    (("gpt-*",), ("gpt-4*",), True), (("gpt-*",), ("gpt*",), False), (("*",), ("a", "b*"), True), (("*",), ("@x",), False),
    (("@x",), ("@x",), True), (("a",), (), True), ((), ("a",), False), (None, ("a",), True), (("a",), None, True),
])  # fmt: skip
def test_models_of_a_key_are_among_those_of_its_account(most: Any, wanted: Any, is_fine: bool) -> None:
    if is_fine:
        check_within(Limits(models=wanted), Limits(models=most), whose="yours")
    else:
        with pytest.raises(InvalidRequest):
            check_within(Limits(models=wanted), Limits(models=most), whose="yours")


async def test_a_person_cannot_set_what_only_an_admin_may(house: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    page = await house.browser(bob.email)
    limits = {"requests_per_minute": 1_000_000}
    assert (await page.patch("/api/v1/users/me", json={"limits": limits})).json()["errors"][0]["field"] == "limits"
    assert (await page.patch(f"/api/v1/users/{bob.id}", json={"limits": limits})).status_code == 403
    for field in ("owner_id", "digest", "prefix", "revoked_at", "subject", "id"):
        assert (await page.post("/api/v1/keys", json={"name": "k", field: "x"})).status_code == 400
    key = (await page.post("/api/v1/keys", json={"name": "k", "limits": {"budget_usd": "0.50"}})).json()["key"]
    assert (key["limits"]["budget_usd"], key["limits"]["models"]) == ("0.50", None)
    for bad in (
        {"budget_usd": "-1"}, {"budget_usd": "NaN"}, {"requests_per_minute": 0}, {"max_parallel": -3}, {"models": [""]},
        {"budget_period": "year"}, {"tokens_per_minute": 1.5}, {"models": ["a b"]}, {"spent": 0}, {"budget_usd": "1e30"},
    ):  # fmt: skip
        answer = await page.patch(f"/api/v1/keys/{key['id']}", json={"limits": bad})
        assert answer.status_code == 400, bad
        assert answer.json()["errors"][0]["field"].startswith("limits."), bad


async def test_a_change_of_a_key_counts_at_once_and_leaves_what_it_does_not_name(house: Any) -> None:
    ada = await house.add_admin()
    page = await house.browser(ada.email)
    made = (await page.post("/api/v1/keys", json={
        "name": "k", "scopes": ["chat"], "allowed_ips": ["127.0.0.1"], "limits": {"max_parallel": 3},
    })).json()  # fmt: skip
    client = house.client()
    client.headers["authorization"] = f"Bearer {made['secret']}"
    assert (await client.get("/v1/models")).status_code == 200
    path = f"/api/v1/keys/{made['key']['id']}"
    changed = (await page.patch(path, json={"allowed_ips": ["192.0.2.1"]})).json()
    assert (changed["scopes"], changed["limits"]["max_parallel"], changed["name"]) == (["chat"], 3, "k")
    assert (await client.get("/v1/models")).status_code == 403
    assert (await page.patch(path, json={"allowed_ips": [], "limits": None, "name": "new"})).json()["limits"] is None
    assert (await client.get("/v1/models")).status_code == 200
    bob = await house.add_user("bob@example.org")
    for method, more, body in (("PATCH", "", {"name": "x"}), ("POST", "/rotate", {})):
        answer = await (await house.browser(bob.email)).request(method, path + more, json=body)
        assert answer.status_code == 404


# --- groups -------------------------------------------------------------------------------------------------------


async def test_a_key_of_a_group_is_charged_to_it_and_dies_with_membership(house: Any) -> None:
    ada, bob = await house.add_admin(), await house.add_user("bob@example.org")
    await house.identity.accounts.update(
        bob.id, UserEdit(limits=Limits(budget_usd=Decimal(1), models=("gpt-4*",), guards=("pii",))), ACTOR
    )
    groups = house.identity.groups
    group = await groups.create("Research", ACTOR, limits=Limits(budget_usd=Decimal(100), models=("gpt-*",)))
    with pytest.raises(InvalidRequest, match="no group that the owner"):
        await made(house, bob, group_id=group.id)
    await groups.join(group.id, bob.id, ACTOR)
    with pytest.raises(InvalidRequest, match="Research"):
        await made(house, bob, group_id=group.id, limits=Limits(models=("claude",)))
    key = await made(house, bob, group_id=group.id, limits=Limits(budget_usd=Decimal(50)))
    authenticate = house.identity.authenticator.authenticate
    who = await authenticate(api_key(key.secret))
    assert who.group_id == group.id
    by_subject = {each.subject: each for each in who.allowances}
    assert set(by_subject) == {f"key:{key.key.id}", f"group:{group.id}", f"user:{bob.id}"}
    assert by_subject[f"user:{bob.id}"].budget_usd is None  # another account pays; access is no money
    assert by_subject[f"user:{bob.id}"].models == ("gpt-4*",)
    assert by_subject[f"user:{bob.id}"].guards == ("pii",)
    await groups.update(group.id, GroupChange(limits=NO_LIMITS), ACTOR)
    assert f"group:{group.id}" not in {each.subject for each in (await authenticate(api_key(key.secret))).allowances}
    await groups.leave(group.id, bob.id, ACTOR)
    with pytest.raises(NotAuthenticated):
        await authenticate(api_key(key.secret))
    await groups.join(group.id, bob.id, ACTOR)
    await authenticate(api_key(key.secret))
    await groups.delete(group.id, ACTOR)
    assert house.tables.keys[key.key.id].revoked_at is not None
    with pytest.raises(NotAuthenticated):
        await authenticate(api_key(key.secret))
    actions = [each.event.action for each in house.audit()]
    assert actions.count("group.join") == 2
    assert {"group.create", "group.update", "group.leave", "group.delete"} <= set(actions)
    assert ada.id != bob.id


async def test_groups_over_http(house: Any) -> None:
    ada, bob = await house.add_admin(), await house.add_user("bob@example.org")
    admin, page = await house.browser(ada.email), await house.browser(bob.email)
    group = (await admin.post("/api/v1/groups", json={"name": "Research", "limits": {"max_parallel": 2}})).json()
    path = f"/api/v1/groups/{group['id']}"
    assert (await admin.post("/api/v1/groups", json={"name": "RESEARCH"})).status_code == 409
    other = (await admin.post("/api/v1/groups", json={"name": "Other"})).json()
    assert (await admin.patch(f"/api/v1/groups/{other['id']}", json={"name": "research"})).status_code == 409
    assert (await page.get("/api/v1/groups/mine")).json()["items"] == []
    for _ in range(2):
        assert (await admin.put(f"{path}/members/{bob.id}")).status_code == 204
    mine = (await page.get("/api/v1/groups/mine")).json()["items"]
    assert [(each["name"], each["members"], each["limits"]["max_parallel"]) for each in mine] == [("Research", 1, 2)]
    assert [each["email"] for each in (await admin.get(f"{path}/members")).json()["items"]] == [bob.email]
    assert len((await admin.get("/api/v1/groups?limit=1")).json()["items"]) == 1
    assert (await admin.patch(path, json={"limits": None})).json()["limits"] is None
    assert (await admin.delete(f"{path}/members/{bob.id}")).status_code == 204
    assert (await admin.delete(f"{path}/members/{bob.id}")).status_code == 404
    for bad in ("x", "mine2", "' OR 1=1--"):
        assert (await admin.get(f"/api/v1/groups/{bad}")).status_code == 404
        assert (await admin.put(f"{path}/members/{bad}")).status_code in {404, 405}
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404


# --- the quick look -----------------------------------------------------------------------------------------------


async def test_the_quick_look_knows_what_was_asked_a_moment_ago_and_nothing_that_was_revoked(house: Any) -> None:
    ada = await house.add_admin()
    key = await made(house, ada, expires_at=house.clock.now() + timedelta(seconds=0.5))
    authenticator = house.identity.authenticator
    assert authenticator.known(key.secret, "") is None
    who = await authenticator.authenticate(api_key(key.secret))
    assert authenticator.known(key.secret, "") is who
    assert authenticator.known(key.secret.encode(), "127.0.0.1") is who
    assert authenticator.known(b"\xff\xfe", "") is None
    house.clock.advance(0.5)
    assert authenticator.known(key.secret, "") is None
    other = await made(house, ada)
    await authenticator.authenticate(api_key(other.secret))
    await house.identity.keys.revoke(ada.id, other.key.id, ACTOR)
    assert authenticator.known(other.secret, "") is None
    session = await house.identity.sessions.log_in(ada.email, "correct horse battery", ACTOR)
    await authenticator.authenticate(Credential(is_key=False, secret=session.token))
    assert authenticator.known(session.token, "") is None


async def test_a_change_of_what_was_read_before_a_rotation_leaves_the_new_secret(house: Any) -> None:
    ada = await house.add_admin()
    first = await made(house, ada)
    second = await house.identity.keys.rotate(ada.id, first.key.id, ACTOR)
    await house.identity.keys.update(first.key, ACTOR, name="late", terms=KeyTerms())
    assert await house.identity.keys.recognise(first.secret) is None
    known = await house.identity.keys.recognise(second.secret)
    assert (known.key.name, known.key.rotated_at) == ("late", second.key.rotated_at)


async def test_of_two_rotations_at_once_one_is_refused(house: Any) -> None:
    ada = await house.add_admin()
    first = await made(house, ada)
    keys = house.identity.keys

    class Late:
        async def get(self, key_id: str) -> Any:
            return first.key

        def __getattr__(self, name: str) -> Any:
            return getattr(keys.store, name)

    second = await keys.rotate(ada.id, first.key.id, ACTOR)
    with pytest.raises(Conflict):
        await replace(keys, store=Late()).rotate(ada.id, first.key.id, ACTOR, grace_s=60)
    assert await keys.recognise(second.secret) is not None
    assert await keys.recognise(first.secret) is None


async def test_a_burst_of_requests_asks_the_store_once(house: Any) -> None:
    ada = await house.add_admin()
    key = await made(house, ada)
    asked: list[str] = []

    class Slow:
        async def by_prefix(self, prefix: str) -> Any:
            asked.append(prefix)
            await anyio.sleep(0.01)
            return await house.identity.keys.store.by_prefix(prefix)

    authenticator = replace(house.identity.authenticator, keys=replace(house.identity.keys, store=Slow()))
    wrong = key.secret[:-1] + ("a" if key.secret[-1] != "a" else "b")
    refused = 0

    async def ask(secret: str) -> None:
        nonlocal refused
        try:
            await authenticator.authenticate(api_key(secret))
        except NotAuthenticated:
            refused += 1

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask, key.secret)
    assert len(asked) == 1
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask, wrong)
    assert refused == 20
    authenticator.cache.forget_all()
    with anyio.move_on_after(0.001):
        await ask(key.secret)
    await ask(key.secret)  # whoever was cancelled holds up nobody
    assert authenticator._looking == {}


async def test_uses_of_many_keys_are_written_together(house: Any) -> None:
    ada = await house.add_admin()
    keys = [await made(house, ada) for _ in range(20)]
    for each in keys:
        await house.identity.authenticator.authenticate(api_key(each.secret))
    await anyio.wait_all_tasks_blocked()
    assert all(house.tables.keys[each.key.id].last_used_at == house.clock.now() for each in keys)


@given(st.builds(
    Limits, models=st.none() | st.lists(st.text(min_size=1)).map(tuple), requests_per_minute=st.none() | st.integers(1),
    budget_usd=st.none() | st.decimals(0, 10**6, places=6), budget_period=st.sampled_from(BudgetPeriod),
    guards=st.lists(st.text(min_size=1)).map(tuple),
))  # fmt: skip
def test_limits_come_back_as_they_were_stored(limits: Limits) -> None:
    assert Limits.of_json(limits.to_json()) == (limits if limits.is_any else NO_LIMITS)


async def test_a_name_is_taken_once(house: Any) -> None:
    await house.identity.groups.create("Straße", ACTOR)
    with pytest.raises(AlreadyExists):
        await house.identity.groups.create("STRASSE", ACTOR)
    assert (await house.identity.groups.page(PageRequest())).items[0].name == "Straße"
