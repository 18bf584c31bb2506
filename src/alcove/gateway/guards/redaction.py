"""Stand-ins for secrets and personal data: put in before a model is asked, taken out of its answer again.

What stands for what is known to one turn alone and kept nowhere. The same value has the same stand-in in every call of the turn,
also in those that agents and collections make, so a model can still tell one person from another.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import anyio.to_thread
import re2

from alcove.gateway.guards.detectors import Sensitive, findings
from alcove.gateway.guards.texts import rewritten, texts_of, within_arguments
from alcove.kernel.chat import (
    ChatRequest,
    Citation,
    Delta,
    Source,
    ToolCallDelta,
)

_STAND_IN = re2.compile(r"(?:<|\\u003[cC])((?:SECRET|EMAIL|PHONE|IBAN|CARD|IP|NATIONAL_ID)_\d{1,6})(?:>|\\u003[eE])")
_OPENINGS = ("<", "\\u003c")
_CLOSINGS = (">", "\\u003e")
_IN_THREAD = 20_000  # characters; more are searched in a thread, since it takes more than a millisecond


@dataclass(slots=True)
class Vault:
    """What stands for what in one turn.

    Attributes:
        kinds: What is hidden.
    """

    kinds: frozenset[Sensitive]
    _names: dict[str, str] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _numbers: dict[Sensitive, int] = field(default_factory=dict)
    _reserved: set[str] = field(default_factory=set)
    _longest: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many different values of each kind are hidden."""
        return {kind.value: number for kind, number in self._numbers.items() if number}

    def holds(self, value: str) -> bool:
        """Tells whether a value is hidden from the model, and so known to the client."""
        return value in self._names

    def reserve(self, text: str) -> None:
        """Keeps stand-ins free that a text has of its own, so that they are not taken for ours."""
        for match in _STAND_IN.finditer(text):
            if match.group(1) not in self._values:
                self._reserved.add(match.group(1))

    def hide(self, text: str) -> str:
        """Gives a text with stand-ins."""
        found = findings(text, self.kinds)
        if not found:
            return text
        pieces: list[str] = []
        end = 0
        for each in found:
            pieces += [text[end : each.start], f"<{self._name(each.kind, text[each.start : each.end])}>"]
            end = each.end
        pieces.append(text[end:])
        return "".join(pieces)

    def restore(self, text: str, *, is_json: bool = False) -> str:
        """Gives a text with the values in place of their stand-ins.

        Args:
            text: The text.
            is_json: Whether it is JSON text, in which values stand between quotes.
        """
        if not self._values or ("<" not in text and "\\u003" not in text):
            return text

        pieces: list[str] = []
        end = 0
        for match in _STAND_IN.finditer(text):
            value = self._values.get(match.group(1))
            if value is not None:
                pieces += [text[end : match.start()], _in_json(value) if is_json else value]
                end = match.end()
        pieces.append(text[end:])
        return "".join(pieces)

    def open_at(self, text: str) -> int:
        """Gives where a stand-in begins of which the text may have only the first part; its length where none does."""
        start = max(0, len(text) - self._longest)
        for index in range(start, len(text)):
            if text[index] in "<\\" and self._may_begin(text[index:].lower()):
                return index
        return len(text)

    def scrub(self, text: str) -> str:
        """Gives a text as it may be kept: without what is hidden, and without anything else of the kind."""
        hidden = self.hide(text)
        for value in sorted(self._names, key=len, reverse=True):
            for form in {value, _in_json(value)}:
                if form in hidden:
                    hidden = hidden.replace(form, f"<{self._names[value]}>")
        return hidden

    def _may_begin(self, tail: str) -> bool:
        for opening in _OPENINGS:
            if opening.startswith(tail):
                return True
            if tail.startswith(opening):
                rest = tail[len(opening) :]
                for closing in _CLOSINGS:
                    if any(
                        (name.lower() + closing).startswith(rest) and rest != name.lower() + closing
                        for name in self._values
                    ):
                        return True
        return False

    def _name(self, kind: Sensitive, value: str) -> str:
        name = self._names.get(value)
        if name is None:
            number = self._numbers.get(kind, 0) + 1
            while f"{kind.value.upper()}_{number}" in self._reserved:
                number += 1
            self._numbers[kind] = number
            name = f"{kind.value.upper()}_{number}"
            self._names[value], self._values[name] = name, value
            self._longest = max(self._longest, len(name) + len(_OPENINGS[1]) + len(_CLOSINGS[1]))
        return name


