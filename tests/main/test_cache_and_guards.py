"""The cache and the guardrails in a whole house, through unmodified `openai` clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest

from alcove.identity.models import Actor
from alcove.kernel.principal import Role
from tests.main.conftest import Place, open_place
from tests.wire.openai_server import OpenAiServer

pytestmark = pytest.mark.timeout(60)
ACTOR = Actor(name="test")


class Scene:
    """A house over a fake model server, with its people."""

    def __init__(self, place: Place, upstream: OpenAiServer) -> None:
        self.place, self.upstream = place, upstream
        self.keys: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    async def add(self, name: str, role: Role = Role.USER) -> None:
        user = await self.place.user(name, role)
        self.ids[name] = user.id
        self.keys[name] = (await self.place.key(user))[1]

    def openai(self, name: str) -> openai.AsyncOpenAI:
        transport = httpx2.ASGITransport(app=self.place.asgi, client=("127.0.0.1", 50_000))
        http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        return openai.AsyncOpenAI(
            base_url="http://127.0.0.1/v1", api_key=self.keys[name], http_client=http, max_retries=0
        )

    def api(self, name: str) -> httpx2.AsyncClient:
        return self.place.keyed(self.keys[name])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with OpenAiServer() as upstream:
        gateway = {
            "ollama_discovery": False,
            "deployments": [{"name": "up", "base_url": upstream.base_url}],
            "connect_timeout_s": 20,
        }
        cache = {"rules": [{"models": "echo", "mode": "exact"}]}
        async with open_place(tmp_path, gateway=gateway, cache=cache) as place:
            scene = Scene(place, upstream)
            await scene.add("root", Role.ADMIN)
            await scene.add("ann")
            await scene.add("bob")
            yield scene


async def ask(scene: Scene, name: str, text: str = "Hello", **headers: str) -> tuple[str, httpx2.Headers]:
    raw = await scene.openai(name).chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": text}], extra_headers=headers
    )
    return raw.parse().choices[0].message.content or "", raw.headers


async def test_a_client_streams_from_the_cache_what_it_streamed_before(scene: Scene):
    texts: list[str] = []
    for _ in range(2):
        stream = await scene.openai("ann").chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "Hello"}], stream=True, stream_options={"include_usage": True}
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
        texts.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage is not None
        usage = chunks[-1].usage.total_tokens
    assert texts[0] == texts[1] != ""
    assert usage > 0
    assert len(scene.upstream.chats) == 1
    text, headers = await ask(scene, "ann")
    assert (text, headers["x-alcove-cache"]) == (texts[0], "hit")
    assert headers["age"].isdigit()
    traces = (await scene.api("ann").get("/api/v1/traces")).json()["items"]
    trace = (await scene.api("ann").get(f"/api/v1/traces/{traces[0]['id']}")).json()
    assert '"cache": "exact"' in str(trace).replace("'", '"')


async def test_another_person_and_those_who_want_none_ask_the_model(scene: Scene):
    for name, headers, told in (
        ("ann", {}, "miss"), ("bob", {}, "miss"), ("ann", {"cache-control": "no-cache"}, "miss"), ("ann", {}, "hit"),
    ):  # fmt: skip
        assert (await ask(scene, name, **headers))[1]["x-alcove-cache"] == told
    assert "x-alcove-cache" not in (await ask(scene, "ann", **{"cache-control": "no-cache, no-store"}))[1]
    assert len(scene.upstream.chats) == 4


async def test_an_admin_sees_and_empties_it_and_a_deleted_person_leaves_nothing(scene: Scene):
    for name in ("ann", "bob", "ann"):
        await ask(scene, name)
    root = scene.api("root")
    state = (await root.get("/api/v1/cache")).json()
    assert (state["entries"], state["hits"], state["misses"]) == (2, 1, 2)
    assert (state["place"], state["max_entries"], state["max_bytes"]) == ("memory", 20_000, 64 << 20)
    assert [(each["models"], each["mode"]) for each in state["rules"]] == [("echo", "exact")]
    assert (await root.delete("/api/v1/cache", params={"owner_id": scene.ids["bob"]})).json() == {"entries": 1}
    await scene.place.house.identity.accounts.delete(scene.ids["ann"], ACTOR)
    assert (await root.get("/api/v1/cache")).json()["entries"] == 0
    assert (await root.delete("/api/v1/cache", params={"model": "x"})).json() == {"entries": 0}
    assert (await root.delete("/api/v1/cache", params={"model": ""})).status_code == 400
    metrics = (await scene.place.client().get("/metrics")).text
    assert 'alcove_cache_lookups_total{result="hit"} 1.0' in metrics
    assert "cache.clear" in (await root.get("/api/v1/audit")).text


async def test_guardrails_are_on_as_soon_as_they_are_made(scene: Scene):
    root = scene.api("root")
    secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789AB"
    for body in (
        {"name": "pii", "rule": {"kind": "redact"}, "always_on": True},
        {
            "name": "falcon",
            "rule": {"kind": "block", "words": ["Falcon"], "message": "Ask the press."},
            "always_on": True,
        },
    ):
        made = await root.post("/api/v1/guardrails", json=body)
        assert made.status_code == 201, made.text
    await ask(scene, "ann", f"My key is {secret}")
    assert secret.encode() not in scene.upstream.chats[-1].body
    assert b"SECRET_1" in scene.upstream.chats[-1].body
    traces = (await scene.api("ann").get("/api/v1/traces")).json()["items"]
    assert secret not in (await scene.api("ann").get(f"/api/v1/traces/{traces[0]['id']}")).text
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(scene, "ann", "Tell me of FALCON")
    assert refused.value.code == "content_blocked"
    assert "Ask the press." in str(refused.value)
    asked = await root.post(f"/api/v1/guardrails/{made.json()['id']}/test", json={"text": "falcon"})
    assert asked.json()["action"] == "refuse"
    metrics = (await scene.place.client().get("/metrics")).text
    assert 'alcove_guardrail_actions_total{action="refuse",guardrail="falcon"} 1.0' in metrics


@pytest.mark.parametrize("body", [
    {"name": "Bad Name", "rule": {"kind": "redact"}}, {"name": "x", "rule": {"kind": "block", "patterns": ["(?=a)"]}},
    {"name": "x", "rule": {"kind": "nothing"}}, {"name": "x"}, {"name": "x", "rule": {"kind": "redact"}, "owner_id": "x"},
])  # fmt: skip
async def test_bad_guardrails_are_told_why(scene: Scene, body: dict[str, object]):
    answer = await scene.api("root").post("/api/v1/guardrails", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


async def test_a_pattern_that_is_none_is_told_by_its_place(scene: Scene):
    rule = {"kind": "block", "patterns": ["fine", "(?=a)", ".*"]}
    for path, body in (
        ("/api/v1/guardrails", {"name": "x", "rule": rule}),
        ("/api/v1/guardrails/test", {"rule": rule, "text": "x"}),
    ):
        answer = await scene.api("root").post(path, json=body)
        first, second = answer.json()["errors"]
        assert first["field"] == "rule.block.patterns.1"
        assert first["message"].startswith("'(?=a)' is no pattern of RE2: ")
        assert second == {
            "field": "rule.block.patterns.2",
            "message": "'.*' matches the empty text, and so everything",
        }


FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "The Falcon"}]}
DOCUMENT = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "The Falcon"}]}}
CALLED = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": [FOUND]}


@pytest.mark.parametrize("action", ["refuse", "mask"])
async def test_a_guardrail_of_a_deployment_holds_for_every_name_and_every_kind_of_content(tmp_path: Path, action: str):
    rule = {"kind": "block", "words": ["Falcon"], "action": action}
    async with OpenAiServer() as upstream:
        gateway = {
            "ollama_discovery": False,
            "deployments": [{"name": "up", "base_url": upstream.base_url, "models": ["echo"]}],
            "model_groups": [{"id": "fast", "members": [{"deployment": "up", "model": "echo"}]}],
            "connect_timeout_s": 20,
        }
        guards = {"guardrails": [{"name": "ban", "rule": rule}], "models": {"up/*": ["ban"]}}
        async with open_place(tmp_path, gateway=gateway, guards=guards) as place:
            scene = Scene(place, upstream)
            await scene.add("ann")
            ann = scene.api("ann")
            assert (await ann.post("/api/v1/knowledge/collections", json={"name": "Papers"})).status_code == 201
            texts = [{"role": "user", "content": "The Falcon"}]
            chats = [
                {"model": each, "messages": texts}
                for each in ("up/echo", "echo", "fast", "default", "knowledge/Papers")
            ]
            parts = [[FOUND], [DOCUMENT]]
            messages = [[{"role": "user", "content": [{"type": "text", "text": "?"}, *each]}] for each in parts]
            messages.append(
                [
                    {"role": "user", "content": "?"},
                    {"role": "assistant", "content": [CALLED]},
                    {"role": "user", "content": [RESULT]},
                ]
            )
            refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "The Falcon"}]}
            asked = [
                *(("/v1/chat/completions", each) for each in chats),
                *(("/v1/messages", {"model": "echo", "max_tokens": 9, "messages": each}) for each in messages),
                ("/api/chat", {"model": "echo", "messages": texts}),
                ("/api/generate", {"model": "echo", "prompt": "The Falcon"}),
                ("/api/generate", {"model": "echo", "prompt": "?", "system": "The Falcon"}),
                ("/v1/responses", {"model": "echo", "input": [refusal, {"role": "user", "content": "?"}]}),
            ]
            for path, body in asked:
                answer = await ann.post(path, json=body)
                assert answer.status_code == (400 if action == "refuse" else 200), (path, body, answer.text)
            assert len(upstream.chats) == (0 if action == "refuse" else len(asked))
            assert not any(b"Falcon" in each.body for each in upstream.chats)
