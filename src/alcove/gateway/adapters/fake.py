"""A model server that is not there: it answers within the process, well or badly, as the model's name says. For tests and demos.

It speaks OpenAI's protocol in bytes, through the same adapter as every real server, so that whatever Alcove does about slow,
failing or broken servers can be seen without one.
"""

import base64
import hashlib
import itertools
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from alcove.gateway.adapters.openai_compatible import OpenAiUpstream
from alcove.gateway.adapters.profiles import FAKE
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.models import Deployment
from alcove.infra.http import ConnectionLost, HttpLimits, PreparedRequest, TimedOut, Url
from alcove.kernel.chat import JsonValue

CHAT_MODELS = (
    "echo", "slow", "flaky", "failing", "limited", "huge", "malformed", "cut", "stalled", "silent", "refusing", "overflowing",
    "tools", "thinking",
)  # fmt: skip
"""Ids of the fake chat models; `failing-503` fails with that status."""
OTHER_MODELS = ("embedding", "rerank", "moderation", "image", "speech", "transcription")
_WORD_S = 0.25
_HUGE_WORDS = 200_000
_DIMENSIONS = 8
_SAMPLE_RATE = 8000
_PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
).decode()

Step = bytes | float | type[ConnectionLost]
"""Bytes to send, seconds to wait, or the end of the connection."""


class FakeResponse:
    """A response out of nothing."""

    def __init__(self, status: int, content_type: str, steps: Sequence[Step], limits: HttpLimits, **more: str) -> None:
        self.status = status
        self.content_type = content_type.encode()
        self.headers: Mapping[str, str] = {
            "content-type": content_type,
            **{k.replace("_", "-"): v for k, v in more.items()},
        }
        self._limits = limits
        self._steps = list(steps)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come."""
        return not self._steps

    async def read_some(self) -> bytes:
        """Gives the next bytes; empty at the end.

        Raises:
            TimedOut: When it is silent for longer than is waited for.
            ConnectionLost: When it breaks off.
        """
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, float):
                await _wait(step, self._limits)
            else:
                raise step("the fake server broke off")
        return b""

    async def read(self) -> bytes:
        """Gives all bytes."""
        pieces: list[bytes] = []
        while piece := await self.read_some():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Ends it."""
        self._steps.clear()


@dataclass(frozen=True, slots=True)
class FakeTransport:
    """Answers every request itself.

    Attributes:
        limits: How long a silence may be.
    """

    limits: HttpLimits
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> FakeResponse:  # noqa: ARG002
        """Gives the response that the model's name asks for."""
        path = url.target.rpartition("/v1")[2] or url.target
        if path == "/models":
            return self._json(
                {"object": "list", "data": [{"id": each, "created": 0} for each in (*CHAT_MODELS, *OTHER_MODELS)]}
            )
        if path in _BYTES:
            return FakeResponse(200, *_BYTES[path](), self.limits)
        if headers.get("content-type", "").startswith("multipart/"):
            return self._json({"text": "This is what the fake model heard."})
        asked = json.loads(body or b"{}")
        if path == "/chat/completions":
            return await self._chat(asked)
        answer = _WHOLE.get(path)
        if answer is None:
            return self._error(404, f"The fake server has no {path}.", "not_found")
        return self._json(answer(asked))

    async def send(self, request: PreparedRequest, body: bytes = b"", more: bytes = b"") -> FakeResponse:  # noqa: ARG002
        """Gives the response to a prepared request."""
        return await self.request("POST", request.url, {}, body)

    async def _chat(self, asked: Mapping[str, JsonValue]) -> FakeResponse:
        name, _, detail = str(asked.get("model", "")).partition("-")
        refusal = await self._refusal(name, detail)
        if refusal is not None:
            return refusal
        steps = _STREAMS.get(name, _echo)(asked)
        return FakeResponse(200, "text/event-stream", steps, self.limits)

    async def _refusal(self, name: str, detail: str) -> FakeResponse | None:
        match name:
            case "failing":
                status = int(detail) if detail.isdecimal() and 400 <= int(detail[:3]) < 600 else 500  # noqa: PLR2004
                return self._error(status, "The fake model fails, as its name says.", "fake_failure")
            case "flaky" if next(self._count) % 2 == 0:
                return self._error(503, "The fake model fails every second time.", "fake_failure")
            case "limited":
                return self._error(429, "The fake model is always busy.", "rate_limit_exceeded", retry_after="2")
            case "overflowing":
                detail = "This model's maximum context length is 8 tokens; your messages are longer."
                return self._error(400, detail, "context_length_exceeded")
            case "silent":
                await _wait(self.limits.read_s + 1, self.limits)
        return None

    def _json(self, value: JsonValue) -> FakeResponse:
        return FakeResponse(200, "application/json", [json.dumps(value).encode()], self.limits)

    def _error(self, status: int, message: str, code: str, **more: str) -> FakeResponse:
        body = json.dumps({"error": {"message": message, "type": "fake_error", "code": code}}).encode()
        return FakeResponse(status, "application/json", [body], self.limits, **more)


