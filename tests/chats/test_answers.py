"""Limits, the end, and the memory of running answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from alcove.chats import answers as answers_module
from alcove.chats.models import ChatCreate, MessageCreate, MessageStatus
from alcove.kernel.chat import Answer, ChatRequest, Delta
from alcove.kernel.errors import NotFound, Overloaded, RateLimited
from alcove.kernel.trace import Level
from tests.chats.conftest import Room


async def waiting(request: ChatRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(content="so far")
    await anyio.sleep_forever()


async def last_event(room: Room, who, chat_id: str, message_id: str) -> str:
    return [each.name async for each in await room.service.events(who, chat_id, message_id, 0) if each][-1]


async def test_questions_asked_at_once_hold_to_the_limit(room: Room, ada, bob):
    room.model.script = waiting
    chats = {who.user_id: (who, (await room.service.create(who, ChatCreate())).id) for who in (ada, bob)}
    begun: list[str] = []
    refused: list[type[Exception]] = []

    async def ask(who, chat_id: str) -> None:
        try:
            await room.service.ask(who, chat_id, MessageCreate(content="Hi"))
            begun.append(who.user_id)
        except (RateLimited, Overloaded) as error:
            refused.append(type(error))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            for who, chat_id in chats.values():
                group.start_soon(ask, who, chat_id)
    assert len(begun) == 3
    assert max(begun.count(user_id) for user_id in chats) == 2
    assert len(refused) == 7
    assert {RateLimited, Overloaded} == set(refused)
    for who, _ in chats.values():
        await room.service.answers.stop_owner(who.user_id)
    room.model.script = waiting
    who, chat_id = chats[ada.user_id]
    await room.service.ask(who, chat_id, MessageCreate(content="There is room again"))
    await room.service.answers.stop_owner(who.user_id)


async def test_a_refused_question_takes_no_room(room: Room, ada, bob):
    chat = await room.service.create(ada, ChatCreate())
    for _ in range(5):
        with pytest.raises(NotFound):
            await room.service.ask(ada, chat.id, MessageCreate(content="Hi", model="nope"))
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    assert await last_event(room, ada, chat.id, answer.id) == "done"


async def test_deleting_a_person_ends_their_answers(room: Room, ada, bob):
    room.model.script = waiting
    mine, theirs = await room.service.create(ada, ChatCreate()), await room.service.create(bob, ChatCreate())
    await room.service.ask(ada, mine.id, MessageCreate(content="Hi"))
    _, other = await room.service.ask(bob, theirs.id, MessageCreate(content="Hi"))
    await anyio.sleep(0.05)
    await room.service.delete_owner(ada.user_id)
    assert room.model.closed == 1
    assert room.traces.deleted == [(ada.user_id, mine.id)]
    _, messages = await room.service.get(bob, theirs.id)
    assert messages[-1].status is MessageStatus.STREAMING
    await room.service.stop(bob, theirs.id, other.id)


async def test_deleting_a_chat_ends_an_answer_that_begins_meanwhile(room: Room, ada, monkeypatch):
    room.model.script = waiting
    chat = await room.service.create(ada, ChatCreate())
    delete = type(room.store).delete_chat

    async def after_a_question(self: Any, owner_id: str, chat_id: str) -> bool:
        await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
        return await delete(self, owner_id, chat_id)

    monkeypatch.setattr(type(room.store), "delete_chat", after_a_question)
    await room.service.delete(ada, chat.id)
    assert len(room.sink.traces) == 1  # it has ended


async def test_an_end_that_cannot_be_saved_is_tried_again_until_it_is(room: Room, ada, monkeypatch):
    monkeypatch.setattr(answers_module, "_POLL_S", 0.001)
    monkeypatch.setattr(answers_module, "_SAVE_AGAIN_S", 0.05)
    object.__setattr__(
        room.service.answers, "settings", room.service.answers.settings.model_copy(update={"replay_s": 0})
    )
    update, is_broken = type(room.store).update_message, True

    async def failing(self: Any, message: Any) -> None:
        if is_broken:
            raise OSError("No space left on device")
        await update(self, message)

    monkeypatch.setattr(type(room.store), "update_message", failing)
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    assert await last_event(room, ada, chat.id, answer.id) == "done"
    await anyio.sleep(0.1)
    _, messages = await room.service.get(ada, chat.id)
    assert (messages[-1].status, messages[-1].content) == (MessageStatus.COMPLETE, "Hello there")
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert stored.status is MessageStatus.STREAMING
    _, follow_up = await room.service.ask(ada, chat.id, MessageCreate(content="And?", parent_id=answer.id))
    await last_event(room, ada, chat.id, follow_up.id)
    is_broken = False
    with anyio.fail_after(5):
        while stored is None or stored.status is MessageStatus.STREAMING:
            await anyio.sleep(0.02)
            stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert (stored.status, stored.content) == (MessageStatus.COMPLETE, "Hello there")


async def test_an_answer_that_nothing_runs_is_interrupted_and_blocks_nothing(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await last_event(room, ada, chat.id, answer.id)
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    await room.store.update_message(replace(stored, status=MessageStatus.STREAMING))
    room.service.answers._running.clear()  # as after a restart that could not mark it
    _, messages = await room.service.get(ada, chat.id)
    assert messages[-1].status is MessageStatus.INTERRUPTED
    assert await last_event(room, ada, chat.id, answer.id) == "done"
    again = await room.service.regenerate(ada, chat.id, answer.id, None)
    assert await last_event(room, ada, chat.id, again.id) == "done"


async def test_the_text_of_a_long_answer_is_not_joined_for_every_piece(room: Room, ada, monkeypatch):
    reads = 0
    content = Answer.content.fget
    assert content is not None

    def counting(self: Answer) -> str:
        nonlocal reads
        reads += 1
        return str(content(self))

    async def long(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        for _ in range(2_000):
            yield Delta(content="word ")
        await anyio.sleep_forever()

    room.model.script = long
    monkeypatch.setattr(Answer, "content", property(counting))
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await anyio.sleep(0.5)
    _, messages = await room.service.get(ada, chat.id)
    assert messages[-1].content == "word " * 2_000
    stopped = await room.service.stop(ada, chat.id, answer.id)
    assert stopped.content == "word " * 2_000
    assert reads < 60  # a few checkpoints, one look, the end and the trace


async def test_ended_answers_are_forgotten_in_time_and_above_a_number(room: Room, ada, monkeypatch):
    monkeypatch.setattr(answers_module, "_MAX_REPLAYS", 2)
    answers = room.service.answers
    chat = await room.service.create(ada, ChatCreate())
    ids: list[str] = []
    for _ in range(4):
        _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
        await last_event(room, ada, chat.id, answer.id)
        ids.append(answer.id)
    assert list(answers._running) == ids[2:]
    object.__setattr__(answers, "settings", answers.settings.model_copy(update={"replay_s": 0}))
    events = [each.name async for each in await room.service.events(ada, chat.id, ids[3], 0) if each]
    assert events == ["done"]  # it is given whole
    assert list(answers._running) == ids[2:3]


async def test_an_answer_whose_document_cannot_be_read_has_a_trace(room: Room, ada):
    room.documents.broken = {"paper"}
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="What is in it?", document_ids=["paper"]))
    assert await last_event(room, ada, chat.id, answer.id) == "error"
    (trace,) = room.sink.traces
    assert trace.id == answer.trace_id
    assert trace.level is Level.ERROR
    assert "encrypted" in (trace.status_message or "")
    assert [(each.name, each.input, each.level) for each in trace.observations] == [
        ("wait for documents", ["paper"], Level.ERROR)
    ]


async def test_an_answer_stopped_while_its_document_is_read_has_a_trace(room: Room, ada):
    room.documents.reading = ["paper"]
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="What is in it?", document_ids=["paper"]))
    await anyio.sleep(0.05)
    stopped = await room.service.stop(ada, chat.id, answer.id)
    assert stopped.status is MessageStatus.STOPPED
    assert [(each.id, each.status_message) for each in room.sink.traces] == [
        (answer.trace_id, "The answer was stopped before its end.")
    ]
    assert room.model.requests == []


async def test_an_answer_stopped_before_it_did_anything_has_a_trace(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await room.service.stop(ada, chat.id, answer.id)
    assert [each.id for each in room.sink.traces] == [answer.trace_id]
