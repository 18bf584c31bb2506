"""Who may do what: every route, every verb, everybody who should not; the list of routes comes from the OpenAPI document.

A route that has no line in `RULES` fails the first test: whoever adds one says here whose things it gives out.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
import pytest

from alcove.identity.accounts import UserEdit
from alcove.infra.problems import is_ollama_path, is_openai_path, is_registry_path
from alcove.kernel.principal import Role
from tests.main.conftest import ACTOR, Place, wait_for

pytestmark = pytest.mark.timeout(120)

MARK = "Quillfeather"
"""Stands in everything that belongs to Ann, and may be in no answer to anybody else."""

Access = Literal["public", "own", "page", "mine", "shared", "admin"]


@dataclass(frozen=True)
class Rule:
    """Whose things a route is about.

    Attributes:
        access: `public`: anyone; `own`: a thing named in the path, of its owner alone; `page`: likewise, and with no API key,
            whoever's it is; `mine`: the caller's own things;
            `shared`: a thing of the house named in the path or body, for everyone who is signed in; `admin`: admins alone.
        body: A body that is good.
        is_upload: Whether the body is a file.
        changes_caller: Whether the call would end the caller's own rights, so that it is not made in vain.
    """

    access: Access
    body: Any = None
    is_upload: bool = False
    changes_caller: bool = False


CHAT, MESSAGE = "/api/v1/chats/{chat_id}", "/api/v1/chats/{chat_id}/messages/{message_id}"
COLLECTION, DOCUMENT = "/api/v1/knowledge/collections/{collection_id}", "/api/v1/knowledge/documents/{document_id}"
DEPLOYMENT = {"name": "other", "provider": "openai", "base_url": "https://models.invalid/v1"}
MODEL_GROUP = {"model": "other-group", "members": [{"deployment": MARK, "model": "m"}]}
GUARDRAIL = {"name": "other", "rule": {"kind": "block", "words": ["other"]}}
QUESTION = [{"role": "user", "content": "Hello"}]
NEW_USER = {"email": "new@example.org", "name": "New", "password": "a long enough secret", "role": "user"}

RULES: dict[tuple[str, str], Rule] = {
    ("GET", "/health/live"): Rule("public"),
    ("GET", "/health/ready"): Rule("public"),
    ("GET", "/metrics"): Rule("public"),  # on this machine; from elsewhere admins alone, see below
    ("GET", "/api/v1/auth/state"): Rule("public"),
    ("POST", "/api/v1/auth/setup"): Rule("public", {"token": "x", "email": "x@example.org", "name": "X", "password": "y" * 20}),
    ("POST", "/api/v1/auth/login"): Rule("public", {"email": "x@example.org", "password": "wrong"}),
    ("POST", "/api/v1/auth/logout"): Rule("mine", changes_caller=True),
    ("POST", "/api/v1/auth/password"): Rule("mine", {"current_password": "wrong", "new_password": "a long enough secret"}),
    ("GET", "/api/v1/users/me"): Rule("mine"),
    ("PATCH", "/api/v1/users/me"): Rule("mine", {}),
    ("GET", "/api/v1/users"): Rule("admin"),
    ("POST", "/api/v1/users"): Rule("admin", NEW_USER),
    ("PATCH", "/api/v1/users/{user_id}"): Rule("admin", {"name": "Taken over"}),
    ("DELETE", "/api/v1/users/{user_id}"): Rule("admin"),
    ("GET", "/api/v1/keys"): Rule("mine"),
    ("POST", "/api/v1/keys"): Rule("mine", {"name": "another"}),
    ("PATCH", "/api/v1/keys/{key_id}"): Rule("page", {"name": "Taken over"}),
    ("POST", "/api/v1/keys/{key_id}/rotate"): Rule("page", {}),
    ("DELETE", "/api/v1/keys/{key_id}"): Rule("own"),
    ("GET", "/api/v1/groups/mine"): Rule("mine"),
    ("GET", "/api/v1/groups"): Rule("admin"),
    ("POST", "/api/v1/groups"): Rule("admin", {"name": "Others"}),
    ("GET", "/api/v1/groups/{group_id}"): Rule("admin"),
    ("PATCH", "/api/v1/groups/{group_id}"): Rule("admin", {"name": "Taken over"}),
    ("DELETE", "/api/v1/groups/{group_id}"): Rule("admin"),
    ("GET", "/api/v1/groups/{group_id}/members"): Rule("admin"),
    ("PUT", "/api/v1/groups/{group_id}/members/{user_id}"): Rule("admin"),
    ("DELETE", "/api/v1/groups/{group_id}/members/{user_id}"): Rule("admin"),
    ("GET", "/api/v1/limits/me"): Rule("mine"),
    ("GET", "/api/v1/limits/{subject}"): Rule("admin"),
    ("GET", "/api/v1/audit"): Rule("admin"),
    ("GET", "/api/v1/status"): Rule("admin"),
    ("GET", "/api/v1/models"): Rule("mine"),
    ("GET", "/api/v1/deployments"): Rule("admin"),
    ("POST", "/api/v1/deployments"): Rule("admin", DEPLOYMENT),
    ("PATCH", "/api/v1/deployments/{deployment_id}"): Rule("admin", {"base_url": "https://evil.invalid/v1"}),
    ("DELETE", "/api/v1/deployments/{deployment_id}"): Rule("admin"),
    ("POST", "/api/v1/deployments/{deployment_id}/test"): Rule("admin"),
    ("GET", "/api/v1/model-groups"): Rule("admin"),
    ("POST", "/api/v1/model-groups"): Rule("admin", MODEL_GROUP),
    ("PATCH", "/api/v1/model-groups/{model_group_id}"): Rule("admin", {"description": "Taken over"}),
    ("DELETE", "/api/v1/model-groups/{model_group_id}"): Rule("admin"),
    ("GET", "/api/v1/usage/rows"): Rule("mine"),
    ("GET", "/api/v1/usage/summary"): Rule("mine"),
    ("GET", "/api/v1/usage/export"): Rule("mine"),
    ("GET", "/api/v1/usage/live"): Rule("admin"),
    ("GET", "/api/v1/cache"): Rule("admin"),
    ("DELETE", "/api/v1/cache"): Rule("admin"),
    ("GET", "/api/v1/guardrails"): Rule("admin"),
    ("POST", "/api/v1/guardrails"): Rule("admin", GUARDRAIL),
    ("PATCH", "/api/v1/guardrails/{guardrail_id}"): Rule("admin", {"enabled": False}),
    ("DELETE", "/api/v1/guardrails/{guardrail_id}"): Rule("admin"),
    ("POST", "/api/v1/guardrails/test"): Rule("admin", {"rule": {"kind": "redact"}, "text": "Hello"}),
    ("POST", "/api/v1/guardrails/{guardrail_id}/test"): Rule("admin", {"text": "Hello"}),
    ("GET", "/v1/models"): Rule("mine"),
    ("GET", "/v1/models/{model_id}"): Rule("own"),
    ("POST", "/v1/chat/completions"): Rule("mine", {"model": "alcove/reader", "messages": QUESTION}),
    ("POST", "/v1/messages"): Rule("mine", {"model": "alcove/reader", "max_tokens": 9, "messages": QUESTION}),
    ("POST", "/v1/messages/count_tokens"): Rule("mine", {"model": "alcove/reader", "messages": QUESTION}),
    ("POST", "/v1/responses"): Rule("mine", {"model": "alcove/reader", "input": "Hello"}),
    ("POST", "/v1/completions"): Rule("mine", {"model": "alcove/reader", "prompt": "Hello"}),
    ("POST", "/api/chat"): Rule("mine", {"model": "alcove/reader", "messages": QUESTION}),
    ("POST", "/api/generate"): Rule("mine", {"model": "alcove/reader", "prompt": "Hello"}),
    ("POST", "/api/embed"): Rule("mine", {"model": "alcove/minilm", "input": "Hello"}),
    ("POST", "/api/embeddings"): Rule("mine", {"model": "alcove/minilm", "prompt": "Hello"}),
    ("GET", "/api/version"): Rule("mine"),
    ("GET", "/api/tags"): Rule("mine"),
    ("GET", "/api/ps"): Rule("mine"),
    ("POST", "/api/show"): Rule("shared", {"model": "none"}),
    ("POST", "/api/copy"): Rule("admin", {"source": "none", "destination": "other"}),
    ("DELETE", "/api/delete"): Rule("admin", {"model": "none"}),
    ("POST", "/api/pull"): Rule("admin", {"model": "127.0.0.1:1/none", "stream": False}),
    ("POST", "/api/push"): Rule("admin", {"model": "127.0.0.1:1/none", "stream": False}),
    ("POST", "/api/create"): Rule("admin", {"model": "other", "from": "none", "stream": False}),
    ("HEAD", "/api/blobs/{digest}"): Rule("admin"),
    ("POST", "/api/blobs/{digest}"): Rule("admin"),
    ("GET", "/api/v1/runtime/models"): Rule("mine"),
    ("POST", "/api/v1/runtime/models"): Rule("admin", {"name": "other", "origin": "none"}),
    ("DELETE", "/api/v1/runtime/models/{name}"): Rule("admin"),
    ("GET", "/api/v1/runtime/known-models"): Rule("mine"),
    ("GET", "/api/v1/runtime/pulls"): Rule("mine"),
    ("POST", "/api/v1/runtime/pulls"): Rule("admin", {"model": "127.0.0.1:1/none"}),
    ("GET", "/api/v1/runtime/pulls/{pull_id}"): Rule("shared"),
    ("DELETE", "/api/v1/runtime/pulls/{pull_id}"): Rule("admin"),
    ("GET", "/api/v1/runtime/running"): Rule("mine"),
    ("GET", "/api/v1/runtime/running/events"): Rule("shared"),
    ("POST", "/api/v1/runtime/running"): Rule("admin", {"model": "none"}),
    ("DELETE", "/api/v1/runtime/running/{name}"): Rule("admin"),
    ("PUT", "/api/v1/runtime/pins/{name}"): Rule("admin"),
    ("DELETE", "/api/v1/runtime/pins/{name}"): Rule("admin"),
    ("GET", "/v2/"): Rule("mine"),
    ("GET", "/v2/{repository}/manifests/{tag}"): Rule("shared"),
    ("GET", "/v2/{repository}/blobs/{digest}"): Rule("shared"),
    ("POST", "/v1/embeddings"): Rule("mine", {"model": "alcove/minilm", "input": "Hello"}),
    ("POST", "/v1/moderations"): Rule("mine", {"model": "alcove/reader", "input": "Hello"}),
    ("POST", "/v1/images/generations"): Rule("mine", {"model": "alcove/reader", "prompt": "a cat"}),
    ("POST", "/v1/images/edits"): Rule("mine", is_upload=True),
    ("POST", "/v1/images/variations"): Rule("mine", is_upload=True),
    ("POST", "/v1/audio/transcriptions"): Rule("mine", is_upload=True),
    ("POST", "/v1/audio/translations"): Rule("mine", is_upload=True),
    ("POST", "/v1/audio/speech"): Rule("mine", {"model": "alcove/reader", "input": "Hello", "voice": "x"}),
    ("POST", "/v1/rerank"): Rule("mine", {"model": "alcove/minilm", "query": "Hello", "documents": ["Hello"]}),
    ("GET", "/api/v1/chats"): Rule("mine"),
    ("POST", "/api/v1/chats"): Rule("mine", {}),
    ("GET", CHAT): Rule("own"),
    ("PATCH", CHAT): Rule("own", {"title": "Taken over"}),
    ("DELETE", CHAT): Rule("own"),
    ("GET", f"{CHAT}/export"): Rule("own"),
    ("POST", f"{CHAT}/documents"): Rule("own", is_upload=True),
    ("POST", f"{CHAT}/messages"): Rule("own", {"content": "Who goes there?"}),
    ("GET", f"{MESSAGE}/events"): Rule("own"),
    ("POST", f"{MESSAGE}/regenerate"): Rule("own", {}),
    ("POST", f"{MESSAGE}/stop"): Rule("own"),
    ("GET", "/api/v1/knowledge/collections"): Rule("mine"),
    ("POST", "/api/v1/knowledge/collections"): Rule("mine", {"name": "Another"}),
    ("GET", COLLECTION): Rule("own"),
    ("PATCH", COLLECTION): Rule("own", {"name": "Taken over"}),
    ("DELETE", COLLECTION): Rule("own"),
    ("GET", f"{COLLECTION}/documents"): Rule("own"),
    ("POST", f"{COLLECTION}/documents"): Rule("own", is_upload=True),
    ("POST", f"{COLLECTION}/search"): Rule("own", {"query": MARK}),
    ("GET", DOCUMENT): Rule("own"),
    ("DELETE", DOCUMENT): Rule("own"),
    ("POST", f"{DOCUMENT}/retry"): Rule("own"),
    ("GET", f"{DOCUMENT}/text"): Rule("own"),
    ("GET", f"{DOCUMENT}/file"): Rule("own"),
    ("GET", "/api/v1/traces"): Rule("mine"),
    ("GET", "/api/v1/traces/{trace_id}"): Rule("own"),
}  # fmt: skip

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NO_PRINCIPAL_NEEDED = {rule for rule in RULES if RULES[rule].access == "public"}


@dataclass
class People:
    """Ann with her things, and everybody who is after them.

    Attributes:
        place: The house.
        ids: Ann's things, by the name of the parameter that stands for one.
        ann: Ann herself.
        root: An admin; the house's deployment is theirs.
        bob: Another user.
        revoked: Someone with a key that Ann has revoked.
        disabled: Someone whose account is disabled, by key and by cookie.
        page: Ann's browser.
        csrf: What Ann's page sends against forgery.
    """

    place: Place
    ids: dict[str, str]
    ann: httpx2.AsyncClient
    root: httpx2.AsyncClient
    bob: httpx2.AsyncClient
    revoked: httpx2.AsyncClient
    disabled: list[httpx2.AsyncClient]
    page: httpx2.AsyncClient
    csrf: str
    bobs: dict[str, str] = field(default_factory=dict)


async def made(client: httpx2.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def anns_things(ann: httpx2.AsyncClient) -> dict[str, str]:
    collection = await made(
        ann, "/api/v1/knowledge/collections", {"name": f"{MARK} papers", "description": f"{MARK} wrote these"}
    )
    text = f"# {MARK}\n\nThe secret of {MARK} is kept in a blue tin under the stairs.".encode()
    files = {"file": (f"{MARK}.md", text)}
    sent = await ann.post(f"/api/v1/knowledge/collections/{collection['id']}/documents", files=files)
    assert sent.status_code == 202, sent.text
    document = await wait_for(ann, f"/api/v1/knowledge/documents/{sent.json()['id']}", "ready", "failed")
    assert document["status"] == "ready"
    chat = await made(ann, "/api/v1/chats", {"title": f"{MARK} asks", "collection_ids": [collection["id"]]})
    asked = await made(ann, f"/api/v1/chats/{chat['id']}/messages", {"content": f"Where is the secret of {MARK}?"})
    answer = asked["assistant_message"]
    events = await ann.get(f"/api/v1/chats/{chat['id']}/messages/{answer['id']}/events")
    assert "event: done" in events.text
    assert "blue tin" in events.text
    return {
        "chat_id": chat["id"],
        "message_id": answer["id"],
        "collection_id": collection["id"],
        "document_id": document["id"],
        "trace_id": answer["trace_id"],
        "model_id": f"knowledge/{MARK} papers",
    }


@pytest.fixture(scope="module")
async def people(place: Place) -> People:
    admin, ann, bob, carl = (
        await place.user("root", Role.ADMIN), await place.user(MARK.lower()), await place.user("bob"), await place.user("carl")
    )  # fmt: skip
    clients = {user.id: place.keyed((await place.key(user))[1]) for user in (admin, ann, bob)}
    key_id, _ = await place.key(ann, f"{MARK} laptop")
    revoked_id, revoked = await place.key(ann, "lost")
    ids = await anns_things(clients[ann.id])
    ids |= {"key_id": key_id, "user_id": ann.id}
    ids |= {
        "digest": f"sha256:{'0' * 64}",
        "name": "no-such-model",
        "pull_id": "no-such-pull",
        "repository": "library/not-there",
        "tag": "no-such-tag",
    }
    deployment = {"name": MARK, "provider": "openai", "base_url": "https://models.invalid/v1", "api_key": f"sk-{MARK}"}
    ids["deployment_id"] = (await made(clients[admin.id], "/api/v1/deployments", deployment))["id"]
    ids["model_group_id"] = (
        await made(
            clients[admin.id], "/api/v1/model-groups", {**MODEL_GROUP, "model": "hidden-group", "enabled": False}
        )
    )["id"]
    group = await made(clients[admin.id], "/api/v1/groups", {"name": f"{MARK} and friends"})
    assert (await clients[admin.id].put(f"/api/v1/groups/{group['id']}/members/{ann.id}")).status_code == 204
    ids |= {"group_id": group["id"], "subject": f"user:{ann.id}"}
    guardrail = {"name": MARK.lower(), "rule": {"kind": "block", "words": [f"{MARK} forbids"]}}
    ids["guardrail_id"] = (await made(clients[admin.id], "/api/v1/guardrails", guardrail))["id"]
    assert (await clients[ann.id].delete(f"/api/v1/keys/{revoked_id}")).status_code == 204
    carls = [place.keyed((await place.key(carl))[1]), await place.page(carl)]
    carls[1].headers["origin"] = "http://127.0.0.1"
    carls[1].headers["x-csrf-token"] = (await carls[1].get("/api/v1/auth/state")).json()["csrf_token"]
    await place.house.identity.accounts.update(carl.id, UserEdit(is_disabled=True), ACTOR)
    page = await place.page(ann)
    page.headers["origin"] = "http://127.0.0.1"
    csrf = (await page.get("/api/v1/auth/state")).json()["csrf_token"]
    bobs = {"chat_id": (await made(clients[bob.id], "/api/v1/chats", {}))["id"]}
    return People(
        place, ids, clients[ann.id], clients[admin.id], clients[bob.id], place.keyed(revoked), carls, page, csrf, bobs
    )  # fmt: skip


def routes(place: Place) -> list[tuple[str, str]]:
    document = place.app.openapi()
    return [(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs]


async def call(client: httpx2.AsyncClient, people: People, route: tuple[str, str], **headers: str) -> httpx2.Response:
    """Calls a route about Ann's things, with a good body."""
    verb, path = route
    rule = RULES[route]
    options: dict[str, Any] = {}
    if rule.is_upload:
        options["files"] = {"file": ("note.md", b"# A note\n\nSome text.")}
    elif rule.body is not None:
        options["json"] = rule.body
    return await client.request(verb, path.format(**people.ids), headers=headers, **options)