async def _wait(seconds: float, limits: HttpLimits) -> None:
    await anyio.sleep(min(seconds, limits.read_s))
    if seconds > limits.read_s:
        msg = "the fake server fell silent"
        raise TimedOut(msg)


def _event(delta: JsonValue, finish: str | None = None, **more: JsonValue) -> bytes:
    choice: dict[str, JsonValue] = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "fake",
        "choices": [choice],
    }
    return b"data: " + json.dumps({**chunk, **more}).encode() + b"\n\n"


def _end(finish: str, words: int, asked: Mapping[str, JsonValue]) -> list[Step]:
    read = max(1, len(json.dumps(asked.get("messages"))) // 4)
    usage = {"prompt_tokens": read, "completion_tokens": words, "total_tokens": read + words}
    last = {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "fake",
        "choices": [],
        "usage": usage,
    }
    return [_event({}, finish), b"data: " + json.dumps(last).encode() + b"\n\n", b"data: [DONE]\n\n"]


def _question(asked: Mapping[str, JsonValue]) -> str:
    messages = asked.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else ""
    return content if isinstance(content, str) else json.dumps(content)


def _words(
    asked: Mapping[str, JsonValue], words: Sequence[str], *, pause_s: float = 0.0, finish: str = "stop"
) -> list[Step]:
    steps: list[Step] = []
    for word in words:
        steps += [_event({"content": word}), pause_s] if pause_s else [_event({"content": word})]
    return steps + _end(finish, len(words), asked)


def _echo(asked: Mapping[str, JsonValue]) -> list[Step]:
    return _words(asked, [f"{word} " for word in _question(asked).split()] or ["…"])


def _slow(asked: Mapping[str, JsonValue]) -> list[Step]:
    return _words(asked, [f"{word} " for word in _question(asked).split()] or ["…"], pause_s=_WORD_S)


def _huge(asked: Mapping[str, JsonValue]) -> list[Step]:
    block = _event({"content": "lorem ipsum dolor sit amet " * 20})
    return [block] * (_HUGE_WORDS // 100) + _end("stop", _HUGE_WORDS, asked)


def _malformed(_: Mapping[str, JsonValue]) -> list[Step]:
    return [_event({"content": "so far so good "}), b'data: {"choices": [nonsense\n\n']


def _cut(_: Mapping[str, JsonValue]) -> list[Step]:
    return [_event({"content": "half an "}), ConnectionLost]


def _stalled(_: Mapping[str, JsonValue]) -> list[Step]:
    return [_event({"content": "begun "}), math.inf]


def _refusing(asked: Mapping[str, JsonValue]) -> list[Step]:
    return _words(asked, ["I cannot "], finish="content_filter")


def _tools(asked: Mapping[str, JsonValue]) -> list[Step]:
    offered = asked.get("tools")
    first = offered[0] if isinstance(offered, list) and offered else None
    function = first.get("function") if isinstance(first, dict) else None
    if not isinstance(function, dict):
        return _echo(asked)
    call: dict[str, JsonValue] = {
        "index": 0,
        "id": "call_fake",
        "type": "function",
        "function": {"name": function.get("name"), "arguments": "{}"},
    }
    return [_event({"role": "assistant", "content": None, "tool_calls": [call]}), *_end("tool_calls", 1, asked)]


def _thinking(asked: Mapping[str, JsonValue]) -> list[Step]:
    return [_event({"reasoning_content": "Let me see. "}), *_echo(asked)]


_STREAMS: dict[str, Callable[[Mapping[str, JsonValue]], list[Step]]] = {
    "slow": _slow,
    "huge": _huge,
    "malformed": _malformed,
    "cut": _cut,
    "stalled": _stalled,
    "refusing": _refusing,
    "tools": _tools,
    "thinking": _thinking,
}


def _texts(value: JsonValue) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value] if isinstance(value, list) else []


def _vector(text: str) -> list[float]:
    raw = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:_DIMENSIONS]]
    length = math.sqrt(sum(value * value for value in raw))
    return [value / length for value in raw]


