"""Stand-ins: what is found, and that every value comes back wherever the answer is cut."""

import json
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.guards.detectors import Sensitive, findings
from alcove.gateway.guards.redaction import Redactor, Vault
from alcove.kernel.chat import (
    Answer,
    ChatMessage,
    ChatRequest,
    ChatRole,
    Citation,
    Delta,
    JsonValue,
    OtherPart,
    Source,
    ToolCall,
    ToolCallDelta,
)
from alcove.kernel.errors import InvalidRequest

ALL = frozenset(Sensitive)
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/abc=\nqwertz\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(("text", "kind"), [
    ("sk-proj-abcdefghijklmnopqrstuv1234", Sensitive.SECRET), ("ghp_abcdefghijklmnopqrstuvwxyz0123456789AB", Sensitive.SECRET),
    ("AKIAIOSFODNN7EXAMPLE", Sensitive.SECRET), ("postgres://app:s3cr3t@db.example:5432/app", Sensitive.SECRET), (KEY, Sensitive.SECRET),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", Sensitive.SECRET), ("9fK3lQz8Xw2VbN7mR4tY6uJ1cD5eG0hA", Sensitive.SECRET),
    ("jürgen.o'neil+x@mail.exämple.org", Sensitive.EMAIL), ("+49 30 123456-78", Sensitive.PHONE), ("(212) 555-0187", Sensitive.PHONE),
    ("DE89 3704 0044 0532 0130 00", Sensitive.IBAN), ("GB82WEST12345698765432", Sensitive.IBAN), ("4111 1111 1111 1111", Sensitive.CARD),
    ("10.1.2.3", Sensitive.IP), ("2001:db8::1", Sensitive.IP), ("123-45-6789", Sensitive.NATIONAL_ID), ("12345678Z", Sensitive.NATIONAL_ID),
    ("86095742719", Sensitive.NATIONAL_ID), ("2 55 08 14 168 025 38", Sensitive.NATIONAL_ID), ("44051401359", Sensitive.NATIONAL_ID),
])  # fmt: skip
def test_secrets_and_personal_data_are_found_whole(text: str, kind: Sensitive):
    around = f"Please use {text} now."
    assert [(each.kind, around[each.start : each.end]) for each in findings(around, ALL)] == [(kind, text)]
    assert all(each.kind is not kind for each in findings(around, ALL - {kind}))


@pytest.mark.parametrize("text", [
    "GB82WEST12345698765433", "4111 1111 1111 1112", "300.1.2.3", "000-45-6789", "12345678A", "12:34:56", "2024-01-02", "v1.2.3",
    "9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b", "123e4567-e89b-12d3-a456-426614174000", "thisisaverylongwordwithoutanydigitsatall", "a@b",
    "https://example.org/path", "call me at 5", "x = y: z",
])  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str):
    assert findings(f"See {text} there.", ALL) == []


@pytest.mark.parametrize(
    "text", ["a@" * 50_000, "1:" * 50_000, "+1 " * 50_000, "-----BEGIN PRIVATE KEY-----" * 5_000, "a://b:" * 20_000]
)
def test_hostile_texts_take_no_longer_than_others(text: str):
    findings(text, ALL)  # the limit of 30 s for a test would end it


def test_the_same_value_has_one_stand_in_and_others_have_others():
    vault = Vault(ALL)
    assert vault.hide("ada@a.org, bob@b.org, ada@a.org") == "<EMAIL_1>, <EMAIL_2>, <EMAIL_1>"
    assert vault.hide("bob@b.org") == "<EMAIL_2>"
    assert vault.counts == {"email": 2}


def test_a_stand_in_that_the_client_wrote_is_not_taken_for_one_of_ours():
    vault = Vault(ALL)
    vault.reserve("What is <EMAIL_1>?")
    hidden = vault.hide("What is <EMAIL_1>? Mine is ada@a.org.")
    assert hidden == "What is <EMAIL_1>? Mine is <EMAIL_2>."
    assert vault.restore(hidden) == "What is <EMAIL_1>? Mine is ada@a.org."


async def revealed(redactor: Redactor, deltas: Sequence[Delta]) -> Answer:
    async def stream() -> AsyncGenerator[Delta, None]:
        for delta in deltas:
            yield delta

    answer = Answer()
    async for delta in redactor.reveal(stream()):
        answer.add(delta)
    return answer


PIECES = st.lists(
    st.one_of(st.sampled_from(["<EMAIL_1>", "<EMAIL_2>", "<SECRET_1>", "<EMAIL_11>", "<", "<<", "<EMAIL", "EMAIL_1>", "\\u003c"]), st.text(max_size=4)),
    max_size=12,
)  # fmt: skip


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 200), max_size=30), has_end=st.booleans())
async def test_values_come_back_wherever_the_stream_is_cut(pieces: list[str], cuts: list[int], has_end: bool):
    vault = Vault(ALL)
    vault.hide(f"ada@a.org {' '.join(f'p{n}@b.org' for n in range(2, 12))} {KEY}")
    text = "".join(pieces)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(places)]
    calls = [Delta(tool_calls=(ToolCallDelta(index=0, arguments=part),)) for part in parts]
    deltas = [
        each
        for part, call in zip(parts, calls, strict=True)
        for each in (Delta(content=part), call, Delta(reasoning=part))
    ]
    answer = await revealed(Redactor(vault), [*deltas, *([Delta(finish_reason="stop")] if has_end else [])])
    assert answer.content == answer.reasoning == vault.restore(text)
    assert (answer.tool_calls[0].arguments if answer.tool_calls else "") == vault.restore(text, is_json=True)