async def anns_view(people: People) -> dict[str, Any]:
    """Gives all that Ann has, as she sees it."""
    seen = {}
    for route in routes(people.place):
        verb, path = route
        if verb == "GET" and RULES[route].access == "own" and not path.endswith("events"):
            answer = await call(people.ann, people, route) if "{key_id}" not in path else None
            assert answer is not None
            assert answer.status_code == 200, (route, answer.text)
            seen[path] = answer.text
    keys = (await people.ann.get("/api/v1/keys")).json()["items"]
    seen["keys"] = str([(each["id"], each["revoked_at"]) for each in keys])
    seen["groups"] = (await people.ann.get("/api/v1/groups/mine")).text
    seen["guardrails"] = json.dumps((await people.root.get("/api/v1/guardrails")).json())
    seen["deployments"] = json.dumps((await people.root.get("/api/v1/deployments")).json())
    return seen


async def test_every_route_has_a_rule_and_every_rule_a_route(place: Place):
    found = set(routes(place))
    assert found - set(RULES) == set(), "a new route: say in RULES who may call it"
    assert set(RULES) - found == set(), "a rule for a route that is no more"
    undocumented = {getattr(each, "path", "") for each in place.app.routes} - {path for _, path in found}
    assert undocumented <= {"", "/"}, "routes that the OpenAPI document does not tell of"


