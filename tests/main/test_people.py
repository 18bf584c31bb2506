"""People and keys, as the command line looks after them."""

from pathlib import Path

import pytest

from alcove.identity.accounts import NewUser
from alcove.infra.database import migrate, open_database
from alcove.kernel.errors import NotFound
from alcove.kernel.ids import new_id
from alcove.main.people import open_desk
from alcove.settings import Settings


async def test_every_key_is_listed_and_found_however_many_there_are(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, identity={"max_keys_per_user": 300})  # type: ignore[arg-type]  # pydantic reads it
    database = open_database(settings.database_url)  # as the first start of a server leaves it
    await migrate(database)
    await database.close()
    async with open_desk(settings) as desk:
        new = NewUser(email="ada@example.org", name="Ada", password="correct horse battery")
        ada = await desk.identity.accounts.create(new, desk.actor)
        made = [(await desk.identity.keys.create(ada.id, f"key {n}", desk.actor)).key for n in range(203)]
        assert [each.id async for each in desk.users()] == [ada.id]
        assert [each.id async for each in desk.keys_of(ada.id)] == [each.id for each in reversed(made)]
        assert await desk.find_key(made[0].id) == made[0]
        assert await desk.find_key(made[0].prefix) == made[0]
        with pytest.raises(NotFound):
            await desk.find_key(new_id())


async def test_a_folder_without_alcove_is_named_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    with pytest.raises(NotFound, match="--data-dir"):
        async with open_desk(Settings(data_dir=folder)):
            pass
    assert not folder.exists()
