"""Limits in a whole house: by key, in the page, through collections; and what people are told of them."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from alcove.identity.accounts import UserEdit
from alcove.identity.limits import Limits
from alcove.identity.models import KeyTerms
from alcove.kernel.principal import Role
from tests.main.conftest import ACTOR, Place, open_place

pytestmark = pytest.mark.timeout(120)

ASK = {"model": "alcove/reader", "messages": [{"role": "user", "content": "Hello"}]}


async def key_of(place: Place, user: Any, **terms: Any) -> tuple[str, httpx2.AsyncClient]:
    made = await place.house.identity.keys.create(user.id, "laptop", ACTOR, terms=KeyTerms(**terms))
    return made.key.id, place.keyed(made.secret)


async def test_a_limited_key_is_told_how_much_is_left_and_then_no(place: Place) -> None:
    ada = await place.user("ada")
    key_id, client = await key_of(place, ada, limits=Limits(requests_per_minute=2, tokens_per_minute=100_000))
    whole = await client.post("/v1/chat/completions", json=ASK)
    assert whole.status_code == 200, whole.text
    assert whole.headers["x-ratelimit-limit-requests"] == "2"
    assert whole.headers["x-ratelimit-remaining-requests"] == "1"
    streamed = await client.post("/v1/chat/completions", json={**ASK, "stream": True})
    assert streamed.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-ratelimit-remaining-tokens" in streamed.headers
    for path, body in (("chat/completions", ASK), ("embeddings", {"model": "alcove/minilm", "input": "Hello"})):
        refused = await client.post(f"/v1/{path}", json=body)
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limited")
        assert "Your key 'laptop' has made 2 of 2 requests in the last minute" in error["message"]
        assert int(refused.headers["retry-after"]) > 30
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    mine = (await client.get("/api/v1/limits/me")).json()["items"]
    assert [(each["subject"], each["name"]) for each in mine] == [(f"key:{key_id}", "laptop")]
    assert next((each["kind"], each["limit"], each["used"], each["left"]) for each in mine[0]["limits"]) == (
        "requests_per_minute", "2", "2", "0"
    )  # fmt: skip
    metrics = (await place.client().get("/metrics")).text
    assert "alcove_calls_refused_limited 2.0" in metrics


async def test_a_key_for_some_models_sees_and_asks_only_those(place: Place) -> None:
    bea = await place.user("bea")
    _, client = await key_of(place, bea, limits=Limits(models=("alcove/mini*",)), scopes=("chat", "embedding"))
    assert [each["id"] for each in (await client.get("/v1/models")).json()["data"]] == ["alcove/minilm"]
    refused = await client.post("/v1/chat/completions", json=ASK)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    assert "may not use the model 'alcove/reader'" in refused.json()["error"]["message"]
    assert (await client.post("/v1/embeddings", json={"model": "alcove/minilm", "input": "x"})).status_code == 200
    assert (await client.get("/api/v1/limits/me")).status_code == 200  # whatever its scopes
    assert (await client.get("/api/v1/keys")).status_code == 403  # not in its scopes


async def test_a_persons_limits_bind_the_page_and_all_their_keys_together(place: Place) -> None:
    eve = await place.user("eve")
    _, first = await key_of(place, eve)
    _, second = await key_of(place, eve)
    root = place.keyed((await place.key(await place.user("boss", Role.ADMIN)))[1])
    limits = {"requests_per_minute": 3}
    answer = await root.patch(f"/api/v1/users/{eve.id}", json={"limits": limits})
    assert answer.json()["limits"]["requests_per_minute"] == 3
    for client in (first, second):
        assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
    page = await place.page(eve)
    page.headers["origin"] = "http://127.0.0.1"
    page.headers["x-csrf-token"] = (await page.get("/api/v1/auth/state")).json()["csrf_token"]
    chat = (await page.post("/api/v1/chats", json={"model": "alcove/reader"})).json()
    endings = []
    for _ in range(2):
        asked = (await page.post(f"/api/v1/chats/{chat['id']}/messages", json={"content": "Hello"})).json()
        path = f"/api/v1/chats/{chat['id']}/messages/{asked['assistant_message']['id']}/events"
        endings.append((await page.get(path)).text)
    assert "event: done" in endings[0]
    assert "event: error" in endings[1]
    assert "You have made 3 of 3 requests in the last minute" in endings[1]
    standing = (await root.get(f"/api/v1/limits/user:{eve.id}")).json()
    assert (standing["name"], standing["limits"][0]["used"]) == ("Eve", "3")
    assert (await page.get("/api/v1/limits/me")).json()["items"][0]["limits"][0]["left"] == "0"
    await place.house.identity.accounts.update(eve.id, UserEdit(limits=Limits()), ACTOR)
    assert (await first.post("/v1/chat/completions", json=ASK)).status_code == 200


async def test_limits_of_others_are_for_admins_and_of_nobody_are_not_found(place: Place) -> None:
    root = place.keyed((await place.key(await place.user("chief", Role.ADMIN)))[1])
    for subject in ("user:x", "key:01890000-0000-7000-8000-000000000000", "group:' OR 1=1--", "x", "user:", ":"):
        assert (await root.get(f"/api/v1/limits/{subject}")).status_code == 404, subject
    assert (await root.get(f"/api/v1/limits/{'a' * 101}")).status_code == 400
    assert (await root.get("/api/v1/limits/me")).json() == {"items": []}


async def test_with_the_server_of_limits_away_limited_calls_are_refused_and_it_is_said(tmp_path: Path) -> None:
    async with open_place(tmp_path, valkey={"url": "redis://127.0.0.1:1/0"}) as place:
        ada = await place.user("ada")
        _, limited = await key_of(place, ada, limits=Limits(requests_per_minute=5))
        _, free = await key_of(place, ada)
        refused = await limited.post("/v1/chat/completions", json=ASK)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "Limits cannot be checked right now" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"] == "1"
        assert (await limited.get("/api/v1/limits/me")).status_code == 503
        assert (await free.post("/v1/chat/completions", json=ASK)).status_code == 200
        assert "alcove_calls_refused_unchecked 1.0" in (await place.client().get("/metrics")).text
