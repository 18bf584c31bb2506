"""Guardrails around an answer: limits and words on the way in, redaction around every model call, checks on the way out."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio.to_thread

from alcove.gateway.guards.checks import Guard, masked_request, over_limit
from alcove.gateway.guards.directory import GuardDirectory
from alcove.gateway.guards.models import BlockRule, Direction, LimitRule, RedactRule
from alcove.gateway.guards.redaction import Redactor, Vault
from alcove.gateway.guards.texts import readings_of
from alcove.gateway.guards.window import Hit, Window
from alcove.kernel.chat import Delta, JsonValue, ToolCallDelta
from alcove.kernel.filters import BaseFilter, RequestHead
from alcove.kernel.trace import Level, ObservationKind
from alcove.kernel.turn import Turn

_FIRST = -1000  # before everything on the way in, after everything on the way out
_IN_THREAD = 20_000  # characters; more are searched in a thread


@dataclass(slots=True)
class GuardCounts:
    """What guardrails did, by name and action, since the process began."""

    actions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, name: str) -> dict[str, int]:
        """Gives how often a guardrail did what."""
        return {action: number for (each, action), number in list(self.actions.items()) if each == name}


@dataclass(frozen=True)
class GuardrailFilter(BaseFilter):
    """Acts in turns for which any guardrail is on. Nothing that a client sends can switch one off."""

    directory: GuardDirectory
    counts: GuardCounts = field(default_factory=GuardCounts)
    name: str = "guardrails"
    priority: int = _FIRST
    status: str = ""

    def concerns(self, head: RequestHead) -> bool:
        """Concerns exactly the requests for which a guardrail is on."""
        return self.directory.is_any_on(head.principal, head.model)

    def applies(self, turn: Turn) -> bool:
        """Applies where a guardrail is on."""
        return self.directory.is_any_on(turn.context.principal, *_ids(turn))

    async def inlet(self, turn: Turn) -> None:
        """Sets up redaction, then checks limits and words.

        Raises:
            GuardMissing: When a guardrail is named that is not there.
            ContentBlocked: When one does not allow the request.
        """
        guards = self._on(turn)
        hidden = frozenset(kind for each in guards if isinstance(each.rule, RedactRule) for kind in each.rule.finds)
        if hidden:  # first, so that the trace of a request that is refused below is masked too
            turn.context = replace(turn.context, shield=Redactor(Vault(hidden)))
        for guard in guards:
            match guard.rule:
                case LimitRule() as rule:
                    over = over_limit(rule, turn.request)
                    if over:
                        self._note(turn, guard, "refuse", {"limits": 1}, level=Level.WARNING)
                        raise guard.refusal(f"request: it has {over}")
                case BlockRule() if guard.looks_at(Direction.INPUT):
                    await self._check_input(turn, guard)

    async def stream(self, turn: Turn, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """Lets the answer out piece by piece, checked; a hit ends it, with `content_filter` for its reason."""
        guards = self._on(turn)
        shield = turn.context.shield
        vault = shield.vault if isinstance(shield, Redactor) else None
        for guard in guards:
            if guard.window(vault) is not None:
                deltas = self._checked(turn, guard, vault, deltas)
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()
            if vault is not None and vault.counts:
                names = [each.name for each in guards if isinstance(each.rule, RedactRule)]
                self._note_counts(turn, names[0], "redact", vault.counts)

    def _on(self, turn: Turn) -> Sequence[Guard]:
        return self.directory.on(turn.context.principal, *_ids(turn))

    async def _check_input(self, turn: Turn, guard: Guard) -> None:
        rule = guard.rule
        assert isinstance(rule, BlockRule)  # noqa: S101  the caller's match
        texts = readings_of(turn.request)
        if sum(map(len, texts)) > _IN_THREAD:
            found = await anyio.to_thread.run_sync(lambda: sum(len(guard.spans(text)) for text in texts))
        else:
            found = sum(len(guard.spans(text)) for text in texts)
        if not found:
            return
        if rule.action == "refuse":
            self._note(turn, guard, "refuse", {"matches": found}, level=Level.WARNING)
            raise guard.refusal("request")
        turn.request = masked_request(turn.request, guard)
        self._note(turn, guard, "mask", {"matches": found})

    async def _checked(
        self, turn: Turn, guard: Guard, vault: Vault | None, deltas: AsyncGenerator[Delta, None]
    ) -> AsyncGenerator[Delta, None]:
        windows = _Windows(guard, vault)
        is_over = False
        try:
            async for delta in deltas:
                shown = windows.passed(delta)
                if shown != Delta():
                    yield shown
                is_over = is_over or delta.finish_reason is not None
            if not is_over:
                yield windows.passed(Delta(), is_last=True)
        except Hit as hit:
            turn.served.is_stopped = True
            await deltas.aclose()  # the model is not to write on
            self._note(turn, guard, "refuse", {"matches": windows.found}, level=Level.WARNING)
            yield Delta(content=hit.before if windows.part == "content" else "", finish_reason="content_filter")
        else:
            if windows.found:
                self._note(turn, guard, "mask", {"matches": windows.found})
        finally:
            await deltas.aclose()

    def _note(
        self, turn: Turn, guard: Guard, action: str, found: dict[str, int], *, level: Level = Level.DEFAULT
    ) -> None:
        self._note_counts(turn, guard.name, action, found, level=level)

    def _note_counts(
        self, turn: Turn, name: str, action: str, found: dict[str, int], *, level: Level = Level.DEFAULT
    ) -> None:
        """Leaves an observation with counts, never with what was found."""
        self.counts.actions[name, action] += 1
        tracer = turn.context.tracer
        observation = tracer.begin(ObservationKind.FILTER, f"guardrail {name}")
        observation.level = level
        observation.metadata = {"action": action, "found": dict(found)}
        tracer.end(observation)


@dataclass(slots=True)
class _Windows:
    """The texts of one answer on their way out: content, reasoning, the arguments of each tool call.

    Attributes:
        part: The text that is being looked at.
    """

    guard: Guard
    vault: Vault | None
    part: str | int = "content"
    _open: dict[str | int, Window] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """How many finds there were."""
        return sum(each.count for each in self._open.values())

    def passed(self, delta: Delta, *, is_last: bool = False) -> Delta:
        """Gives what may go of a delta, and of what was held back.

        Raises:
            Hit: When something was found that ends the answer.
        """
        is_last = is_last or delta.finish_reason is not None
        calls = [
            replace(each, arguments=self._push(each.index, each.arguments, is_last=False)) for each in delta.tool_calls
        ]
        if is_last:
            calls += [
                ToolCallDelta(index=part, arguments=rest)
                for part in list(self._open)
                if isinstance(part, int) and (rest := self._push(part, "", is_last=True))
            ]
        return replace(
            delta,
            reasoning=self._push("reasoning", delta.reasoning, is_last=is_last),
            content=self._push("content", delta.content, is_last=is_last),
            tool_calls=tuple(calls),
            extra=self._extra(delta.extra) if delta.extra else delta.extra,
        )

    def _push(self, part: str | int, piece: str, *, is_last: bool) -> str:
        self.part = part
        window = self._open.get(part)
        if window is None:
            if not piece:
                return ""
            window = self.guard.window(self.vault)
            assert window is not None  # noqa: S101  only guards with one come here
            self._open[part] = window
        return window.push(piece, is_last=is_last)

    def _extra(self, extra: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Gives other fields of an answer that hold nothing unwanted; `logprobs` would tell the words that are held back."""
        kept: dict[str, JsonValue] = {}
        for key, value in extra.items():
            window = self.guard.window(self.vault)
            if (
                key != "logprobs"
                and window is not None
                and not window.find(json.dumps(value, ensure_ascii=False, default=str))
            ):
                kept[key] = value
        return kept


def _ids(turn: Turn) -> set[str]:
    """Gives the id that the client sent, which may be another name, the model's own, and those of the models it asks."""
    if turn.model is None:
        return {turn.request.model}
    info = turn.model.info
    return {turn.request.model, info.id, *info.aliases, *info.asks}
