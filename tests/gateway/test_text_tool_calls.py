"""Tool calls written as text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.adapters.text_tool_calls import WrittenCalls, find_calls

NAMES = {"get_weather", "add"}
CALL = '{"name": "get_weather", "arguments": {"city": "Rome"}}'


def read(text: str, size: int = 1000) -> tuple[str, list[tuple[str, object]]]:
    reader = WrittenCalls(NAMES)
    out = "".join(reader.feed(text[at : at + size]) for at in range(0, len(text), size))
    rest, calls = reader.end()
    return out + rest, [(each.name, json.loads(each.arguments)) for each in calls]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "before"),
    [
        (CALL, ""),
        (f"  {CALL}", ""),
        (f"<tool_call>\n{CALL}\n</tool_call>", ""),
        (f"<tool_call>{CALL}", ""),
        (f"Let me look.\n<tool_call>{CALL}</tool_call>", "Let me look.\n"),
        (f"```json\n{CALL}\n```", ""),
        (f"[TOOL_CALLS][{CALL}]", ""),
        (f"<|python_tag|>{CALL}", ""),
        ('<function=get_weather>{"city": "Rome"}</function>', ""),
        ('{"name": "get_weather", "parameters": {"city": "Rome"}}', ""),
        ('{"tool": "get_weather", "args": {"city": "Rome"}}', ""),
        ('{"function": {"name": "get_weather", "arguments": "{\\"city\\": \\"Rome\\"}"}}', ""),
        ('{"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}]}', ""),
        ('{"name": "get_weather", "arguments": {"city": "Rome"}', ""),
        (f"{CALL} I hope that helps.", ""),
    ],
)
def test_every_form_seen_becomes_a_call_however_it_is_cut(text: str, before: str, size: int) -> None:
    assert read(text, size) == (before, [("get_weather", {"city": "Rome"})])


def test_several_calls_are_all_found() -> None:
    two = f"<tool_call>{CALL}</tool_call><tool_call>" + '{"name": "add", "arguments": {}}' + "</tool_call>"
    assert [name for name, _ in read(two)[1]] == ["get_weather", "add"]
    assert len(find_calls(f"[{CALL}, {CALL}]", NAMES)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "It is sunny in Rome.",
        '{"name": "Ada", "arguments": {}}',
        '{"answer": 42}',
        "[1, 2, 3]",
        '```json\n{"a": 1}\n```',
        "<tool_call>nonsense</tool_call>",
        "{not json",
        "a < b and <tool is not a mark",
        '<function=unknown>{"a": 1}</function>',
        '{"name": "get_weather", "arguments": [1]}',
    ],
)
def test_anything_else_stays_text(text: str) -> None:
    for size in (1, 1000):
        assert read(text, size) == (text, [])


def test_plain_text_is_not_held_back() -> None:
    reader = WrittenCalls(NAMES)
    assert reader.feed("It is ") == "It is "
    assert reader.feed("5 <") == "5 "
    assert reader.feed(" 6") == "< 6"


@given(text=st.text(alphabet='<>[]{}"`abtool_c=:,\\ \n|', max_size=60), size=st.integers(1, 7))
def test_no_text_is_lost_or_made_up(text: str, size: int) -> None:
    found, calls = read(text, size)
    assert calls or found == text
