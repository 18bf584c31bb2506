"""A model server that speaks Anthropic's Messages protocol on a real socket, well or badly, as told.

As `openai_server`, whose bytes, cuts and stalls it shares: what it does is chosen by the model's name (`MODELS`), or by
`server.script` for the next request that is not for a list.

    python -m tests.wire.anthropic_server [port]
"""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from tests.wire.openai_server import (
    END,
    Cut,
    Forever,
    Recorded,
    ScriptedServer,
    Step,
    chunk,
    head,
    whole,
)

SIGNATURE = "c2lnbmF0dXJlIG9mIHRoZSB0aG91Z2h0"
USAGE = {"input_tokens": 7, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 1}


def event(kind: str, **data: Any) -> bytes:
    """Gives an event, as Anthropic names them."""
    body = json.dumps({"type": kind, **data}, ensure_ascii=False)
    return f"event: {kind}\ndata: {body}\n\n".encode()


def start(model: str = "m", usage: dict[str, Any] | None = None) -> bytes:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": usage or USAGE,
    }  # fmt: skip
    return event("message_start", message=message) + event("ping")


def block(index: int, begun: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    """Gives the events of a content block."""
    return [
        event("content_block_start", index=index, content_block=begun),
        *(event("content_block_delta", index=index, delta=each) for each in deltas),
        event("content_block_stop", index=index),
    ]


def text(index: int, *words: str) -> list[bytes]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": word} for word in words))


def thinking(index: int, *words: str, signature: str = SIGNATURE) -> list[bytes]:
    deltas = [{"type": "thinking_delta", "thinking": word} for word in words]
    begun = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, begun, *deltas, {"type": "signature_delta", "signature": signature})


