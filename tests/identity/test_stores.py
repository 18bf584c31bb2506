"""One contract for every store of the room, in memory and in the SQL database."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from alcove.identity.audit import AuditService
from alcove.identity.key_store import SqlGroupStore, SqlKeyStore
from alcove.identity.limits import NO_LIMITS, Limits
from alcove.identity.models import (
    Action,
    Actor,
    ApiKey,
    AuditEvent,
    Group,
    GroupChange,
    KeySecret,
    KeyTerms,
    LastAdmin,
    Outcome,
    Session,
    User,
    UserChange,
)
from alcove.identity.ports import AuditStore, GroupStore, KeyStore, SessionStore, UserStore
from alcove.identity.store import SqlAuditStore, SqlSessionStore, SqlUserStore
from alcove.identity.testing import (
    MemoryAuditStore,
    MemoryGroupStore,
    MemoryKeyStore,
    MemorySessionStore,
    MemoryTables,
    MemoryUserStore,
)
from alcove.infra.database import Database, metadata, open_database
from alcove.infra.ratelimit import memory_window
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import AlreadyExists, InvalidRequest
from alcove.kernel.ids import new_id
from alcove.kernel.pages import PageRequest
from alcove.kernel.principal import Role

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Stores:
    users: UserStore
    sessions: SessionStore
    keys: KeyStore
    audit: AuditStore
    groups: GroupStore


def sql_stores(database: Database) -> Stores:
    return Stores(
        SqlUserStore(database), SqlSessionStore(database), SqlKeyStore(database), SqlAuditStore(database),
        SqlGroupStore(database),
    )  # fmt: skip


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def stores(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Stores]:
    if request.param == "memory":
        tables = MemoryTables()
        yield Stores(
            MemoryUserStore(tables), MemorySessionStore(tables), MemoryKeyStore(tables), MemoryAuditStore(tables),
            MemoryGroupStore(tables),
        )  # fmt: skip
        return
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    database = open_database(url)
    async with database.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    yield sql_stores(database)
    await database.close()


def user(email: str, *, role: Role = Role.USER) -> User:
    return User(id=new_id(), email=email, name="N", role=role, is_disabled=False, password_hash="$x", created_at=NOW)


def session(owner: User, *, token_hash: str = "a" * 64, lasts: timedelta = timedelta(days=1)) -> Session:
    return Session(
        id=new_id(), user_id=owner.id, token_hash=token_hash, created_at=NOW, last_seen_at=NOW, expires_at=NOW + lasts
    )


def key(owner: User, prefix: str) -> ApiKey:
    return ApiKey(id=new_id(), owner_id=owner.id, name="k", prefix=prefix, digest="d" * 64, created_at=NOW)


async def test_a_user_comes_back_as_kept(stores: Stores) -> None:
    assert not await stores.users.has_any()
    ada = user("ada@example.org", role=Role.ADMIN)
    await stores.users.add(ada)
    assert await stores.users.has_any()
    assert await stores.users.get(ada.id) == ada
    assert await stores.users.by_email(ada.email) == ada
    assert await stores.users.get("nobody") is None
    assert await stores.users.by_email("' OR 1=1--") is None


async def test_an_address_is_taken_once(stores: Stores) -> None:
    await stores.users.add(user("ada@example.org"))
    with pytest.raises(AlreadyExists) as taken:
        await stores.users.add(user("ada@example.org"))
    assert [each.field for each in taken.value.fields] == ["email"]


async def test_of_many_first_users_one_is_kept(stores: Stores) -> None:
    kept: list[bool] = []

    async def add(number: int) -> None:
        kept.append(await stores.users.add_first(user(f"u{number}@example.org", role=Role.ADMIN)))

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(add, number)
    assert sorted(kept) == [False] * 5 + [True]
    assert len((await stores.users.page(PageRequest())).items) == 1


async def test_changes_touch_what_they_name(stores: Stores) -> None:
    ada = user("ada@example.org")
    await stores.users.add(ada)
    assert await stores.users.change(ada.id, UserChange(name="Ada")) == replace(ada, name="Ada")
    changed = await stores.users.change(ada.id, UserChange(role=Role.ADMIN, is_disabled=True, password_hash="$y"))
    assert changed == replace(ada, name="Ada", role=Role.ADMIN, is_disabled=True, password_hash="$y")
    assert await stores.users.change(ada.id, UserChange()) == changed
    assert await stores.users.change(new_id(), UserChange(name="x")) is None


async def test_one_active_admin_stays_whatever_is_tried_at_once(stores: Stores) -> None:
    admins = [user(f"a{number}@example.org", role=Role.ADMIN) for number in range(5)]
    for admin in admins:
        await stores.users.add(admin)
    refused = 0

    async def leave(number: int, admin: User) -> None:
        nonlocal refused
        try:
            if number % 3 == 0:
                await stores.users.change(admin.id, UserChange(role=Role.USER))
            elif number % 3 == 1:
                await stores.users.change(admin.id, UserChange(is_disabled=True))
            else:
                await stores.users.delete(admin.id)
        except LastAdmin:
            refused += 1

    async with anyio.create_task_group() as group:
        for number, admin in enumerate(admins):
            group.start_soon(leave, number, admin)
    assert refused == 1
    left = (await stores.users.page(PageRequest())).items
    assert sum(each.is_active_admin for each in left) == 1


async def test_deleting_a_user_takes_sessions_and_keys_along(stores: Stores) -> None:
    ada, bob = user("ada@example.org"), user("bob@example.org")
    for each, letter in ((ada, "a"), (bob, "b")):
        await stores.users.add(each)
        await stores.sessions.add(session(each, token_hash=letter * 64))
        await stores.keys.add(key(each, letter * 8))
    assert await stores.users.delete(ada.id)
    assert not await stores.users.delete(ada.id)
    assert await stores.sessions.by_token_hash("a" * 64) is None
    assert await stores.keys.by_prefix("a" * 8) is None
    assert await stores.sessions.by_token_hash("b" * 64) is not None
    assert await stores.keys.by_prefix("b" * 8) is not None


async def test_users_are_paged_newest_first(stores: Stores) -> None:
    made = [user(f"u{number}@example.org") for number in range(5)]
    for each in made:
        await stores.users.add(each)
    first = await stores.users.page(PageRequest(limit=2))
    second = await stores.users.page(PageRequest(limit=2, cursor=first.next_cursor))
    third = await stores.users.page(PageRequest(limit=2, cursor=second.next_cursor))
    assert [each.id for page in (first, second, third) for each in page.items] == [each.id for each in reversed(made)]
    assert third.next_cursor is None
    with pytest.raises(InvalidRequest):
        await stores.users.page(PageRequest(cursor="x"))


async def test_sessions_end_as_told(stores: Stores) -> None:
    ada, bob = user("ada@example.org"), user("bob@example.org")
    await stores.users.add(ada)
    await stores.users.add(bob)
    mine = [session(ada, token_hash=f"{number}" * 64) for number in range(3)]
    old = session(bob, token_hash="o" * 64, lasts=timedelta(seconds=1))
    for each in (*mine, old):
        await stores.sessions.add(each)
    found = await stores.sessions.by_token_hash("1" * 64)
    assert found is not None
    assert (found.session, found.user) == (mine[1], ada)
    await stores.sessions.delete(mine[0].id)
    await stores.sessions.delete_of_user(ada.id, except_id=mine[2].id)
    await stores.sessions.delete_expired(NOW + timedelta(seconds=1))
    left = [await stores.sessions.by_token_hash(each.token_hash) for each in (*mine, old)]
    assert [each is not None for each in left] == [False, False, True, False]
    await stores.sessions.delete_of_user(ada.id)
    assert await stores.sessions.by_token_hash("2" * 64) is None


async def test_uses_are_noted_for_credential_and_user(stores: Stores) -> None:
    ada = user("ada@example.org")
    await stores.users.add(ada)
    mine, its = session(ada), key(ada, "prefix01")
    await stores.sessions.add(mine)
    await stores.keys.add(its)
    await stores.sessions.touch(mine.id, NOW + timedelta(minutes=1))
    found = await stores.sessions.by_token_hash(mine.token_hash)
    assert found is not None
    assert found.session.last_seen_at == found.user.last_seen_at == NOW + timedelta(minutes=1)
    await stores.keys.touch({its.id: NOW + timedelta(minutes=2)})
    known = await stores.keys.by_prefix("prefix01")
    assert known is not None
    assert known.key.last_used_at == known.user.last_seen_at == NOW + timedelta(minutes=2)
    await stores.sessions.touch("gone", NOW)
    await stores.keys.touch({"gone": NOW})


async def test_keys_belong_to_their_owner(stores: Stores) -> None:
    ada, bob = user("ada@example.org"), user("bob@example.org")
    await stores.users.add(ada)
    await stores.users.add(bob)
    made = [key(ada, f"prefix{number:02}") for number in range(3)]
    for each in made:
        await stores.keys.add(each)
    assert (await stores.keys.page(bob.id, PageRequest())).items == []
    first = await stores.keys.page(ada.id, PageRequest(limit=2))
    rest = await stores.keys.page(ada.id, PageRequest(limit=2, cursor=first.next_cursor))
    assert first.items + rest.items == list(reversed(made))
    assert not await stores.keys.revoke(bob.id, made[0].id, NOW)
    assert await stores.keys.count_good(ada.id) == 3
    assert await stores.keys.revoke(ada.id, made[0].id, NOW)
    assert await stores.keys.revoke(ada.id, made[0].id, NOW + timedelta(days=1))
    assert await stores.keys.count_good(ada.id) == 2
    known = await stores.keys.by_prefix("prefix00")
    assert known is not None
    assert known.key.revoked_at == NOW
    assert await stores.keys.by_prefix("prefix0_") is None


def event(number: int) -> AuditEvent:
    return AuditEvent(
        at=NOW + timedelta(seconds=number),
        actor=Actor(name="ada@example.org", ip="192.0.2.1", request_id=f"r{number}"),
        action=Action.LOGIN,
        object="user:ä",
        outcome=Outcome.OK,
    )


def auditing(store: AuditStore) -> AuditService:
    return AuditService(store=store, clock=FakeClock(), refusals=memory_window("r", amount=2, window_s=60))


async def test_audit_rows_form_a_whole_chain_even_when_added_at_once(stores: Stores) -> None:
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(stores.audit.append, event(number))
    service = auditing(stores.audit)
    entries = [entry async for entry in service.entries()]
    assert [entry.sequence for entry in entries] == list(range(1, 9))
    assert await service.first_broken() is None
    assert {entry.event.actor.request_id for entry in entries} == {f"r{number}" for number in range(8)}
    assert [entry.sequence for entry in await stores.audit.after(3, 2)] == [4, 5]


async def test_audit_rows_are_paged_newest_first(stores: Stores) -> None:
    for number in range(5):
        await stores.audit.append(event(number))
    first = await stores.audit.page(PageRequest(limit=3))
    rest = await stores.audit.page(PageRequest(limit=3, cursor=first.next_cursor))
    assert [entry.sequence for entry in first.items + rest.items] == [5, 4, 3, 2, 1]
    assert rest.next_cursor is None
    assert first.items[0].event == event(4)


async def test_refusals_of_one_address_write_only_so_many_rows(stores: Stores) -> None:
    service = auditing(stores.audit)
    for ip in ("192.0.2.1", "192.0.2.2"):
        for _ in range(5):
            await service.record_refusal(Actor(name="anonymous", ip=ip), Action.REQUEST, "GET /x")
    assert len([entry async for entry in service.entries()]) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET outcome = 'failed' WHERE sequence = 2",
        "UPDATE audit_entries SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 2",
        "DELETE FROM audit_entries WHERE sequence = 2",
    ],
)
async def test_a_row_changed_behind_our_back_shows(tmp_path: Any, statement: str) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    store = SqlAuditStore(database)
    for number in range(4):
        await store.append(event(number))
    async with database.write() as connection:
        await connection.execute(text(statement))
    assert await auditing(store).first_broken() == 2
    await database.close()


async def test_two_processes_write_one_chain(tmp_path: Any) -> None:
    path = tmp_path / "alcove.db"
    server, command = (open_database(f"sqlite+aiosqlite:///{path}") for _ in range(2))
    async with server.write() as connection:
        await connection.run_sync(metadata.create_all)
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(SqlAuditStore(server if number % 2 else command).append, event(number))
    assert await auditing(SqlAuditStore(server)).first_broken() is None
    await server.close()
    await command.close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM audit_entries").fetchone() == (10,)
    plain.close()


LIMITS = Limits(models=("gpt-*",), requests_per_minute=5, budget_usd=Decimal("0.10"), guards=("pii",))


async def test_limits_of_keys_and_people_come_back_and_can_be_taken_away(stores: Stores) -> None:
    ada = replace(user("ada@example.org"), limits=LIMITS)
    await stores.users.add(ada)
    its = ApiKey(
        id=new_id(), owner_id=ada.id, name="k", prefix="aaaaaaaa", digest="0" * 64, created_at=NOW, limits=LIMITS,
        scopes=("chat",), allowed_ips=("10.0.0.0/8",), rotated_at=NOW, old_digest="1" * 64, old_until=NOW,
    )  # fmt: skip
    await stores.keys.add(its)
    known = await stores.keys.by_prefix("aaaaaaaa")
    assert known is not None
    assert (known.key, known.user, known.group) == (its, ada, None)
    changed = replace(its, limits=NO_LIMITS, scopes=None, allowed_ips=(), name="n")
    assert await stores.keys.change_terms(ada.id, its.id, "n", KeyTerms()) == changed
    assert await stores.keys.get(its.id) == changed
    assert (await stores.users.change(ada.id, UserChange(name="A"))).limits == LIMITS  # type: ignore[union-attr]
    assert (await stores.users.change(ada.id, UserChange(limits=NO_LIMITS))).limits == NO_LIMITS  # type: ignore[union-attr]
    assert await stores.keys.change_terms(new_id(), its.id, "x", KeyTerms()) is None
    await stores.keys.revoke(ada.id, its.id, NOW)
    assert await stores.keys.change_terms(ada.id, its.id, "x", KeyTerms()) is None, "a revoked key stays as it was"
    assert (await stores.keys.get(its.id)) == replace(changed, revoked_at=NOW)


async def test_changes_of_a_keys_terms_and_of_its_secret_leave_each_other_alone(stores: Stores) -> None:
    ada = user("ada@example.org")
    await stores.users.add(ada)
    read = ApiKey(id=new_id(), owner_id=ada.id, name="k", prefix="aaaaaaaa", digest="0" * 64, created_at=NOW)
    await stores.keys.add(read)
    secret = KeySecret(digest="1" * 64, rotated_at=NOW, old_digest=read.digest, old_until=NOW)
    assert await stores.keys.change_secret(read, secret)
    terms = KeyTerms(expires_at=NOW, limits=LIMITS, scopes=("chat",), allowed_ips=("10.0.0.0/8",))
    changed = await stores.keys.change_terms(ada.id, read.id, "n", terms)
    assert changed == replace(
        read, name="n", expires_at=NOW, limits=LIMITS, scopes=("chat",), allowed_ips=("10.0.0.0/8",), digest="1" * 64,
        rotated_at=NOW, old_digest=read.digest, old_until=NOW,
    )  # fmt: skip
    assert await stores.keys.get(read.id) == changed
    again = KeySecret(digest="2" * 64, rotated_at=NOW)
    assert not await stores.keys.change_secret(read, again), "it has another secret by now"
    assert not await stores.keys.change_secret(replace(changed, owner_id=new_id()), again)
    assert await stores.keys.change_secret(changed, again)
    assert await stores.keys.get(read.id) == replace(changed, digest="2" * 64, old_digest=None, old_until=None)
    await stores.keys.revoke(ada.id, read.id, NOW)
    assert not await stores.keys.change_secret(replace(changed, digest="2" * 64), secret)


async def test_groups_their_members_and_their_keys(stores: Stores) -> None:
    ada, bob = user("ada@example.org"), user("bob@example.org")
    for each in (ada, bob):
        await stores.users.add(each)
    group = Group(id=new_id(), name="Research", created_at=NOW, limits=LIMITS)
    await stores.groups.add(group)
    with pytest.raises(AlreadyExists):
        await stores.groups.add(replace(group, id=new_id(), name="RESEARCH"))
    other = Group(id=new_id(), name="Art", created_at=NOW)
    await stores.groups.add(other)
    with pytest.raises(AlreadyExists):
        await stores.groups.change(other.id, GroupChange(name="research"))
    its = ApiKey(
        id=new_id(), owner_id=ada.id, name="k", prefix="aaaaaaaa", digest="0" * 64, created_at=NOW, group_id=group.id
    )
    await stores.keys.add(its)
    assert (await stores.keys.by_prefix("aaaaaaaa")).group is None  # type: ignore[union-attr]  # not in it yet
    assert await stores.groups.join(group.id, ada.id)
    assert await stores.groups.join(group.id, ada.id)
    assert await stores.groups.join(other.id, ada.id)
    assert await stores.groups.join(group.id, bob.id)
    assert not await stores.groups.join(new_id(), ada.id)
    assert not await stores.groups.join(group.id, new_id())
    found = (await stores.keys.by_prefix("aaaaaaaa")).group  # type: ignore[union-attr]
    assert found is not None
    assert (found.id, found.limits) == (group.id, LIMITS)
    assert [each.name for each in await stores.groups.of_user(ada.id)] == ["Art", "Research"]
    assert (await stores.groups.get(group.id)) == replace(group, member_count=2)
    first = await stores.groups.members(group.id, PageRequest(limit=1))
    rest = await stores.groups.members(group.id, PageRequest(limit=1, cursor=first.next_cursor))
    assert [each.id for each in (*first.items, *rest.items)] == [bob.id, ada.id]
    assert rest.next_cursor is None
    assert [each.name for each in (await stores.groups.page(PageRequest())).items] == ["Art", "Research"]
    changed = await stores.groups.change(group.id, GroupChange(name="Labs", limits=NO_LIMITS))
    assert changed is not None
    assert (changed.name, changed.limits, changed.member_count) == ("Labs", NO_LIMITS, 2)
    assert await stores.groups.by_name("LABS") == changed
    assert await stores.groups.change(new_id(), GroupChange(name="x")) is None
    assert await stores.groups.leave(group.id, bob.id)
    assert not await stores.groups.leave(group.id, bob.id)
    await stores.users.delete(bob.id)
    assert await stores.groups.delete(group.id, NOW)
    assert not await stores.groups.delete(group.id, NOW)
    key = await stores.keys.get(its.id)
    assert key is not None
    assert key.revoked_at == NOW
    assert [each.name for each in await stores.groups.of_user(ada.id)] == ["Art"]
    await stores.users.delete(ada.id)
    assert (await stores.groups.get(other.id)) == other
