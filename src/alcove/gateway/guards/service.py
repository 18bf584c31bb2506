"""What admins do with guardrails. Every change takes effect at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from alcove.gateway.guards.checks import Guard, masked, over_limit
from alcove.gateway.guards.detectors import findings
from alcove.gateway.guards.directory import GuardDirectory
from alcove.gateway.guards.filter import GuardCounts
from alcove.gateway.guards.models import (
    BlockRule,
    Direction,
    Guardrail,
    GuardrailCard,
    GuardrailCreate,
    GuardrailPatch,
    GuardTry,
    GuardVerdict,
    LimitRule,
    RedactRule,
    RuleTry,
)
from alcove.gateway.guards.ports import GuardStore
from alcove.gateway.guards.redaction import Vault
from alcove.gateway.ports import Audit, Origin
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlreadyExists, Conflict, FieldError, NotFound
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Principal

_NO_REQUEST = Origin()


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardService:
    """Looks after the guardrails.

    Attributes:
        directory: Those in use.
        store: Those that admins added.
        audit: Remembers who did what.
        clock: The time.
        counts: What they did.
    """

    directory: GuardDirectory
    store: GuardStore
    audit: Audit
    clock: Clock
    counts: GuardCounts

    async def list(self) -> Sequence[GuardrailCard]:
        """Lists all: of the settings, of admins."""
        return [self._card(each) for each in (*self.directory.of_settings(), *await self.store.list())]

    async def create(self, data: GuardrailCreate, who: Principal, origin: Origin = _NO_REQUEST) -> GuardrailCard:
        """Adds a guardrail.

        Raises:
            AlreadyExists: When its name is taken.
        """
        self._check_free(data.name)
        now = self.clock.now()
        guard = Guardrail(
            id=new_id(),
            name=data.name,
            rule=data.rule,
            is_enabled=data.enabled,
            is_always_on=data.always_on,
            created_at=now,
            updated_at=now,
            changed_by=who.user_id,
        )
        await self.store.add(guard)
        await self._changed(who, "guardrail.create", guard.id, origin)
        return self._card(guard)

    async def update(
        self, guard_id: str, data: GuardrailPatch, who: Principal, origin: Origin = _NO_REQUEST
    ) -> GuardrailCard:
        """Changes a guardrail.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is one of the settings.
            AlreadyExists: When its new name is taken.
        """
        old = await self._get(guard_id)
        if data.name is not None:
            self._check_free(data.name)
        new = replace(
            old,
            name=data.name or old.name,
            rule=data.rule or old.rule,
            is_enabled=old.is_enabled if data.enabled is None else data.enabled,
            is_always_on=old.is_always_on if data.always_on is None else data.always_on,
            updated_at=self.clock.now(),
            changed_by=who.user_id,
        )
        await self.store.update(new)
        await self._changed(who, "guardrail.update", guard_id, origin)
        return self._card(new)

    async def delete(self, guard_id: str, who: Principal, origin: Origin = _NO_REQUEST) -> None:
        """Deletes a guardrail. Requests for which it is still named are refused until it is named no more.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is one of the settings.
        """
        await self._get(guard_id)
        await self.store.delete(guard_id)
        await self._changed(who, "guardrail.delete", guard_id, origin)

    async def test(self, guard_id: str, data: GuardTry) -> GuardVerdict:
        """Tells what a guardrail would do with a text; nothing is kept of it.

        Raises:
            NotFound: When there is none of that id.
        """
        found = next((each for each in self.directory.of_settings() if each.id == guard_id), None)
        return verdict(Guard.of(found or await self._get(guard_id)), data)

    def test_rule(self, data: RuleTry) -> GuardVerdict:
        """Tells what a rule would do with a text, before a guardrail has it; nothing is kept of either."""
        now = self.clock.now()
        guard = Guardrail(id="", name=data.name, rule=data.rule, created_at=now, updated_at=now)
        return verdict(Guard.of(guard), data)

    def _card(self, guard: Guardrail) -> GuardrailCard:
        models = [pattern for pattern, names in self.directory.settings.models.items() if guard.name in names]
        return GuardrailCard.of(guard, models, self.counts.of(guard.name))

    async def _get(self, guard_id: str) -> Guardrail:
        found = next((each for each in await self.store.list() if each.id == guard_id), None)
        if found is not None:
            return found
        if any(each.id == guard_id for each in self.directory.of_settings()):
            detail = "This guardrail is not kept here: change it in the settings."
            raise Conflict(detail)
        raise NotFound

    def _check_free(self, name: str) -> None:
        if any(each.name == name for each in self.directory.settings.guardrails):
            detail = f"There is a guardrail named {name!r} in the settings; choose another name."
            raise AlreadyExists(detail, fields=(FieldError(field="name", message="is taken"),))

    async def _changed(self, who: Principal, action: str, guard_id: str, origin: Origin) -> None:
        await self.audit.record(who, action, f"guardrail:{guard_id}", origin)
        await self.directory.load()


def verdict(guard: Guard, data: GuardTry) -> GuardVerdict:
    """Tells what a guardrail does with a text."""
    found: GuardVerdict | None
    match guard.rule:
        case LimitRule() as rule:
            found = _of_limits(guard, rule, data)
        case RedactRule() as rule:
            found = _of_redaction(guard, rule, data)
        case BlockRule() as rule:
            found = _of_words(guard, rule, data)
        case _ as never:
            assert_never(never)
    return found or GuardVerdict(action="pass", text=data.text, found={})


def _of_limits(guard: Guard, rule: LimitRule, data: GuardTry) -> GuardVerdict | None:
    request = ChatRequest(model="", messages=(ChatMessage.of(ChatRole.USER, data.text),))
    over = over_limit(rule, request) if data.direction is Direction.INPUT else ""
    if not over:
        return None
    message = guard.refusal(f"request: it has {over}").detail
    return GuardVerdict(action="refuse", text="", found={"limits": 1}, message=message)


def _of_redaction(guard: Guard, rule: RedactRule, data: GuardTry) -> GuardVerdict | None:
    kinds = frozenset(rule.finds)
    found = dict(Counter(each.kind.value for each in findings(data.text, kinds)))
    if not found:
        return None
    if data.direction is Direction.INPUT:
        return GuardVerdict(action="redact", text=Vault(kinds).hide(data.text), found=found)
    window = guard.window(None)
    if window is None:
        return None
    return GuardVerdict(action="mask", text=window.push(data.text, is_last=True), found=found)


def _of_words(guard: Guard, rule: BlockRule, data: GuardTry) -> GuardVerdict | None:
    spans = guard.spans(data.text) if guard.looks_at(data.direction) else ()
    if not spans:
        return None
    found = {"matches": len(spans)}
    if rule.action == "mask":
        return GuardVerdict(action="mask", text=masked(data.text, guard), found=found)
    is_input = data.direction is Direction.INPUT
    message = guard.refusal("request" if is_input else "answer").detail
    text = "" if is_input else data.text[: spans[0][0]]
    return GuardVerdict(action="refuse", text=text, found=found, message=message)
