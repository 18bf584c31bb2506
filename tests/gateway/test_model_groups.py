"""Model groups: of settings and of admins, over HTTP and in the store; what is refused, and that changes hold at once."""

import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alcove.gateway.guards.directory import ConfiguredGuards
from alcove.gateway.models import (
    Deployment,
    DeploymentCreate,
    DeploymentPatch,
    DeploymentSettings,
    DeploymentSource,
    GatewaySettings,
    Provider,
)
from alcove.gateway.routing.groups import cycle_in
from alcove.gateway.routing.metrics import RoutingCollector
from alcove.gateway.routing.models import (
    GroupOptions,
    GroupSource,
    ModelGroup,
    ModelGroupCreate,
    ModelGroupPatch,
    ModelGroupSettings,
)
from alcove.gateway.routing.options import DeploymentOptions, HealthCheck
from alcove.gateway.routing.policies import RoutedCaching, RoutedGuards, RoutedNames, RoutedPolicies
from alcove.gateway.routing.ports import ModelGroupStore
from alcove.gateway.routing.store import SqlModelGroupStore
from alcove.gateway.store import SqlDeploymentStore
from alcove.infra.database import Database
from alcove.infra.metrics import Metrics
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import AlreadyExists, Conflict, InvalidRequest, ModelNotFound, NotFound
from alcove.kernel.ports import Served as ServedBy
from alcove.kernel.principal import Principal
from alcove.settings import load_settings
from tests.gateway.conftest import Gateway, MemoryModelGroups, Served, open_gateway
from tests.gateway.pool import Senders, call
from tests.wire.openai_server import OpenAiServer

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "routing.md"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    named = tuple(
        DeploymentSettings(name=name, base_url="http://127.0.0.1:9/v1", models=("small", "big", "text-embed"))
        for name in ("one", "two")
    )
    async with open_gateway(GatewaySettings(deployments=named, ollama_discovery=False)) as opened:
        yield opened


def new(model: str = "fast", **more: Any) -> ModelGroupCreate:
    return ModelGroupCreate.model_validate(
        {"model": model, "members": [{"deployment": "one", "model": "small"}, {"deployment": "two", "model": "small"}], **more}
    )  # fmt: skip


def patch(**more: Any) -> ModelGroupPatch:
    return ModelGroupPatch.model_validate(more)


async def ids(gateway: Gateway, who: Principal) -> list[str]:
    return [each.id for each in await gateway.catalogue.list_models(who)]


async def test_a_new_group_is_there_at_once(gateway: Gateway, root: Principal) -> None:
    card = await gateway.groups.create(new(aliases=["gpt-4o"], description="Quick answers"), root)
    assert (await ids(gateway, root))[2] == "fast"
    for model_id in ("fast", "gpt-4o"):
        found = await gateway.catalogue.chat_model(model_id, root)
        assert (found.info.id, found.info.description) == ("fast", "Quick answers")
    assert gateway.audit.lines == [("user-root", "model_group.create", f"model_group:{card.id}")]
    await gateway.groups.update(card.id, patch(model="quick"), root)
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("fast", root)
    await gateway.groups.update(card.id, patch(enabled=False), root)
    assert "quick" not in await ids(gateway, root)
    await gateway.groups.update(card.id, patch(enabled=True), root)
    await gateway.groups.delete(card.id, root)
    assert "quick" not in await ids(gateway, root)
    assert [line[1].rsplit(".", 1)[-1] for line in gateway.audit.lines] == ["create", *["update"] * 3, "delete"]
    for gone in (gateway.groups.delete(card.id, root), gateway.groups.update(card.id, patch(), root)):
        with pytest.raises(NotFound):
            await gone


async def test_a_group_stands_before_a_model_of_the_same_id_which_keeps_its_full_id(
    gateway: Gateway, root: Principal
) -> None:
    before = await ids(gateway, root)
    assert before[2:] == ["small", "big", "text-embed", "two/small", "two/big", "two/text-embed"]
    await gateway.groups.create(new("small"), root)
    assert (await ids(gateway, root))[2:] == [
        "small", "one/small", "big", "text-embed", "two/small", "two/big", "two/text-embed"
    ]  # fmt: skip
    route = await gateway.router.route("small", root, _chat())
    assert route is not None
    assert len(route.members) == 2
    direct = await gateway.router.route("one/small", root, _chat())
    assert direct is not None
    assert [each.target.deployment for each in direct.members] == ["one"]


def _chat() -> Any:
    return call().kind


