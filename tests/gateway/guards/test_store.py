"""Guardrails that admins keep: both databases, the service, several processes."""

import pytest

from alcove.gateway.guards.directory import ConfiguredGuards, GuardDirectory
from alcove.gateway.guards.filter import GuardCounts
from alcove.gateway.guards.models import (
    Direction,
    GuardrailCreate,
    GuardrailPatch,
    GuardrailSettings,
    GuardSettings,
    GuardTry,
    RuleTry,
)
from alcove.gateway.guards.service import GuardService
from alcove.gateway.guards.store import SqlGuardStore
from alcove.infra.database import Database
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import AlreadyExists, Conflict, NotFound
from alcove.kernel.principal import Principal
from tests.gateway.conftest import ListAudit
from tests.gateway.guards.fakes import KnownNames

WORDS = {"kind": "block", "words": ["bomb"], "action": "mask", "looks_at": ["input"]}


async def service(database: Database) -> GuardService:
    store, clock = SqlGuardStore(database), FakeClock()
    fixed = GuardrailSettings.model_validate({"name": "house", "rule": {"kind": "redact", "finds": ["email"]}})
    directory = GuardDirectory(
        GuardSettings(guardrails=(fixed,), models={"local/*": ("house",)}),
        store,
        (ConfiguredGuards({}, KnownNames()),),
        clock,
    )
    await directory.load()
    return GuardService(directory=directory, store=store, audit=ListAudit(), clock=clock, counts=GuardCounts())


def new(**fields: object) -> GuardrailCreate:
    return GuardrailCreate.model_validate({"name": "words", "rule": WORDS, **fields})


async def test_a_guardrail_is_kept_changed_and_deleted_with_effect_at_once(
    database: Database, root: Principal, ada: Principal
):
    guards = await service(database)
    made = await guards.create(new(always_on=True), root)
    assert [each.name for each in await guards.list()] == ["house", "words"]
    assert (await guards.list())[1] == made
    assert [each.name for each in guards.directory.on(ada, "any")] == ["words"]
    rule = {"kind": "limit_prompt", "max_messages": 1}
    changed = await guards.update(made.id, GuardrailPatch.model_validate({"name": "few", "rule": rule}), root)
    assert (await guards.list())[1] == changed
    assert (changed.rule.kind, changed.always_on) == ("limit_prompt", True)
    await guards.update(made.id, GuardrailPatch(enabled=False), root)
    assert not guards.directory.is_any_on(ada, "any")
    await guards.delete(made.id, root)
    assert [each.name for each in await guards.list()] == ["house"]
    assert [each[1] for each in guards.audit.lines] == [
        "guardrail.create",
        "guardrail.update",
        "guardrail.update",
        "guardrail.delete",
    ]  # type: ignore[attr-defined]  # the fake's


async def test_names_are_unique_and_what_is_not_there_is_not_found(database: Database, root: Principal):
    guards = await service(database)
    first, second = await guards.create(new(), root), await guards.create(new(name="other"), root)
    for call in (
        guards.create(new(), root),
        guards.create(new(name="house"), root),
        guards.update(second.id, GuardrailPatch(name=first.name), root),
    ):
        with pytest.raises(AlreadyExists):
            await call
    for call_ in (
        guards.update("none", GuardrailPatch(), root),
        guards.delete("none", root),
        guards.test("none", GuardTry(text="x")),
    ):
        with pytest.raises(NotFound):
            await call_
    with pytest.raises(Conflict):
        await guards.delete("settings-house", root)


async def test_what_another_process_changes_is_seen(database: Database, root: Principal, ada: Principal):
    here, there = await service(database), await service(database)
    await there.create(new(always_on=True), root)
    assert not here.directory.is_any_on(ada, "any")
    await here.directory.load()
    assert here.directory.is_any_on(ada, "any")


@pytest.mark.parametrize(("rule", "direction", "action", "text"), [
    (WORDS, "input", "mask", "A ███!"), (WORDS, "output", "pass", "A bomb!"), ({**WORDS, "action": "refuse"}, "input", "refuse", ""),
    ({**WORDS, "action": "refuse", "looks_at": ["output"]}, "output", "refuse", "A "), ({"kind": "limit_prompt", "max_characters": 3}, "input", "refuse", ""),
    ({"kind": "redact"}, "input", "pass", "A bomb!"),
])  # fmt: skip
async def test_a_dry_run_tells_what_would_happen(rule: dict[str, object], direction: str, action: str, text: str, database: Database, root: Principal):  # fmt: skip
    guards = await service(database)
    made = await guards.create(new(rule=rule), root)
    told = await guards.test(made.id, GuardTry(text="A bomb!", direction=Direction(direction)))
    assert (told.action, told.text) == (action, text)
    hidden = await guards.test("settings-house", GuardTry(text="to a@b.org"))
    assert (hidden.action, hidden.text, hidden.found) == ("redact", "to <EMAIL_1>", {"email": 1})


@pytest.mark.parametrize("rule", [
    {"kind": "block"}, {"kind": "block", "patterns": ["(?=a)b"]}, {"kind": "block", "patterns": ["(a"]}, {"kind": "block", "patterns": ["a*"]},
    {"kind": "block", "patterns": ["(((a{1,1000}){1,1000}){1,1000})"]},
    {"kind": "block", "words": [" "]}, {"kind": "limit_prompt"}, {"kind": "redact", "finds": []}, {"kind": "redact", "finds": ["names"]},
    {"kind": "other"}, {"kind": "block", "words": ["x"], "window": 100_000},
])  # fmt: skip
def test_rules_that_cannot_be_used_are_refused(rule: dict[str, object]):
    with pytest.raises(ValueError, match="validation error"):
        new(rule=rule)


async def test_a_card_tells_where_the_settings_have_it_on_and_what_it_did(database: Database, root: Principal):
    guards = await service(database)
    await guards.create(new(), root)
    guards.counts.actions.update({("words", "mask"): 2, ("other", "mask"): 1})
    house, words = await guards.list()
    assert (house.models, house.actions) == (("local/*",), {})
    assert (words.models, words.actions) == ((), {"mask": 2})


@pytest.mark.parametrize(("rule", "text", "action", "told"), [
    ({"kind": "redact"}, "Write to ada@example.org", "redact", ""),
    ({"kind": "limit_prompt", "max_characters": 3}, "Hello", "refuse", "'draft'"),
    ({"kind": "block", "patterns": ["FAL-[0-9]+"], "message": "Ask us."}, "See FAL-12", "refuse", "Ask us."),
    ({"kind": "block", "words": ["falcon"], "action": "mask"}, "A duck", "pass", ""),
])  # fmt: skip
async def test_a_rule_is_tried_before_any_guardrail_has_it(
    database: Database, rule: dict[str, object], text: str, action: str, told: str
):
    guards = await service(database)
    found = guards.test_rule(RuleTry.model_validate({"name": "draft", "rule": rule, "text": text}))
    assert found.action == action
    assert told in found.message
    assert [each.name for each in await guards.list()] == ["house"]
