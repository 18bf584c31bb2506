"""What every target is asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_LARGE_BYTES = 16_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of request.

    Attributes:
        name: Its name in the tables.
        model: What the mock answers by.
        is_streaming: Whether a stream is asked for.
        prompt_bytes: Length of the question.
        connections: How many ask at a time, one figure for each.
    """

    name: str
    model: str
    is_streaming: bool = False
    prompt_bytes: int = 200
    connections: tuple[int, ...] = (1, 16, 64)


CASES = (
    Case(name="small", model="small"),
    Case(name="16 kB", model="large", prompt_bytes=_LARGE_BYTES),
    Case(name="stream", model="burst", is_streaming=True),
    Case(name="paced", model="paced", is_streaming=True, connections=(1, 64)),
)
PRICED = "gpt-4o-mini"
"""A model whose price is known, answered as `small`."""
MODELS = ("small", "large", "burst", "paced", "idle", "faulty", PRICED)


def request(model: str, headers: Mapping[str, str], *, is_streaming: bool, prompt_bytes: int = 200) -> bytes:
    """Gives a whole HTTP request for a chat completion."""
    words = "What is the answer to the question of life, the universe and everything? "
    body = json.dumps({
        "model": model,
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": (words * (prompt_bytes // len(words) + 1))[:prompt_bytes]},
        ],
        "temperature": 0.5,
        **({"stream": True, "stream_options": {"include_usage": True}} if is_streaming else {}),
    }).encode()  # fmt: skip
    lines = {
        "host": "127.0.0.1", "content-type": "application/json", "accept": "application/json, text/event-stream",
        "content-length": str(len(body)), **headers,
    }  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body
