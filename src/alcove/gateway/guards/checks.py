"""Rules made ready for use: what they find in a text, and what they say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from alcove.gateway.guards.detectors import findings
from alcove.gateway.guards.models import BlockRule, Direction, Guardrail, LimitRule, RedactRule
from alcove.gateway.guards.patterns import Pattern, compiled, of_words, whole_words
from alcove.gateway.guards.redaction import Vault
from alcove.gateway.guards.texts import rewritten, texts_of, within_arguments
from alcove.gateway.guards.window import Span, Window
from alcove.kernel.chat import ChatRequest, ImagePart
from alcove.kernel.errors import ContentBlocked

MASK = "███"
_SECRET_WINDOW = 320  # longer than any key, token or address that is looked for; private keys are waited for
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A guardrail that is on.

    Attributes:
        name: Its name.
        rule: What it does.
        patterns: The compiled patterns of a rule that blocks.
        words: The compiled words of one.
    """

    name: str
    rule: RedactRule | BlockRule | LimitRule
    patterns: tuple[Pattern, ...] = ()
    words: Pattern | None = None

    @classmethod
    def of(cls, guard: Guardrail) -> "Guard":
        """Makes a guardrail ready."""
        rule = guard.rule
        if not isinstance(rule, BlockRule):
            return cls(name=guard.name, rule=rule)
        return cls(
            name=guard.name,
            rule=rule,
            patterns=tuple(compiled(each, is_case_sensitive=rule.is_case_sensitive) for each in rule.patterns),
            words=compiled(of_words(rule.words), is_case_sensitive=False) if rule.words else None,
        )

    def spans(self, text: str) -> Sequence[Span]:
        """Finds what a rule that blocks does not want: places in order that do not overlap."""
        found = sorted(self._found(text))
        spans: list[Span] = []
        for start, end in found:
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]), MASK)
            else:
                spans.append((start, end, MASK))
        return spans

    def refusal(self, what: str) -> ContentBlocked:
        """Gives the error that people get, with the guardrail's name and words."""
        told = self.rule.message if isinstance(self.rule, BlockRule) else ""
        return ContentBlocked(f"The guardrail {self.name!r} does not allow this {what}. {told}".strip())

    def looks_at(self, direction: Direction) -> bool:
        """Tells whether a rule that blocks looks there."""
        return isinstance(self.rule, BlockRule) and direction in self.rule.looks_at

    def window(self, vault: Vault | None) -> Window | None:
        """Gives what looks at one text of the answer; None where the rule has nothing to do there."""
        match self.rule:
            case BlockRule() if self.looks_at(Direction.OUTPUT):
                return Window(self.spans, self.rule.window, self.rule.action == "refuse")
            case RedactRule() if self.rule.masks_output:
                return Window(leaks(self.rule, vault), _SECRET_WINDOW, is_final=False)
        return None

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for pattern in self.patterns:
            for match in pattern.finditer(text):
                if match.span()[0] < match.span()[1]:
                    yield match.span()
        if self.words is not None:
            yield from whole_words(self.words, text)


def leaks(rule: RedactRule, vault: Vault | None) -> Callable[[str], Sequence[Span]]:
    """Gives what finds secrets and personal data that the client did not send."""
    kinds = frozenset(rule.finds)

    def find(text: str) -> Sequence[Span]:
        return [
            (each.start, each.end, f"<{each.kind.value.upper()}>")
            for each in findings(text, kinds)
            if vault is None or not vault.holds(text[each.start : each.end])
        ]

    return find


def masked(text: str, guard: Guard) -> str:
    """Gives a text with masks in place of what a rule that blocks finds."""
    window = Window(guard.spans, 0, is_final=False)
    return window.push(text, is_last=True)


def masked_request(request: ChatRequest, guard: Guard) -> ChatRequest:
    """Gives a request with masks in all its texts; in arguments of tool calls both as they read and as they stand."""

    def mask(text: str) -> str:
        return masked(text, guard)

    return rewritten(request, mask, lambda text: mask(within_arguments(text, mask)))


def over_limit(rule: LimitRule, request: ChatRequest) -> str:
    """Tells which limit a request is over, in words; empty for none."""
    texts = texts_of(request)
    images = sum(isinstance(part, ImagePart) for message in request.messages for part in message.content)
    tokens = sum(len(text.encode("utf-8", "replace")) for text in texts) // _BYTES_PER_TOKEN
    measured = (
        (sum(map(len, texts)), rule.max_characters, "characters"),
        (tokens, rule.max_tokens, "tokens (estimated)"),
        (len(request.messages), rule.max_messages, "messages"),
        (images, rule.max_images, "images"),
    )
    return next(
        (f"{size:,} {unit}, {most:,} are allowed" for size, most, unit in measured if most is not None and size > most),
        "",
    )