async def test_values_in_arguments_of_tools_are_json_again():
    vault = Vault(ALL)
    vault.hide(KEY)
    arguments = '{"key": "\\u003cSECRET_1\\u003e", "again": "<SECRET_1>"}'
    deltas = [
        Delta(tool_calls=(ToolCallDelta(index=0, id="c", name="use_<SECRET_1>", arguments=each),)) for each in arguments
    ]
    answer = await revealed(Redactor(vault), [*deltas, Delta(finish_reason="tool_calls")])
    assert json.loads(answer.tool_calls[0].arguments) == {"key": KEY, "again": KEY}
    assert answer.tool_calls[0].name == f"use_{KEY}"


async def test_everything_that_goes_to_a_model_is_hidden():
    arguments = json.dumps({"to": "ada@a.org", "n": 1, "key": KEY, "ada@a.org": 1})
    call = ToolCall(id="c", name="mail", arguments=arguments, extra={"note": "ada@a.org"})
    parts: list[dict[str, JsonValue]] = [
        {"type": "search_result", "title": "ada@a.org", "content": [{"type": "text", "text": "ada@a.org"}]},
        {"type": "document", "source": {"type": "content", "content": "ada@a.org"}},
        {"type": "refusal", "refusal": f"no, {KEY}"},
    ]
    source = Source(number=1, text="Write to ada@a.org.", document_id="d", document="ada@a.org.txt", collection_id="c", collection="c", chunk_index=0, score=1)  # fmt: skip
    request = ChatRequest(
        model="m",
        messages=(
            ChatMessage(role=ChatRole.ASSISTANT, tool_calls=(call,), reasoning="ada@a.org", name="ada@a.org"),
            ChatMessage.of(ChatRole.TOOL, f"sent {KEY}"),
            ChatMessage(role=ChatRole.USER, content=tuple(OtherPart(data=each) for each in parts)),
        ),
        sources=(source,),
        extra={"user": "ada@a.org", "tools": [{"type": "function", "function": {"description": "ada@a.org"}}]},
    )
    redactor = Redactor(Vault(ALL))
    hidden = repr(await redactor.conceal(request))
    assert "ada@a.org" not in hidden
    assert "MIIEow" not in hidden
    assert "EMAIL_1" in hidden


@pytest.mark.parametrize("arguments", ['{"to": "ada@a.org", "to": 1}', r'{"to": "ada\u0040a.org"}', "to ada@a.org"])
async def test_a_value_in_arguments_is_hidden_however_it_is_written(arguments: str):
    call = ToolCall(id="c", name="mail", arguments=arguments)
    request = ChatRequest(model="m", messages=(ChatMessage(role=ChatRole.ASSISTANT, tool_calls=(call,)),))
    hidden = (await Redactor(Vault(ALL)).conceal(request)).messages[0].tool_calls[0].arguments
    assert "a.org" not in hidden


async def test_arguments_that_are_too_deep_to_be_looked_at_are_refused():
    deep = "[" * 100_000 + "]" * 100_000
    call = ToolCall(id="c", name="mail", arguments=deep)
    request = ChatRequest(model="m", messages=(ChatMessage(role=ChatRole.ASSISTANT, tool_calls=(call,)),))
    with pytest.raises(InvalidRequest, match="too deep"):
        await Redactor(Vault(ALL)).conceal(request)


async def test_citations_are_restored_with_their_places_in_the_document():
    source = Source(number=1, text="Hi. Write to ada@a.org today.", document_id="d", document="d", collection_id="c", collection="c", chunk_index=0, score=1, start=100, end=129)  # fmt: skip
    redactor = Redactor(Vault(ALL))
    await redactor.conceal(ChatRequest(model="m", messages=(ChatMessage.of(ChatRole.USER, "?"),), sources=(source,)))
    answer = await revealed(redactor, [Delta(citations=(Citation(number=1, quote="Write to <EMAIL_1> today.", start=104, end=129),)), Delta(finish_reason="stop")])  # fmt: skip
    assert answer.citations == [Citation(number=1, quote="Write to ada@a.org today.", start=104, end=129)]


def test_a_trace_keeps_neither_values_nor_their_json_form():
    vault = Vault(ALL)
    vault.hide(KEY)
    kept = vault.scrub(f"{json.dumps(KEY)} {KEY} new@one.org")
    assert "MIIEow" not in kept
    assert "new@one.org" not in kept
