"""Whatever a model server sends, and however it is cut: bytes that go through tell a client what a turn would."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alcove.gateway.adapters.openai_blocks import plain_chunks
from alcove.gateway.adapters.openai_bytes import OpenAiPassedChat, ServerTraits, sum_up
from alcove.gateway.adapters.openai_compatible import OpenAiChatModel
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.passed import PassedRequest
from alcove.infra.http import ConnectionLost, PreparedRequest, Url, prepare
from alcove.kernel.chat import Answer, ChatRequest, Usage
from alcove.kernel.clock import SystemClock
from alcove.kernel.errors import AlcoveError, StreamInterrupted
from alcove.kernel.ports import CallContext, ModelInfo
from alcove.kernel.principal import Principal, Role
from alcove.kernel.trace import Trace, Tracer
from tests.wire.openai_server import event, piece, usage_chunk

URL = Url.parse("http://127.0.0.1:1/v1/chat/completions")
WHO = Principal(user_id="u", email="u@example.org", role=Role.USER)


@dataclass
class Response:
    """Gives pieces, then ends or breaks off."""

    pieces: list[bytes]
    breaks_off: bool
    status: int = 200
    content_type: bytes = b"text/event-stream"
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})

    @property
    def is_at_end(self) -> bool:
        return not self.pieces and not self.breaks_off

    async def read_some(self) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        if self.breaks_off:
            raise ConnectionLost("gone")
        return b""

    async def read(self) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        self.pieces.clear()


@dataclass
class Server:
    """Answers every request with the same pieces."""

    pieces: Sequence[bytes]
    breaks_off: bool

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> Response:
        return Response(list(self.pieces), self.breaks_off)

    async def send(self, request: PreparedRequest, body: bytes = b"", more: bytes = b"") -> Response:
        return Response(list(self.pieces), self.breaks_off)


@dataclass
class Told:
    """What a client is told."""

    content: str = ""
    reasoning: str = ""
    calls: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None
    error: tuple[str, int] | None = None

    @classmethod
    def of(cls, answer: Answer, error: AlcoveError | None) -> "Told":
        told = cls(
            answer.content, answer.reasoning, [f"{each.id} {each.name} {each.arguments}" for each in answer.tool_calls]
        )
        if error is None:
            told.finish_reason, told.usage = answer.finish_reason or "stop", answer.usage
        else:
            has_words = bool(answer.content or answer.reasoning or answer.tool_calls)
            told.error = (error.code, 0 if has_words else error.status)
        return told


async def by_turn(server: Server) -> Told:
    upstream = UpstreamServer("up", URL, server)
    model = OpenAiChatModel(ModelInfo(id="m"), "m", upstream, ServerTraits(), URL, {})
    clock, answer = SystemClock(), Answer()
    context = CallContext(
        principal=WHO, tracer=Tracer(Trace(id="t", owner_id="u", name="chat", started_at=clock.now()), clock)
    )
    try:
        async for delta in model.stream(ChatRequest(model="m", messages=()), context):
            answer.add(delta)
    except AlcoveError as error:
        return Told.of(answer, error)
    return Told.of(answer, None)


async def by_bytes(server: Server, *, wants_usage: bool = True) -> tuple[Told, bytes]:
    options = {"stream_options": {"include_usage": wants_usage}}
    request = PassedRequest.read(json.dumps({"model": "m", "messages": [1], "stream": True, **options}).encode(), "r")
    assert request is not None
    chat = OpenAiPassedChat(UpstreamServer("up", URL, server), ServerTraits(), prepare("POST", URL, {}))
    sent = b""
    try:
        answer = await chat.ask(request, "m")
        while data := await answer.read():
            sent += data
    except AlcoveError as error:
        return Told.of(sum_up(sent, True), error), sent
    await answer.aclose()
    return Told.of(sum_up(sent, True), None), sent


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "data: [DONE]\n\n", "\r\n", "\u2028", "}\n\ndata: {", '"error"']
)
DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text}, st.just("") | TEXTS),
    st.builds(lambda text: {"reasoning_content": text}, TEXTS),
    st.builds(
        lambda text: {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": text}}]}, TEXTS
    ),
    st.sampled_from(
        [{}, {"content": None}, {"content": 5}, {"content": [{"type": "text", "text": "part"}]}, {"vendor": 1}]
    ),
)
COUNTS = st.sampled_from([3, 0, -1, 1 << 60, "3", 1.5, None, True])
CHUNKS = st.one_of(
    st.builds(piece, DELTAS),
    st.builds(piece, DELTAS),
    st.builds(piece, DELTAS, st.sampled_from(["stop", "length", "", None, "tool_calls"])),
    st.builds(lambda a, b: {"choices": [], "usage": {"prompt_tokens": a, "completion_tokens": b}}, COUNTS, COUNTS),
    st.sampled_from([
        usage_chunk(), {"error": {"message": "no", "code": 429}}, {"object": "error", "message": "no"}, {"error": "no"}, {"error": None, "choices": []},
        {"choices": None}, {"choices": {}}, {"choices": [5]}, {"choices": [{"index": 1, "delta": {"content": "other"}}]}, {"choices": [{"message": {"content": "m"}}]},
        {"choices": [{"delta": 5}]}, {}, [], 7, "text", None,
    ]),
)  # fmt: skip
EVENTS = st.one_of(
    CHUNKS.map(event),
    CHUNKS.map(event),
    CHUNKS.map(event),
    CHUNKS.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n"),
    CHUNKS.map(lambda chunk: b"data:" + json.dumps(chunk).encode() + b"\n\n"),
    CHUNKS.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"),
    CHUNKS.map(lambda chunk: json.dumps(chunk, indent=1).replace("\n", "\ndata: ").join(["data: ", "\n\n"]).encode()),
    st.sampled_from([
        b"data: [DONE]\n\n", b"data: [DONE]\n\n", b": ping\n\n", b"event: x\ndata: {}\n\n", b"id: 1\n\n", b"\n", b"\r", b"data: {\n\n", b"data: {}{}\n\n",
        b"data: {} {}\n\n", b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', b"data: \n\n", b"data\n\n", b"\x00", b'data: {"a":{}\n\n', b'data: {"b":1}}\n\n',
        b'data: {"choices":[{}\n\ndata: {}]}\n\n', b"data: {}],[{}\n\n", b'data: {"\\u0065rror":"x"}\n\n', b"data: {}\n\n\n", b"\xef\xbb\xbf",
    ]),
)  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Gives the bytes of a stream, cut at arbitrary places."""
    data = b"".join(draw(st.lists(EVENTS, max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    ends = [0, *cuts, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if start < end]


@settings(max_examples=600, deadline=None)
@given(streams(), st.booleans())
@example([event(piece({"role": "assistant", "content": ""})), event({"error": {"message": "no", "code": 400}})], False)
@example(
    [
        event(piece({"content": "a"}))
        + event(usage_chunk())
        + event(piece({"content": "b"}, "stop"))
        + b"data: [DONE]\n\n"
    ],
    False,
)
@example([event(piece({"content": "a"}, "stop"))], True)
def test_bytes_that_go_through_tell_what_a_turn_would(pieces: list[bytes], breaks_off: bool) -> None:
    server = Server(pieces, breaks_off)
    turn = asyncio.run(by_turn(server))
    told, _ = asyncio.run(by_bytes(server))
    assert told == turn, (pieces, breaks_off)


@settings(max_examples=300, deadline=None)
@given(streams(), st.booleans())
def test_what_goes_out_is_nothing_but_whole_events_of_json(pieces: list[bytes], breaks_off: bool) -> None:
    told, sent = asyncio.run(by_bytes(Server(pieces, breaks_off), wants_usage=False))
    text = sent.decode()
    events = text.split("\n\n")
    assert events.pop() == ""
    for each in events:
        assert each.startswith("data: ")
        assert len(each.splitlines()) == 1
        assert each == "data: [DONE]" or isinstance(json.loads(each[6:]), dict)
    assert events.count("data: [DONE]") == (told.error is None)
    assert not any('"choices":[]' in each.replace(" ", "") and '"usage":{' in each.replace(" ", "") for each in events)


@given(
    st.lists(
        st.sampled_from(["{", "}", "[", "]", ",", '"a":', "1", " ", "{}", "[{}", "{}]", "\n\ndata: ", '"', "\n"]),
        max_size=14,
    ).map("".join)
)
def test_plain_block_holds_one_object_in_each_event(text: str) -> None:
    """No way of spreading brackets over events makes two of them one, or one of them two."""
    body = f"data: {{{text}}}\n\n".encode()
    chunks = plain_chunks(body)
    if chunks is not None:
        events = body.decode()[6:-2].split("\n\ndata: ")
        assert len(chunks) == len(events)
        for each in events:
            assert isinstance(msgspec.json.decode(each.encode()), dict)


def test_error_before_any_word_has_the_status_of_a_turn() -> None:
    told: Any = asyncio.run(by_bytes(Server([event({"error": {"message": "busy", "code": 429}})], False)))[0]
    assert told.error == ("upstream_error", 429)
    told = asyncio.run(by_bytes(Server([event(piece({"content": "x"}))], True)))[0]
    assert told.error == (StreamInterrupted.code, 0)
