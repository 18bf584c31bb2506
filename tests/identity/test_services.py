"""The services through their ports, with the shipped fakes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from alcove.identity.accounts import NewUser, UserEdit
from alcove.identity.adapters.token_file import FileSetupTokens
from alcove.identity.cache import CredentialCache
from alcove.identity.credentials import is_token, key_digest, key_prefix, new_key, new_token, normal_email
from alcove.identity.models import Actor, IdentitySettings, KeyTerms, SetupRefused, SetupSettings
from alcove.identity.passwords import MAX_AT_ONCE, Argon2Passwords, check_password
from alcove.identity.service import Credential
from alcove.infra.secrets import UnsafeSecret
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import (
    Conflict,
    InvalidCredentials,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    Overloaded,
    RateLimited,
)
from alcove.kernel.principal import Principal, Role

PASSWORD = "correct horse battery"
ACTOR = Actor(name="anonymous", ip="192.0.2.7", request_id="r-1")
NEW = NewUser(email="ada@example.org", name="Ada", password=PASSWORD)


def cookie(token: str) -> Credential:
    return Credential(is_key=False, secret=token)


def api_key(secret: str) -> Credential:
    return Credential(is_key=True, secret=secret)


# --- signing in ---------------------------------------------------------------------------------------------------


async def test_known_and_unknown_and_disabled_accounts_cost_one_check_each_and_answer_alike(house: Any) -> None:
    await house.add_admin()
    bob = await house.add_user("bob@example.org")
    await house.identity.accounts.update(bob.id, UserEdit(is_disabled=True), ACTOR)
    answers = []
    for email, password in (
        ("ada@example.org", "wrong"),
        ("nobody@example.org", "wrong"),
        ("bob@example.org", PASSWORD),
        ("not an address", "wrong"),
    ):
        before = sum(house.passwords.calls.values())
        with pytest.raises(InvalidCredentials) as refused:
            await house.identity.sessions.log_in(email, password, ACTOR)
        answers.append(refused.value.detail)
        assert sum(house.passwords.calls.values()) == before + 1
    assert len(set(answers)) == 1


async def test_a_session_ends_when_idle_and_in_any_case(build: Callable[..., Any]) -> None:
    house = build(settings=IdentitySettings(session_idle_s=3600, session_absolute_s=7200, cache_s=0))
    ada = await house.add_admin()
    authenticate = house.identity.authenticator.authenticate
    signed_in = await house.identity.sessions.log_in(ada.email, PASSWORD, ACTOR)
    for _ in range(3):
        house.clock.advance(2300)
        await authenticate(cookie(signed_in.token))
        await anyio.wait_all_tasks_blocked()
    house.clock.advance(301)
    with pytest.raises(NotAuthenticated):
        await authenticate(cookie(signed_in.token))
    idle = await house.identity.sessions.log_in(ada.email, PASSWORD, ACTOR)
    house.clock.advance(3600)
    with pytest.raises(NotAuthenticated):
        await authenticate(cookie(idle.token))


async def test_a_password_hashed_with_old_parameters_is_hashed_anew(house: Any) -> None:
    ada = await house.add_admin()
    house.passwords.old_hashes.add(house.tables.users[ada.id].password_hash)
    await house.identity.sessions.log_in(ada.email, PASSWORD, ACTOR)
    assert house.tables.users[ada.id].password_hash != ada.password_hash
    await house.identity.sessions.log_in(ada.email, PASSWORD, ACTOR)


async def test_an_account_changed_while_its_password_is_checked_gets_no_session(build: Callable[..., Any]) -> None:
    house = build()
    ada = await house.add_admin()
    await house.add_admin("other@example.org")
    verify = house.passwords.verify

    class Slow:
        calls = house.passwords.calls
        hash = house.passwords.hash
        needs_rehash = house.passwords.needs_rehash

        async def verify(self, password: str, kept: str | None) -> bool:
            answer = await verify(password, kept)
            await house.identity.accounts.update(ada.id, UserEdit(role=Role.USER), ACTOR)
            return bool(answer)

    sessions = replace(house.identity.sessions, passwords=Slow())
    with pytest.raises(InvalidCredentials):
        await sessions.log_in(ada.email, PASSWORD, ACTOR)
    assert house.tables.sessions == {}


async def test_success_forgives_the_account_but_not_the_address(house: Any) -> None:
    ada = await house.add_admin()
    log_in = house.identity.sessions.log_in
    for _ in range(9):
        with pytest.raises(InvalidCredentials):
            await log_in(ada.email, "wrong", ACTOR)
    await log_in(ada.email, PASSWORD, ACTOR)
    with pytest.raises(InvalidCredentials):
        await log_in(ada.email, "wrong", ACTOR)
    with pytest.raises(RateLimited) as limited:
        await log_in(ada.email, PASSWORD, ACTOR)
    assert 1 <= (limited.value.retry_after_s or 0) <= 900
    await log_in(ada.email, PASSWORD, replace(ACTOR, ip="198.51.100.1"))


async def test_all_addresses_of_one_ipv6_network_count_together(house: Any) -> None:
    await house.add_admin()
    for number in range(10):
        with pytest.raises(InvalidCredentials):
            await house.identity.sessions.log_in(
                f"u{number}@example.org", "x", replace(ACTOR, ip=f"2001:db8::{number}")
            )
    with pytest.raises(RateLimited):
        await house.identity.sessions.log_in("u@example.org", "x", replace(ACTOR, ip="2001:db8::ffff"))


# --- recognising credentials ----------------------------------------------------------------------------------------


async def test_a_key_made_under_an_older_pepper_still_works(house: Any) -> None:
    ada = await house.add_admin()
    made = await house.add_key(ada)
    old = replace(made.key, digest=key_digest(made.secret, b"old" * 10))
    house.tables.keys[old.id] = old
    assert (await house.identity.authenticator.authenticate(api_key(made.secret))).user_id == ada.id
    house.identity.authenticator.cache.forget_all()
    house.tables.keys[old.id] = replace(made.key, digest=key_digest(made.secret, b"other"))
    with pytest.raises(NotAuthenticated):
        await house.identity.authenticator.authenticate(api_key(made.secret))


async def test_an_expired_key_is_dead_at_its_second_even_when_remembered(build: Callable[..., Any]) -> None:
    house = build(settings=IdentitySettings(cache_s=5))
    ada = await house.add_admin()
    ends = house.clock.now() + timedelta(seconds=3)
    made = await house.identity.keys.create(ada.id, "k", ACTOR, terms=KeyTerms(expires_at=ends))
    await house.identity.authenticator.authenticate(api_key(made.secret))
    house.clock.advance(3)
    with pytest.raises(NotAuthenticated):
        await house.identity.authenticator.authenticate(api_key(made.secret))


async def test_a_session_token_is_no_key_and_a_key_no_session_token(house: Any) -> None:
    ada = await house.add_admin()
    made = await house.add_key(ada)
    signed_in = await house.identity.sessions.log_in(ada.email, PASSWORD, ACTOR)
    authenticate = house.identity.authenticator.authenticate
    await authenticate(api_key(made.secret))
    await authenticate(cookie(signed_in.token))
    for wrong in (cookie(made.secret), api_key(signed_in.token)):
        with pytest.raises(NotAuthenticated):
            await authenticate(wrong)


async def test_use_is_noted_at_most_once_a_minute(house: Any) -> None:
    ada = await house.add_admin()
    made = await house.add_key(ada)
    times = []
    for _ in range(5):
        house.identity.authenticator.cache.forget_all()
        await house.identity.authenticator.authenticate(api_key(made.secret))
        await anyio.wait_all_tasks_blocked()
        times.append(house.tables.keys[made.key.id].last_used_at)
        house.clock.advance(25)
    assert len(set(times)) == 2
    assert house.tables.users[ada.id].last_seen_at == times[-1]


async def test_what_another_process_revokes_counts_when_the_memory_is_old(house: Any) -> None:
    ada = await house.add_admin()
    made = await house.add_key(ada)
    authenticate = house.identity.authenticator.authenticate
    await authenticate(api_key(made.secret))
    house.tables.keys[made.key.id] = replace(made.key, revoked_at=house.clock.now())
    await authenticate(api_key(made.secret))
    house.clock.advance(1)
    with pytest.raises(NotAuthenticated):
        await authenticate(api_key(made.secret))


def test_a_look_up_under_way_during_a_revocation_is_not_remembered() -> None:
    cache = CredentialCache(FakeClock(), 5)
    generation = cache.generation
    cache.forget_all()
    cache.put("secret", None, generation=generation)  # type: ignore[arg-type]  # what is put does not matter
    assert cache.get("secret") is None
    assert "secret" not in repr(cache)


async def test_a_user_has_only_so_many_keys(build: Callable[..., Any]) -> None:
    house = build(settings=IdentitySettings(max_keys_per_user=2))
    ada = await house.add_admin()
    first = await house.add_key(ada)
    await house.add_key(ada)
    with pytest.raises(Conflict):
        await house.add_key(ada)
    await house.identity.keys.revoke(ada.id, first.key.id, ACTOR)
    await house.add_key(ada)
    assert (await house.identity.keys.by_prefix(f"sk-as-{first.key.prefix}")).id == first.key.id
    with pytest.raises(NotFound):
        await house.identity.keys.by_prefix("sk-as-xxxxxxxx")


def test_nothing_secret_shows_when_printed() -> None:
    _, secret = new_key()
    shown = repr([api_key(secret), NEW, UserEdit(password=PASSWORD)])
    assert secret not in shown
    assert PASSWORD not in shown


# --- first start ------------------------------------------------------------------------------------------------------


def token_of(link: str | None) -> str:
    assert link is not None
    return link.partition("#token=")[2]


async def test_the_link_makes_the_first_admin_once(house: Any) -> None:
    setup = house.identity.setup
    link = await setup.start("http://127.0.0.1:3000/")
    assert link.startswith("http://127.0.0.1:3000/setup#token=")
    signed_in = await setup.complete(token_of(link), NEW, ACTOR, is_local=True)
    assert signed_in.user.role is Role.ADMIN
    who = await house.identity.authenticator.authenticate(cookie(signed_in.token))
    assert who.is_admin
    assert house.tokens.kept is None
    with pytest.raises(NotFound):
        await setup.complete(token_of(link), replace(NEW, email="eve@example.org"), ACTOR, is_local=True)
    with pytest.raises(NotFound):
        await setup.make_link("http://localhost")
    assert await setup.start("http://localhost") is None


async def test_a_weak_password_leaves_the_link_good(house: Any) -> None:
    setup = house.identity.setup
    token = token_of(await setup.start("http://localhost"))
    with pytest.raises(InvalidRequest):
        await setup.complete(token, replace(NEW, password="password1"), ACTOR, is_local=True)
    await setup.complete(token, NEW, ACTOR, is_local=True)


async def test_expired_wrong_replaced_and_remote_links_make_nobody(house: Any) -> None:
    setup = house.identity.setup
    old = token_of(await setup.start("http://localhost"))
    good = token_of(await setup.make_link("http://localhost"))
    for token in (old, "", "x" * 43, "ü"):
        with pytest.raises(SetupRefused):
            await setup.complete(token, NEW, ACTOR, is_local=True)
    with pytest.raises(SetupRefused):
        await setup.complete(good, NEW, ACTOR, is_local=False)
    house.clock.advance(3600)
    with pytest.raises(SetupRefused):
        await setup.complete(good, NEW, ACTOR, is_local=True)
    assert house.tables.users == {}


async def test_wrong_setup_tokens_are_limited(house: Any) -> None:
    await house.identity.setup.start("http://localhost")
    for _ in range(10):
        with pytest.raises(SetupRefused):
            await house.identity.setup.complete("x", NEW, ACTOR, is_local=True)
    with pytest.raises(RateLimited):
        await house.identity.setup.complete("x", NEW, ACTOR, is_local=True)


async def test_of_many_set_ups_at_once_one_succeeds(house: Any) -> None:
    token = token_of(await house.identity.setup.start("http://localhost"))
    made = []

    async def one(number: int) -> None:
        try:
            new = replace(NEW, email=f"a{number}@example.org")
            made.append(await house.identity.setup.complete(token, new, ACTOR, is_local=True))
        except (NotFound, SetupRefused):
            pass

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(one, number)
    assert len(made) == len(house.tables.users) == 1


async def test_settings_make_the_first_admin_unattended_and_only_the_first(build: Callable[..., Any]) -> None:
    first = SetupSettings(admin_email="Root@Example.org", admin_password=SecretStr(PASSWORD))
    house = build(first=first)
    assert await house.identity.setup.start("http://localhost") is None
    (user,) = house.tables.users.values()
    assert (user.email, user.role) == ("root@example.org", Role.ADMIN)
    assert await house.identity.setup.make_first() is None
    assert len(house.tables.users) == 1


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("a@example.org", "changeme"),
        ("a@example.org", "change-me-123"),
        ("a@example.org", "<your password>"),
        ("a@example.org", "admin"),
        ("a@example.org", "Password123!"),
        ("a@example.org", "qwertyuiop"),
        ("a@example.org", "short"),
        ("a@example.org", ""),
        ("a@example.org", "a@example.org"),
        ("nobody", PASSWORD),
        ("a@example.org", None),
        (None, PASSWORD),
    ],
)
async def test_settings_with_a_placeholder_stop_the_start(
    build: Callable[..., Any], email: str | None, password: str | None
) -> None:
    kept = None if password is None else SecretStr(password)
    house = build(first=SetupSettings(admin_email=email, admin_password=kept))
    with pytest.raises(UnsafeSecret) as refused:
        await house.identity.setup.start("http://localhost")
    assert refused.value.exit_code == 78
    assert not password or password == "admin" or password not in str(refused.value)
    assert house.tables.users == {}


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_the_token_file_is_private_and_survives_nonsense(tmp_path: Path) -> None:
    tokens = FileSetupTokens(tmp_path)
    assert await tokens.load() is None
    at = FakeClock().now()
    for token in ("one", "two"):
        await tokens.save(token, at)
    path = tmp_path / "setup-token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert await tokens.load() == ("two", at)
    assert names(tmp_path) == ["setup-token"]
    path.write_text("nonsense")
    assert await tokens.load() is None
    path.write_text("one 2026-01-01T00:00:00")
    assert await tokens.load() is None
    await tokens.clear()
    await tokens.clear()
    assert not path.exists()


# --- forms of credentials ---------------------------------------------------------------------------------------------


def test_a_new_key_has_the_documented_form() -> None:
    prefix, key = new_key()
    assert key_prefix(key) == prefix
    assert len({new_key()[1] for _ in range(100)}) == 100
    for wrong in ("", "sk-as-", key + "x", key[:-1], key.upper(), key + "\n", "' OR 1=1--", "a" * 1_000_000):
        assert key_prefix(wrong) is None
    assert is_token(new_token())


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("admin@localhost", "admin@localhost"),
        ("a.b+c@sub.example.org", "a.b+c@sub.example.org"),
        ("zoë@example.org", "zoë@example.org"),
        ("", None),
        ("ada", None),
        ("@example.org", None),
        ("a@b@c", None),
        ("a b@example.org", None),
        ("a\x00@example.org", None),
        ("a@-example.org", None),
        ("<a@example.org>", None),
        ("a" * 65 + "@example.org", None),
        ("a@" + "b" * 300, None),
    ],
)
def test_addresses_are_kept_in_one_form(typed: str, kept: str | None) -> None:
    assert normal_email(typed) == kept


@pytest.mark.parametrize(
    "password", ["1234567", "x" * 257, "aaaaaaaaaa", "Password1", "ada@example.org", "adalovelace"]
)
def test_guessable_passwords_are_refused(password: str) -> None:
    email = "adalovelace@example.org" if password == "adalovelace" else "ada@example.org"
    with pytest.raises(InvalidRequest):
        check_password(password, email=email)


@pytest.mark.parametrize("password", ["correct horse battery", "пароль-длинный", "x" * 255 + "y", "  spaces  "])
def test_good_passwords_are_taken_as_they_are(password: str) -> None:
    check_password(password, email="ada@example.org")


# --- the real hash ----------------------------------------------------------------------------------------------------


async def test_argon2id_with_the_parameters_we_chose() -> None:
    passwords = Argon2Passwords()
    kept = await passwords.hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(PASSWORD, kept)
    assert not await passwords.verify(PASSWORD + "x", kept)
    assert not await passwords.verify(PASSWORD, None)
    assert not await passwords.verify(PASSWORD, "garbage")
    assert not passwords.needs_rehash(kept)
    assert passwords.needs_rehash("$argon2id$v=19$m=8192,t=1,p=1$YWxjb3ZlYWxjb3Zl$" + "0" * 43)


async def test_at_most_four_hashes_at_once_and_a_bounded_number_waits() -> None:
    slots = anyio.CapacityLimiter(MAX_AT_ONCE)
    passwords = Argon2Passwords(_slots=slots)
    most, refused, done = 0, 0, 0

    async def one() -> None:
        nonlocal refused, done
        try:
            await passwords.verify("x", None)
            done += 1
        except Overloaded as error:
            refused += error.retry_after_s is not None

    async def watch() -> None:
        nonlocal most
        while done + refused < 100:
            most = max(most, slots.borrowed_tokens)
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for _ in range(100):
            group.start_soon(one)
    assert most == MAX_AT_ONCE
    assert (done, refused) == (68, 32)


def test_a_principal_of_a_key_has_no_session() -> None:
    who = Principal(user_id="u", email="e", role=Role.USER, key_id="k")
    assert who.session_id is None


async def test_accounts_are_found_by_address_in_any_spelling(house: Any) -> None:
    ada = await house.add_admin()
    assert (await house.identity.accounts.by_email(" ADA@example.org")).id == ada.id
    for unknown in ("bob@example.org", "nonsense"):
        with pytest.raises(NotFound):
            await house.identity.accounts.by_email(unknown)
    with pytest.raises(NotFound):
        await house.identity.accounts.rename("nobody", "x")
