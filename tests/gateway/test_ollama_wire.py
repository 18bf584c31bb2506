"""Reading and writing Ollama's protocol, without a socket: any JSON is read or refused, and what goes round comes back."""

import json
from typing import Any

import pydantic_core
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.adapters.anthropic_request import message_body
from alcove.gateway.adapters.anthropic_thinking import ModelTraits
from alcove.gateway.adapters.ollama_native import LineReader, NotALine
from alcove.gateway.adapters.ollama_request import chat_json
from alcove.gateway.faces.ollama_answer import LineWriter, WholeOllamaAnswer, timestamp
from alcove.gateway.faces.ollama_embed import embed_call, embeddings_call
from alcove.gateway.faces.ollama_request import chat_call, fitted, generate_call
from alcove.gateway.ollama_words import completion_of
from alcove.gateway.openai_answer import AnswerHead
from alcove.gateway.openai_request import chat_body
from alcove.kernel.chat import Answer, Delta, ToolCallDelta, Usage
from alcove.kernel.errors import InvalidRequest, StreamInterrupted
from alcove.kernel.ports import ModelInfo
from tests.gateway.test_face_wire import json_values, objects, texts, words

HEAD = AnswerHead(trace_id="0123456789abcdef" * 2, model="m", created=1)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
KEYS = (
    "model", "messages", "tools", "options", "format", "keep_alive", "think", "stream", "images", "prompt", "suffix", "system", "template",
    "raw", "context", "input", "dimensions", "truncate", "shift", "logprobs", "top_logprobs", "collections",
)  # fmt: skip
OPTIONS = ("num_ctx", "temperature", "stop", "use_mmap", "seed", "num_predict", "top_k")
MESSAGE = ("role", "content", "images", "tool_calls", "thinking", "tool_name", "tool_call_id")


@given(json_values, st.sampled_from(KEYS))
def test_any_json_is_read_or_refused(value: Any, key: str) -> None:
    known = {"model": "m", "messages": [{"role": "user", "content": "x"}], "prompt": "x", "input": "x"}
    call = {"function": value, "id": value}
    tried: list[Any] = [value, {**known, key: value}]
    tried += [{**known, "options": {each: value}} for each in OPTIONS]
    tried += [{**known, "messages": [{"role": "tool", "content": "x", each: value}]} for each in MESSAGE]
    tried += [{**known, "messages": [{"role": "assistant", "tool_calls": [call]}]}, {**known, "tools": [call]}]
    info = ModelInfo(id="m", capabilities=("completion", "tools", "vision", "insert", "reasoning"))
    for data in tried:
        body = json.dumps(data).encode()
        for read in (embed_call, embeddings_call):
            try:
                assert read(body).name is not None
            except InvalidRequest as error:
                assert error.detail  # noqa: PT017  either way is right
        for ask in (chat_call, generate_call):
            try:
                request = fitted(ask(body), info)
                if request.messages and completion_of(request) is None:
                    pydantic_core.to_json(chat_json(request, model="m"))
                    pydantic_core.to_json(chat_body(request, model="m"))
                    pydantic_core.to_json(message_body(request, model="m", traits=ModelTraits()))
            except InvalidRequest as error:
                assert error.detail  # noqa: PT017


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (chat_call, generate_call, embed_call, embeddings_call):
        try:
            read(body)
        except InvalidRequest as error:
            assert error.detail  # noqa: PT017


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(words)}] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        question: dict[str, Any] = {"role": "user", "content": draw(words)}
        if draw(st.booleans()):
            question["images"] = [PIXEL]
        answer: dict[str, Any] = {"role": "assistant", "content": draw(texts)}
        if draw(st.booleans()):
            answer["thinking"] = draw(words)
        calls = draw(st.lists(st.tuples(words, objects), max_size=3))
        if calls:
            answer["tool_calls"] = [
                {"id": f"c{number}_{index}", "function": {"index": index, "name": name, "arguments": arguments}}
                for index, (name, arguments) in enumerate(calls)
            ]
        messages += [question, answer]
        messages += [
            {"role": "tool", "content": draw(texts), "tool_name": name, "tool_call_id": f"c{number}_{index}"}
            for index, (name, _) in enumerate(calls)
        ]
    return messages


