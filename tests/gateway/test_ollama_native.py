"""Deployments of Ollama: when they are asked in their own protocol, what goes out, and how what comes back is read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.adapters.ollama_native import Lines
from alcove.gateway.faces.ollama_loading import DeploymentLoading
from alcove.gateway.models import DeploymentSettings, GatewaySettings, Provider
from alcove.kernel.errors import UpstreamError
from alcove.kernel.principal import Principal, Role
from tests.gateway.conftest import Served, open_gateway, running, served
from tests.gateway.hot import hot
from tests.wire.ollama_server import OllamaServer, error

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
ASK = [{"role": "user", "content": "say it"}]


def settings_for(ollama: OllamaServer) -> GatewaySettings:
    deployment = DeploymentSettings(name="box", provider=Provider.OLLAMA, base_url=ollama.root_url)
    return GatewaySettings(deployments=(deployment,), ollama_discovery=False, read_timeout_s=2)


@pytest.fixture(scope="module")
def _ollama() -> Iterator[OllamaServer]:
    with running(OllamaServer) as server:
        yield server


@pytest.fixture(scope="module")
def _house(_ollama: OllamaServer) -> Iterator[Served]:
    with served(settings_for(_ollama)) as house:
        yield house


@pytest.fixture
def ollama(_ollama: OllamaServer) -> OllamaServer:
    _ollama.script.clear()
    _ollama.requests.clear()
    return _ollama


@pytest.fixture
def house(_house: Served, ollama: OllamaServer) -> Served:
    _house.gateway.loading.loaded.clear()
    return _house


async def post(house: Served, path: str, **body: Any) -> httpx2.Response:
    async with house.client() as client:
        return await client.post(path, json=body)


async def chat(house: Served, model: str = "llama:1b", **body: Any) -> list[dict[str, Any]]:
    response = await post(house, "/api/chat", model=model, **{"messages": ASK, **body})
    assert response.status_code == 200, response.text
    return [json.loads(each) for each in response.text.splitlines()]


async def test_request_of_openais_protocol_stays_in_it(house: Served, ollama: OllamaServer) -> None:
    response = await post(house, "/v1/chat/completions", model="llama:1b", messages=ASK, temperature=0.5, seed=1)
    assert response.json()["choices"][0]["message"]["content"] == "by /v1"
    assert [each.path for each in ollama.asked] == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_ctx", 8192), ("keep_alive", "10m"), ("keep_alive", -1), ("top_k", 5), ("think", True), ("num_gpu", 0)],
)
async def test_request_of_openais_protocol_takes_ollamas_options_along(
    house: Served, ollama: OllamaServer, field: str, value: Any
) -> None:
    response = await post(
        house, "/v1/chat/completions", model="llama:1b", messages=ASK, max_tokens=9, stop="END", tool_choice="auto", **{field: value}
    )  # fmt: skip
    body = response.json()
    assert body["choices"][0]["message"]["content"] == "say it "
    assert body["usage"]["prompt_tokens"] == 11
    sent = ollama.asked[-1]
    assert sent.path == "/api/chat"
    options = {"num_predict": 9, "stop": ["END"]}
    expected: dict[str, Any] = {"model": "llama:1b", "stream": True, "messages": ASK, "options": options}
    if field in {"keep_alive", "think"}:
        expected[field] = value
    else:
        options[field] = value
    assert sent.json == expected


async def test_conversation_reaches_ollama_as_it_was_sent(house: Served, ollama: OllamaServer) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "look", "images": [PIXEL]},
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Bern"}}}],
        },
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "c1"},
    ]
    asked: dict[str, Any] = {
        "messages": messages,
        "tools": [WEATHER],
        "format": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "options": {
            "num_ctx": 4096, "num_predict": 7, "top_k": 5, "temperature": 0.1, "seed": 3, "stop": ["END"], "repeat_penalty": 1.1,
            "min_p": 0.2, "use_mmap": False,
        },
        "keep_alive": "5m",
        "think": "high",
        "truncate": False,
        "shift": False,
        "logprobs": True,
        "top_logprobs": 2,
    }  # fmt: skip
    await chat(house, "qwen:latest", **asked)
    assert ollama.asked[-1].json == {"model": "qwen:latest", "stream": True, **asked}


@pytest.mark.parametrize(("think", "sent"), [(True, True), (False, False), ("max", "max"), ("low", "low")])
async def test_thinking_is_asked_for_as_it_was(house: Served, ollama: OllamaServer, think: Any, sent: Any) -> None:
    lines = await chat(house, "thinker:8b", think=think)
    assert ollama.asked[-1].json["think"] == sent
    assert [line["message"].get("thinking") for line in lines[:2]] == ["let me ", "think"]
    assert lines[2]["message"] == {"role": "assistant", "content": "42"}


async def test_tool_calls(house: Served) -> None:
    lines = await chat(house, "caller:3b", tools=[WEATHER])
    calls = [each for line in lines for each in line["message"].get("tool_calls", ())]
    assert calls[0] == {
        "id": "call_abcdefgh",
        "function": {"index": 0, "name": "weather", "arguments": {"city": "Bern"}},
    }
    assert calls[1]["function"] == {"index": 1, "name": "now", "arguments": {}}
    assert len(calls[1]["id"]) == len("call_") + 8
    assert lines[-1]["done_reason"] == "stop"


async def test_tool_calls_in_openais_words(house: Served) -> None:
    response = await post(house, "/v1/chat/completions", model="caller:3b", messages=ASK, tools=[WEATHER], num_ctx=2048)
    choice = response.json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Bern"}'}


async def test_counts_and_times_are_those_of_the_server(house: Served) -> None:
    last = (await chat(house))[-1]
    assert last["load_duration"] == 100_000_000
    assert (last["prompt_eval_count"], last["prompt_eval_duration"]) == (11, 200_000_000)
    assert (last["eval_count"], last["eval_duration"]) == (4, 600_000_000)


async def test_length_and_logprobs(house: Served) -> None:
    assert (await chat(house, "long:1b"))[-1]["done_reason"] == "length"
    assert (await chat(house, "logprobs:1b", logprobs=True))[0]["logprobs"] == [{"token": "a", "logprob": -0.1}]


async def test_lines_that_come_byte_by_byte(house: Served) -> None:
    lines = await chat(house, "pieces:1b")
    assert lines[0]["message"]["content"] == "Zürich "
    assert lines[-1]["done"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no-done:1b", "without saying that it was done"),
        ("cut:1b", "broke off"),
        ("error-line:1b", "model runner has unexpectedly stopped"),
        ("bad-json:1b", "not JSON"),
    ],
)
async def test_answer_that_ends_without_done_has_failed(house: Served, model: str, message: str) -> None:
    lines = await chat(house, model)
    assert lines[0]["message"]["content"] == "half "
    assert message in lines[-1]["error"]
    assert not any(line.get("done") for line in lines)


@pytest.mark.parametrize(
    ("model", "status", "message"),
    [
        ("nothing:1b", 502, "without saying that it was done"),
        ("error-first:1b", 502, "out of memory"),
        ("nonsense:1b", 502, "not a line of an answer"),
        ("endless-line:1b", 502, "without an end"),
        ("no-tools:1b", 400, "does not support tools"),
        ("busy:1b", 503, "server busy, please try again.  maximum pending requests exceeded"),
    ],
)
async def test_what_goes_wrong_before_the_first_line_has_its_status(
    house: Served, model: str, status: int, message: str
) -> None:
    response = await post(house, "/api/chat", model=model, messages=ASK)
    assert response.status_code == status
    assert message in response.json()["error"]


async def test_client_that_leaves_ends_the_call(house: Served, ollama: OllamaServer) -> None:
    body = {"model": "slow:1b", "messages": ASK}
    async with house.client() as client, client.stream("POST", "/api/chat", json=body) as response:
        async for _ in response.aiter_lines():
            break
    with anyio.fail_after(2):
        while ollama.asked[-1].left_at_s is None:
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("chat", {"messages": ASK, "tools": [WEATHER]}, "llama:1b does not support tools"),
        (
            "chat",
            {"messages": [{**ASK[0], "images": [PIXEL]}]},
            "llama:1b does not support images; choose a model with vision",
        ),
        ("chat", {"messages": ASK, "think": True}, '"llama:1b" does not support thinking'),
        ("chat", {"messages": ASK, "think": "low"}, '"llama:1b" does not support thinking'),
        ("generate", {"prompt": "a", "suffix": "b"}, "llama:1b does not support insert"),
    ],
)
async def test_what_a_model_is_known_not_to_do_is_refused_before_it_is_asked(
    house: Served, ollama: OllamaServer, path: str, body: dict[str, Any], message: str
) -> None:
    await post(house, "/api/chat", model="llama:1b", messages=ASK)  # by now the server has told what it has
    ollama.requests.clear()
    response = await post(house, f"/api/{path}", model="llama:1b", **body)
    assert (response.status_code, response.json()) == (400, {"error": message})
    assert not ollama.asked


async def test_model_that_does_not_think_may_be_told_not_to(house: Served, ollama: OllamaServer) -> None:
    await chat(house, think=False)
    assert "think" not in ollama.asked[-1].json


async def test_picture_by_its_address_is_refused(house: Served, ollama: OllamaServer) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://e.org/i.png"}}
    messages = [{"role": "user", "content": [image]}]
    response = await post(house, "/v1/chat/completions", model="qwen:latest", messages=messages, num_ctx=2048)
    assert response.status_code == 400
    assert "data: URLs" in response.json()["error"]["message"]
    assert not ollama.asked


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "say it", "raw": True},
        {"prompt": "say it", "suffix": "end", "system": "Be brief."},
        {"prompt": "say it", "template": "{{ .Prompt }}", "images": [PIXEL], "keep_alive": 0, "options": {"num_ctx": 64}},
    ],
)  # fmt: skip
async def test_text_that_is_no_chat_goes_to_generate(house: Served, ollama: OllamaServer, body: dict[str, Any]) -> None:
    response = await post(house, "/api/generate", model="qwen:latest", **body)
    lines = [json.loads(each) for each in response.text.splitlines()]
    assert "".join(line["response"] for line in lines) == "say it "
    assert lines[-1]["eval_count"] == 4
    assert ollama.asked[-1].path == "/api/generate"
    assert ollama.asked[-1].json == {"model": "qwen:latest", "stream": True, **body}


async def test_plain_prompt_goes_to_chat(house: Served, ollama: OllamaServer) -> None:
    response = await post(house, "/api/generate", model="qwen", prompt="say it", system="Be brief.", stream=False)
    assert (response.json()["response"], response.json()["model"]) == ("say it ", "qwen")
    assert ollama.asked[-1].path == "/api/chat"
    assert [each["role"] for each in ollama.asked[-1].json["messages"]] == ["system", "user"]


async def test_vectors(house: Served, ollama: OllamaServer) -> None:
    plain = await post(house, "/v1/embeddings", model="nomic:latest", input="one")
    assert plain.json()["data"][0]["embedding"] == [1.0, 0.0]
    both = await post(
        house, "/api/embed", model="nomic", input=["one", "two"], keep_alive="1h", truncate=True, options={"num_ctx": 64}
    )  # fmt: skip
    assert both.json()["embeddings"] == [[0.6, 0.8]] * 2
    assert both.json()["prompt_eval_count"] == 6
    assert ollama.asked[-1].json == {
        "model": "nomic:latest", "input": ["one", "two"], "keep_alive": "1h", "truncate": True, "options": {"num_ctx": 64},
    }  # fmt: skip
    old = await post(house, "/api/embeddings", model="nomic", prompt="one")
    assert old.json() == {"embedding": [3.0, 4.0]}
    assert ollama.asked[-1].path == "/api/embeddings"


async def test_text_that_is_too_long_to_embed(house: Served) -> None:
    response = await post(house, "/api/embed", model="nomic", input="x" * 200, truncate=False)
    assert (response.status_code, response.json()) == (400, {"error": "the input length exceeds the context length"})


async def test_models_are_loaded_and_unloaded_there(ada: Principal) -> None:
    admin = replace(ada, user_id="root", role=Role.ADMIN)
    async with OllamaServer() as ollama, open_gateway(settings_for(ollama)) as gateway:
        await gateway.directory.ask_servers()
        loading = DeploymentLoading(gateway.directory)
        assert await loading.load("llama:1b", ada, options={"num_ctx": 64}, keep_alive="5m")
        assert await loading.unload("llama:1b", ada)  # is not sent: others may use it
        assert await loading.unload("llama:1b", admin)
        assert await loading.load("nomic:latest", ada, options={}, keep_alive=None)
        assert not await loading.load("alcove/reader", ada, options={}, keep_alive=None)
        assert not await loading.unload("alcove/reader", admin)
    assert [(each.path, each.json) for each in ollama.asked] == [
        ("/api/generate", {"model": "llama:1b", "stream": False, "options": {"num_ctx": 64}, "keep_alive": "5m"}),
        ("/api/generate", {"model": "llama:1b", "stream": False, "keep_alive": 0}),
        ("/api/generate", {"model": "nomic:latest", "stream": False}),
        ("/api/embed", {"model": "nomic:latest", "stream": False, "input": ""}),
    ]


async def test_model_that_the_server_cannot_load(ada: Principal) -> None:
    async with OllamaServer() as ollama, open_gateway(settings_for(ollama)) as gateway:
        await gateway.directory.ask_servers()
        ollama.script.append(error(500, "model requires more system memory (9.9 GiB) than is available"))
        with pytest.raises(UpstreamError, match="more system memory"):
            await DeploymentLoading(gateway.directory).load("llama:1b", ada, options={}, keep_alive=None)


async def test_hot_route_hands_on_what_only_ollamas_own_protocol_says(ollama: OllamaServer) -> None:
    with hot(settings_for(ollama)) as house:
        async with house.client() as client:
            body = {"model": "llama:1b", "messages": ASK}
            await client.post("/v1/chat/completions", json=body)
            handed_on = house.inner.count
            await client.post("/v1/chat/completions", json=body)
            assert house.inner.count == handed_on
            await client.post("/v1/chat/completions", json={**body, "num_ctx": 64})
            assert house.inner.count == handed_on + 1
    assert [each.path for each in ollama.asked] == ["/v1/chat/completions", "/v1/chat/completions", "/api/chat"]


@given(st.binary(max_size=200), st.integers(1, 9))
def test_lines_are_the_same_wherever_bytes_are_cut(data: bytes, size: int) -> None:
    lines = Lines()
    found = [line for at in range(0, len(data), size) for line in lines.feed(data[at : at + size])]
    assert found + lines.end() == [line for each in data.split(b"\n") if (line := each.strip())]
