"""Who may use which model: what is listed, found, called and fallen back on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.access import check_use, matches, may_use
from alcove.gateway.calls import CallKind
from alcove.gateway.models import DeploymentSettings, GatewaySettings
from alcove.gateway.routing.models import ModelGroupSettings
from alcove.kernel.errors import ModelNotAllowed, ModelNotFound, UpstreamError
from alcove.kernel.ports import ModelInfo, Served
from alcove.kernel.principal import Allowance, Principal
from tests.gateway.conftest import PEOPLE, Gateway, open_gateway, served, settings_for
from tests.gateway.pool import Answer, call
from tests.wire.openai_server import OpenAiServer


def limited(who: Principal, *lists: tuple[str, ...] | None) -> Principal:
    """Gives a principal with an allowance for each list of models."""
    kinds = ("key", "user", "group")
    allowances = tuple(
        Allowance(subject=f"{kind}:1", name=f"the {kind}", models=models)
        for kind, models in zip(kinds, lists, strict=False)
    )
    return replace(who, allowances=allowances)


@pytest.mark.parametrize(
    ("patterns", "is_in"),
    [
        ((), False), (("fast",), True), (("quick",), True), (("fas",), False), (("fas*",), True), (("*",), True),
        (("FAST",), False), (("@local",), True), (("@cloud",), False), (("local",), False), (("@loc*",), False),
        (("x", "y", "@local"), True), (("*t",), False),
    ],
)  # fmt: skip
def test_patterns(patterns: tuple[str, ...], is_in: bool) -> None:
    assert matches(patterns, ("fast", "quick"), ("local",)) is is_in


models = st.lists(st.sampled_from(["a", "a*", "b", "*", "@g", "c"]), max_size=3).map(tuple)


@given(st.lists(st.none() | models, max_size=3), st.sampled_from(["a", "ab", "b", "d"]), st.booleans())
def test_every_allowance_has_to_agree(lists: list[tuple[str, ...] | None], model_id: str, is_grouped: bool) -> None:
    """So that a key can never reach what its maker cannot."""
    ada = Principal(user_id="ada", email="ada@example.org", role=PEOPLE["sk-as-ada"].role)
    info = ModelInfo(id=model_id, access_groups=("g",) if is_grouped else ())
    who = limited(ada, *lists)
    each_alone = [may_use(limited(ada, one), info) for one in lists]
    assert may_use(who, info) is all(each_alone)
    if not all(each_alone):
        with pytest.raises(ModelNotAllowed):
            check_use(who, info)
    else:
        check_use(who, info)


def test_the_refusal_says_whose_it_is(ada: Principal) -> None:
    with pytest.raises(ModelNotAllowed, match="'the user' may not use the model 'big'") as raised:
        check_use(limited(ada, None, ("small",)), ModelInfo(id="big"))
    assert (raised.value.status, raised.value.code) == (403, "model_not_allowed")


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with OpenAiServer() as server:
        local = DeploymentSettings(
            name="gpu", base_url=server.base_url, models=("echo", "paced"), options={"access_groups": ["local"]}
        )
        cloud = DeploymentSettings(name="cloud", base_url=server.base_url, models=("echo", "tools"))
        groups = [
            {"id": "fast", "members": [{"deployment": "gpu", "model": "echo"}], "aliases": ["quick"], "access_groups": ["local"],
             "retries": 0, "fallbacks": {"on_error": ["tools", "cloud/echo"]}},
        ]  # fmt: skip
        settings = GatewaySettings(
            deployments=(local, cloud),
            ollama_discovery=False,
            model_groups=tuple(ModelGroupSettings.model_validate(each) for each in groups),
        )
        async with open_gateway(settings) as opened:
            yield opened


async def ids(gateway: Gateway, who: Principal) -> set[str]:
    return {each.id for each in await gateway.catalogue.list_models(who)}


async def test_lists_leave_out_what_may_not_be_used(gateway: Gateway, ada: Principal) -> None:
    everything = {"alcove/reader", "alcove/minilm", "fast", "echo", "paced", "cloud/echo", "tools"}
    assert await ids(gateway, ada) == everything
    assert await ids(gateway, limited(ada, None, None)) == everything
    assert await ids(gateway, limited(ada, ("@local",))) == {"fast", "echo", "paced"}
    assert await ids(gateway, limited(ada, ("@local",), ("echo", "tools"))) == {"echo"}
    assert await ids(gateway, limited(ada, ("alcove/*",))) == {"alcove/reader", "alcove/minilm"}
    assert await ids(gateway, limited(ada, ())) == set()


async def test_one_that_may_not_be_used_is_found_by_nobody_and_used_by_nobody(gateway: Gateway, ada: Principal) -> None:
    who = limited(ada, ("tools",))
    for model_id in ("fast", "quick", "echo", "gpu/echo", "cloud/tools", "alcove/reader"):
        with pytest.raises(ModelNotFound):
            await gateway.catalogue.model_info(model_id, who)
        with pytest.raises(ModelNotAllowed):
            await gateway.catalogue.chat_model(model_id, who)
    with pytest.raises(ModelNotAllowed):
        await gateway.catalogue.embedding_model("alcove/minilm", who)
    with pytest.raises(ModelNotAllowed):
        await gateway.router.route("gpu/paced", who, CallKind.CHAT)
    assert await gateway.router.route("gpu/whatever", who, CallKind.CHAT) is None
    with pytest.raises(ModelNotFound):
        await gateway.catalogue.chat_model("nowhere", who)
    assert (await gateway.catalogue.chat_model("tools", who)).info.id == "tools"


async def test_ids_that_clients_make_up_are_not_remembered(ada: Principal) -> None:
    async with OpenAiServer() as server, open_gateway(settings_for(server)) as gateway:
        who = limited(ada, ("up/*", "echo"))
        for number in range(50):
            assert await gateway.router.route(f"up/made-up-{number}", who, CallKind.CHAT) is not None
        await gateway.directory.ask_servers()
        await gateway.router.route("echo", who, CallKind.CHAT)
        assert len(gateway.router._routes) == len(gateway.router._passed) == 1
        assert all(len(each.circuits) <= 1 for each in gateway.board._places.values())


async def test_an_alias_and_the_id_are_one_model(gateway: Gateway, ada: Principal) -> None:
    for allowed in ("fast", "quick"):
        for asked in ("fast", "quick"):
            assert (await gateway.catalogue.chat_model(asked, limited(ada, (allowed,)))).info.id == "fast"


@pytest.mark.parametrize(
    ("models", "by"),
    [(None, "tools"), (("*",), "tools"), (("fast", "tools"), "tools"), (("fast", "cloud/*"), "echo"), (("fast",), None)],
)  # fmt: skip
async def test_fallbacks_lead_nowhere_one_may_not_go(
    gateway: Gateway, ada: Principal, models: tuple[str, ...] | None, by: str | None
) -> None:
    route = await gateway.router.route("fast", limited(ada, models), CallKind.CHAT)
    assert route is not None

    async def send(target) -> Answer:  # type: ignore[no-untyped-def]
        if target.deployment == "gpu":
            detail = "down"
            raise UpstreamError(detail)
        return Answer(target.upstream_id)

    if by is None:
        with pytest.raises(UpstreamError, match="down"):
            await route.attempt(call(), send, Served())
    else:
        assert (await route.attempt(call(), send, Served()))[1].by == by


async def test_prices_of_a_deployment_are_kept_exactly(gateway: Gateway, root: Principal) -> None:
    options = {"prices": {"input_usd": "0.10", "output_usd": "0.4000001"}}
    settings = DeploymentSettings(name="x", base_url="http://127.0.0.1:1/v1", options=options)  # type: ignore[arg-type]
    assert settings.options.prices is not None
    assert settings.options.prices.output_usd == Decimal("0.4000001")


def test_over_http(ada: Principal) -> None:
    """403 on use, 404 and absence in lists."""
    PEOPLE["sk-as-limited"] = limited(ada, ("echo",))

    async def look(url: str) -> None:
        headers = {"authorization": "Bearer sk-as-limited"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            listed = (await client.get("/v1/models")).json()["data"]
            assert [each["id"] for each in listed] == ["echo"]
            assert [each["id"] for each in (await client.get("/api/v1/models")).json()["items"]] == ["echo"]
            assert (await client.get("/v1/models/paced")).status_code == 404
            body = {"model": "paced", "messages": [{"role": "user", "content": "x"}]}
            refused = await client.post("/v1/chat/completions", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
            assert refused.json()["error"]["param"] == "model"
            refused = await client.post("/v1/embeddings", json={"model": "alcove/minilm", "input": "x"})
            assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
            assert (await client.post("/v1/chat/completions", json={**body, "model": "echo"})).status_code == 200

    async def play() -> None:
        async with OpenAiServer() as server:
            with served(settings_for(server)) as house:
                await look(house.url)

    try:
        anyio.run(play)
    finally:
        del PEOPLE["sk-as-limited"]