async def test_a_member_that_is_not_in_use_is_left_out(gateway: Gateway, root: Principal) -> None:
    data = DeploymentCreate(
        name="extra", provider=Provider.OPENAI, base_url="http://127.0.0.1:8000/v1", models=["small"]
    )
    extra = await gateway.deployments.create(data, root)
    members = [{"deployment": "extra", "model": "small"}]
    await gateway.groups.create(new(members=members), root)
    assert "fast" in await ids(gateway, root)
    await gateway.deployments.update(extra.id, DeploymentPatch(enabled=False), root)
    assert "fast" not in await ids(gateway, root)
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("fast", root)
    with pytest.raises(Conflict, match="'fast' name this deployment"):
        await gateway.deployments.update(extra.id, DeploymentPatch(name="other"), root)
    await gateway.deployments.update(extra.id, DeploymentPatch(name="extra", enabled=True), root)
    assert "fast" in await ids(gateway, root)
    await gateway.deployments.delete(extra.id, root)
    assert "fast" not in await ids(gateway, root)


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"members": [{"deployment": "gone", "model": "x"}]}, InvalidRequest, "members.0.deployment"),
        ({"model": "one/x"}, InvalidRequest, "model"),
        ({"aliases": ["two/x"]}, InvalidRequest, "aliases"),
        ({"model": "taken"}, AlreadyExists, "model"),
        ({"model": "other-name"}, AlreadyExists, "model"),
        ({"aliases": ["taken"]}, AlreadyExists, "aliases"),
        ({"aliases": ["x", "x"]}, AlreadyExists, "aliases"),
        ({"fallbacks": {"on_error": ["fast"]}}, InvalidRequest, "fallbacks"),
        ({"fallbacks": {"on_context_overflow": ["taken"]}}, InvalidRequest, "fallbacks"),
        ({"fallbacks": {"on_content_policy": ["other-name"]}}, InvalidRequest, "fallbacks"),
    ],
)
async def test_what_could_not_work_is_refused(
    gateway: Gateway, root: Principal, change: dict[str, Any], error: type[Exception], field: str
) -> None:
    taken = new("taken", aliases=["other-name"], fallbacks={"on_error": ["fast"]})
    await gateway.groups.create(taken, root)
    with pytest.raises(error) as raised:
        await gateway.groups.create(new(**change), root)
    assert raised.value.fields[0].field == field  # type: ignore[attr-defined]
    made = await gateway.groups.create(new(), root)
    with pytest.raises(error):
        await gateway.groups.update(made.id, patch(**change), root)
    assert len(await gateway.groups.list()) == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"members": []}, {"members": [{"deployment": "one", "model": "a"}] * 2}, {"members": [{"deployment": "a b", "model": "x"}]},
        {"members": [{"deployment": "one", "model": ""}]}, {"members": [{"deployment": "one", "model": "x", "weight": 0}]},
        {"members": [{"deployment": "one", "model": "x", "order": -1}]}, {"strategy": "best"}, {"retries": 11}, {"retries": -1},
        {"hedge_after_ms": 0}, {"model": "default"}, {"model": "@x"}, {"model": "a*"}, {"model": "alcove/x"}, {"model": "knowledge/x"},
        {"model": "a b"}, {"model": ""}, {"model": "x" * 201}, {"aliases": ["agent/x"]}, {"access_groups": ["@x"]}, {"unknown": 1},
        {"fallbacks": {"on_monday": ["x"]}}, {"cache": {"mode": "psychic"}}, {"cache": {"ttl_s": 0}}, {"guards": [""]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_malformed_groups_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        new(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_parallel": 0}, {"max_waiting": -1}, {"max_wait_s": 0}, {"max_wait_s": 601}, {"connect_timeout_s": 0}, {"weight": 0},
        {"prices": {"input_usd": -1}}, {"prices": {}}, {"access_groups": ["a b"]}, {"health_check": "sometimes"}, {"unknown": 1},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_malformed_options_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DeploymentOptions.model_validate(bad)


async def test_a_patch_changes_what_it_names_and_null_takes_away(gateway: Gateway, root: Principal) -> None:
    made = await gateway.groups.create(new(hedge_after_ms=50, cache={"mode": "exact"}, retries=4), root)
    changed = await gateway.groups.update(made.id, patch(strategy="lowest_cost"), root)
    assert (changed.strategy, changed.retries, changed.hedge_after_ms) == ("lowest_cost", 4, 50)
    assert changed.cache is not None
    changed = await gateway.groups.update(made.id, patch(hedge_after_ms=None, cache=None, retries=None), root)
    assert (changed.hedge_after_ms, changed.cache, changed.retries) == (None, None, 4)


async def test_groups_of_the_settings_are_not_changed_here(root: Principal) -> None:
    named = DeploymentSettings(name="one", base_url="http://127.0.0.1:9/v1", models=("small",))
    fixed = ModelGroupSettings.model_validate({"id": "fast", "members": [{"deployment": "one", "model": "small"}]})
    settings = GatewaySettings(deployments=(named,), model_groups=(fixed,), ollama_discovery=False)
    async with open_gateway(settings) as gateway:
        card = (await gateway.groups.list())[0]
        assert (card.id, card.model, card.source) == ("settings:fast", "fast", "settings")
        for change in (gateway.groups.delete(card.id, root), gateway.groups.update(card.id, patch(), root)):
            with pytest.raises(Conflict):
                await change
        with pytest.raises(AlreadyExists):
            await gateway.groups.create(new(members=[{"deployment": "one", "model": "small"}]), root)
    with pytest.raises(ValidationError, match="same id or alias"):
        GatewaySettings(model_groups=(fixed, fixed))


async def test_the_cheapest_goes_by_the_prices_of_deployments_and_vendors(root: Principal) -> None:
    def named(name: str, **options: Any) -> DeploymentSettings:
        return DeploymentSettings.model_validate(
            {"name": name, "base_url": "http://127.0.0.1:9/v1", "models": ["m"], "options": options}
        )

    members = [{"deployment": name, "model": "m"} for name in ("unknown", "dear", "cheap")]
    group = ModelGroupSettings.model_validate({"id": "fast", "members": members, "strategy": "lowest_cost"})
    deployments = (
        named("unknown"),
        named("dear", prices={"input_usd": 2}),
        named("cheap", prices={"input_usd": "0.5", "output_usd": 1}),
    )
    settings = GatewaySettings(deployments=deployments, model_groups=(group,), ollama_discovery=False)
    async with open_gateway(settings) as gateway:
        route = await gateway.router.route("fast", root, _chat())
        assert route is not None
        senders = Senders()
        await route.attempt(call(input_tokens=100, output_tokens=100), senders, ServedBy())
        assert senders.asked == ["cheap"]


def group_named(model: str, *fallbacks: str, aliases: tuple[str, ...] = ()) -> ModelGroup:
    at = FakeClock().now()
    options = GroupOptions.model_validate(
        {"members": [{"deployment": "d", "model": "m"}], "aliases": aliases, "fallbacks": {"on_error": fallbacks}}
    )
    return ModelGroup(id=model, model=model, options=options, source=GroupSource.ADMIN, created_at=at, updated_at=at)


def test_cycles_are_found_through_aliases_and_only_where_there_are_some() -> None:
    a, b, c = group_named("a", "b", "x"), group_named("b", "c", "plain"), group_named("c", aliases=("see",))
    assert cycle_in([a, b, c]) == ()
    assert cycle_in([a, b, group_named("c", "a")]) == ("a", "b", "c", "a")
    assert cycle_in([group_named("d", "see"), group_named("c", "d", aliases=("see",))]) == ("d", "c", "d")
    diamond = [group_named("top", "left", "right"), group_named("left", "low"), group_named("right", "low"), group_named("low")]  # fmt: skip
    assert cycle_in(diamond) == ()


async def test_what_is_said_of_a_model_holds_for_all_who_may_answer(root: Principal) -> None:
    def named(name: str, **options: Any) -> DeploymentSettings:
        return DeploymentSettings.model_validate(
            {"name": name, "base_url": "http://127.0.0.1:9/v1", "models": ["m", name], "options": options}
        )

    deployments = (
        named("own", cache={"ttl_s": 7}, guards=["a"], access_groups=["local"]),
        named("cloud", guards=["b"], prices={"input_usd": 3}),
        named("far", guards=["c", "a"]),
    )
    members = [{"deployment": name, "model": "m"} for name in ("own", "cloud")]
    group = ModelGroupSettings.model_validate(
        {"id": "fast", "members": members, "aliases": ["quick"], "guards": ["g"], "fallbacks": {"on_error": ["far"]}}
    )
    settings = GatewaySettings(deployments=deployments, model_groups=(group,), ollama_discovery=False)
    async with open_gateway(settings) as gateway:
        policies = RoutedPolicies(gateway.router)
        caching, guards = RoutedCaching(policies), RoutedGuards(policies)
        for model_id in ("fast", "quick"):
            assert (caching.of(model_id), guards.of(model_id)) == (None, ("g", "a", "b", "c"))
        policy = caching.of("own/m")
        assert policy is not None
        assert (policy.ttl_s, guards.of("m"), guards.of("own/m")) == (7, ("a",), ("a",))
        assert (caching.of("alcove/reader"), guards.of("alcove/reader")) == (None, ())
        assert (policies.allows("own", ("@local",)), policies.allows("fast", ("@local",))) == (True, False)
        assert (policies.allows("fast", ("quick",)), policies.allows("alcove/reader", ("alcove/*",))) == (True, True)
        prices = gateway.directory.prices_of("cloud")
        assert prices is not None
        assert (prices.input_usd, gateway.directory.prices_of("own"), gateway.directory.prices_of("no")) == (
            3,
            None,
            None,
        )
        made = await gateway.groups.create(new("more", members=members, guards=["x"]), root)
        assert guards.of("more") == ("x", "a", "b")
        await gateway.groups.update(made.id, patch(guards=[]), root)
        assert guards.of("more") == ("a", "b")


@pytest.mark.parametrize("pattern", ["one/*", "one/small", "small"])
async def test_a_models_guardrails_are_on_by_any_of_its_names(pattern: str) -> None:
    named = tuple(
        DeploymentSettings(name=name, base_url="http://127.0.0.1:9/v1", models=("small", "big"))
        for name in ("one", "two")
    )
    groups = tuple(
        ModelGroupSettings.model_validate(each)
        for each in (
            {"id": "fast", "aliases": ["quick"], "members": [{"deployment": "one", "model": "small"}]},
            {"id": "safe", "members": [{"deployment": "two", "model": "big"}], "fallbacks": {"on_error": ["fast"]}},
            {"id": "other", "members": [{"deployment": "two", "model": "big"}]},
        )
    )
    settings = GatewaySettings(deployments=named, model_groups=groups, ollama_discovery=False)
    async with open_gateway(settings) as gateway:
        guards = ConfiguredGuards({pattern: ("ban",)}, RoutedNames(RoutedPolicies(gateway.router)))
        for model_id in ("small", "one/small", "fast", "quick", "safe"):
            assert guards.of(model_id) == ("ban",), model_id
        for model_id in ("other", "two/big", "alcove/reader", "nothing"):
            assert guards.of(model_id) == (), model_id


# Metrics


async def test_metrics_tell_of_deployments_and_groups(gateway: Gateway, root: Principal) -> None:
    metrics = Metrics()
    metrics.registry.register(RoutingCollector(gateway.board, gateway.router))
    await gateway.groups.create(new(), root)
    route = await gateway.router.route("fast", root, _chat())
    assert route is not None
    await route.attempt(call(), Senders(), ServedBy())
    text = metrics.render().decode()
    counted = [line for line in text.splitlines() if line.startswith("alcove_gateway_deployment_requests_total{")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == 1
    assert 'alcove_gateway_deployment_in_flight{deployment="one"}' in text
    assert 'alcove_gateway_group_events_total{event="retry",model="fast"} 0.0' in text


# The routes

ROUTES = [
    ("GET", "/api/v1/model-groups"), ("POST", "/api/v1/model-groups"), ("PATCH", "/api/v1/model-groups/x"),
    ("DELETE", "/api/v1/model-groups/x"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_routes_are_for_admins(serving: Served, method: str, path: str) -> None:
    for key, status in (("", 401), ("sk-as-ada", 403)):
        async with serving.client(key) as client:
            headers = {} if key else {"authorization": ""}
            assert (await client.request(method, path, headers=headers)).status_code == status


async def test_groups_over_http(serving: Served, upstream: OpenAiServer) -> None:
    body: dict[str, Any] = {"model": "fast", "members": [{"deployment": "up", "model": "echo"}]}
    async with serving.client("sk-as-root") as client:
        bad = await client.post("/api/v1/model-groups", json={**body, "strategy": "best", "x": 1})
        assert (bad.status_code, {each["field"] for each in bad.json()["errors"]}) == (400, {"strategy", "x"})
        bad = await client.post("/api/v1/model-groups", json={**body, "members": [{"deployment": "no", "model": "x"}]})
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "members.0.deployment")
        made = await client.post("/api/v1/model-groups", json={**body, "aliases": ["gpt-4o"]})
        assert made.status_code == 201, made.text
        assert (await client.post("/api/v1/model-groups", json=body)).status_code == 409
        one = f"/api/v1/model-groups/{made.json()['id']}"
        changed = await client.patch(one, json={"retries": 1})
        assert (changed.json()["retries"], changed.json()["aliases"]) == (1, ["gpt-4o"])
        assert [each["model"] for each in (await client.get("/api/v1/model-groups")).json()["items"]] == ["fast"]
        asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "say it"}]}
        answer = (await client.post("/v1/chat/completions", json=asked)).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("gpt-4o", "say it ")
        assert upstream.chats[-1].json["model"] == "echo"
        card = (await client.get("/api/v1/deployments")).json()["items"][0]
        assert (card["health"]["state"], card["health"]["in_flight"]) == ("closed", 0)
        assert card["health"]["requests"] >= 1
        assert card["health"]["first_token_ms"] > 0
        assert (await client.delete(one)).status_code == 204
        assert (await client.delete(one)).status_code == 404
        assert (await client.post("/v1/chat/completions", json=asked)).status_code == 404


async def test_deployment_options_over_http(serving: Served) -> None:
    body = {"name": "opt", "provider": "openai", "base_url": "https://llm.invalid/v1", "models": ["m"], "api_key": "a-secret-key-1234"}  # fmt: skip
    options = {"max_parallel": 4, "access_groups": ["local"], "prices": {"input_usd": "0.15"}, "cache": {"mode": "semantic"}, "guards": ["secrets"]}  # fmt: skip
    async with serving.client("sk-as-root") as client:
        bad = await client.post("/api/v1/deployments", json={**body, "options": {"max_parallel": 0}})
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "options.max_parallel")
        made = await client.post("/api/v1/deployments", json={**body, "options": options})
        assert made.status_code == 201, made.text
        shown = made.json()["options"]
        assert (shown["max_parallel"], shown["prices"]["input_usd"], shown["cache"]["threshold"]) == (4, "0.15", 0.95)
        one = f"/api/v1/deployments/{made.json()['id']}"
        assert (await client.patch(one, json={"models": ["n"]})).json()["options"] == shown
        changed = (await client.patch(one, json={"options": {"weight": 2}})).json()
        assert (changed["options"]["weight"], changed["options"]["max_parallel"]) == (2, None)
        assert changed["api_key_hint"] == "1234"
        moved = (await client.patch(one, json={"base_url": "https://other.invalid/v1"})).json()
        assert (moved["api_key_hint"], moved["options"]["weight"]) == (None, 2)
        await client.delete(one)


