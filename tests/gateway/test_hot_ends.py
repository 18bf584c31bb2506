"""How answers of the hot route end: what is counted and given back, whatever leaves, stops or fails."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from alcove.gateway.calls import Call, Outcome
from alcove.gateway.metering import FreeMeter, MemoryUsageLog
from alcove.gateway.ports import Admission
from alcove.kernel.chat import Usage
from alcove.kernel.errors import BudgetExceeded
from alcove.kernel.filters import BaseFilter, RequestHead
from alcove.kernel.ports import ModelInfo, Served
from alcove.kernel.principal import Principal
from tests.gateway.conftest import settings_for
from tests.gateway.hot import Hot, RefusingMeter, hot
from tests.wire.openai_server import OpenAiServer, event, piece, stream, whole

ASK = [{"role": "user", "content": "say it"}]


@pytest.fixture(scope="module")
def serving(_upstream: OpenAiServer) -> Iterator[Hot]:
    with hot(settings_for(_upstream)) as running:
        yield running


async def ask(serving: Hot, **body: Any) -> Any:
    async with serving.client() as client:
        return await client.post("/v1/chat/completions", json={"messages": ASK, **body})


async def leave(serving: Hot, upstream: OpenAiServer, model: str) -> None:
    connection = socket.create_connection(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])))
    body = json.dumps({"model": model, "messages": ASK}).encode()
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-as-ada\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    with anyio.fail_after(3):
        while not upstream.chats:
            await anyio.sleep(0.005)
    await anyio.sleep(0.05)
    connection.close()


class CentAToken:
    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal:
        assert served is not None
        assert served.deployment == "up"
        return Decimal("0.01") * usage.total_tokens


class BrokenPricing:
    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal:
        message = "the price list is torn"
        raise RuntimeError(message)


@dataclass
class Settled:
    outcomes: list[Outcome] = field(default_factory=list)

    def lines(self) -> bytes:
        return b""

    def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@dataclass
class SlowMeter:
    """Admits, once it is told to."""

    admission: Settled = field(default_factory=Settled)
    is_asked: bool = False
    may_go_on: bool = False

    async def admit(self, who: Principal, call: Call) -> Admission:
        self.is_asked = True
        while not self.may_go_on:
            await anyio.sleep(0.005)
        return self.admission


async def until(is_so: Any) -> None:
    with anyio.fail_after(3):
        while not is_so():
            await anyio.sleep(0.005)


async def test_client_that_leaves_before_the_first_byte_pays_for_what_was_read(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream)) as serving:
        serving.face.pricing = CentAToken()
        await leave(serving, upstream, "never")
        row = await serving.row()
    assert (row.status, row.output_tokens, row.is_estimated) == (499, 0, True)
    assert row.input_tokens > 0
    assert row.cost_usd == Decimal("0.01") * row.input_tokens


TEXTS = [
    {"content": "x" * 2000},
    {"reasoning_content": "x" * 2000},
    {"reasoning": "x" * 2000},
    {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "x" * 1999}}]},
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("before", [b"", b": a comment, so that it is read with care\n\n"])
async def test_answer_without_counts_is_counted_by_its_characters(
    serving: Hot, upstream: OpenAiServer, text: dict[str, Any], before: bytes
) -> None:
    serving.log.rows.clear()
    upstream.script.append(stream(before + event(piece(text)), event(piece({}, "stop")), b"data: [DONE]\n\n"))
    await ask(serving, model="echo", stream=True)
    row = await serving.row()
    assert (row.output_tokens, row.is_estimated) == (500, True)


@pytest.mark.parametrize("text", TEXTS)
async def test_answer_in_one_piece_without_counts_likewise(
    serving: Hot, upstream: OpenAiServer, text: dict[str, Any]
) -> None:
    serving.log.rows.clear()
    message = {"index": 0, "message": {"role": "assistant", **text}, "finish_reason": "stop"}
    upstream.script.append(whole({"id": "a", "choices": [message]}))
    await ask(serving, model="echo", tools=[{"type": "function", "function": {"name": "f" * 4000}}])
    row = await serving.row()
    assert (row.output_tokens, row.is_estimated) == (500, True)
    assert row.input_tokens > 1000


async def test_reservation_is_given_back_though_the_price_or_a_counter_fails(upstream: OpenAiServer) -> None:
    meter = SlowMeter(may_go_on=True)
    with hot(settings_for(upstream), meter=meter) as serving:
        serving.face.pricing = BrokenPricing()
        assert (await ask(serving, model="echo")).status_code == 200
        (outcome,) = meter.admission.outcomes
        assert (outcome.usage, outcome.cost_usd) == (Usage(input_tokens=7, output_tokens=3), None)
        metrics: Any = None
        serving.face.pricing, serving.face.metrics = CentAToken(), metrics
        assert (await ask(serving, model="echo")).status_code == 200
        assert len(meter.admission.outcomes) == 2


async def test_guardrail_of_any_name_of_a_model_is_asked(upstream: OpenAiServer) -> None:
    class Guard(BaseFilter):
        def concerns(self, head: RequestHead) -> bool:
            return head.model == "nickname"

    with hot(settings_for(upstream), concerns=(Guard(),)) as serving:
        inner = serving.face.router

        class Aliased:
            async def route(self, model_id: str, who: Principal, kind: Any) -> Any:
                found = await inner.route(model_id, who, kind)
                assert found is not None
                return replace(found, info=replace(found.info, aliases=("nickname",)))  # type: ignore[type-var]

        assert (await ask(serving, model="echo")).status_code == 200
        assert serving.inner.count == 0
        serving.face.router = Aliased()
        assert (await ask(serving, model="echo")).status_code == 200
        assert serving.inner.count == 1


async def test_refused_calls_take_no_trace_from_others(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream), meter=RefusingMeter(BudgetExceeded()), traces_per_s=0.001) as serving:
        for _ in range(3):
            assert (await ask(serving, model="echo")).status_code == 429
        serving.face.meter = FreeMeter(MemoryUsageLog())
        assert "x-trace-id" in (await ask(serving, model="echo")).headers


async def test_stopping_server_ends_calls_that_are_not_made_yet_and_begins_none(upstream: OpenAiServer) -> None:
    meter = SlowMeter()
    with hot(settings_for(upstream), meter=meter) as serving:
        responses: list[Any] = []

        async def follow() -> None:
            responses.append(await ask(serving, model="echo"))

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await until(lambda: meter.is_asked)
            serving.face._end_all()
            meter.may_go_on = True
        responses.append(await ask(serving, model="echo"))
    assert [(each.status_code, each.json()["error"]["code"]) for each in responses] == [(503, "unavailable")] * 2
    assert [each.status for each in meter.admission.outcomes] == [503]
    assert not upstream.chats
