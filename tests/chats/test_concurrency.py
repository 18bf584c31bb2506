"""What happens to a chat when several things are done to it at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from alcove.chats.models import ChatCreate, ChatUpdate, CollectionRef, MessageCreate
from alcove.kernel.errors import NotFound
from alcove.kernel.ports import Model
from alcove.kernel.principal import Principal
from tests.chats.conftest import OneModel, Room, ScriptedModel


class SlowCatalogue(OneModel):
    """A catalogue that answers only when told to, so that others can act in between."""

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(model)
        self.asked, self.go_on = anyio.Event(), anyio.Event()

    async def chat_model(self, model_id: str, principal: Principal) -> Model:
        self.asked.set()
        await self.go_on.wait()
        return await super().chat_model(model_id, principal)


@asynccontextmanager
async def while_asking(room: Room, who: Principal, chat_id: str, failures: list[Exception]) -> AsyncIterator[None]:
    """Runs the body after a question has read its chat and before it writes anything."""
    catalogue = SlowCatalogue(room.model)
    object.__setattr__(room.service, "models", catalogue)

    async def ask() -> None:
        try:
            await room.service.ask(who, chat_id, MessageCreate(content="Why is the sky blue?"))
        except Exception as error:  # noqa: BLE001  for the test to look at
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await catalogue.asked.wait()
        object.__setattr__(room.service, "models", OneModel(room.model))
        yield
        catalogue.go_on.set()


async def test_what_is_changed_while_a_question_is_taken_in_stays_changed(room: Room, ada):
    room.documents.by_owner = {ada.user_id: {"c1": CollectionRef(id="c1", name="Papers", kind="collection")}}
    chat = await room.service.create(ada, ChatCreate())
    failures: list[Exception] = []
    async with while_asking(room, ada, chat.id, failures):
        await room.service.update(ada, chat.id, ChatUpdate(title="Mine", pinned=True, collection_ids=["c1"]))
        own = await room.service.own_collection(ada, chat.id)
    assert failures == []
    after, messages = await room.service.get(ada, chat.id)
    assert (after.title, after.pinned) == ("Mine", True)
    assert [each.id for each in after.collections] == ["c1", own.id]
    assert after.current_message_id == messages[-1].id
    assert after.updated_at > chat.updated_at


async def test_a_new_title_does_not_undo_what_happened_since_the_chat_was_read(room: Room, ada, monkeypatch):
    chat = await room.service.create(ada, ChatCreate())
    read = type(room.store).get_chat
    kept: list[Any] = []

    async def stale(self: Any, owner_id: str, chat_id: str) -> Any:
        found = await read(self, owner_id, chat_id)
        if not kept:
            kept.append(found)
            own = await room.service.own_collection(ada, chat.id)
            await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
            kept.append(own)
        return found

    monkeypatch.setattr(type(room.store), "get_chat", stale)
    after = await room.service.update(ada, chat.id, ChatUpdate(title="Mine"))
    assert [each.id for each in after.collections] == [kept[1].id]
    assert after.current_message_id is not None
    assert after.title == "Mine"


async def test_the_chosen_model_stays_when_a_question_names_none(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate(model="scripted"))
    _, _ = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    after, _ = await room.service.get(ada, chat.id)
    assert after.model == "scripted"
    assert (await room.service.update(ada, chat.id, ChatUpdate(model=None))).model is None
    assert (await room.service.update(ada, chat.id, ChatUpdate())).title == "Hi"


async def test_collections_added_at_once_are_all_there(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(room.store.add_collection, ada.user_id, chat.id, f"c{number % 3}")
    found = await room.store.get_chat(ada.user_id, chat.id)
    assert found is not None
    assert sorted(found.collection_ids) == ["c0", "c1", "c2"]


async def test_a_question_to_a_chat_deleted_meanwhile_is_refused(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    failures: list[Exception] = []
    async with while_asking(room, ada, chat.id, failures):
        await room.service.delete(ada, chat.id)
    assert [type(each) for each in failures] == [NotFound]
    assert room.model.requests == []


async def test_a_chat_deleted_while_it_gets_its_own_collection_leaves_none(room: Room, ada, monkeypatch):
    chat = await room.service.create(ada, ChatCreate())
    make = type(room.documents).own_collection

    async def deleting(self: Any, who: Principal, chat_id: str) -> CollectionRef:
        await room.store.delete_chat(who.user_id, chat_id)
        return await make(self, who, chat_id)

    monkeypatch.setattr(type(room.documents), "own_collection", deleting)
    with pytest.raises(NotFound):
        await room.service.own_collection(ada, chat.id)
    assert room.documents.own == {}