# The stores


async def check_store(store: ModelGroupStore) -> None:
    row = replace(group_named("fast", "spare"), id="1", changed_by="user-root")
    await store.add(row)
    assert await store.list() == [row]
    with pytest.raises(AlreadyExists):
        await store.add(replace(row, id="2"))
    other = replace(group_named("slow"), id="2", created_at=row.created_at.replace(hour=1))
    await store.add(other)
    changed = replace(row, options=new(strategy="prefix_affinity", cache={"ttl_s": 5}).options(), is_enabled=False)
    await store.update(changed)
    assert await store.list() == [changed, other]
    with pytest.raises(AlreadyExists):
        await store.update(replace(row, model="slow"))
    with pytest.raises(NotFound):
        await store.update(replace(row, id="gone", model="gone"))
    assert (await store.delete("1"), await store.delete("1")) == (True, False)


async def test_memory_store_keeps_groups() -> None:
    await check_store(MemoryModelGroups())


async def test_sql_store_keeps_groups(database: Database) -> None:
    await check_store(SqlModelGroupStore(database))


async def test_sql_store_keeps_options_of_deployments(database: Database) -> None:
    at = FakeClock().now()
    options = DeploymentOptions.model_validate(
        {"max_parallel": 3, "prices": {"input_usd": "0.123456789"}, "access_groups": ["a"], "health_check": "call"}
    )
    row = Deployment(
        id="1", name="d", provider=Provider.OPENAI, base_url="https://x.invalid", source=DeploymentSource.ADMIN, created_at=at,
        updated_at=at, options=options,
    )  # fmt: skip
    store = SqlDeploymentStore(database)
    await store.add(row)
    assert await store.list() == [row]
    assert row.options.health_check is HealthCheck.CALL


# The guide


def test_the_guides_example_can_be_used(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8").split("```toml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "alcove.toml").write_text(text, encoding="utf-8")
    settings = load_settings(data_dir=tmp_path).gateway
    assert set(tomllib.loads(text)["gateway"]) == {"deployments", "model_groups"}
    names = {each.name for each in settings.deployments}
    groups = [
        replace(group_named(each.id), options=each.options(), source=GroupSource.SETTINGS)
        for each in settings.model_groups
    ]
    assert len(groups) > 1
    assert all(member.deployment in names for each in groups for member in each.options.members)
    assert cycle_in(groups) == ()