def _embeddings(asked: Mapping[str, JsonValue]) -> JsonValue:
    texts = _texts(asked.get("input"))
    data: list[JsonValue] = [
        {"object": "embedding", "index": index, "embedding": _vector(text)} for index, text in enumerate(texts)
    ]
    tokens = sum(max(1, len(text) // 4) for text in texts)
    return {"object": "list", "data": data, "model": "fake", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _rerank(asked: Mapping[str, JsonValue]) -> JsonValue:
    wanted = set(str(asked.get("query", "")).lower().split())
    documents = [each.get("text") if isinstance(each, dict) else each for each in asked.get("documents") or ()]  # type: ignore[union-attr]  # checked by whoever asks
    scores = [len(wanted & set(str(each).lower().split())) / max(1, len(wanted)) for each in documents]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return {"model": "fake", "results": [{"index": index, "relevance_score": scores[index]} for index in order]}


def _moderations(asked: Mapping[str, JsonValue]) -> JsonValue:
    flags = ["hate" in text.lower() for text in _texts(asked.get("input"))]
    results: list[JsonValue] = [
        {"flagged": flag, "categories": {"hate": flag}, "category_scores": {"hate": float(flag)}} for flag in flags
    ]
    return {"id": "modr-fake", "model": "fake", "results": results}


def _images(_: Mapping[str, JsonValue]) -> JsonValue:
    return {"created": 0, "data": [{"b64_json": _PIXEL}]}


def _speech() -> tuple[str, list[Step]]:
    samples = [int(8000 * math.sin(2 * math.pi * 440 * index / _SAMPLE_RATE)) for index in range(_SAMPLE_RATE // 4)]
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        _SAMPLE_RATE,
        _SAMPLE_RATE * 2,
        2,
        16,
        b"data",
        len(data),
    )
    return "audio/wav", [head, data]


_WHOLE: dict[str, Callable[[Mapping[str, JsonValue]], JsonValue]] = {
    "/embeddings": _embeddings,
    "/rerank": _rerank,
    "/moderations": _moderations,
    "/images/generations": _images,
}
_BYTES: dict[str, Callable[[], tuple[str, list[Step]]]] = {"/audio/speech": _speech}


@dataclass(frozen=True, slots=True)
class FakeUpstreamFactory:
    """Opens deployments that are not there.

    Attributes:
        limits: How long their silences may be.
    """

    limits: HttpLimits

    def open(self, deployment: Deployment) -> OpenAiUpstream:
        """Gives the deployment, ready for use."""
        url = Url.parse(deployment.base_url)
        return OpenAiUpstream(UpstreamServer(deployment.name, url, FakeTransport(self.limits)), FAKE, has_wire=False)
