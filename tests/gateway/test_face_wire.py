"""Reading and writing the protocols of Anthropic, Responses and completions, without a socket: what goes round comes back."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.adapters.anthropic import written
from alcove.gateway.adapters.anthropic_request import message_body
from alcove.gateway.adapters.anthropic_stream import EventReader, NotAnEvent
from alcove.gateway.adapters.anthropic_thinking import ModelTraits
from alcove.gateway.faces.anthropic_answer import MessageWriter, WholeMessage
from alcove.gateway.faces.anthropic_request import messages_request
from alcove.gateway.faces.completions_answer import CompletionWriter, WholeCompletion
from alcove.gateway.faces.completions_request import completion_call
from alcove.gateway.faces.responses_answer import ResponseWriter, WholeResponse
from alcove.gateway.faces.responses_request import responses_call
from alcove.gateway.faces.segments import Segments
from alcove.gateway.faces.token_estimate import estimated_tokens
from alcove.gateway.native import NATIVE, plain
from alcove.gateway.openai_answer import AnswerHead
from alcove.gateway.openai_request import chat_body, chat_call
from alcove.gateway.sse import SseParser
from alcove.kernel.chat import (
    Answer,
    ChatMessage,
    ChatRequest,
    ChatRole,
    Delta,
    ImagePart,
    TextPart,
    ToolCallDelta,
    Usage,
)
from alcove.kernel.errors import InvalidRequest, UpstreamError

HEAD = AnswerHead(trace_id="0" * 32, model="m", created=1)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
words = texts.filter(bool)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
objects = st.dictionaries(texts, json_values, max_size=3)

# Requests: OpenAI's words -> Anthropic's wire -> our face -> OpenAI's words

parts = st.one_of(
    words.map(lambda text: {"type": "text", "text": text}),
    st.sampled_from(["https://e.org/i.png", "data:image/png;base64,AAAA"]).map(lambda url: {"type": "image_url", "image_url": {"url": url}}),
    st.just({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}),
)  # fmt: skip


def _content(given_parts: list[dict[str, Any]]) -> Any:
    """A list of one text part and the text itself are the same."""
    return given_parts[0]["text"] if len(given_parts) == 1 and given_parts[0]["type"] == "text" else given_parts


contents = st.lists(parts, min_size=1, max_size=3).map(_content)


@st.composite
def turns(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """A question, an answer, and the answers of the tools that it calls."""
    asked = {"role": "user", "content": draw(contents)}
    calls = draw(st.lists(st.tuples(words, objects), max_size=3))
    said = draw(words if not calls else st.none() | words)
    answer: dict[str, Any] = {"role": "assistant", "content": said}
    if calls:
        answer["tool_calls"] = [
            {
                "id": f"c{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(calls)
        ]
    results = [
        {"role": "tool", "tool_call_id": f"c{number}_{index}", "content": draw(words)} for index in range(len(calls))
    ]
    return (
        [asked, answer, *results]
        if not results
        else [asked, answer, *results, {"role": "assistant", "content": draw(words)}]
    )


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    messages = [each for number in range(draw(st.integers(1, 3))) for each in draw(turns(number))]
    if draw(st.booleans()):
        messages.insert(0, {"role": "system", "content": draw(words)})
    body: dict[str, Any] = {"model": "m", "max_tokens": draw(st.integers(0, 9999)), "messages": messages}
    function = {"name": "f", "description": "d", "parameters": draw(objects), "strict": True}
    optional: dict[str, Any] = {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": draw(
            st.sampled_from(["auto", "required", "none", {"type": "function", "function": {"name": "f"}}])
        ),
        "temperature": draw(st.floats(0, 1)),
        "top_p": draw(st.floats(0, 1)),
        "stop": draw(st.lists(words, min_size=1, max_size=2)),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": draw(objects), "strict": True},
        },
    }
    return {**body, **{key: value for key, value in optional.items() if draw(st.booleans())}}


def _read(body: dict[str, Any]) -> dict[str, Any]:
    """Reads the arguments of calls, whose spelling as text is free."""
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return body


@given(bodies())
def test_request_goes_round_through_anthropics_wire(body: dict[str, Any]) -> None:
    wire = message_body(chat_call(body).request, model="m", traits=ModelTraits())
    back = chat_body(messages_request(json.loads(json.dumps(wire))), model="m")
    assert _read(json.loads(json.dumps(back))) == _read(body)


@given(bodies(), st.dictionaries(texts.map(lambda text: f"x-{text}"), json_values, max_size=3))
def test_anthropics_wire_goes_round_through_our_face(body: dict[str, Any], more: dict[str, Any]) -> None:
    wire = {**message_body(chat_call(body).request, model="m", traits=ModelTraits()), **more}
    wire = json.loads(json.dumps(wire))
    assert message_body(messages_request(wire), model="m", traits=ModelTraits()) == wire


@given(json_values, st.sampled_from(["", "text", "image", "document", "tool_use", "tool_result", "thinking", "message", "input_image", "reasoning", "function_call", "function"]))  # fmt: skip
def test_any_json_is_read_or_refused_with_a_field(value: Any, kind: str) -> None:
    """And what is read can be written for either kind of server, or is refused with words."""
    item = {
        "type": kind,
        "text": value,
        "source": value,
        "input": value,
        "content": value,
        "summary": value,
        "output": value,
    }
    known = {"model": "m", "max_tokens": 1, "input": "x", "prompt": "x", "messages": [{"role": "user", "content": "x"}]}
    tried: list[Any] = [
        {**known, **(value if isinstance(value, dict) else {})},
        *({**known, key: value} for key in ("messages", "input", "prompt", "tools", "tool_choice", "text", "output_config", "thinking", "system")),
        *({**known, "messages": [{"role": role, "content": [item]}]} for role in ("user", "assistant", "system")),
        {**known, "input": [item]},
        {**known, "input": [{"role": "user", "content": [item]}]},
        {**known, "tools": [item, {**item, "name": "f", "input_schema": {}}]},
    ]  # fmt: skip
    for data in tried:
        readers = [
            messages_request,
            lambda each: responses_call(each).request,
            lambda each: completion_call(each).request,
        ]
        for read in (*readers, lambda each: chat_call(each).request):
            try:
                request = read(data)
                for write in (
                    lambda each: chat_body(each, model="m"),
                    lambda each: message_body(each, model="m", traits=ModelTraits()),
                ):
                    with contextlib.suppress(InvalidRequest):
                        json.dumps(write(request))
                assert estimated_tokens(request) > 0
            except InvalidRequest as error:
                assert error.detail  # noqa: PT017  either way is right


# Answers

finish_reasons = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
answers = st.lists(
    st.one_of(
        words.map(lambda text: Delta(content=text)),
        words.map(lambda text: Delta(reasoning=text)),
        st.builds(lambda text, more: Delta(content=text, reasoning=more, status="Searching"), texts, texts),
    ),
    max_size=5,
)
calls = st.lists(st.tuples(words, objects, st.integers(0, 20)), max_size=3)
usages = st.none() | st.builds(
    lambda fresh, cached, out, thought: Usage(
        input_tokens=fresh + cached, output_tokens=out + thought, cached_input_tokens=cached, reasoning_tokens=thought
    ),
    *[st.integers(0, 99)] * 4,
)


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    """An answer of text and reasoning, and calls whose pieces may come by turns."""
    deltas = draw(answers)
    rows: list[list[Delta]] = []
    for index, (name, arguments, cut) in enumerate(draw(calls)):
        text = json.dumps(arguments)
        begun = Delta(tool_calls=(ToolCallDelta(index=index, id=f"c{index}", name=name, arguments=text[:cut]),))
        rest = Delta(tool_calls=(ToolCallDelta(index=index, arguments=text[cut:]),))
        rows.append([begun, rest] if text[cut:] else [begun])
    if rows and draw(st.booleans()):
        deltas += [row[0] for row in rows] + [each for row in rows for each in row[1:]]
    else:
        deltas += [each for row in rows for each in row]
    return [*deltas, Delta(finish_reason=draw(finish_reasons), usage=draw(usages))]


def _summed(deltas: Sequence[Delta]) -> Answer:
    answer = Answer()
    for delta in deltas:
        answer.add(delta)
    return answer


def _sent(writer: MessageWriter | ResponseWriter | CompletionWriter, deltas: Sequence[Delta]) -> list[Any]:
    out = b"".join(writer.events(delta) for delta in deltas) + writer.end(_summed(deltas))
    events = SseParser(10_000_000).feed(out)
    return [None if each == b"[DONE]" else json.loads(each) for each in events]


@given(streams())
def test_answer_goes_round_through_anthropics_events(deltas: list[Delta]) -> None:
    reader, back = EventReader(), Answer()
    for each in _sent(MessageWriter(HEAD, "r"), deltas):
        for delta in reader.deltas(each):
            back.add(delta)
    answer = _summed(deltas)
    assert (back.content, back.reasoning) == (answer.content, answer.reasoning)
    assert [(each.id, each.name, json.loads(each.arguments)) for each in back.tool_calls] == [
        (each.id, each.name, json.loads(each.arguments)) for each in answer.tool_calls
    ]
    assert back.usage == (answer.usage or Usage())
    expected = "tool_calls" if answer.finish_reason == "stop" and answer.tool_calls else answer.finish_reason
    assert (back.finish_reason, reader.is_done) == (expected, True)


@given(streams())
def test_events_of_a_message_add_up_to_the_whole_one(deltas: list[Delta]) -> None:
    whole = WholeMessage(HEAD)
    for delta in deltas:
        whole.take(delta)
    expected = json.loads(whole.body(_summed(deltas)))
    content: list[Any] = []
    for each in _sent(MessageWriter(HEAD, "r"), deltas):
        match each["type"]:
            case "content_block_start":
                assert each["index"] == len(content)
                content.append({**each["content_block"], "json": ""})
            case "content_block_delta":
                block = content[each["index"]]
                block["text"] = block.get("text", "") + each["delta"].get("text", "")
                block["thinking"] = block.get("thinking", "") + each["delta"].get("thinking", "")
                block["json"] += each["delta"].get("partial_json", "")
            case "message_delta":
                assert (each["delta"]["stop_reason"], each["usage"]) == (expected["stop_reason"], expected["usage"])
    assert [each["type"] for each in content] == [each["type"] for each in expected["content"]]
    for block, other in zip(content, expected["content"], strict=True):
        assert block["text"] == other.get("text", "") or block["type"] != "text"
        assert block["thinking"] == other.get("thinking", "") or block["type"] != "thinking"
        assert block["type"] != "tool_use" or json.loads(block["json"] or "{}") == other["input"]


@given(streams())
def test_events_of_a_response_add_up_to_the_whole_one(deltas: list[Delta]) -> None:
    whole = WholeResponse(HEAD, {})
    for delta in deltas:
        whole.take(delta)
    expected = json.loads(whole.body(_summed(deltas)))
    events = _sent(ResponseWriter(HEAD, {}), deltas)
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    final = events[-1]["response"]
    assert {**final, "completed_at": 0} == {**expected, "completed_at": 0}
    assert [each["item"] for each in events if each["type"] == "response.output_item.done"] != [] or not final["output"]
    done = {each["output_index"]: each["item"] for each in events if each["type"] == "response.output_item.done"}
    assert [done[index] for index in sorted(done)] == final["output"]
    said: dict[tuple[int, int], str] = {}
    for each in events:
        if each["type"].endswith(".delta"):
            at = each["output_index"], each.get("content_index", 0)
            said[at] = said.get(at, "") + each["delta"]
    for (place, index), text in said.items():
        assert text == _said_in(final["output"][place], index)


def _said_in(item: Any, index: int) -> str:
    match item["type"]:
        case "message":
            return str(item["content"][index]["text"])
        case "reasoning":
            return str(item["summary"][0]["text"])
        case _:
            return str(item["arguments"])


@given(streams())
def test_chunks_of_a_completion_add_up_to_the_whole_one(deltas: list[Delta]) -> None:
    *chunks, counts, end = _sent(CompletionWriter(HEAD, wants_usage=True), deltas)
    body = json.loads(WholeCompletion(HEAD).body(_summed(deltas)))
    assert end is None
    assert "".join(each["choices"][0]["text"] for each in chunks) == body["choices"][0]["text"]
    assert chunks[-1]["choices"][0]["finish_reason"] == body["choices"][0]["finish_reason"]
    assert counts["choices"] == []


@given(json_values, st.sampled_from(["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "message", "error", "new"]))  # fmt: skip
def test_any_event_is_read_or_refused(value: Any, kind: str) -> None:
    blocks = ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", value]
    for block in blocks:
        reader = EventReader()
        begun = {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": block, "text": value, "thinking": value, "input": value, "citations": value},
        }
        more = {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"text": value, "thinking": value, "partial_json": value, "signature": value, "citation": value},
        }
        odd = {
            "type": kind,
            "message": value,
            "content_block": value,
            "index": value,
            "delta": value,
            "usage": value,
            "content": value,
        }
        for each in (begun, more, {"type": "content_block_stop", "index": 0}, odd, value):
            with contextlib.suppress(NotAnEvent):
                for delta in reader.deltas(each):
                    json.dumps(dict(delta.extra))  # fmt: skip


def test_answer_that_comes_at_once_keeps_its_signed_thinking() -> None:
    """As from a cache, which replays the sum of all deltas as one."""
    signed = [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "b", "signature": "t"},
    ]
    segments = Segments(call_prefix="c")
    segments.take(
        Delta(content="x", reasoning="ab", extra={"delta": {"thinking_blocks": signed}}, finish_reason="stop")
    )
    segments.finish()
    assert [(each.kind.value, each.text, each.block.get("signature")) for each in segments.all] == [
        ("reasoning", "a", "s"), ("block", "", None), ("reasoning", "b", "t"), ("text", "x", None),
    ]  # fmt: skip


def test_signature_of_other_words_is_not_put_to_them() -> None:
    """A filter changed the thinking on its way: what Anthropic signed it is no more."""
    segments = Segments(call_prefix="c")
    segments.take(Delta(reasoning="[redacted]"))
    segments.take(
        Delta(extra={"delta": {"thinking_blocks": [{"type": "thinking", "thinking": "secret", "signature": "s"}]}})
    )
    segments.finish()
    assert [(each.text, dict(each.block)) for each in segments.all] == [("[redacted]", {})]


def test_call_without_an_id_or_a_name_gets_one() -> None:
    segments = Segments(call_prefix="call_t_")
    for piece in (
        ToolCallDelta(index=0, arguments="{"),
        ToolCallDelta(index=0, name="f"),
        ToolCallDelta(index=0, arguments="}"),
        ToolCallDelta(index=1, arguments="{}"),
    ):
        segments.take(Delta(tool_calls=(piece,)))
    segments.finish()
    assert [(each.id, each.name, each.text) for each in segments.all] == [
        ("call_t_0", "f", "{}"),
        ("call_t_1", "", "{}"),
    ]


def test_plain_leaves_nothing_of_anthropics_behind() -> None:
    request = ChatRequest(
        model="m",
        messages=(
            ChatMessage(role=ChatRole.USER, content=(TextPart(text="a", extra={NATIVE: {"cache_control": 1}}), ImagePart(url="data:x", extra={NATIVE: {"x": 1}}))),
        ),
        extra={NATIVE: {"top_k": 5}, "tools": [{"type": "function", "function": {"name": "f"}, NATIVE: {"defer_loading": True}}], "seed": 1},
    )  # fmt: skip
    left = plain(request)
    assert NATIVE not in str(left)
    assert left.extra["seed"] == 1


def test_text_of_documents_is_seen_by_filters_and_goes_back_into_its_document() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "my number is 42"}
    document = {"type": "document", "source": source, "title": "t", "citations": {"enabled": True}}
    wire = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [document, {"type": "text", "text": "and?"}]}],
    }
    request = messages_request(json.loads(json.dumps(wire)))
    assert request.question == "my number is 42\nand?"
    hidden = [
        replace(each, text=each.text.replace("42", "*"))
        for each in request.messages[0].content
        if isinstance(each, TextPart)
    ]
    request = replace(request, messages=(replace(request.messages[0], content=tuple(hidden)),))
    sent = message_body(request, model="m", traits=ModelTraits())["messages"]
    assert json.loads(json.dumps(sent))[0]["content"][0] == {**document, "source": {**source, "data": "my number is *"}}


def test_instructions_between_messages_stay_there_at_anthropic() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "b"},
    ]
    wire = {"model": "m", "max_tokens": 9, "system": "Be kind.", "messages": messages}
    request = messages_request(json.loads(json.dumps(wire)))
    assert message_body(request, model="m", traits=ModelTraits()) == wire
    assert [each.role.value for each in request.messages] == ["system", "user", "system", "user"]


def test_numbers_that_no_json_can_hold_are_null() -> None:
    call = ToolCallDelta(index=0, id="c", name="f", arguments='{"a":1e999}')
    whole = WholeMessage(HEAD)
    whole.take(Delta(tool_calls=(call,)))
    assert json.loads(whole.body(Answer()), parse_constant=_fail)["content"][0]["input"] == {"a": None}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1e999}'}}],
    }
    request = chat_call({"model": "m", "messages": [{"role": "user", "content": "x"}, message]}).request
    body = json.loads(written(message_body(request, model="m", traits=ModelTraits())), parse_constant=_fail)
    assert body["messages"][1]["content"][0]["input"] == {"a": None}


def _fail(constant: str) -> None:
    raise AssertionError(constant)


def test_errors_end_each_stream_in_its_own_form() -> None:
    error = UpstreamError("It broke.", status=529, upstream_code="overloaded_error")
    message = MessageWriter(HEAD, "r-1").failed(error)
    assert message == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"It broke."},"request_id":"r-1"}\n\n'
    )
    response = SseParser(100_000).feed(ResponseWriter(HEAD, {}).failed(error))
    assert json.loads(response[-1])["response"]["error"] == {"code": "server_error", "message": "It broke."}
    completion = json.loads(CompletionWriter(HEAD, wants_usage=False).failed(error).removeprefix(b"data: "))
    assert completion["error"]["code"] == "overloaded_error"


def test_estimate_is_about_four_characters_a_token() -> None:
    def tokens(text: str) -> int:
        return estimated_tokens(ChatRequest(model="m", messages=(ChatMessage.of(ChatRole.USER, text),)))

    assert 95 <= tokens("word" * 100) <= 110
    assert 95 <= tokens("水は百度で沸騰する。" * 10) <= 110
    assert tokens("") > 0


def test_fields_beside_a_conversation_replace_neither_it_nor_its_model() -> None:
    asked = ChatRequest(
        model="m", messages=(ChatMessage.of(ChatRole.USER, "checked"),), extra={"model": "x", "messages": [], "seed": 1}
    )
    assert chat_body(asked, model="m") == {
        "model": "m",
        "messages": [{"role": "user", "content": "checked"}],
        "seed": 1,
    }
