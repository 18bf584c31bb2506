"""Deployments: of settings, of admins, discovered; their models, ids and keys."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from alcove.gateway.models import (
    Deployment,
    DeploymentCreate,
    DeploymentPatch,
    DeploymentSettings,
    GatewaySettings,
    Provider,
)
from alcove.gateway.ports import DeploymentStore, Origin
from alcove.gateway.store import SqlDeploymentStore
from alcove.infra.database import Database
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import AlreadyExists, Conflict, InvalidRequest, ModelNotFound, NotFound
from alcove.kernel.principal import Principal
from tests.gateway.conftest import Gateway, MemoryDeployments, Served, open_gateway
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.openai_server import OpenAiServer, whole

KEY = "sk-upstream-secret-1234"


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


def settings(**more: Any) -> GatewaySettings:
    return GatewaySettings(**{"private_addresses": ("127.0.0.1:*",), "ollama_discovery": False, **more})


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with open_gateway(settings()) as opened:
        yield opened


def new(server: OpenAiServer, **more: Any) -> DeploymentCreate:
    return DeploymentCreate(
        **{"name": "mine", "provider": "openai", "base_url": server.base_url, "api_key": KEY, **more}
    )


async def ids(gateway: Gateway, who: Principal) -> list[str]:
    return [info.id for info in await gateway.catalogue.list_models(who)]


async def test_new_deployment_is_there_at_once(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    card = await gateway.deployments.create(new(server), root)
    assert (card.api_key_hint, card.source, card.enabled) == ("1234", "admin", True)
    assert {"echo", "text-embed"} <= set(await ids(gateway, root))
    for model_id in ("echo", "mine/echo", "mine/not-listed"):
        assert (await gateway.catalogue.chat_model(model_id, root)).info.id == model_id
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert gateway.audit.lines == [("user-root", "deployment.create", f"deployment:{card.id}")]


async def test_key_is_kept_sealed_and_never_shown(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    card = await gateway.deployments.create(new(server), root)
    assert KEY not in card.model_dump_json()
    assert KEY not in repr(gateway.store.rows)
    assert KEY not in repr(gateway.directory)


async def test_named_models_are_all_there_is(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    await gateway.deployments.create(new(server, models=["echo", "echo", "hidden-embed"]), root)
    assert await ids(gateway, root) == ["alcove/reader", "alcove/minilm", "echo", "hidden-embed"]
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("mine/tools", root)
    with pytest.raises(InvalidRequest, match="embedding model"):
        await gateway.catalogue.chat_model("hidden-embed", root)
    assert not server.requests


async def test_new_address_without_a_new_key_clears_the_key(
    gateway: Gateway, server: OpenAiServer, other: OpenAiServer, root: Principal
) -> None:
    card = await gateway.deployments.create(new(server), root)
    moved = await gateway.deployments.update(card.id, DeploymentPatch(base_url=other.base_url), root)
    assert moved.api_key_hint is None
    assert "authorization" not in other.requests[0].headers


async def test_new_address_with_a_new_key(
    gateway: Gateway, server: OpenAiServer, other: OpenAiServer, root: Principal
) -> None:
    card = await gateway.deployments.create(new(server), root)
    patch = DeploymentPatch(base_url=other.base_url, api_key="another-key-9876")  # type: ignore[arg-type]  # pydantic wraps it
    assert (await gateway.deployments.update(card.id, patch, root)).api_key_hint == "9876"
    assert other.requests[0].headers["authorization"] == "Bearer another-key-9876"


async def test_another_provider_has_the_address_judged_again(
    gateway: Gateway, server: OpenAiServer, root: Principal
) -> None:
    card = await gateway.deployments.create(new(server, provider="fake"), root)
    kept = next(each for each in await gateway.deployments.store.list() if each.id == card.id)
    await gateway.deployments.store.update(replace(kept, base_url="http://169.254.169.254/v1"))
    with pytest.raises(InvalidRequest, match="address not allowed"):
        await gateway.deployments.update(card.id, DeploymentPatch(provider=Provider.OPENAI), root)
    assert [each.provider for each in await gateway.deployments.list()] == [Provider.FAKE]


class SlowDeployments(MemoryDeployments):
    """Takes its time, the less the more often it is asked."""

    delay_s = 0.03

    async def list(self) -> Sequence[Deployment]:
        rows = await super().list()
        self.delay_s /= 2
        await anyio.sleep(self.delay_s)
        return rows


async def test_changes_at_the_same_time_are_all_kept_and_in_use(
    gateway: Gateway, server: OpenAiServer, root: Principal
) -> None:
    card = await gateway.deployments.create(new(server), root)
    slow = SlowDeployments({each.id: each for each in await gateway.deployments.store.list()})
    gateway.deployments.directory.store = slow
    service = replace(gateway.deployments, store=slow)
    patches = [DeploymentPatch(models=["a"]), DeploymentPatch(name="other"), DeploymentPatch(enabled=True)]
    async with anyio.create_task_group() as group:
        for patch in patches:
            group.start_soon(service.update, card.id, patch, root)
    assert [(each.name, each.models) for each in await service.list()] == [("other", ["a"])]
    assert (await gateway.catalogue.chat_model("other/a", root)).info.owned_by == "other"


async def test_what_is_in_use_is_what_was_read_last(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    directory = gateway.deployments.directory
    await gateway.deployments.create(new(server, models=["echo"]), root)
    slow = SlowDeployments({each.id: each for each in await gateway.deployments.store.list()})
    directory.store = slow
    async with anyio.create_task_group() as group:
        group.start_soon(directory.load)
        await anyio.sleep(0.001)
        slow.rows.clear()
        group.start_soon(directory.load)
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("mine/echo", root)


async def test_other_changes_keep_the_key(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    card = await gateway.deployments.create(new(server), root)
    same = DeploymentPatch(name="renamed", base_url=server.base_url + "/")
    assert (await gateway.deployments.update(card.id, same, root)).api_key_hint == "1234"
    assert (await gateway.catalogue.chat_model("renamed/echo", root)).info.owned_by == "renamed"
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("mine/echo", root)
    assert (await gateway.deployments.update(card.id, DeploymentPatch(api_key=None), root)).api_key_hint is None


async def test_disabled_and_deleted_deployments_are_gone_at_once(
    gateway: Gateway, server: OpenAiServer, root: Principal
) -> None:
    card = await gateway.deployments.create(new(server), root)
    await gateway.deployments.update(card.id, DeploymentPatch(enabled=False), root)
    assert "echo" not in await ids(gateway, root)
    assert [each.enabled for each in await gateway.deployments.list()] == [False]
    await gateway.deployments.update(card.id, DeploymentPatch(enabled=True), root)
    assert "echo" in await ids(gateway, root)
    await gateway.deployments.delete(card.id, root)
    assert "echo" not in await ids(gateway, root)
    with pytest.raises(NotFound):
        await gateway.deployments.delete(card.id, root)


async def test_same_model_at_two_servers(
    gateway: Gateway, server: OpenAiServer, other: OpenAiServer, root: Principal
) -> None:
    await gateway.deployments.create(new(server, models=["echo"]), root)
    await gateway.deployments.create(new(other, name="second", models=["echo", "paced"]), root)
    assert (await ids(gateway, root))[2:] == ["echo", "second/echo", "paced"]
    assert (await gateway.catalogue.chat_model("echo", root)).info.owned_by == "mine"
    assert (await gateway.catalogue.chat_model("second/paced", root)).info.owned_by == "second"


async def test_deployments_name_wins_over_a_model_that_looks_like_it(
    gateway: Gateway, server: OpenAiServer, other: OpenAiServer, root: Principal
) -> None:
    await gateway.deployments.create(new(server, name="router", models=["mine/echo"]), root)
    await gateway.deployments.create(new(other, models=["echo"]), root)
    assert (await gateway.catalogue.chat_model("mine/echo", root)).info.owned_by == "mine"
    assert (await gateway.catalogue.chat_model("router/mine/echo", root)).info.owned_by == "router"
    assert (await ids(gateway, root))[2:] == ["router/mine/echo", "echo"]


async def test_names_are_unique_and_not_reserved(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    card = await gateway.deployments.create(new(server), root)
    with pytest.raises(AlreadyExists):
        await gateway.deployments.create(new(server, name="MINE"), root)
    for name in ("alcove", "Knowledge", "agent", "a/b", "", "-x", "a b", "x" * 64):
        with pytest.raises(ValidationError):
            new(server, name=name)
    assert (await gateway.deployments.update(card.id, DeploymentPatch(name="Mine"), root)).name == "Mine"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v1", "http://127.0.0.1.nip.io:1/v1", "http://169.254.169.254/v1", "http://[::ffff:127.0.0.1]:1/v1", "http://localhost:1/v1"]
)  # fmt: skip
async def test_private_addresses_that_nobody_named_are_refused(
    gateway: Gateway, server: OpenAiServer, root: Principal, url: str
) -> None:
    card = await gateway.deployments.create(new(server), root)
    if "nip.io" not in url:  # that one needs a network to be looked up
        with pytest.raises(InvalidRequest, match="address not allowed"):
            await gateway.deployments.create(new(server, name="evil", base_url=url), root)
        with pytest.raises(InvalidRequest, match="address not allowed"):
            await gateway.deployments.update(card.id, DeploymentPatch(base_url=url), root)
    assert [each.base_url for each in await gateway.deployments.list()] == [server.base_url]


@pytest.mark.parametrize(
    "url", ["ftp://x/", "http://u:p@x/", "x", "http://x/v1?a=b", "http://2130706433/", "http://x\\@y/"]
)
def test_malformed_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        DeploymentPatch(base_url=url)


async def test_key_with_a_line_break_is_refused(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    with pytest.raises(InvalidRequest, match="api_key"):
        await gateway.deployments.create(new(server, api_key="a\r\nx-evil: 1"), root)


async def test_test_button_says_what_it_found(gateway: Gateway, server: OpenAiServer, root: Principal) -> None:
    card = await gateway.deployments.create(new(server, models=["echo"]), root)
    found = await gateway.deployments.test(card.id, root)
    assert (found.ok, "echo" in found.models) == (True, True)
    server._steps = lambda _: whole({"error": {"message": f"bad key {KEY}"}}, 401)  # type: ignore[method-assign]
    failed = await gateway.deployments.test(card.id, root)
    assert (failed.ok, failed.models) == (False, [])
    assert "refused the key" in failed.detail
    assert KEY not in failed.detail


async def test_deployments_of_the_settings_are_not_changed_here(server: OpenAiServer, root: Principal) -> None:
    named = DeploymentSettings(name="fixed", base_url=server.base_url)
    async with open_gateway(settings(deployments=(named,))) as gateway:
        card = (await gateway.deployments.list())[0]
        assert (card.name, card.source) == ("fixed", "settings")
        for change in (
            gateway.deployments.delete(card.id, root),
            gateway.deployments.update(card.id, DeploymentPatch(), root),
        ):
            with pytest.raises(Conflict):
                await change
        with pytest.raises(AlreadyExists):
            await gateway.deployments.create(new(server, name="fixed"), root)
        assert (await gateway.deployments.test(card.id, root)).ok


# Discovery

TAGS = [
    {"name": "qwen2.5:0.5b", "modified_at": "2026-01-02T03:04:05.123456789Z", "details": {"family": "qwen2", "parameter_size": "494M"}},
    {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert", "families": ["nomic-bert"]}},
    {"name": "llava:7b", "capabilities": ["completion", "vision", "tools"]},
]  # fmt: skip


async def test_ollama_is_found_when_it_comes_and_lost_when_it_goes(root: Principal) -> None:
    clock = FakeClock()
    async with OpenAiServer() as ollama:
        port = ollama.port
    async with open_gateway(
        settings(ollama_discovery=True, ollama_url=f"http://127.0.0.1:{port}"), clock=clock
    ) as gateway:
        clock.advance(60)
        assert await ids(gateway, root) == ["alcove/reader", "alcove/minilm"]
        assert "Ollama" in str((await gateway.catalogue.cards(root)).notice)
        assert await gateway.catalogue.default_chat_model(root) == "alcove/reader"
        async with OpenAiServer(port=port, ollama_models=TAGS):
            assert "qwen2.5:0.5b" not in await ids(gateway, root)  # it was asked a moment ago
            clock.advance(3)
            assert (await ids(gateway, root))[2:] == ["qwen2.5:0.5b", "nomic-embed-text:latest", "llava:7b"]
            cards = await gateway.catalogue.cards(root)
            assert cards.notice is None
            assert [card.id for card in cards.items if card.is_default] == ["qwen2.5:0.5b"]
            assert [card.kind for card in cards.items[2:]] == ["chat", "embedding", "chat"]
            assert cards.items[4].capabilities == ["tools", "vision", "completion"]
            assert [(each.name, each.source, each.models[0]) for each in await gateway.deployments.list()] == [
                ("ollama", "discovered", "qwen2.5:0.5b")
            ]
        clock.advance(60)
        await gateway.directory.ask_servers()
        assert await ids(gateway, root) == ["alcove/reader", "alcove/minilm"]


async def test_ollama_model_is_found_by_the_first_request_for_it(root: Principal) -> None:
    async with OpenAiServer(ollama_models=TAGS) as ollama:
        async with open_gateway(settings(ollama_discovery=True, ollama_url=ollama.root_url)) as gateway:
            model = await gateway.catalogue.chat_model("qwen2.5:0.5b", root)
            assert (model.info.provider, model.info.created) == ("ollama", 1767323045)
            state = {"chat_face": gateway.face}

            async def with_state(scope: Any, receive: Any, send: Any) -> None:
                await gateway.app({**scope, "state": dict(state)}, receive, send)

            transport = httpx2.ASGITransport(app=with_state)
            async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
                body = {"model": "qwen2.5:0.5b", "messages": [{"role": "user", "content": "hello there"}]}
                answer = await client.post(
                    "/v1/chat/completions", json=body, headers={"authorization": "Bearer sk-as-ada"}
                )
            assert answer.json()["choices"][0]["message"]["content"] == "hello there "
        assert ollama.chats[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1e300, -1e17]
)
async def test_ollama_with_times_that_cannot_be_is_listed_all_the_same_or_called_unreached(
    root: Principal, moment: object
) -> None:
    async with OpenAiServer(ollama_models=[{"name": "odd", "modified_at": moment}]) as ollama:
        async with open_gateway(settings(ollama_discovery=True, ollama_url=ollama.root_url)) as gateway:
            await gateway.directory.ask_servers()  # raises nothing
            found = await ids(gateway, root)
            assert found[2:] == (["odd"] if isinstance(moment, str) else [])


async def test_a_server_whose_list_trips_us_is_unreached_and_the_others_are_not(root: Principal) -> None:
    async with OpenAiServer(ollama_models=TAGS) as ollama:
        async with open_gateway(settings(ollama_discovery=True, ollama_url=ollama.root_url)) as gateway:
            opened = gateway.directory._open[0]

            async def trip() -> None:
                raise ZeroDivisionError

            opened.upstream = SimpleNamespace(list_models=trip, provider_name="ollama")  # type: ignore[assignment]
            await gateway.directory.ask_servers()
            assert opened.is_reached is False


async def test_discovery_can_be_switched_off(root: Principal) -> None:
    async with OpenAiServer(ollama_models=TAGS) as ollama:
        off = settings(ollama_discovery=False, ollama_url=ollama.root_url)
        async with open_gateway(off) as gateway:
            assert "qwen2.5:0.5b" not in await ids(gateway, root)
        assert not ollama.requests


async def test_something_else_on_ollamas_port_is_left_alone(root: Principal) -> None:
    async with OpenAiServer() as stranger:
        async with open_gateway(settings(ollama_discovery=True, ollama_url=stranger.root_url)) as gateway:
            assert await ids(gateway, root) == ["alcove/reader", "alcove/minilm"]
            assert not await gateway.deployments.list()


async def test_ollama_that_hangs_holds_nobody_up(root: Principal) -> None:
    async with OpenAiServer() as hanging:
        hanging._steps = lambda _: [3600.0]  # type: ignore[method-assign]
        async with open_gateway(settings(ollama_discovery=True, ollama_url=hanging.root_url)) as gateway:
            with anyio.fail_after(1.8):
                assert await ids(gateway, root) == ["alcove/reader", "alcove/minilm"]


async def test_ollama_named_by_an_admin_is_not_discovered_again(root: Principal) -> None:
    async with OpenAiServer(ollama_models=TAGS) as ollama:
        async with open_gateway(settings(ollama_discovery=True, ollama_url=ollama.root_url)) as gateway:
            named = DeploymentCreate(name="gpu", provider=Provider.OLLAMA, base_url=ollama.root_url)
            await gateway.deployments.create(named, root)
            assert (await ids(gateway, root))[2:] == ["qwen2.5:0.5b", "nomic-embed-text:latest", "llava:7b"]
            assert (await gateway.catalogue.chat_model("qwen2.5:0.5b", root)).info.owned_by == "gpu"


async def test_default_model_of_the_settings(server: OpenAiServer, root: Principal) -> None:
    named = DeploymentSettings(name="up", base_url=server.base_url, models=("one", "two"))
    async with open_gateway(settings(deployments=(named,), default_model="two")) as gateway:
        assert await gateway.catalogue.default_chat_model(root) == "two"
    async with open_gateway(settings(deployments=(named,), default_model="gone")) as gateway:
        assert await gateway.catalogue.default_chat_model(root) == "one"


# The routes

ADMIN_ROUTES = [
    ("GET", "/api/v1/deployments"), ("POST", "/api/v1/deployments"), ("PATCH", "/api/v1/deployments/x"),
    ("DELETE", "/api/v1/deployments/x"), ("POST", "/api/v1/deployments/x/test"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
async def test_admin_routes_are_for_admins(serving: Served, method: str, path: str) -> None:
    for key, status in (("", 401), ("sk-as-ada", 403)):
        async with serving.client(key) as client:
            headers = {} if key else {"authorization": ""}
            assert (await client.request(method, path, headers=headers)).status_code == status


async def test_deployments_over_http(serving: Served) -> None:
    async with serving.client("sk-as-root") as client:
        bad = await client.post(
            "/api/v1/deployments", json={"name": "x", "provider": "openai", "base_url": "http://10.1.2.3/"}
        )
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "base_url")
        worse = await client.post(
            "/api/v1/deployments", json={"name": "x", "provider": "smtp", "base_url": "gopher://x", "y": 1}
        )
        assert {each["field"] for each in worse.json()["errors"]} == {"provider", "base_url", "y"}
        made = await client.post(
            "/api/v1/deployments",
            json={
                "name": "far",
                "provider": "openai",
                "base_url": "https://llm.invalid/v1",
                "api_key": KEY,
                "models": ["m1"],
            },
        )
        assert made.status_code == 201
        assert KEY not in made.text
        one = f"/api/v1/deployments/{made.json()['id']}"
        changed = await client.patch(one, json={"base_url": "https://other.invalid/v1"})
        assert changed.json()["api_key_hint"] is None
        assert serving.gateway.audit.lines[-1] == ("user-root", "deployment.update", f"deployment:{made.json()['id']}")
        assert serving.gateway.audit.origins[-1] == Origin(ip="127.0.0.1", request_id="request-1")
        assert [each["name"] for each in (await client.get("/api/v1/deployments")).json()["items"]] == ["up", "far"]
        assert "m1" in [each["id"] for each in (await client.get("/api/v1/models")).json()["items"]]
        assert (await client.post(f"{one}/test")).json()["ok"] is False
        assert (await client.delete(one)).status_code == 204
        assert (await client.patch(one, json={})).status_code == 404


async def test_models_for_the_page(serving: Served) -> None:
    async with serving.client() as client:
        listed = (await client.get("/api/v1/models")).json()
    assert listed["notice"] is None
    reader = next(each for each in listed["items"] if each["id"] == "alcove/reader")
    assert reader == {
        "id": "alcove/reader", "name": "alcove/reader", "kind": "chat", "provider": "alcove", "description": "",
        "is_default": False, "is_generative": False, "capabilities": [],
    }  # fmt: skip
    assert sum(each["is_default"] for each in listed["items"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 2}, "dimensions"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "model": "no-such-model"}, "model"),
        ({"input": "a", "model": "text-embed", "dimensions": 2}, "dimensions"),
    ],
)
async def test_bad_embeddings_request_names_the_field(serving: Served, body: dict[str, Any], field: str) -> None:
    async with serving.client() as client:
        response = await client.post("/v1/embeddings", json={"model": "alcove/minilm", **body})
    assert response.status_code in {400, 404}
    assert response.json()["error"]["param"] == field


async def test_embeddings_leave_a_trace(serving: Served) -> None:
    async with serving.client() as client:
        response = await client.post(
            "/v1/embeddings", json={"model": "text-embed", "input": ["a", "b"], "dimensions": 3}
        )
    trace = serving.gateway.sink.traces[-1]
    assert response.headers["x-trace-id"] == trace.id
    assert (trace.name, trace.owner_id, trace.observations[0].kind) == ("embeddings", "user-ada", "embedding")


# The store


async def check_store(store: DeploymentStore, row: Deployment) -> None:
    await store.add(row)
    assert await store.list() == [row]
    with pytest.raises(AlreadyExists):
        await store.add(replace(row, id="other", name="MINE"))
    changed = replace(row, name="new", models=(), is_enabled=False, sealed_key=None)
    await store.update(changed)
    assert await store.list() == [changed]
    with pytest.raises(NotFound):
        await store.update(replace(row, id="gone", name="x"))
    assert (await store.delete(row.id), await store.delete(row.id)) == (True, False)


@pytest.fixture
async def row(gateway: Gateway, root: Principal) -> Deployment:
    data = DeploymentCreate(
        name="mine", provider=Provider.OPENAI, base_url="https://llm.invalid", api_key=SecretStr(KEY), models=["a", "b"]
    )
    await gateway.deployments.create(data, root)
    return next(iter(gateway.store.rows.values()))


async def test_memory_store_keeps_what_it_is_given(row: Deployment) -> None:
    await check_store(MemoryDeployments(), row)


async def test_sql_store_keeps_what_it_is_given(database: Database, row: Deployment) -> None:
    await check_store(SqlDeploymentStore(database), row)


async def test_anthropics_server_is_added_tested_and_asked(gateway: Gateway, root: Principal, ada: Principal) -> None:
    async with AnthropicServer() as claude:
        for suffix in ("", "/v1"):  # both forms of its address are in use
            data = DeploymentCreate(
                name=f"claude{len(suffix)}",
                provider=Provider.ANTHROPIC,
                base_url=claude.base_url + suffix,
                api_key=SecretStr(KEY),
            )
            card = await gateway.deployments.create(data, root)
            tested = await gateway.deployments.test(card.id, root)
            assert (tested.ok, tested.models[0], len(tested.models)) == (True, "claude-echo", len(set(tested.models)))
        assert {each.path.partition("?")[0] for each in claude.requests} == {"/v1/models"}
        assert all(each.headers["x-api-key"] == KEY for each in claude.requests)
    info = await gateway.catalogue.model_info("claude-thinker", ada)
    assert (info.provider, info.owned_by, info.kind) == ("anthropic_compatible", "claude0", "chat")
    assert info.capabilities == ("tools", "vision", "reasoning")


async def test_server_that_is_none_of_anthropics_is_told_apart(
    gateway: Gateway, root: Principal, server: OpenAiServer
) -> None:
    data = DeploymentCreate(name="wrong", provider=Provider.ANTHROPIC, base_url=server.base_url.removesuffix("/v1"))
    card = await gateway.deployments.create(data, root)
    tested = await gateway.deployments.test(card.id, root)
    assert (tested.ok, tested.detail) == (False, "no such path")
