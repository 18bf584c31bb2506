"""Model groups over real sockets: limits, stalls, cuts before and after the first byte, timeouts, room, health checks."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest

from alcove.gateway.models import DeploymentCreate, DeploymentPatch, DeploymentSettings, GatewaySettings
from alcove.gateway.routing.checks import HealthChecks
from alcove.gateway.routing.models import ModelGroupSettings
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole
from alcove.kernel.clock import FakeClock, SystemClock
from alcove.kernel.errors import (
    AlcoveError,
    ContextOverflow,
    InvalidRequest,
    Overloaded,
    StreamInterrupted,
    UpstreamError,
    UpstreamTimeout,
)
from alcove.kernel.ids import new_trace_id
from alcove.kernel.ports import CallContext, Served
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Trace, Tracer
from tests.gateway.conftest import Gateway, open_gateway
from tests.wire.openai_server import Cut, OpenAiServer, Step, answer, chunk, event, head, piece, whole


@pytest.fixture
async def one() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


@pytest.fixture
async def two() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


def settings(*servers: OpenAiServer, groups: Sequence[dict[str, Any]] = (), **more: Any) -> GatewaySettings:
    options = more.pop("options", {})
    return GatewaySettings(
        **{
            "deployments": tuple(
                DeploymentSettings(
                    name=name,
                    base_url=server.base_url,
                    models=("echo", "slow", "stall"),
                    options=options.get(name, {}),
                )
                for name, server in zip(("one", "two", "three"), servers, strict=False)
            ),
            "model_groups": tuple(ModelGroupSettings.model_validate(each) for each in groups),
            "ollama_discovery": False,
            **more,
        }
    )


def group(**more: Any) -> dict[str, Any]:
    """Gives a group that asks the first server, and the second when it must."""
    members = [{"deployment": "one", "model": "echo"}, {"deployment": "two", "model": "echo", "order": 1}]
    return {"id": "fast", "members": members, **more}


def context(who: Principal) -> tuple[CallContext, Served]:
    clock, served = SystemClock(), Served()
    trace = Trace(id=new_trace_id(), owner_id=who.user_id, name="chat", started_at=clock.now())
    return CallContext(principal=who, tracer=Tracer(trace, clock), request_id="request-7", served=served), served


async def ask(gateway: Gateway, who: Principal, model: str = "fast", text: str = "say it") -> tuple[str, Served]:
    found = await gateway.catalogue.chat_model(model, who)
    around, served = context(who)
    request = ChatRequest(model=model, messages=(ChatMessage.of(ChatRole.USER, text),))
    words = ""
    stream = found.stream(request, around)
    try:
        async for delta in stream:
            words += delta.content
    finally:
        await stream.aclose()
    return words, served


async def test_a_limited_server_is_spared_for_what_it_asks(
    one: OpenAiServer, two: OpenAiServer, root: Principal
) -> None:
    one.script.append(whole({"error": {"message": "slow down"}}, 429, retry_after="1"))
    async with open_gateway(settings(one, two, groups=[group()])) as gateway:
        assert (await ask(gateway, root))[1] == Served(
            deployment="two", provider="openai_compatible", upstream_model="echo", attempts=2
        )
        assert (await ask(gateway, root))[1].attempts == 1
        assert (len(one.chats), len(two.chats)) == (1, 2)
        health = (await gateway.deployments.list())[0].health
        assert (health.state, health.spared_models, health.failures, health.last_error) == (
            "limited", ["echo"], 1, "slow down"
        )  # fmt: skip
        await anyio.sleep(1.05)
        assert (await ask(gateway, root))[1].deployment == "one"
        assert (await gateway.deployments.list())[0].health.state == "closed"


@pytest.mark.parametrize(
    "steps",
    [
        [Cut()], [head()[:20], Cut()], [head(), Cut()], [head(), chunk(b": comment\n\n"), 0.01, Cut()],
        [head(), chunk(event(piece({"role": "assistant", "content": ""}))), 0.01, Cut()], [head(500, "text/plain", length=0)],
        [head(), chunk(b"data: {nonsense\n\n")], [head(), chunk(event({"error": {"message": "no memory", "code": 500}}))],
        [b"not HTTP at all\r\n\r\n"],
    ],
    ids=["before", "in-head", "after-head", "after-comment", "after-role", "500", "bad-json", "error-event", "no-http"],
)  # fmt: skip
async def test_what_breaks_before_the_first_words_goes_to_the_next(
    one: OpenAiServer, two: OpenAiServer, root: Principal, steps: list[Step]
) -> None:
    one.script.append(steps)
    async with open_gateway(settings(one, two, groups=[group()])) as gateway:
        words, served = await ask(gateway, root)
    assert (words, served.deployment, served.attempts) == ("say it ", "two", 2)
    assert two.chats[0].json["model"] == "echo"


async def test_what_breaks_after_the_first_words_is_told_and_never_asked_again(
    one: OpenAiServer, two: OpenAiServer, root: Principal
) -> None:
    one.script.append([head(), chunk(event(piece({"content": "half "}))), 0.02, Cut()])
    async with open_gateway(settings(one, two, groups=[group()])) as gateway:
        with pytest.raises(StreamInterrupted):
            await ask(gateway, root)
        assert not two.chats
        assert gateway.board.capacities()[0].failures == 1
        assert all(each.in_flight == 0 for each in gateway.board.capacities())


async def test_a_server_that_is_gone_is_found_out_once(one: OpenAiServer, two: OpenAiServer, root: Principal) -> None:
    chosen = settings(one, two, groups=[group()], cooldown_failures=1)
    await one.__aexit__()
    async with open_gateway(chosen) as gateway:
        for _ in range(3):
            assert (await ask(gateway, root))[1].deployment == "two"
        health = (await gateway.deployments.list())[0].health
        assert (health.state, health.requests, health.failures) == ("open", 1, 1)
        assert health.since is not None
        assert "cannot be reached" in str(health.last_error)
        assert gateway.router.counts()["fast"].retries == 1


async def test_a_model_of_its_own_does_not_fail_over(one: OpenAiServer, two: OpenAiServer, root: Principal) -> None:
    async with open_gateway(settings(one, two)) as gateway:
        one.script.append([Cut()])
        with pytest.raises(UpstreamError):
            await ask(gateway, root, "echo")
        assert not two.chats
        assert (await ask(gateway, root, "two/echo"))[1].deployment == "two"
        assert (await ask(gateway, root, "echo"))[1].deployment == "one"


async def test_a_stalled_server_is_given_up_after_its_own_first_token_timeout(
    one: OpenAiServer, two: OpenAiServer, root: Principal
) -> None:
    one.script.append([head(), 3600.0])
    options = {"one": {"first_token_timeout_s": 0.1}}
    async with open_gateway(settings(one, two, groups=[group()], options=options)) as gateway:
        assert (await ask(gateway, root))[1].deployment == "two"
        await anyio.sleep(0.05)
        assert one.chats[0].left_at_s is not None


async def test_a_whole_answer_has_its_time(one: OpenAiServer, root: Principal) -> None:
    async with open_gateway(settings(one, options={"one": {"total_timeout_s": 0.3}})) as gateway:
        started_s = time.monotonic()
        with pytest.raises(StreamInterrupted):
            await ask(gateway, root, "slow")
        assert time.monotonic() - started_s < 2
        one.script.append([3600.0])
        with pytest.raises(UpstreamTimeout):
            await ask(gateway, root, "echo")


async def test_a_full_deployment_makes_wait_and_then_refuses(one: OpenAiServer, root: Principal) -> None:
    options = {"one": {"max_parallel": 1, "max_waiting": 1, "max_wait_s": 0.1}}
    refused: list[AlcoveError] = []
    async with open_gateway(settings(one, options=options)) as gateway:

        async def call() -> None:
            try:
                await ask(gateway, root, "slow")
            except AlcoveError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
                await anyio.sleep(0.03)
            assert (await gateway.deployments.list())[0].health.in_flight == 1
            await anyio.sleep(0.15)
            tasks.cancel_scope.cancel()
        assert [type(each) for each in refused] == [Overloaded, Overloaded]
        assert {each.retry_after_s for each in refused} == {1.0}
        assert len(one.chats) == 1
        assert (await gateway.deployments.list())[0].health.in_flight == 0


async def test_hedging_ends_the_losers_connection(one: OpenAiServer, two: OpenAiServer, root: Principal) -> None:
    one.script.append([head(), 3600.0])
    async with open_gateway(settings(one, two, groups=[group(hedge_after_ms=50)])) as gateway:
        words, served = await ask(gateway, root)
        assert (words, served.deployment, served.attempts) == ("say it ", "two", 2)
        await anyio.sleep(0.05)
        assert one.chats[0].left_at_s is not None
        assert all(each.in_flight == 0 for each in gateway.board.capacities())
        assert gateway.router.counts()["fast"].hedges == 1


async def test_a_conversation_that_is_too_long_goes_to_the_longer_model(
    one: OpenAiServer, two: OpenAiServer, root: Principal
) -> None:
    long = {"id": "long", "members": [{"deployment": "two", "model": "echo"}]}
    only = {"deployment": "one", "model": "echo"}
    short = {"id": "fast", "members": [only], "fallbacks": {"on_context_overflow": ["long"]}}
    error = {
        "message": "This model's maximum context length is 8192 tokens",
        "code": "context_length_exceeded",
        "type": "x",
    }
    one.script += [whole({"error": error}, 400), whole({"error": error}, 400)]
    async with open_gateway(settings(one, two, groups=[short, long])) as gateway:
        assert (await ask(gateway, root))[1].deployment == "two"
        with pytest.raises(ContextOverflow) as raised:
            await ask(gateway, root, "one/echo")
        assert (raised.value.status, raised.value.upstream_code) == (400, "context_length_exceeded")
        assert (await gateway.deployments.list())[0].health.failures == 0


async def test_the_same_conversation_stays_at_one_server(one: OpenAiServer, two: OpenAiServer, root: Principal) -> None:
    members = [{"deployment": name, "model": "echo"} for name in ("one", "two")]
    spread = {"id": "fast", "members": members, "strategy": "prefix_affinity"}
    async with open_gateway(settings(one, two, groups=[spread])) as gateway:
        seen: dict[str, set[str]] = {}
        for number in range(16):
            text = f"conversation {number % 8}"
            seen.setdefault(text, set()).add((await ask(gateway, root, text=text))[1].deployment)
    assert all(len(each) == 1 for each in seen.values())
    assert len({name for each in seen.values() for name in each}) == 2


async def test_embeddings_are_routed_too(one: OpenAiServer, two: OpenAiServer, root: Principal) -> None:
    members = [{"deployment": "one", "model": "text-embed"}, {"deployment": "two", "model": "text-embed", "order": 1}]
    one.script.append(whole({"error": {"message": "down"}}, 503))
    async with open_gateway(settings(one, two, groups=[{"id": "vectors", "members": members}])) as gateway:
        model = await gateway.catalogue.embedding_model("vectors", root)
        assert model.info.kind == "embedding"
        assert len((await model.embed(["a", "b"])).vectors) == 2
        assert [each.in_flight for each in gateway.board.capacities()] == [0, 0]
        with pytest.raises(InvalidRequest, match="embedding model"):
            await gateway.catalogue.chat_model("vectors", root)


@pytest.mark.parametrize(
    ("step", "asked"), [(whole({"object": "list", "data": []}), 1), (whole({}, 501), 1), (whole({}, 500), 3)]
)
async def test_a_model_that_fails_to_embed_goes_on_chatting(
    one: OpenAiServer, root: Principal, step: Sequence[Step], asked: int
) -> None:
    one.script += [step] * 9
    only = group(members=[{"deployment": "one", "model": "echo"}])
    async with open_gateway(settings(one, groups=[only])) as gateway:
        for _ in range(3 if asked == 1 else 1):
            before = len(one.requests)
            with pytest.raises(UpstreamError):
                await (await gateway.catalogue.embedding_model("fast", root)).embed(["a"])
            assert len([each for each in one.requests[before:] if each.path == "/v1/embeddings"]) == asked
        one.script.clear()
        assert (await ask(gateway, root))[0]


async def test_a_client_that_leaves_mid_answer_gives_the_place_back(one: OpenAiServer, root: Principal) -> None:
    async with open_gateway(settings(one, groups=[group()])) as gateway:
        with anyio.move_on_after(0.2):
            await ask(gateway, root, "slow")
        capacity = gateway.board.capacities()[0]
        assert (capacity.in_flight, capacity.requests, capacity.failures) == (0, 1, 0)


async def test_changed_timeouts_and_room_hold_from_the_next_call_on(one: OpenAiServer, root: Principal) -> None:
    """And what is under way is still counted."""
    chosen = GatewaySettings(private_addresses=("127.0.0.1:*",), ollama_discovery=False)
    async with open_gateway(chosen) as gateway:
        made = {"name": "mine", "provider": "openai", "base_url": one.base_url, "models": ["echo", "slow"]}
        card = await gateway.deployments.create(DeploymentCreate.model_validate(made), root)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, gateway, root, "slow")
            await anyio.sleep(0.1)
            patch = DeploymentPatch.model_validate({"options": {"max_parallel": 1, "max_wait_s": 0.05}})
            assert (await gateway.deployments.update(card.id, patch, root)).health.in_flight == 1
            with pytest.raises(Overloaded):
                await ask(gateway, root, "echo")
            await gateway.deployments.update(
                card.id, DeploymentPatch.model_validate({"options": {"max_parallel": 2}}), root
            )
            await ask(gateway, root, "echo")
            tasks.cancel_scope.cancel()


# Health checks


def checks(gateway: Gateway, clock: FakeClock) -> HealthChecks:
    return HealthChecks(directory=gateway.directory, board=gateway.board, interval_s=30, timeout_s=0.5, clock=clock)


async def test_a_check_that_fails_puts_a_deployment_last_and_one_that_succeeds_brings_it_back(
    one: OpenAiServer, two: OpenAiServer, root: Principal
) -> None:
    clock = FakeClock()
    chosen = settings(one, two, groups=[group()], options={"one": {"health_check": "models"}})
    async with open_gateway(chosen, clock=clock) as gateway:
        watch, steps = checks(gateway, clock), one._steps
        await watch.check_due()
        assert [each.health.is_reached for each in await gateway.deployments.list()] == [True, None]
        one._steps = lambda _: whole({}, 503)  # type: ignore[method-assign]
        await watch.check_due()  # not due yet
        assert (await gateway.deployments.list())[0].health.is_reached is True
        clock.advance(37)
        await watch.check_due()
        health = (await gateway.deployments.list())[0].health
        assert (health.is_reached, health.state) == (False, "closed")
        assert (await ask(gateway, root))[1].deployment == "two"
        assert not one.chats
        one._steps = steps  # type: ignore[method-assign]
        clock.advance(37)
        await watch.check_due()
        assert (await ask(gateway, root))[1].deployment == "one"
        assert [each.path for each in one.requests[:3]] == ["/v1/models"] * 3
        assert not [each for each in two.requests if each.path == "/v1/models"]


async def test_a_check_can_have_a_token_written(one: OpenAiServer) -> None:
    clock = FakeClock()
    chosen = settings(one, options={"one": {"health_check": "call", "health_model": "echo"}})
    async with open_gateway(chosen, clock=clock) as gateway:
        watch = checks(gateway, clock)
        one.script.append(answer("Hello"))
        await watch.check_due()
        assert (one.chats[0].json["model"], one.chats[0].json["max_tokens"]) == ("echo", 1)
        assert (await gateway.deployments.list())[0].health.is_reached is True
        one.script.append([3600.0])
        clock.advance(37)
        await watch.check_due()
        health = (await gateway.deployments.list())[0].health
        assert (health.is_reached, health.last_error) == (
            False,
            "'one' did not answer a health check within 0.5 s.",
        )


async def test_a_refused_check_is_an_answer(one: OpenAiServer) -> None:
    clock = FakeClock()
    chosen = settings(one, options={"one": {"health_check": "models"}})
    async with open_gateway(chosen, clock=clock) as gateway:
        one._steps = lambda _: whole({}, 404)  # type: ignore[method-assign]
        await checks(gateway, clock).check_due()
        assert (await gateway.deployments.list())[0].health.is_reached is True
