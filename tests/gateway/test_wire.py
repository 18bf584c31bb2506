"""Reading and writing OpenAI's JSON and server-sent events, without a socket."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.adapters.openai_stream import ChunkReader, NotAChunk
from alcove.gateway.openai_answer import AnswerHead, ChunkWriter, dump, whole_answer
from alcove.gateway.openai_request import chat_body, parse_chat
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.kernel.chat import Answer, ChatRole, Delta, ImagePart, OtherPart, TextPart, ToolCallDelta, Usage
from alcove.kernel.errors import InvalidRequest

HEAD = AnswerHead(trace_id="0" * 32, model="m", created=1)

texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
strange_keys = texts.map(lambda text: f"x-{text}")
strange = st.dictionaries(strange_keys, json_values, max_size=2)
parts = st.one_of(
    st.builds(lambda text, more: {"type": "text", "text": text, **more}, texts, strange),
    st.builds(
        lambda detail, more: {"type": "image_url", "image_url": {"url": "https://e.org/i.png", **detail}, **more},
        st.sampled_from([{}, {"detail": "low"}, {"detail": "high", "x": 1}]),
        strange,
    ),
    st.builds(lambda more: {"type": "input_audio", **more}, strange),
)
contents = texts.filter(bool) | st.lists(parts, min_size=1, max_size=3)
calls = st.builds(
    lambda name, arguments, more: {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}, **more},
    texts, texts, strange,
)  # fmt: skip
messages = st.one_of(
    st.builds(
        lambda role, content, more: {"role": role, "content": content, **more},
        st.sampled_from([role.value for role in ChatRole]), contents, strange,
    ),
    st.builds(
        lambda tool_calls, more: {"role": "assistant", "content": None, "tool_calls": tool_calls, **more},
        st.lists(calls, min_size=1, max_size=2), strange,
    ),
    st.builds(lambda content: {"role": "tool", "content": content, "tool_call_id": "c", "name": "f"}, contents),
)  # fmt: skip


def _plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list of one plain text part and the text itself are the same."""
    for message in messages:
        content = message["content"]
        if isinstance(content, list) and len(content) == 1 and set(content[0]) == {"type", "text"}:
            message["content"] = content[0]["text"]
    return messages


@given(st.lists(messages, min_size=1, max_size=3), strange)
def test_request_goes_through_unchanged(given_messages: list[dict[str, Any]], more: dict[str, Any]) -> None:
    body = {"model": "m", "messages": given_messages, **more}
    call = parse_chat(json.dumps(body).encode())
    assert chat_body(call.request, model="m") == {**body, "messages": _plain(given_messages)}


@given(json_values)
def test_any_json_is_read_or_refused_with_a_field(value: Any) -> None:
    for body in (value, {"model": "m", "messages": value}, {"model": "m", "messages": [value]}, {"model": "m", "messages": [{"role": "user", "content": value}]}):  # fmt: skip
        try:
            parse_chat(json.dumps(body).encode())
        except InvalidRequest as error:
            assert error.detail  # noqa: PT017  either way is right


def test_request_is_read_into_the_kernels_words() -> None:
    body = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "collections": ["tea"],
        "metadata": {"session_id": "s1"},
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}}, {"type": "file"}]},
            {"role": "assistant", "content": "b", "reasoning_content": "hm"},
        ],
    }  # fmt: skip
    call = parse_chat(json.dumps(body).encode())
    request = call.request
    assert call.wants_usage
    assert (request.is_streaming, request.collections, request.session_id) == (True, ("tea",), "s1")
    assert request.messages[1].content == (
        TextPart(text="a"),
        ImagePart(url="data:x"),
        OtherPart(data={"type": "file"}),
    )
    assert request.messages[2].reasoning == "hm"
    assert request.extra == {"metadata": {"session_id": "s1"}}


# Server-sent events