@given(
    conversations(),
    st.fixed_dictionaries(
        {},
        optional={
            "format": st.just("json") | objects.map(lambda each: {"type": "object", "properties": each}),
            "keep_alive": st.integers(-1, 999) | st.sampled_from(["5m", "1h30m", "300ms"]),
            "think": st.booleans() | st.sampled_from(["low", "medium", "high", "max"]),
            "truncate": st.booleans(),
            "options": st.fixed_dictionaries({"num_ctx": st.integers(1, 1 << 20)}, optional={
                "temperature": st.floats(0, 2), "top_k": st.integers(0, 99), "seed": st.integers(0, 99), "num_predict": st.integers(1, 99),
                "stop": st.lists(words, min_size=1, max_size=2), "repeat_penalty": st.floats(0, 2), "use_mmap": st.booleans(),
            }),
        },
    ),
)  # fmt: skip
def test_request_goes_through_the_house_as_it_came(messages: list[dict[str, Any]], more: dict[str, Any]) -> None:
    info = ModelInfo(id="m", capabilities=("completion", "tools", "vision", "reasoning"))
    body = {"model": "m", "messages": messages, "stream": True, **more}
    wire = chat_json(fitted(chat_call(json.dumps(body).encode()), info), model="m")
    assert json.loads(pydantic_core.to_json(wire)) == body


answers = st.lists(
    st.one_of(
        words.map(lambda text: Delta(content=text)),
        words.map(lambda text: Delta(reasoning=text)),
        st.builds(lambda text, more: Delta(content=text, reasoning=more, status="Searching"), texts, texts),
    ),
    max_size=5,
)
calls = st.lists(st.tuples(words, objects, st.integers(0, 20)), max_size=3)


@given(answers, calls, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), st.integers(0, 9))
def test_answer_is_the_same_line_by_line_and_whole_and_comes_back(
    deltas: list[Delta], made: list[tuple[str, dict[str, Any], int]], reason: str, tokens: int
) -> None:
    pieces = list(deltas)
    for index, (name, arguments, cut) in enumerate(made):
        text = json.dumps(arguments)
        pieces.append(tool_piece(index, name, text[:cut]))
        pieces.append(tool_piece(index, None, text[cut:]))
    writer, whole, answer = LineWriter(HEAD, "chat"), WholeOllamaAnswer(HEAD, "chat"), Answer()
    sent = b""
    for piece in [*pieces, Delta(finish_reason=reason, usage=Usage(input_tokens=tokens, output_tokens=1))]:
        answer.add(piece)
        whole.take(piece)
        sent += writer.events(piece)
    sent += writer.end(answer)
    lines = [json.loads(line) for line in sent.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert all("\n" not in line and "error" not in json.loads(line) for line in sent.decode().strip("\n").split("\n"))
    body = json.loads(whole.body(answer))
    assert "".join(line["message"]["content"] for line in lines) == body["message"]["content"] == answer.content
    assert "".join(line["message"].get("thinking", "") for line in lines) == answer.reasoning
    assert body["message"].get("thinking", "") == answer.reasoning
    called = [each for line in lines for each in line["message"].get("tool_calls", ())]
    assert called == body["message"].get("tool_calls", [])
    assert [(each["function"]["name"], each["function"]["arguments"]) for each in called] == [each[:2] for each in made]
    assert len({each["id"] for each in called}) == len(called)
    for last in (lines[-1], body):
        assert last["done_reason"] == ("length" if reason == "length" else "stop")
        assert last.get("prompt_eval_count", 0) == tokens
        assert 0 not in last.values()
    reader, back = LineReader(), Answer()
    for line in lines:
        back.add(reader.delta(line))
    assert reader.is_done
    assert (back.content, back.reasoning) == (answer.content, answer.reasoning)
    assert [each.name for each in back.tool_calls] == [each[0] for each in made]
    assert back.usage == answer.usage


def tool_piece(index: int, name: str | None, arguments: str) -> Delta:
    return Delta(tool_calls=(ToolCallDelta(index=index, name=name, arguments=arguments),))


def test_error_is_one_line_that_is_not_done() -> None:
    writer = LineWriter(HEAD, "generate")
    assert json.loads(writer.failed(StreamInterrupted("cut\noff"))) == {"error": "cut\noff"}
    assert writer.failed(StreamInterrupted("cut\noff")).count(b"\n") == 1


@given(json_values)
def test_any_line_of_a_server_is_read_or_refused(value: Any) -> None:
    for line in (value, {"message": value}, {"message": {"tool_calls": [value], "content": value}}, {"done": value}):
        try:
            LineReader().delta(line)
        except NotALine:
            continue


@given(st.integers(0, 1 << 62))
def test_times_are_told_to_the_nanosecond(at_ns: int) -> None:
    assert timestamp(at_ns).endswith(f".{at_ns % 1_000_000_000:09d}Z")