async def test_owner_and_admin_can_do_what_others_are_refused(people: People):
    """Otherwise the refusals below would say nothing."""
    before = await anns_view(people)
    assert all(MARK in text or path == "keys" for path, text in before.items()), before
    for route, rule in RULES.items():
        if rule.access == "admin" and route[0] == "GET":
            assert (await call(people.root, people, route)).status_code == 200, route


async def expect(client: httpx2.AsyncClient, people: People, expected: dict[Access, int], **headers: str) -> None:
    """Calls every route and compares; `0` stands for any success. What Ann has stays as it is, and is told to nobody."""
    before = await anns_view(people)
    wrong = []
    for route in routes(people.place):
        rule = RULES[route]
        status = expected.get(rule.access)
        if status is None or (rule.changes_caller and status == 0):
            continue
        answer = await call(client, people, route, **headers)
        is_fine = answer.status_code == status or (
            status == 0 and answer.status_code < 404 and answer.status_code != 401
        )
        if not is_fine:
            wrong.append((*route, answer.status_code, answer.text[:200]))
        told = answer.text.replace(people.ids["model_id"], "")  # what the caller wrote may come back
        if MARK in told or (status == 0 and any(people.ids[each] in answer.text for each in people.ids)):
            wrong.append((*route, answer.status_code, "tells of Ann's things", answer.text[:200]))
        if status and rule.access != "public":
            is_protocol = is_openai_path(route[1]) or is_ollama_path(route[1]) or is_registry_path(route[1])
            kind = "application/json" if is_protocol else "application/problem+json"
            if answer.headers.get("content-type") != kind:
                wrong.append((*route, answer.status_code, answer.headers.get("content-type"), ""))
    assert wrong == []
    assert await anns_view(people) == before