line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
payloads = st.lists(texts.map(lambda text: json.dumps(text, ensure_ascii=False).encode()), max_size=5)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    events = draw(payloads)
    out = [draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))]
    for each in events:
        end = draw(line_ends)
        if draw(st.booleans()):
            out += [draw(st.sampled_from([b": comment", b"event: message", b"id: 1", b"retry: 5", b"unknown"])), end]
        out += [draw(st.sampled_from([b"data: ", b"data:"])), each, end, end]
    return events, b"".join(out)


@given(streams(), st.lists(st.integers(0, 400), max_size=20))
def test_events_are_the_same_however_the_bytes_are_cut(stream: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    expected, data = stream
    parser = SseParser(100_000)
    found: list[bytes] = []
    start = 0
    for cut in sorted({*cuts, len(data)}):
        found += parser.feed(data[start:cut])
        start = max(start, cut)
    found += parser.end()
    assert found == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_any_bytes_are_read_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole = SseParser(100_000)
    expected = whole.feed(data) + whole.end()
    parser = SseParser(100_000)
    found: list[bytes] = []
    start = 0
    for cut in sorted({*cuts, len(data)}):
        found += parser.feed(data[start:cut])
        start = max(start, cut)
    assert found + parser.end() == expected


def test_data_of_several_lines_is_joined() -> None:
    assert SseParser(100).feed(b"data: a\ndata: b\n\n") == [b"a\nb"]


def test_event_without_its_empty_line_counts_at_the_end() -> None:
    parser = SseParser(100)
    assert parser.feed(b"data: a") == []
    assert parser.end() == [b"a"]


@pytest.mark.parametrize("data", [b"x" * 101, b"data: " + b"y" * 101, b"data: y\n" * 20, b"data:\n" * 30])
def test_event_without_an_end_is_refused(data: bytes) -> None:
    parser = SseParser(100)
    with pytest.raises(EventTooLong):
        for index in range(len(data)):
            parser.feed(data[index : index + 1])


# Answers

deltas = st.builds(
    Delta,
    content=texts,
    reasoning=texts,
    tool_calls=st.lists(
        st.builds(ToolCallDelta, index=st.integers(0, 3), id=st.none() | texts.filter(bool), name=st.none() | texts.filter(bool), arguments=texts),
        max_size=2,
    ).map(tuple),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 99), output_tokens=st.integers(0, 99)),
)  # fmt: skip


@given(st.lists(deltas, max_size=6), st.booleans())
def test_what_is_streamed_adds_up_to_the_whole_answer(given_deltas: list[Delta], wants_usage: bool) -> None:
    writer = ChunkWriter(HEAD, wants_usage)
    answer = Answer()
    out = b""
    for delta in given_deltas:
        answer.add(delta)
        out += writer.events(delta)
    answer.add(Delta(finish_reason="stop"))
    out += writer.end(answer)
    events = SseParser(1_000_000).feed(out)
    assert events.pop() == b"[DONE]"
    reader, read = ChunkReader(), Answer()
    for each in events:
        delta = reader.delta(json.loads(each))
        if delta is not None:
            read.add(delta)
    assert (read.content, read.reasoning, read.finish_reason) == (answer.content, answer.reasoning, "stop")
    assert b"".join(out.splitlines(keepends=True)) == out
    message = json.loads(whole_answer(HEAD, answer))["choices"][0]["message"]
    assert (message["content"] or "") == answer.content
    if wants_usage:
        assert json.loads(events[-1])["choices"] == []


@given(texts)
def test_json_of_an_event_is_one_line_for_every_reader(text: str) -> None:
    data = dump({"a": text})
    assert len(data.decode().splitlines()) == 1
    assert json.loads(data) == {"a": text}


@given(json_values)
def test_any_chunk_is_read_or_refused(value: Any) -> None:
    for chunk in (value, {"choices": value}, {"choices": [{"delta": value}]}, {"choices": [{"delta": {"content": value, "tool_calls": value}}], "usage": value}, {"choices": [{"delta": {"tool_calls": [{"index": value, "function": value}]}}]}):  # fmt: skip
        with contextlib.suppress(NotAChunk):
            ChunkReader().delta(chunk)
