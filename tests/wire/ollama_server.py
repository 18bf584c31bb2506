"""A model server that speaks Ollama's protocol on a real socket, well or badly, as told.

As `openai_server`, whose bytes, cuts and stalls it shares: what it does is chosen by the model's name (`MODELS`), or by
`server.script` for the next request that is not for a list. `/v1/chat/completions` answers that it was asked there.

    python -m tests.wire.ollama_server [port]
"""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from tests.wire.openai_server import END, Cut, Forever, Recorded, ScriptedServer, Step, chunk, head, whole
from tests.wire.openai_server import answer as openai_answer

NDJSON = "application/x-ndjson"
METRICS = {
    "total_duration": 900_000_000,
    "load_duration": 100_000_000,
    "prompt_eval_count": 11,
    "prompt_eval_duration": 200_000_000,
    "eval_count": 4,
    "eval_duration": 600_000_000,
}


def line(value: dict[str, Any]) -> bytes:
    """Gives a line, with what every line has."""
    made = {"model": "m", "created_at": "2026-08-21T01:02:03.123456789Z", "done": False, **value}
    return json.dumps(made, ensure_ascii=False).encode() + b"\n"


def said(text: str = "", **more: Any) -> bytes:
    return line({"message": {"role": "assistant", "content": text, **more}})


def done(reason: str = "stop", **more: Any) -> bytes:
    message = {"role": "assistant", "content": ""}
    return line({"message": message, "done": True, "done_reason": reason, **METRICS, **more})


def stream(*lines: bytes) -> list[Step]:
    """Gives a whole streamed response, one chunk of the body a line."""
    return [head(content_type=NDJSON, x_request_id="up-1"), *map(chunk, lines), END]


def answer(*words: str, reason: str = "stop") -> list[Step]:
    return stream(*map(said, words), done(reason))


def error(status: int, message: str, **more: str) -> list[Step]:
    return whole({"error": message}, status, **more)


def _call(name: str, arguments: dict[str, Any], index: int, **more: Any) -> dict[str, Any]:
    return {"function": {"index": index, "name": name, "arguments": arguments}, **more}


def _echo(request: Recorded) -> list[Step]:
    return answer(*(f"{word} " for word in request.json["messages"][-1]["content"].split()))


MODELS: dict[str, Callable[[Recorded], Sequence[Step]]] = {
    "llama:1b": _echo,
    "qwen:latest": _echo,
    "thinker:8b": lambda _: stream(said(thinking="let me "), said(thinking="think"), said("42"), done()),
    "caller:3b": lambda _: stream(
        said(tool_calls=[_call("weather", {"city": "Bern"}, 0, id="call_abcdefgh")]),
        said(tool_calls=[_call("now", {}, 1)]),
        done(),
    ),
    "long:1b": lambda _: answer("and so ", "on", reason="length"),
    "logprobs:1b": lambda _: stream(
        line({"message": {"role": "assistant", "content": "a"}, "logprobs": [{"token": "a", "logprob": -0.1}]}), done()
    ),
    "no-done:1b": lambda _: stream(said("half ")),
    "nothing:1b": lambda _: stream(),
    "cut:1b": lambda _: [head(content_type=NDJSON), chunk(said("half ")), 0.05, Cut()],
    "error-line:1b": lambda _: stream(said("half "), b'{"error":"model runner has unexpectedly stopped"}\n'),
    "error-first:1b": lambda _: stream(b'{"error":"out of memory"}\n'),
    "bad-json:1b": lambda _: stream(said("half "), b"{nope\n"),
    "nonsense:1b": lambda _: stream(line({"message": 5})),
    "endless-line:1b": lambda _: [head(content_type=NDJSON), Forever(chunk(b"x" * 65_536))],
    "slow:1b": lambda _: [head(content_type=NDJSON), *(step for _ in range(200) for step in (chunk(said("w ")), 0.04))],
    "pieces:1b": lambda _: [
        head(content_type=NDJSON),
        *(chunk(bytes([byte])) for byte in said("Zürich ") + b"\n" + done().rstrip()),
        END,
    ],
    "no-tools:1b": lambda _: error(400, "no-tools:1b does not support tools"),
    "busy:1b": lambda _: error(503, "server busy, please try again.  maximum pending requests exceeded", retry_after="3"),
}  # fmt: skip
CAPABILITIES = {
    "llama:1b": ["completion"],
    "qwen:latest": ["completion", "tools", "insert", "vision", "thinking"],
    "thinker:8b": ["completion", "thinking"],
    "caller:3b": ["completion", "tools"],
    "nomic:latest": ["embedding"],
}


def _generate(request: Recorded) -> Sequence[Step]:
    asked = request.json
    if "nomic" in asked["model"]:
        return error(400, f'"{asked["model"]}" does not support generate')
    if not asked.get("prompt"):
        return whole({"model": asked["model"], "response": "", "done": True, "done_reason": "load"})
    words = [line({"response": f"{word} "}) for word in asked["prompt"].split()]
    return stream(*words, line({"response": "", "done": True, "done_reason": "stop", **METRICS}))


def _embed(request: Recorded) -> Sequence[Step]:
    asked = request.json
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    texts = [each for each in texts if each]
    if asked.get("truncate") is False and any(len(each) > 100 for each in texts):
        return error(400, "the input length exceeds the context length")
    return whole({"model": "m", "embeddings": [[0.6, 0.8]] * len(texts), "prompt_eval_count": 3 * len(texts)})


@dataclass
class OllamaServer(ScriptedServer):
    """The server; use as an async context manager."""

    @property
    def asked(self) -> list[Recorded]:
        """The requests that are not for a list."""
        return [each for each in self.requests if not self._is_list(each)]

    def _is_list(self, request: Recorded) -> bool:
        return request.path == "/api/tags"

    def _steps(self, request: Recorded) -> Sequence[Step]:
        answered = _PATHS.get(request.path)
        return error(404, "404 page not found") if answered is None else answered(request)


def _chat(request: Recorded) -> Sequence[Step]:
    model = request.json["model"]
    return MODELS[model](request) if model in MODELS else error(404, f"model '{model}' not found")


_PATHS: dict[str, Callable[[Recorded], Sequence[Step]]] = {
    "/api/tags": lambda _: whole(
        {"models": [{"name": each, "capabilities": CAPABILITIES.get(each)} for each in [*MODELS, "nomic:latest"]]}
    ),
    "/api/chat": _chat,
    "/api/generate": _generate,
    "/api/embed": _embed,
    "/api/embeddings": lambda _: whole({"embedding": [3.0, 4.0]}),
    "/v1/chat/completions": lambda _: openai_answer("by ", "/v1"),
    "/v1/embeddings": lambda _: whole({"data": [{"index": 0, "embedding": [1.0, 0.0]}]}),
}


async def _main() -> None:
    async with OllamaServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(f"ready {server.root_url}", flush=True)  # noqa: T201
        await anyio.sleep_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_main)