async def test_nobody_is_refused_everywhere(people: People):
    await expect(people.place.client(), people, {"own": 401, "page": 401, "mine": 401, "shared": 401, "admin": 401})


@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer ' OR 1=1--"}, {"x-api-key": "sk-as-aaaaaaaa_" + "a" * 32}, {"api-key": ""},
    {"authorization": "Basic cm9vdDpyb290"}, {"x-forwarded-user": "root@example.org", "x-user": "root"},
    {"cookie": "as_session=" + "a" * 43}, {"authorization": "Bearer " + "a" * 100_000},
])  # fmt: skip
async def test_made_up_credentials_are_refused_everywhere(people: People, headers: dict[str, str]):
    await expect(
        people.place.client(**headers), people, {"own": 401, "page": 401, "mine": 401, "shared": 401, "admin": 401}
    )


async def test_a_revoked_key_is_refused_everywhere(people: People):
    await expect(people.revoked, people, {"own": 401, "page": 401, "mine": 401, "shared": 401, "admin": 401})


async def test_a_disabled_user_is_refused_everywhere(people: People):
    for client in people.disabled:
        await expect(client, people, {"own": 401, "page": 401, "mine": 401, "shared": 401, "admin": 401})


async def test_another_user_finds_nothing_and_administers_nothing(people: People):
    await expect(people.bob, people, {"own": 404, "page": 403, "mine": 0, "admin": 403})


