"""Guardrails as data: what they do, how they are kept, what their routes take and give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from alcove.gateway.guards.detectors import Sensitive
from alcove.gateway.guards.patterns import MAX_PATTERN, compiled, of_words


def _checked(pattern: str) -> str:
    compiled(pattern)
    return pattern


GuardName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
PatternText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATTERN), AfterValidator(_checked)]


class Direction(StrEnum):
    """Where a guardrail looks."""

    INPUT = "input"
    OUTPUT = "output"


class RedactRule(BaseModel):
    """Hides secrets and personal data from models, and puts them back into the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["redact"] = "redact"
    finds: Annotated[tuple[Sensitive, ...], Field(min_length=1)] = tuple(Sensitive)
    """What is hidden. Default: everything that can be found."""

    masks_output: bool = False
    """Whether such things are taken out of answers too, where the client did not send them itself. Default: no."""


class BlockRule(BaseModel):
    """Looks for words and patterns that are not wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["block"] = "block"
    words: Annotated[tuple[Word, ...], Field(max_length=1000)] = ()
    """Words and phrases, found as whole words in any case."""

    patterns: Annotated[tuple[PatternText, ...], Field(max_length=100)] = ()
    """Patterns in RE2's syntax, which has no look-around and no back-references, and so cannot be made to hang."""

    is_case_sensitive: bool = False
    """Whether patterns tell upper from lower case. Default: no."""

    looks_at: Annotated[tuple[Direction, ...], Field(min_length=1)] = (Direction.INPUT, Direction.OUTPUT)
    """Where it looks: what goes in, what comes out, or both."""

    action: Literal["refuse", "mask"] = "refuse"
    """`refuse` refuses the request, or ends the answer; `mask` puts `███` in place of what was found."""

    message: Annotated[str, Field(max_length=500)] = ""
    """What people are told."""

    window: Annotated[int, Field(ge=16, le=4096)] = 256
    """Characters of an answer that are held back: longer matches may be found too late. 16 to 4,096."""

    @model_validator(mode="after")
    def _check(self) -> "BlockRule":
        if not self.words and not self.patterns:
            msg = "name at least one word or pattern"
            raise ValueError(msg)
        for pattern in self.patterns:
            compiled(pattern, is_case_sensitive=self.is_case_sensitive)
        if self.words:
            compiled(of_words(self.words), is_case_sensitive=False)
        return self


class LimitRule(BaseModel):
    """Bounds what may be sent to a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["limit_prompt"] = "limit_prompt"
    max_characters: Annotated[int | None, Field(ge=1)] = None
    """Characters of all messages together."""
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    """Tokens of all messages together, estimated as a quarter of the UTF-8 bytes."""
    max_messages: Annotated[int | None, Field(ge=1)] = None
    """Messages."""
    max_images: Annotated[int | None, Field(ge=0)] = None
    """Images."""

    @model_validator(mode="after")
    def _check(self) -> "LimitRule":
        if self.max_characters is self.max_tokens is self.max_messages is self.max_images is None:
            msg = "name at least one limit"
            raise ValueError(msg)
        return self


Rule = Annotated[RedactRule | BlockRule | LimitRule, Field(discriminator="kind")]


class GuardSource(StrEnum):
    """Where a guardrail comes from."""

    SETTINGS = "settings"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Guardrail:
    """A guardrail.

    Attributes:
        id: Row id; for those of the settings, a word and the name.
        name: What keys, groups and models name it by; unique.
        rule: What it does.
        is_enabled: Whether it can be on at all.
        is_always_on: Whether it is on for everybody and every model.
        source: Where it comes from.
        created_at: When it was added.
        updated_at: When it was changed last.
        changed_by: Id of the admin who did.
    """

    id: str
    name: str
    rule: RedactRule | BlockRule | LimitRule
    is_enabled: bool = True
    is_always_on: bool = False
    source: GuardSource = GuardSource.ADMIN
    created_at: datetime
    updated_at: datetime
    changed_by: str | None = None


class GuardrailSettings(BaseModel):
    """A guardrail named in the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: GuardName
    """Short name: small letters, digits, `.`, `_`, `-`; up to 63."""

    rule: Rule
    """What it does; see the guide on guardrails."""

    is_always_on: bool = False
    """Whether it is on for everybody and every model. Default: where keys, people, groups or models name it."""


class GuardSettings(BaseModel):
    """What may not go into a model, and what may not come out."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    guardrails: tuple[GuardrailSettings, ...] = ()
    """Guardrails, as `[[guards.guardrails]]`. Admins can add more in the page."""

    models: dict[str, tuple[GuardName, ...]] = Field(default_factory=dict)
    """Guardrails that are on for models, by id, or by the beginning of ids and `*`."""

    reload_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds after which changes that another process made are seen. Up to 3,600."""


class GuardrailCard(BaseModel):
    """A guardrail, as admins see it."""

    id: str
    name: str
    rule: Rule
    enabled: bool
    always_on: bool
    source: GuardSource
    models: tuple[str, ...]
    """Models that the settings switch it on for: ids, or the beginning of ids and `*`."""
    actions: dict[str, int]
    """How often it did what, since this process began."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, guard: Guardrail, models: Sequence[str], actions: Mapping[str, int]) -> "GuardrailCard":
        """Gives a guardrail's card."""
        return cls(
            id=guard.id,
            name=guard.name,
            rule=guard.rule,
            enabled=guard.is_enabled,
            always_on=guard.is_always_on,
            source=guard.source,
            models=tuple(models),
            actions=dict(actions),
            created_at=guard.created_at,
            updated_at=guard.updated_at,
        )


class GuardrailCreate(BaseModel):
    """A guardrail to add."""

    model_config = ConfigDict(extra="forbid")

    name: GuardName
    rule: Rule
    enabled: bool = True
    always_on: bool = False


class GuardrailPatch(BaseModel):
    """Changes to a guardrail; what is absent stays. A rule is replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    name: GuardName | None = None
    rule: Rule | None = None
    enabled: bool | None = None
    always_on: bool | None = None


class GuardTry(BaseModel):
    """A text to try a guardrail on."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    direction: Direction = Direction.INPUT


class RuleTry(GuardTry):
    """A text to try a rule on that no guardrail has yet."""

    rule: Rule
    name: GuardName = "untitled"
    """What the guardrail is to be called; it stands in the message."""


class GuardVerdict(BaseModel):
    """What a guardrail would do with a text."""

    action: Literal["pass", "refuse", "mask", "redact"]
    text: str
    """What would go on: to the model, or to the client."""
    found: dict[str, int]
    """How often what was found."""
    message: str = ""
    """What people would be told."""
