"""Tools for models whose template has no form for them: the model writes JSON that is either a call or an answer.

llama.cpp holds it to a schema, so what comes can always be read: of eighty such decisions of models without any sense, seventy-nine were
valid. The tools stand in the system prompt; calls and results of earlier turns become plain messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pydantic_core

from alcove.gateway.adapters.text_tool_calls import WrittenCall
from alcove.kernel.chat import ChatMessage, ChatRole, JsonValue, TextPart

_PROMPT = """You can call these tools:
{tools}

Answer with one JSON object and nothing else. To call a tool: {{"tool": "<its name>", "arguments": {{…}}}}. {otherwise}"""
_OR_ANSWER = 'To answer without a tool: {"answer": "<your answer>"}.'
_MUST_CALL = "You must call a tool."


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """The tools of a request, and whether one has to be called.

    Attributes:
        tools: Their functions: name, description, parameters.
        is_required: Whether an answer without a call is not allowed.
    """

    tools: Sequence[Mapping[str, JsonValue]]
    is_required: bool

    @classmethod
    def of(cls, fields: Mapping[str, JsonValue]) -> "ToolSchema | None":
        """Reads `tools` and `tool_choice` of a request; None when no tool may be called."""
        choice = fields.get("tool_choice")
        functions = functions_of(fields)
        if choice == "none" or not functions:
            return None
        if isinstance(choice, Mapping):
            chosen = choice.get("function")
            name = chosen.get("name") if isinstance(chosen, Mapping) else None
            functions = [each for each in functions if each.get("name") == name] or functions
        return cls(functions, is_required=choice == "required" or isinstance(choice, Mapping))

    def response_format(self) -> dict[str, JsonValue]:
        """Gives the schema of what the model may write."""
        forms: list[JsonValue] = [
            {
                "type": "object",
                "properties": {
                    "tool": {"const": each["name"]},
                    "arguments": each.get("parameters") or {"type": "object"},
                },
                "required": ["tool", "arguments"],
                "additionalProperties": False,
            }
            for each in self.tools
        ]
        if not self.is_required:
            forms.append(
                {
                    "type": "object",
                    "properties": {"answer": {"type": "string"}},
                    "required": ["answer"],
                    "additionalProperties": False,
                }
            )
        schema: JsonValue = {"anyOf": forms} if len(forms) > 1 else forms[0]
        return {"type": "json_schema", "json_schema": {"name": "tool_or_answer", "strict": True, "schema": schema}}

    def messages(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """Gives the conversation with the tools in its system prompt, and without calls."""
        described = "\n".join(pydantic_core.to_json(each).decode() for each in self.tools)
        prompt = _PROMPT.format(tools=described, otherwise=_MUST_CALL if self.is_required else _OR_ANSWER)
        plain = [_plain(each, messages) for each in messages]
        if plain and plain[0].role in {ChatRole.SYSTEM, ChatRole.DEVELOPER}:
            first = replace(plain[0], content=(TextPart(text=f"{plain[0].text}\n\n{prompt}"),))
            return (first, *plain[1:])
        return (ChatMessage.of(ChatRole.SYSTEM, prompt), *plain)


@dataclass(slots=True)
class ToolOrAnswer:
    """Reads what the model writes; an answer goes out as it comes."""

    _seen: str = ""
    _given: int = 0

    def feed(self, text: str) -> str:
        """Takes more of it; gives what that adds to the answer."""
        self._seen += text
        answer = self._object(is_whole=False).get("answer")
        if not isinstance(answer, str) or len(answer) <= self._given:
            return ""
        added, self._given = answer[self._given :], len(answer)
        return added

    def end(self) -> tuple[str, list[WrittenCall]]:
        """Gives the rest of the answer, and the call; text that is neither is given as it is."""
        found = self._object(is_whole=True)
        name, arguments = found.get("tool"), found.get("arguments")
        if isinstance(name, str) and isinstance(arguments, Mapping):
            return "", [WrittenCall(name, pydantic_core.to_json(arguments).decode())]
        if self._given or "answer" in found:
            return self.feed(""), []
        return self._seen, []

    def _object(self, *, is_whole: bool) -> Mapping[str, JsonValue]:
        if not is_whole and '"answer"' not in self._seen[:200]:
            return {}
        try:
            found = pydantic_core.from_json(self._seen, allow_partial="trailing-strings")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def functions_of(fields: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    """Gives the functions of the tools of a request that have a name."""
    tools = fields.get("tools")
    functions = [each.get("function") for each in tools if isinstance(each, Mapping)] if isinstance(tools, list) else []
    return [each for each in functions if isinstance(each, Mapping) and isinstance(each.get("name"), str)]


def _plain(message: ChatMessage, messages: Sequence[ChatMessage]) -> ChatMessage:
    if message.tool_calls:
        calls = [
            f'{{"tool": {pydantic_core.to_json(each.name).decode()}, "arguments": {each.arguments or "{}"}}}'
            for each in message.tool_calls
        ]
        text = "\n".join([*([message.text] if message.text else []), *calls])
        return ChatMessage.of(ChatRole.ASSISTANT, text)
    if message.role is ChatRole.TOOL:
        name = message.name or next(
            (call.name for each in messages for call in each.tool_calls if call.id == message.tool_call_id), "the tool"
        )
        return ChatMessage.of(ChatRole.USER, f"Result of {name}:\n{message.text}")
    return message