async def test_an_admin_does_not_find_the_things_of_others_either(people: People):
    await expect(people.root, people, {"own": 404, "page": 403})


async def test_a_browser_without_the_token_against_forgery_changes_nothing(people: People):
    before = await anns_view(people)
    token, foreign = {"x-csrf-token": people.csrf}, {"origin": "https://evil.example"}
    for headers in ({}, {"x-csrf-token": "wrong"}, {**token, **foreign}, {**token, "sec-fetch-site": "cross-site"}):
        for route in routes(people.place):
            if route[0] in UNSAFE and RULES[route].access != "public":
                answer = await call(people.page, people, route, **headers)
                assert answer.status_code == 403, (route, headers, answer.text)
                assert MARK not in answer.text
    for path in ("/api/v1/auth/login", "/api/v1/auth/setup"):
        answer = await people.page.post(path, json=RULES["POST", path].body, headers=foreign)
        assert answer.status_code in {403, 404}
    assert await anns_view(people) == before
    assert (await people.page.patch("/api/v1/users/me", json={}, headers=token)).status_code == 200


async def test_verbs_that_are_not_listed_do_nothing(people: People):
    before = await anns_view(people)
    known = set(routes(people.place))
    for path in {path for _, path in known}:
        for verb in ("GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"):
            if (verb, path) not in known:
                answer = await people.ann.request(verb, path.format(**people.ids), json={})
                assert answer.status_code in {403, 404, 405}, (verb, path, answer.status_code)
    assert await anns_view(people) == before


