"""What a call may come to, before it is made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alcove.gateway.calls import Call
from alcove.gateway.limits.models import nano_of
from alcove.kernel.chat import ChatRequest, Delta, ImagePart, TextPart, Usage
from alcove.kernel.clock import Clock
from alcove.kernel.ports import ModelInfo, Pricing

CHARACTERS_PER_TOKEN = 4
DEFAULT_OUTPUT_TOKENS = 4096
"""Held for an answer whose request sets no `max_tokens`."""

_IMAGE_TOKENS = 1_000
_MESSAGE_TOKENS = 4  # what a message costs beside its text
_MAX_OUTPUT_TOKENS = 10_000_000
_UNIT = 1_000_000
_KEPT_S = 60.0
_MAX_PRICES = 10_000


def tokens_of(characters: int) -> int:
    """Gives the tokens that a text of so many characters has, about."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def input_tokens_of(request: ChatRequest) -> int:
    """Gives the tokens of a request's messages and tools, about."""
    characters = tokens = 0
    for message in request.messages:
        tokens += _MESSAGE_TOKENS
        for part in message.content:
            if isinstance(part, TextPart):
                characters += len(part.text)
            elif isinstance(part, ImagePart):
                tokens += _IMAGE_TOKENS
            else:
                characters += len(str(part.data))
        for call in message.tool_calls:
            characters += len(call.name) + len(call.arguments)
    tools = request.extra.get("tools")
    if tools is not None:
        characters += len(str(tools))
    return tokens + tokens_of(characters)


def output_tokens_of(request: ChatRequest) -> int:
    """Gives the most tokens the answer may have: what the request says, for each of its choices, or a default."""
    extra = request.extra
    most, choices = extra.get("max_completion_tokens", extra.get("max_tokens")), extra.get("n", 1)
    if not isinstance(most, int) or isinstance(most, bool) or most <= 0:
        most = DEFAULT_OUTPUT_TOKENS
    if not isinstance(choices, int) or isinstance(choices, bool) or choices <= 0:
        choices = 1
    return min(most * choices, _MAX_OUTPUT_TOKENS)


def text_tokens_of(texts: Sequence[str]) -> int:
    """Gives the tokens of texts, about."""
    return tokens_of(sum(map(len, texts)))


def characters_of(delta: Delta) -> int:
    """Gives how many characters of the answer are in a delta."""
    found = len(delta.content) + len(delta.reasoning)
    for call in delta.tool_calls:
        found += len(call.name or "") + len(call.arguments)
    return found


@dataclass(frozen=True, slots=True)
class NoPrices:
    """Knows no price: money budgets bind nobody."""

    def nano_usd(self, call: Call) -> int:  # noqa: ARG002  the port's signature
        """Gives 0: not known."""
        return 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedEstimate:
    """Estimates by the price of a million tokens of each kind, which is asked for once a minute and model.

    Attributes:
        find: Gives what is known of a model, without waiting; None when it is not known here.
        pricing: What calls cost.
        clock: The time.
    """

    find: Callable[[str], ModelInfo | None]
    pricing: Pricing
    clock: Clock
    _prices: dict[str, tuple[float, int, int]] = field(default_factory=dict)

    def nano_usd(self, call: Call) -> int:
        """Gives the most a call may cost, in nano-dollars; 0 when no price is known."""
        now_s = self.clock.monotonic_s()
        found = self._prices.get(call.model)
        if found is None or found[0] <= now_s:
            found = self._priced(call.model, now_s)
        _, per_input, per_output = found
        if not per_input and not per_output:
            return 0
        return -(-(call.input_tokens * per_input + call.output_tokens * per_output) // _UNIT)

    def _priced(self, model_id: str, now_s: float) -> tuple[float, int, int]:
        info = self.find(model_id)
        per_input = per_output = 0
        if info is not None:
            per_input = nano_of(self.pricing.cost_usd(info, Usage(input_tokens=_UNIT)))
            per_output = nano_of(self.pricing.cost_usd(info, Usage(output_tokens=_UNIT)))
        if len(self._prices) >= _MAX_PRICES:
            self._prices.clear()
        found = self._prices[model_id] = (now_s + _KEPT_S, per_input, per_output)
        return found
