"""What vendors say when a conversation is too long, or its content is refused; and what only sounds like it."""

import json
from typing import Any

import pytest

from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.infra.http import AddressGuard, HttpClient, HttpLimits, Url
from alcove.kernel.errors import ContentRefused, ContextOverflow, StreamInterrupted, UpstreamError


@pytest.fixture
def server() -> UpstreamServer:
    http = HttpClient(HttpLimits(), AddressGuard(frozenset()))
    return UpstreamServer("up", Url.parse("https://llm.invalid/v1"), http)


def refusal(server: UpstreamServer, status: int, error: Any) -> UpstreamError:
    return server.refusal(status, {}, json.dumps(error).encode())


TOO_LONG = [
    (400, {"error": {"message": "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.", "type": "invalid_request_error", "code": "context_length_exceeded"}}),
    (400, {"error": {"message": "Input is over the limit", "code": "context_length_exceeded"}}),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 201000 tokens > 200000 maximum"}}),
    (400, {"error": {"message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", "type": "invalid_request_error"}}),
    (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens. Please reduce the length of the messages.", "type": "BadRequestError", "code": 400}),
    (400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error", "n_ctx": 4096}}),
    (500, {"error": {"code": 500, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}),
    (400, {"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}),
    (422, {"error": {"message": "Too many tokens in the prompt", "type": "x"}}),
    (413, {"error": {"message": "Request too large: the prompt is too long", "type": "x"}}),
    (400, {"error": "input is too long for requested model"}),
]  # fmt: skip

REFUSED = [
    (400, {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "code": "content_filter", "type": None}}),
    (400, {"error": {"message": "Your request was rejected as a result of our safety system.", "code": "content_policy_violation", "type": "image_generation_user_error"}}),
    (400, {"error": {"message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "code": "invalid_prompt"}}),
    (403, {"error": {"message": "Your input was flagged by moderation", "code": 403, "metadata": {"reasons": ["violence"]}}}),
    (400, {"error": {"message": "Output blocked by content filtering policy", "type": "invalid_request_error"}}),
]  # fmt: skip

NEITHER = [
    (400, {"error": {"message": "Unknown parameter: foo", "code": "unknown_parameter"}}),
    (401, {"error": {"message": "Incorrect API key: too long a context window", "code": "invalid_api_key"}}),
    (403, {"error": {"message": "You have no access to the 1M context window", "code": "permission_denied"}}),
    (404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}),
    (429, {"error": {"message": "Rate limit reached: too many tokens per minute", "code": "rate_limit_exceeded"}}),
    (500, {"error": {"message": "context size of the GPU", "code": "internal"}}),
    (503, {"error": {"message": "our safety system is being restarted"}}),
    (400, {"error": {"message": "max_tokens must be positive", "code": "invalid_value"}}),
    (400, ["context length"]),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), TOO_LONG, ids=lambda each: json.dumps(each)[:60])
def test_too_long(server: UpstreamServer, status: int, body: Any) -> None:
    error = refusal(server, status, body)
    assert (type(error), error.status) == (ContextOverflow, status)
    assert error.code == "context_length_exceeded"


@pytest.mark.parametrize(("status", "body"), REFUSED, ids=lambda each: json.dumps(each)[:60])
def test_refused(server: UpstreamServer, status: int, body: Any) -> None:
    error = refusal(server, status, body)
    assert (type(error), error.status) == (ContentRefused, status)


@pytest.mark.parametrize(("status", "body"), NEITHER, ids=lambda each: json.dumps(each)[:60])
def test_neither(server: UpstreamServer, status: int, body: Any) -> None:
    error = refusal(server, status, body)
    assert (type(error), error.status) == (UpstreamError, status)


def test_in_a_stream_it_is_named_as_long_as_nothing_was_given(server: UpstreamServer) -> None:
    said = {"message": "too long", "code": "context_length_exceeded"}
    assert type(server.error_event(said, has_begun=False)) is ContextOverflow
    assert type(server.error_event(said, has_begun=True)) is StreamInterrupted
    assert server.error_event({"message": "out of memory", "code": 500}, has_begun=False).status == 500