@dataclass(slots=True)
class Redactor:
    """The kernel's `Shield`: hides what its vault hides from every model that is called in a turn."""

    vault: Vault
    _sources: dict[int, Source] = field(default_factory=dict)

    async def conceal(self, request: ChatRequest) -> ChatRequest:
        """Gives the request with stand-ins: in messages, tool calls and their results, tools, passages, every other field."""
        self._sources.update((each.number, each) for each in request.sources)
        size = sum(map(len, texts_of(request))) + sum(len(each.text) for each in request.sources)
        if size > _IN_THREAD:
            return await anyio.to_thread.run_sync(self._concealed, request)
        return self._concealed(request)

    async def reveal(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """Gives the answer with the values back in place, wherever stand-ins are cut."""
        held = _Held(self.vault)
        try:
            async for delta in deltas:
                shown = self._revealed(delta, held)
                if shown is not None:
                    yield shown
            rest = held.rest(Delta())
            if rest != Delta():
                yield rest
        finally:
            await deltas.aclose()

    def mask(self, text: str) -> str:
        """Gives a text as it may be kept in a trace."""
        return self.vault.scrub(text)

    def _concealed(self, request: ChatRequest) -> ChatRequest:
        for text in texts_of(request):
            self.vault.reserve(text)
        hide = self.vault.hide
        hidden = rewritten(request, hide, lambda text: within_arguments(text, hide))
        return replace(
            hidden,
            sources=tuple(
                replace(each, text=self.vault.hide(each.text), document=self.vault.hide(each.document))
                for each in request.sources
            ),
        )

    def _revealed(self, delta: Delta, held: "_Held") -> Delta | None:
        citations = tuple(self._citation(each) for each in delta.citations)
        if delta.finish_reason is not None:
            return held.rest(replace(delta, citations=citations))
        shown = replace(
            delta,
            content=held.text("content", delta.content),
            reasoning=held.text("reasoning", delta.reasoning),
            tool_calls=tuple(
                replace(each, name=held.name(each), arguments=held.text(each.index, each.arguments))
                for each in delta.tool_calls
            ),
            citations=citations,
        )
        return None if shown == Delta() else shown

    def _citation(self, citation: Citation) -> Citation:
        quote = self.vault.restore(citation.quote)
        if quote == citation.quote:
            return citation
        source = self._sources.get(citation.number)
        place = -1 if source is None or source.start is None else source.text.find(quote)
        if place < 0 or source is None or source.start is None:
            return replace(citation, quote=quote, start=None, end=None)
        start = source.start + place
        return replace(citation, quote=quote, start=start, end=start + len(quote))


@dataclass(slots=True)
class _Held:
    """What is not shown yet, because it may be the beginning of a stand-in; by part of the answer (a number: a tool call)."""

    vault: Vault
    _tails: dict[str | int, str] = field(default_factory=dict)

    def text(self, part: str | int, piece: str) -> str:
        """Takes the next piece; gives what can be shown now."""
        if not piece:
            return ""
        text = self._tails.pop(part, "") + piece
        end = self.vault.open_at(text)
        if end < len(text):
            self._tails[part] = text[end:]
        return self._restored(part, text[:end])

    def name(self, call: ToolCallDelta) -> str | None:
        """Gives the name of the tool that is called, which comes whole."""
        return None if call.name is None else self.vault.restore(call.name)

    def rest(self, delta: Delta) -> Delta:
        """Gives the last delta with everything that was held back put before what it says itself."""
        content = self._restored("content", self._tails.pop("content", "") + delta.content)
        reasoning = self._restored("reasoning", self._tails.pop("reasoning", "") + delta.reasoning)
        calls = [
            replace(
                each,
                name=self.name(each),
                arguments=self._restored(each.index, self._tails.pop(each.index, "") + each.arguments),
            )
            for each in delta.tool_calls
        ]
        calls += [
            ToolCallDelta(index=part, arguments=self._restored(part, tail))
            for part, tail in self._tails.items()
            if isinstance(part, int)
        ]
        self._tails.clear()
        return replace(delta, content=content, reasoning=reasoning, tool_calls=tuple(calls))

    def _restored(self, part: str | int, text: str) -> str:
        return self.vault.restore(text, is_json=isinstance(part, int))


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
