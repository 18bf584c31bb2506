"""`/api/embed` and `/api/embeddings` over the wire."""

import math
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.faces.ollama_embed import shortened
from tests.gateway.conftest import Served
from tests.wire.openai_server import OpenAiServer, whole

GOOD: dict[str, dict[str, Any]] = {
    "embed": {"model": "text-embed", "input": "say it"},
    "embeddings": {"model": "text-embed", "prompt": "say it"},
}


async def ask(serving: Served, path: str, key: str = "sk-as-ada", **body: Any) -> httpx2.Response:
    asked = {each: value for each, value in {**GOOD[path], **body}.items() if value is not ...}
    async with serving.client(key) as client:
        return await client.post(f"/api/{path}", json=asked)


def refused(response: httpx2.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error"}
    return response.status_code, body["error"]


@pytest.mark.parametrize("path", GOOD)
async def test_nobody_gets_in_without_a_key(serving: Served, upstream: OpenAiServer, path: str) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        response = await client.post(f"/api/{path}", json=GOOD[path])
    assert refused(response)[0] == 401
    assert refused(await ask(serving, path, key="sk-as-bound"))[0] == 403
    assert all(each.path == "/v1/models" for each in upstream.requests)


@pytest.mark.parametrize("path", GOOD)
async def test_missing_model_in_the_words_of_ollama(serving: Served, path: str) -> None:
    response = await ask(serving, path, model="nothing-like-it")
    assert refused(response) == (404, 'model "nothing-like-it" not found, try pulling it first')


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("embed", {"input": 5}, "invalid input type"),
        ("embed", {"input": ["a", 5]}, "invalid input type"),
        ("embed", {"input": {"a": 1}}, "invalid input type"),
        ("embed", {"input": ["x"] * 2049}, "input must not be more than 2,048 texts"),
        ("embed", {"dimensions": "3"}, "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int"),
        ("embed", {"dimensions": -1}, "dimensions must not be negative"),
        ("embed", {"truncate": 1}, "json: cannot unmarshal number into Go struct field EmbedRequest.truncate of type bool"),
        ("embed", {"keep_alive": "-1"}, 'time: missing unit in duration "-1"'),
        ("embed", {"options": {"num_ctx": "x"}}, 'option "num_ctx" must be of type integer'),
        ("embed", {"model": 5}, "json: cannot unmarshal number into Go struct field EmbedRequest.model of type string"),
        ("embeddings", {"prompt": ["a"]}, "json: cannot unmarshal array into Go struct field EmbeddingRequest.prompt of type string"),
    ],
)  # fmt: skip
async def test_bad_request_is_refused_in_the_words_of_ollama(
    serving: Served, upstream: OpenAiServer, path: str, body: dict[str, Any], message: str
) -> None:
    assert refused(await ask(serving, path, **body)) == (400, message)
    assert all(each.path == "/v1/models" for each in upstream.requests)


@pytest.mark.parametrize("path", GOOD)
async def test_empty_body(serving: Served, path: str) -> None:
    async with serving.client() as client:
        response = await client.post(f"/api/{path}", content=b"")
    assert refused(response) == (400, "missing request body")


async def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(
    serving: Served, upstream: OpenAiServer
) -> None:
    response = await ask(serving, "embed", input=["one", "two"])
    body = response.json()
    assert response.headers["x-trace-id"]
    assert body["model"] == "text-embed"
    assert body["embeddings"] == [[0.6, 0.8, 0.0]] * 2
    assert body["prompt_eval_count"] == 2
    assert body["total_duration"] > 0
    assert "load_duration" not in body
    assert upstream.requests[-1].json["input"] == ["one", "two"]


async def test_fewer_dimensions_are_made_of_unit_length_again(serving: Served) -> None:
    assert (await ask(serving, "embed", dimensions=1)).json()["embeddings"] == [[1.0]]
    assert (await ask(serving, "embed", dimensions=9)).json()["embeddings"] == [[0.6, 0.8, 0.0]]


async def test_older_endpoint_gives_the_vector_as_the_model_does(serving: Served) -> None:
    response = await ask(serving, "embeddings")
    assert response.json() == {"embedding": [3.0, 4.0, 0.0]}
    assert response.headers["x-trace-id"]


@pytest.mark.parametrize("empty", ["", [], None, ...])
async def test_nothing_to_embed_loads_the_model(serving: Served, empty: Any) -> None:
    assert (await ask(serving, "embed", input=empty, keep_alive=-1)).json() == {
        "model": "text-embed",
        "embeddings": [],
    }
    assert serving.gateway.loading.loaded == [("text-embed", "user-ada", {}, -1)]


async def test_no_prompt_is_no_vector(serving: Served) -> None:
    assert (await ask(serving, "embeddings", prompt="", options={"num_ctx": 64})).json() == {"embedding": []}
    assert serving.gateway.loading.loaded == [("text-embed", "user-ada", {"num_ctx": 64}, None)]


async def test_nothing_to_embed_and_no_time_to_stay_unloads_the_model(serving: Served) -> None:
    await ask(serving, "embed", input=[], keep_alive=0)
    assert serving.gateway.loading.unloaded == [("text-embed", "user-ada")]


async def test_text_that_is_too_long_is_refused_where_it_may_not_be_cut(
    serving: Served, upstream: OpenAiServer
) -> None:
    too_long = whole({"error": {"message": "maximum context length is 8192 tokens"}}, 400)
    upstream.script += [too_long, too_long]
    assert refused(await ask(serving, "embed", truncate=False)) == (
        400,
        "the input length exceeds the context length",
    )
    assert refused(await ask(serving, "embed")) == (400, "maximum context length is 8192 tokens")


async def test_vector_that_holds_no_numbers(serving: Served, upstream: OpenAiServer) -> None:
    answer = {"data": [{"index": 0, "embedding": [0.1, math.nan]}], "usage": {"prompt_tokens": 1}}
    upstream.script.append(whole(answer))
    status, message = refused(await ask(serving, "embed"))
    assert status == 500
    assert message.startswith("failed to encode embedding")


async def test_model_in_another_spelling(serving: Served) -> None:
    assert (await ask(serving, "embed", model="Alcove/MiniLM:latest")).json()["embeddings"] == [[0.6, 0.8, 0.0]]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), st.integers(0, 12))
def test_shortened_vectors_have_unit_length(vector: list[float], dimensions: int) -> None:
    short = shortened(vector, dimensions)
    if not 0 < dimensions < len(vector):
        assert short == vector
        return
    assert len(short) == dimensions
    length = math.sqrt(sum(value * value for value in short))
    assert math.isclose(length, 1, rel_tol=1e-6) or math.sqrt(sum(v * v for v in vector[:dimensions])) < 1e-150
