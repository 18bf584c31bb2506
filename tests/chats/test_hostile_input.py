"""What people and models may send that a database does not take."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator

import pytest
from pydantic import ValidationError

from alcove.chats.models import ChatCreate, ChatUpdate, MessageCreate, MessageStatus
from alcove.kernel.chat import ChatRequest, Delta
from alcove.kernel.errors import InvalidRequest, NotFound
from alcove.kernel.ids import new_id
from alcove.kernel.pages import PageRequest
from tests.chats.conftest import Room


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "nonsense", 7, None])
async def test_a_cursor_made_up_by_hand_is_refused(room: Room, ada, at):
    cursor = urlsafe_b64encode(json.dumps([False, at, new_id()]).encode()).decode()
    with pytest.raises(InvalidRequest):
        await room.service.find(ada, "", PageRequest(cursor=cursor))


def test_text_that_no_database_takes_is_refused():
    for model, values in (
        (ChatCreate, {"title": "a\x00b"}),
        (ChatUpdate, {"current_message_id": "\x00"}),
        (ChatUpdate, {"current_message_id": "x" * 65}),
        (MessageCreate, {"content": "a\x00b"}),
        (MessageCreate, {"content": "a", "parent_id": "x" * 65}),
    ):
        with pytest.raises(ValidationError):
            model.model_validate(values)


async def test_ids_that_are_none_are_not_found(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    for bad in ("\x00", "x" * 500):
        with pytest.raises(NotFound):
            await room.service.get(ada, bad)
        with pytest.raises(NotFound):
            await room.service.stop(ada, chat.id, bad)


async def test_a_model_that_sends_such_text_is_kept_without_it(room: Room, ada):
    async def odd(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="a\x00b", finish_reason="stop")

    room.model.script = odd
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    assert [each.name async for each in await room.service.events(ada, chat.id, answer.id, 0) if each][-1] == "done"
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert (stored.status, stored.content) == (MessageStatus.COMPLETE, "a\ufffdb")