async def test_the_things_of_others_cannot_be_named_in_bodies_and_queries(people: People):
    """Case 18 and the like: the id is right, the caller is not."""
    ids, bob, chat = people.ids, people.bob, f"/api/v1/chats/{people.bobs['chat_id']}"
    ask = {"model": "alcove/reader", "messages": QUESTION}
    before = await anns_view(people)
    refused: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/chats", {"collection_ids": [ids["collection_id"]]}),
        ("POST", "/api/v1/chats", {"model": ids["model_id"]}),
        ("PATCH", chat, {"collection_ids": [ids["collection_id"]]}),
        ("PATCH", chat, {"current_message_id": ids["message_id"]}),
        ("PATCH", chat, {"model": ids["model_id"]}),
        ("POST", f"{chat}/messages", {"content": "x", "document_ids": [ids["document_id"]]}),
        ("POST", f"{chat}/messages", {"content": "x", "parent_id": ids["message_id"]}),
        ("POST", f"{chat}/messages", {"content": "x", "model": ids["model_id"]}),
        ("GET", f"{chat}/messages/{ids['message_id']}/events", None),
        ("POST", f"{chat}/messages/{ids['message_id']}/regenerate", {}),
        ("POST", f"{chat}/messages/{ids['message_id']}/stop", None),
        ("POST", "/v1/chat/completions", {**ask, "model": ids["model_id"]}),
        ("POST", "/v1/messages", {**ask, "max_tokens": 9, "model": ids["model_id"]}),
        ("POST", "/v1/messages/count_tokens", {**ask, "model": ids["model_id"]}),
        ("POST", "/v1/responses", {"input": "x", "model": ids["model_id"]}),
        ("POST", "/v1/completions", {"prompt": "x", "model": ids["model_id"]}),
        ("POST", "/api/chat", {**ask, "model": ids["model_id"]}),
        ("POST", "/api/chat", {"model": ids["model_id"], "messages": []}),
        ("POST", "/api/generate", {"prompt": "x", "model": ids["model_id"]}),
        ("POST", "/api/embed", {"input": "x", "model": ids["model_id"]}),
        ("POST", "/api/chat", {**ask, "stream": False, "collections": [ids["collection_id"]]}),
        (
            "POST",
            "/api/generate",
            {"model": ask["model"], "prompt": "x", "stream": False, "collections": [ids["collection_id"]]},
        ),
        ("POST", "/v1/messages", {**ask, "max_tokens": 9, "collections": [ids["collection_id"]]}),
        ("POST", "/v1/responses", {"model": ask["model"], "input": "x", "collections": [ids["collection_id"]]}),
        ("POST", "/v1/completions", {"model": ask["model"], "prompt": "x", "collections": [ids["collection_id"]]}),
        *(
            ("POST", "/v1/chat/completions", {**ask, "collections": [name]})
            for name in (ids["collection_id"], f"{MARK} papers", f"user-memory-{ids['user_id']}", "../x", "%", "*")
        ),
    ]
    for verb, path, body in refused:
        answer = await bob.request(verb, path, json=body)
        assert answer.status_code == 404, (verb, path, body, answer.text)
        assert "blue tin" not in answer.text
    for path in (
        f"/api/v1/knowledge/collections?name={MARK} papers",
        f"/api/v1/traces?session_id={ids['chat_id']}",
        f"/api/v1/traces?query={MARK}",
        f"/api/v1/chats?query={MARK}",
    ):
        answer = await bob.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["items"] == []
    for path in ("/api/v1/traces?all=true", f"/api/v1/traces/{ids['trace_id']}?all=true"):
        assert (await bob.get(path)).status_code == 403
        assert (await people.root.get(path)).status_code == 200
    assert MARK not in (await bob.get("/v1/models")).text
    assert await anns_view(people) == before


