"""What is passed through to deployments as it is: images, audio, moderation, reranking."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.models import DeploymentSettings, GatewaySettings, Provider
from alcove.gateway.passthrough.forms import FormBody, Part, json_body
from alcove.kernel.errors import InvalidRequest
from tests.gateway.conftest import Served, served, settings_for
from tests.wire.openai_server import Cut, OpenAiServer, chunk, event, head, stream, whole

JSON_ROUTES = ("/v1/moderations", "/v1/images/generations", "/v1/audio/speech")
FORM_ROUTES = ("/v1/images/edits", "/v1/images/variations", "/v1/audio/transcriptions", "/v1/audio/translations")


@pytest.fixture(scope="module")
def faked() -> Iterator[openai.OpenAI]:
    """A client of a gateway with the built-in fake server as its only deployment."""
    deployment = DeploymentSettings.model_validate({"name": "fake", "provider": Provider.FAKE})
    with served(GatewaySettings(deployments=(deployment,), ollama_discovery=False, read_timeout_s=1)) as house:
        with house.openai() as client:
            yield client


@pytest.mark.parametrize("path", [*JSON_ROUTES, "/v1/rerank"])
async def test_no_key_is_refused(serving: Served, path: str) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        assert (await client.post(path, json={"model": "x"})).status_code == 401


@pytest.mark.parametrize("path", FORM_ROUTES)
async def test_no_key_is_refused_with_a_form(serving: Served, upstream: OpenAiServer, path: str) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        answer = await client.post(path, data={"model": "x"}, files={"file": b"x"})
    assert answer.status_code == 401
    assert not upstream.requests


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request body is not JSON"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "model: is required"),
        (b'{"model": 7}', "model: is required"),
        (b'{"model": "alcove/reader"}', "does not do this"),
        (b'{"model": "alcove/minilm"}', "does not do this"),
    ],
)
async def test_bad_input_is_told_and_goes_nowhere(
    serving: Served, upstream: OpenAiServer, path: str, body: bytes, message: str
) -> None:
    async with serving.client() as client:
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert not [each for each in upstream.requests if each.method == "POST"]


async def test_unknown_model_is_not_found(serving: Served) -> None:
    async with serving.client() as client:
        answer = await client.post("/v1/images/generations", json={"model": "nowhere", "prompt": "a cat"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_form_route_says_what_it_takes(serving: Served) -> None:
    async with serving.client() as client:
        answer = await client.post("/v1/audio/transcriptions", json={"model": "up/whisper-1"})
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["error"]["message"]


async def test_json_goes_through_with_the_servers_own_name_of_the_model(
    serving: Served, upstream: OpenAiServer
) -> None:
    sent = {"model": "up/dall-e-3", "prompt": "a cat", "n": 2, "vendor_field": {"deep": [1.5, None, "ü"]}}
    upstream.script.append(
        whole({"created": 1, "data": [{"url": "x"}], "usage": {"input_tokens": 9, "output_tokens": 90}})
    )
    async with serving.client() as client:
        answer = await client.post("/v1/images/generations", json=sent)
    assert answer.json() == {"created": 1, "data": [{"url": "x"}], "usage": {"input_tokens": 9, "output_tokens": 90}}
    asked = upstream.requests[-1]
    assert (asked.path, asked.json) == ("/v1/images/generations", {**sent, "model": "dall-e-3"})
    assert asked.headers["authorization"] == "Bearer sk-upstream-secret-1234"
    row = serving.gateway.usage.rows[-1]
    assert (row.kind, row.model, row.deployment, row.upstream_model) == ("image", "up/dall-e-3", "up", "dall-e-3")
    assert (row.input_tokens, row.output_tokens, row.status, row.is_estimated) == (9, 90, 200, False)
    assert row.user_id == "user-ada"
    trace = next(each for each in serving.gateway.sink.traces if each.id == answer.headers["x-trace-id"])
    assert trace.observations[0].metadata["deployment"] == "up"


async def test_form_goes_through_with_its_file(serving: Served, upstream: OpenAiServer) -> None:
    sound = bytes(range(256)) * 4
    upstream.script.append(whole({"text": "hello"}))
    async with serving.client() as client:
        answer = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "up/whisper-1", "language": "de", "timestamp_granularities[]": ["word", "segment"]},
            files={"file": ('a"b.wav', sound, "audio/wav")},
        )
    assert answer.json() == {"text": "hello"}
    asked = upstream.requests[-1]
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sound in asked.body
    assert b'name="model"\r\n\r\nwhisper-1\r\n' in asked.body
    assert asked.body.count(b'name="timestamp_granularities[]"') == 2
    assert b'filename="a%22b.wav"\r\ncontent-type: audio/wav' in asked.body


async def test_bytes_come_as_they_are_sent(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append(
        [head(200, "audio/mpeg"), chunk(b"\xff\xfb first"), 0.4, chunk(b"\x00 second"), b"0\r\n\r\n"]
    )
    async with (
        serving.client() as client,
        client.stream("POST", "/v1/audio/speech", json={"model": "up/tts-1", "input": "Hi", "voice": "x"}) as answer,
    ):
        assert answer.headers["content-type"] == "audio/mpeg"
        with anyio.fail_after(0.35):
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"\xff\xfb first"
        assert b"".join([piece async for piece in pieces]) == b"\x00 second"


async def test_counts_at_the_end_of_a_stream_of_pictures_are_billed(serving: Served, upstream: OpenAiServer) -> None:
    first = event({"type": "image_generation.partial_image", "b64_json": "x" * 100_000})
    last = event(
        {"type": "image_generation.completed", "b64_json": "y", "usage": {"input_tokens": 9, "output_tokens": 90}}
    )
    upstream.script.append(stream(first, last[:50], last[50:]))
    async with serving.client() as client:
        body = {"model": "up/gpt-image-1", "prompt": "a cat", "stream": True}
        answer = await client.post("/v1/images/generations", json=body)
    assert answer.content == first + last
    row = serving.gateway.usage.rows[-1]
    assert (row.input_tokens, row.output_tokens, row.is_estimated) == (9, 90, False)


async def test_event_that_is_too_long_is_passed_on_and_not_counted(serving: Served, upstream: OpenAiServer) -> None:
    long = event({"b64_json": "x" * (9 << 20), "usage": {"input_tokens": 9}})
    upstream.script.append(stream(long))
    async with serving.client() as client:
        body = {"model": "up/gpt-image-1", "prompt": "a cat" * 8, "stream": True}
        answer = await client.post("/v1/images/generations", json=body)
    assert answer.content == long
    row = serving.gateway.usage.rows[-1]
    assert (row.input_tokens, row.is_estimated) == (10, True)


async def test_file_is_held_and_counted_at_a_flat_rate_where_the_server_tells_nothing(
    serving: Served, upstream: OpenAiServer
) -> None:
    upstream.script.append(whole({"text": "hello"}))
    async with serving.client() as client:
        files = {"file": ("a.wav", b"x", "audio/wav")}
        answer = await client.post("/v1/audio/transcriptions", data={"model": "up/whisper-1"}, files=files)
    assert answer.status_code == 200
    row = serving.gateway.usage.rows[-1]
    assert (row.input_tokens, row.output_tokens, row.is_estimated) == (1000, 0, True)


async def test_refusal_of_the_server_keeps_status_and_retry_after(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append(
        whole({"error": {"message": "slow down", "code": "busy"}}, 429, retry_after="9", x_request_id="up-7")
    )
    async with serving.client() as client:
        answer = await client.post("/v1/moderations", json={"model": "up/omni-moderation", "input": "x"})
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["x-upstream-request-id"]) == (
        429,
        "9",
        "up-7",
    )
    assert answer.json()["error"]["code"] == "busy"
    assert (serving.gateway.usage.rows[-1].status, serving.gateway.usage.rows[-1].error_code) == (429, "upstream_error")


async def test_page_in_place_of_an_answer_is_not_passed_on(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([head(200, "text/html", length=31) + b"<script>alert(document)</script>"[:31]])
    async with serving.client() as client:
        answer = await client.post("/v1/audio/speech", json={"model": "up/tts-1", "input": "Hi", "voice": "x"})
    assert answer.status_code == 502
    assert "script" not in answer.text


async def test_answer_that_breaks_off_breaks_off(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([head(200, "audio/mpeg"), chunk(b"half"), 0.05, Cut()])
    async with serving.client() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/v1/audio/speech", json={"model": "up/tts-1", "input": "Hi", "voice": "x"})
    with anyio.fail_after(2):
        while serving.gateway.usage.rows[-1].error_code != "stream_interrupted":
            await anyio.sleep(0.01)


async def test_client_that_leaves_ends_the_call(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([3600.0])
    async with serving.client() as client:
        with anyio.move_on_after(0.3):
            await client.post("/v1/images/generations", json={"model": "up/dall-e-3", "prompt": "x"})
    with anyio.fail_after(2):
        while upstream.requests[-1].left_at_s is None or serving.gateway.usage.rows[-1].status != 499:
            await anyio.sleep(0.01)
    assert serving.gateway.face.slots.taken == 0


async def test_client_that_leaves_in_the_middle_ends_the_call(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([head(200, "audio/mpeg"), chunk(b"begun"), 3600.0])
    async with (
        serving.client() as client,
        client.stream("POST", "/v1/audio/speech", json={"model": "up/tts-1", "input": "Hi", "voice": "x"}) as answer,
    ):
        assert await anext(answer.aiter_raw()) == b"begun"
    with anyio.fail_after(2):
        while upstream.requests[-1].left_at_s is None or serving.gateway.usage.rows[-1].status != 499:
            await anyio.sleep(0.01)
    assert serving.gateway.face.slots.taken == 0


async def test_rerank_by_embedding(serving: Served) -> None:
    documents = ["Water boils at 100 degrees.", {"text": "Cats sleep."}]
    async with serving.client() as client:
        answer = await client.post(
            "/v1/rerank",
            json={"model": "alcove/minilm", "query": "boiling", "documents": documents, "return_documents": True},
        )
        one = await client.post(
            "/v1/rerank", json={"model": "alcove/minilm", "query": "q", "documents": ["a", "b"], "top_n": 1}
        )
    found = answer.json()["results"]
    assert [each["index"] for each in found] == [0, 1]
    assert all(0 <= each["relevance_score"] <= 1 for each in found)
    assert found[1]["document"] == {"text": "Cats sleep."}
    assert answer.json()["usage"]["total_tokens"] == 3
    assert len(one.json()["results"]) == 1


async def test_rerank_of_a_deployment_goes_through(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append(whole({"results": [{"index": 1, "relevance_score": 0.9}], "usage": {"total_tokens": 21}}))
    sent = {"model": "up/bge-reranker-v2-m3", "query": "q", "documents": ["a", "b"], "truncate": "END"}
    async with serving.client() as client:
        answer = await client.post("/v1/rerank", json=sent)
    assert answer.json()["results"] == [{"index": 1, "relevance_score": 0.9}]
    assert upstream.requests[-1].json == {**sent, "model": "bge-reranker-v2-m3"}
    assert serving.gateway.usage.rows[-1].input_tokens == 21


@pytest.mark.parametrize(
    "change", [{"documents": []}, {"documents": [1]}, {"query": ""}, {"top_n": 0}, {"documents": ["a", " "]}]
)
async def test_rerank_refuses_what_cannot_be_ranked(serving: Served, change: dict[str, Any]) -> None:
    async with serving.client() as client:
        body = {"model": "alcove/minilm", "query": "q", "documents": ["a"], **change}
        assert (await client.post("/v1/rerank", json=body)).status_code == 400


def test_unmodified_openai_client_on_the_fake_server(faked: openai.OpenAI) -> None:
    client = faked
    assert client.images.generate(model="fake/image", prompt="a cat").data
    assert client.moderations.create(model="fake/moderation", input="I hate this").results[0].flagged
    assert client.audio.speech.create(model="fake/speech", input="Hi", voice="alloy").content[:4] == b"RIFF"
    heard = client.audio.transcriptions.create(model="fake/transcription", file=("a.wav", b"RIFF", "audio/wav"))
    assert heard.text == "This is what the fake model heard."
    assert client.embeddings.create(model="fake/embedding", input="a").data[0].embedding
    assert (
        client.chat.completions.create(model="fake/echo", messages=[{"role": "user", "content": "good day"}])
        .choices[0]
        .message.content
        == "good day "
    )
    kinds = {each.id for each in client.models.list()}
    assert {"echo", "image", "rerank"} <= kinds


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("failing", 500, "fake_failure"), ("failing-418", 418, "fake_failure"), ("limited", 429, "rate_limit_exceeded"),
        ("overflowing", 400, "context_length_exceeded"), ("silent", 504, "upstream_timeout"), ("malformed", 502, None), ("cut", 502, None),
        ("stalled", 502, None),
    ],
)  # fmt: skip
def test_fake_server_fails_as_it_is_told(faked: openai.OpenAI, model: str, status: int, code: str | None) -> None:
    with pytest.raises(openai.APIStatusError) as failure:
        faked.chat.completions.create(model=f"fake/{model}", messages=[{"role": "user", "content": "x"}])
    assert failure.value.status_code == status
    if code is not None:
        assert failure.value.code == code


def test_fake_server_fails_every_second_time(faked: openai.OpenAI) -> None:
    ends: list[bool] = []
    for _ in range(4):
        try:
            faked.chat.completions.create(model="fake/flaky", messages=[{"role": "user", "content": "x"}])
            ends.append(True)
        except openai.InternalServerError:
            ends.append(False)
    assert sorted(ends) == [False, False, True, True]


def test_fake_server_calls_tools_and_thinks(faked: openai.OpenAI) -> None:
    client = faked
    tool: Any = {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
    }
    called = client.chat.completions.create(
        model="fake/tools", messages=[{"role": "user", "content": "x"}], tools=[tool]
    )
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(json.dumps(calls[0].model_dump()))["function"]["name"] == "weather"
    thought = client.chat.completions.create(model="fake/thinking", messages=[{"role": "user", "content": "x"}])
    assert thought.choices[0].message.model_dump()["reasoning_content"] == "Let me see. "


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=200), st.none() | st.text(max_size=20)),
        max_size=6,
    )
)
def test_form_is_written_so_that_it_reads_the_same(fields: list[tuple[str, bytes, str | None]]) -> None:
    form = FormBody.of(
        [
            Part(name="model", data=b"a"),
            *(Part(name=f"f-{name}", data=data, filename=file) for name, data, file in fields),
        ]
    )
    body = form.named("the new one")
    assert body.startswith(f"--{form.boundary}\r\n".encode())
    assert body.endswith(f"--{form.boundary}--\r\n".encode())
    blocks = body.split(f"--{form.boundary}".encode())[1:-1]
    assert len(blocks) == len(fields) + 1
    assert blocks[0].endswith(b"\r\n\r\nthe new one\r\n")
    for block, (_, data, _) in zip(blocks[1:], fields, strict=True):
        assert block.split(b"\r\n\r\n", 1)[1] == data + b"\r\n"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda each: st.lists(each, max_size=3)
    )
)
def test_other_fields_stay_as_they_are(value: Any) -> None:
    body = json_body(json.dumps({"model": "a", "other": value}).encode())
    assert json.loads(body.named("b")) == {"model": "b", "other": value}


def test_two_models_in_a_form_are_refused() -> None:
    form = FormBody.of([Part(name="model", data=b"a"), Part(name="model", data=b"b")])
    with pytest.raises(InvalidRequest):
        _ = form.model


async def test_many_at_once_are_bounded(upstream: OpenAiServer) -> None:
    upstream.script.extend([[3600.0], [3600.0]])
    with served(settings_for(upstream, max_streams_per_user=2)) as house:
        async with house.client() as client, anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(
                    lambda: client.post("/v1/images/generations", json={"model": "up/dall-e", "prompt": "x"})
                )
            await anyio.sleep(0.4)
            answer = await client.post("/v1/images/generations", json={"model": "up/dall-e", "prompt": "x"})
            group.cancel_scope.cancel()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
