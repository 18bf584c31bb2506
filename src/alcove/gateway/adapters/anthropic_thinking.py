"""How much a model of Anthropic's is to think, from OpenAI's `reasoning_effort`.

Newer models take a level of effort and decide themselves (`adaptive`); older ones take a budget of tokens (`enabled`). Which a model
takes, its entry in the list of models says; of one that is not listed, the budget is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from alcove.kernel.chat import JsonValue

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 32_768, "max": 32_768}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_LEAST_BUDGET = 1024
_FORCED = frozenset({"any", "tool"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelTraits:
    """What the server's list says of a model.

    Attributes:
        max_tokens: The most tokens its answers may have; None where it is not known.
        thinks_adaptively: Whether it decides itself how much to think.
        efforts: The levels of effort that it takes; None where it is not known.
    """

    max_tokens: int | None = None
    thinks_adaptively: bool = False
    efforts: frozenset[str] | None = None


def apply_thinking(body: dict[str, JsonValue], effort: JsonValue, traits: ModelTraits, *, has_max_tokens: bool) -> None:
    """Puts into a request how much to think, unless it says so itself in Anthropic's words.

    Args:
        body: The request, otherwise complete.
        effort: `reasoning_effort`.
        traits: What is known of the model.
        has_max_tokens: Whether the client bounded the answer; if not, thinking gets room beside it.
    """
    output = body.get("output_config")
    is_said = "thinking" in body or (isinstance(output, Mapping) and "effort" in output)
    if is_said or not isinstance(effort, str) or effort not in _BUDGETS:
        return
    choice = body.get("tool_choice")
    is_forced = isinstance(choice, Mapping) and choice.get("type") in _FORCED  # not allowed together with thinking
    if traits.thinks_adaptively:
        if not is_forced:
            body["thinking"] = {"type": "adaptive"}
        level = effort if effort in (traits.efforts or ()) else _LEVELS[effort]
        if traits.efforts is None or level in traits.efforts:
            body["output_config"] = {**(output if isinstance(output, Mapping) else {}), "effort": level}
    elif not is_forced:
        _apply_budget(body, _BUDGETS[effort], traits, has_max_tokens=has_max_tokens)
    if "thinking" in body:
        body.pop("temperature", None)  # nor is any but the default


def _apply_budget(body: dict[str, JsonValue], budget: int, traits: ModelTraits, *, has_max_tokens: bool) -> None:
    most = body.get("max_tokens")
    if not isinstance(most, int):
        return
    if not has_max_tokens:
        most = most + budget if traits.max_tokens is None else min(most + budget, traits.max_tokens)
        body["max_tokens"] = most
    budget = min(budget, most // 2)
    if budget >= _LEAST_BUDGET:
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