def tool_use(index: int, call_id: str, name: str, *pieces: str) -> list[bytes]:
    begun = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return block(index, begun, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def finish(
    reason: str = "end_turn", output_tokens: int = 3, stop_sequence: str | None = None, **usage: Any
) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": stop_sequence}
    counts = {"output_tokens": output_tokens, **usage}
    return [event("message_delta", delta=delta, usage=counts), event("message_stop")]


def stream(*events: bytes, pause_s: float = 0.0) -> list[Step]:
    """Gives a whole streamed response, one chunk of the body an event."""
    steps: list[Step] = [head(request_id="req_up")]
    for each in events:
        if pause_s:
            steps.append(pause_s)
        steps.append(chunk(each))
    return [*steps, END]


def answer(*words: str, reason: str = "end_turn") -> list[Step]:
    return stream(start(), *text(0, *words), *finish(reason))


def error(status: int, kind: str, message: str, **more: str) -> list[Step]:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"}
    return whole(body, status, request_id="req_up", **more)


def _question(request: Recorded) -> str:
    content = request.json["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(each["text"] for each in content if each["type"] == "text") or json.dumps(content)


CITATION = {"type": "char_location", "cited_text": "x", "document_index": 0, "start_char_index": 0, "end_char_index": 1, "document_title": None}  # fmt: skip

MODELS: dict[str, Callable[[Recorded], Sequence[Step]]] = {
    "claude-echo": lambda request: answer(*(f"{word} " for word in _question(request).split())),
    "claude-tools": lambda _: stream(
        start(),
        *text(0, "Let me look."),
        *tool_use(1, "toolu_1", "weather", "", '{"city":', ' "Bern"}'),
        *tool_use(2, "toolu_2", "now"),
        *finish("tool_use"),
    ),
    "claude-thinker": lambda _: stream(
        start(),
        *thinking(0, "let me ", "think"),
        *block(1, {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}),
        *text(2, "42"),
        *finish(output_tokens_details={"thinking_tokens": 2}),
    ),
    "claude-searcher": lambda _: stream(
        start(),
        *block(
            0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query":"tea"}'},
        ),
        *block(1, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
        *block(
            2, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Tea is hot"}, {"type": "citations_delta", "citation": CITATION},
        ),
        *text(3, ", they say."),
        *finish(),
    ),
    "claude-refuser": lambda _: stream(start(), *text(0, "I "), *finish("refusal")),
    "claude-long": lambda _: answer("and so ", "on", reason="max_tokens"),
    "claude-stopper": lambda _: stream(start(), *text(0, "one two "), *finish("stop_sequence", stop_sequence="three")),
    "claude-json": lambda _: answer('{"name": "Ada", ', '"age": 36}'),
    "claude-whole": lambda _: whole(
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": None,
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
                {"type": "text", "text": "all at once"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            ],
            "usage": USAGE,
        }
    ),
    "claude-limited": lambda _: error(429, "rate_limit_error", "slow down", retry_after="7"),
    "claude-overloaded": lambda _: error(529, "overloaded_error", "Overloaded"),
    "claude-bad-key": lambda _: error(401, "authentication_error", "invalid x-api-key sk-ant-upstream-secret-1234"),
    "claude-broken": lambda _: error(500, "api_error", "it broke"),
    "claude-html": lambda _: [head(502, "text/html", length=11) + b"<html>/html"],
    "claude-error-event": lambda _: stream(
        start(), *text(0, "half ")[:2], event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    ),
    "claude-error-first": lambda _: stream(event("error", error={"type": "overloaded_error", "message": "Overloaded"})),
    "claude-cut": lambda _: [head(), chunk(start()), *map(chunk, text(0, "half ")[:2]), Cut()],
    "claude-stall": lambda _: [head(), chunk(start()), *map(chunk, text(0, "begun ")[:2]), 30.0],
    "claude-no-end": lambda _: stream(start(), *text(0, "half ")),
    "claude-bad-json": lambda _: stream(start(), *text(0, "half ")[:2], b"data: {nope\n\n"),
    "claude-nonsense": lambda _: stream(start(), event("content_block_delta", index=9, delta={"type": "text_delta", "text": "x"})),
    "claude-endless-line": lambda _: [head(), Forever(chunk(b"data: " + b"x" * 65_536))],
    "claude-new-events": lambda _: stream(
        start(), event("content_block_hint", index=0), *text(0, "fine"), event("vendor_news", x=1), *finish("new_reason")
    ),
}  # fmt: skip


def _listed(name: str) -> dict[str, Any]:
    can = {"supported": True}
    adaptive = name == "claude-thinker"
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "created_at": "2026-02-01T00:00:00Z",
        "max_tokens": 64_000 if adaptive else None,
        "capabilities": {
            "image_input": can,
            "thinking": {"supported": adaptive, "types": {"adaptive": {"supported": adaptive}, "enabled": can}},
            "effort": {"supported": adaptive, "low": can, "medium": can, "high": can},
        },
    }


def _count(request: Recorded) -> Sequence[Step]:
    if set(request.json) - {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"}:
        return error(400, "invalid_request_error", "extra inputs are not permitted")
    return whole({"input_tokens": len(request.body)}, request_id="req_up")


def _message(request: Recorded) -> Sequence[Step]:
    model = request.json.get("model")
    if not isinstance(request.json.get("max_tokens"), int):
        return error(400, "invalid_request_error", "max_tokens: Field required")
    return MODELS[model](request) if model in MODELS else error(404, "not_found_error", f"model: {model}")


@dataclass
class AnthropicServer(ScriptedServer):
    """The server; use as an async context manager."""

    page: int = 4

    @property
    def base_url(self) -> str:
        return self.root_url

    @property
    def messages(self) -> list[Recorded]:
        """The requests for messages."""
        return [each for each in self.requests if each.path == "/v1/messages"]

    def _is_list(self, request: Recorded) -> bool:
        return request.path.startswith("/v1/models")

    def _steps(self, request: Recorded) -> Sequence[Step]:
        if "x-api-key" not in request.headers or request.headers.get("anthropic-version") != "2023-06-01":
            return error(401, "authentication_error", "x-api-key header is required")
        if request.path.startswith("/v1/models"):
            return self._models(request.path)
        if request.path == "/v1/messages/count_tokens":
            return _count(request)
        if request.path == "/v1/messages":
            return _message(request)
        return error(404, "not_found_error", "no such path")

    def _models(self, path: str) -> Sequence[Step]:
        names = list(MODELS)
        after = path.partition("after_id=")[2]
        begin = names.index(after) + 1 if after else 0
        page = names[begin : begin + self.page]
        has_more = begin + self.page < len(names)
        return whole({"data": [_listed(each) for each in page], "has_more": has_more, "first_id": page[0], "last_id": page[-1]})  # fmt: skip


async def _main() -> None:
    async with AnthropicServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(f"ready {server.base_url}", flush=True)  # noqa: T201
        await anyio.sleep_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_main)