async def test_cursors_of_others_open_nothing(people: People):
    ann, bob = people.ann, people.bob
    await made(ann, "/api/v1/chats", {"title": f"{MARK} two"})
    cursor = (await ann.get("/api/v1/chats?limit=1")).json()["next_cursor"]
    assert cursor
    answer = await bob.get("/api/v1/chats", params={"cursor": cursor})
    assert MARK not in answer.text
    for path in ("chats", "keys", "traces", "knowledge/collections"):
        for bad in ("x", "' OR 1=1--", "AAAA", "é", "0" * 400):
            answer = await bob.get(f"/api/v1/{path}", params={"cursor": bad})
            assert answer.status_code in {200, 400}, (path, bad, answer.text)
            assert MARK not in answer.text


async def test_metrics_are_for_this_machine_and_admins(people: People):
    far = people.place.client(ip="203.0.113.7")
    assert (await far.get("/metrics")).status_code == 403
    assert (await people.place.client(**{"x-forwarded-for": "127.0.0.1"}).get("/metrics")).status_code == 403
    for client, status in ((people.bob, 403), (people.root, 200)):
        answer = await far.get("/metrics", headers={"authorization": client.headers["authorization"]})
        assert answer.status_code == status
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json", "/debug", "/api/v1/migrations"):
        answer = await far.get(path)
        assert "swagger" not in answer.text.lower()
        assert '"openapi"' not in answer.text
