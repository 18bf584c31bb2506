"""Keys told without waiting."""

import anyio
from tests.identity.conftest import House

from alcove.identity.known import KnownKeys
from alcove.identity.models import Actor
from alcove.kernel.principal import Principal

ACTOR = Actor(name="test")


async def test_key_is_known_once_it_was_found(house: House) -> None:
    ada = await house.add_user("ada@example.org")
    made = await house.add_key(ada)
    keys = KnownKeys(house.identity.authenticator)
    assert keys.known(made.secret, "") is None
    found = await keys.find(made.secret, "")
    assert found is not None
    assert (found.user_id, found.key_id) == (ada.id, made.key.id)
    assert keys.known(made.secret, "") == found
    assert keys.known(made.secret, "") is keys.known(made.secret, "")


async def test_revoked_key_is_known_no_more_at_once(house: House) -> None:
    ada = await house.add_user("ada@example.org")
    made = await house.add_key(ada)
    keys = KnownKeys(house.identity.authenticator)
    assert await keys.find(made.secret, "") is not None
    assert keys.known(made.secret, "") is not None
    await house.identity.keys.revoke(ada.id, made.key.id, ACTOR)
    assert keys.known(made.secret, "") is None
    assert await keys.find(made.secret, "") is None


async def test_what_is_no_key_is_not_found(house: House) -> None:
    keys = KnownKeys(house.identity.authenticator)
    for secret in ("", "sk-as-abcdefgh_" + "x" * 32, "' OR 1=1--", "é" * 50):
        assert keys.known(secret, "") is None
        assert await keys.find(secret, "") is None


async def test_those_who_ask_at_a_time_share_one_look_up(house: House) -> None:
    made = await house.add_key(await house.add_user("ada@example.org"))
    keys = KnownKeys(house.identity.authenticator)
    found: list[Principal | None] = []

    async def ask() -> None:
        found.append(await keys.find(made.secret, ""))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert {each.key_id for each in found if each is not None} == {made.key.id}
    assert len(found) == 20
