"""Tool calls that a model wrote as text, found and turned into calls: one place for all models.

Small models know the form of calls of the models they were made from, and write it where their template has another, or none. What is
looked for, each seen in the wild: `<tool_call>{…}</tool_call>` (Hermes, Qwen), `<function=name>{…}</function>` (Llama),
`[TOOL_CALLS][{…}]` (Mistral), `<|python_tag|>{…}`, a fenced block of JSON, and bare JSON that is the whole answer. The JSON names the tool
under `name`, `tool` or `function`, and its arguments under `arguments`, `parameters` or `args`. Only tools that were offered count: any
other JSON is an answer and stays text.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pydantic_core

from alcove.kernel.chat import JsonValue

_MARKS = ("<tool_call>", "<function=", "[TOOL_CALLS]", "<|python_tag|>", "```json", "```tool")
_LONGEST_MARK = max(len(each) for each in _MARKS)
_FUNCTION = re.compile(r"<function=(?P<name>[\w.:-]{1,200})>(?P<body>.*?)(?:</function>|$)", re.DOTALL)
_WRAPPED = re.compile(
    r"<tool_call>(.*?)(?:</tool_call>|$)|\[TOOL_CALLS\](.*)$|<\|python_tag\|>(.*)$|```(?:json|tool_calls?)?\s*(.*?)(?:```|$)",
    re.DOTALL,
)
_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_MAX_CALLS = 32


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call that was written as text.

    Attributes:
        name: The tool's name.
        arguments: Its arguments, as JSON text.
    """

    name: str
    arguments: str


@dataclass(slots=True)
class WrittenCalls:
    """Reads an answer piece by piece: text goes through at once, until something begins that may be a call.

    Attributes:
        names: The tools that were offered.
    """

    names: Collection[str]
    _seen: str = ""
    _is_held: bool = False
    _has_begun: bool = False

    def feed(self, text: str) -> str:
        """Takes more of the answer; gives what is certainly text."""
        self._seen += text
        if self._is_held:
            return ""
        if not self._has_begun:
            start = self._seen.lstrip()
            if not start:
                return ""
            if start[0] in "{[":
                self._is_held = True
                return ""
        places = [place for each in _MARKS if (place := self._seen.find(each)) >= 0]
        if places:
            self._is_held = True
            return self._let(min(places))
        return self._let(len(self._seen) - self._pending())

    def end(self) -> tuple[str, list[WrittenCall]]:
        """Gives the rest of the text, and the calls that were in it."""
        rest, self._seen = self._seen, ""
        if not self._is_held:
            return rest, []
        found = find_calls(rest, self.names)
        return ("", found) if found else (rest, [])

    def _pending(self) -> int:
        """Gives how many letters at the end may be the beginning of a mark."""
        for length in range(min(_LONGEST_MARK - 1, len(self._seen)), 0, -1):
            tail = self._seen[-length:]
            if any(each.startswith(tail) for each in _MARKS):
                return length
        return 0

    def _let(self, length: int) -> str:
        text, self._seen = self._seen[:length], self._seen[length:]
        self._has_begun = self._has_begun or bool(text.strip())
        return text


def find_calls(text: str, names: Collection[str]) -> list[WrittenCall]:
    """Gives the calls in a text, of tools with these names; none when it holds anything else in their place."""
    found = [
        WrittenCall(each["name"], arguments)
        for each in _FUNCTION.finditer(text)
        if each["name"] in names and (arguments := _arguments_of(_parsed(each["body"]) or {})) is not None
    ]
    if not found:
        pieces = [next((part for part in each if part), "") for each in _WRAPPED.findall(text)] or [text]
        for piece in pieces:
            found += _calls_in(_parsed(piece), names)
    return found[:_MAX_CALLS]


def _calls_in(data: JsonValue, names: Collection[str]) -> list[WrittenCall]:
    if isinstance(data, list):
        return [call for each in data for call in _calls_in(each, names)]
    if not isinstance(data, Mapping):
        return []
    inner = data.get("tool_calls")
    if isinstance(inner, list):
        return _calls_in(inner, names)
    function = data.get("function")
    if isinstance(function, Mapping):
        return _calls_in(function, names)
    name = next((data[key] for key in _NAMES if isinstance(data.get(key), str)), None)
    if not isinstance(name, str) or name not in names:
        return []
    given = next((data[key] for key in _ARGUMENTS if key in data), {})
    arguments = _arguments_of(given)
    return [] if arguments is None else [WrittenCall(name, arguments)]


def _arguments_of(value: JsonValue) -> str | None:
    if isinstance(value, str):  # JSON within JSON
        value = _parsed(value) if value.strip() else {}
    return pydantic_core.to_json(value).decode() if isinstance(value, Mapping) else None


def _parsed(text: str) -> JsonValue:
    """Gives JSON, also where it is followed by more, or lacks the brackets at its end."""
    text = text.strip()
    for piece in (text, _first_value(text), text + "}", text + "]"):
        try:
            parsed: JsonValue = pydantic_core.from_json(piece)
        except ValueError:
            continue
        return parsed
    return None


def _first_value(text: str) -> str:
    """Gives the text up to where its first bracket is closed."""
    depth, is_text, is_escaped = 0, False, False
    for place, letter in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_text:
            is_escaped, is_text = letter == "\\", letter != '"'
        elif letter == '"':
            is_text = True
        elif letter in "{[":
            depth += 1
        elif letter in "}]":
            depth -= 1
            if depth == 0:
                return text[: place + 1]
    return text
