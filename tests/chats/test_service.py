import json
from collections.abc import AsyncGenerator

import anyio
import pytest

from alcove.chats.export import as_json, as_markdown
from alcove.chats.models import (
    ChatCreate,
    ChatUpdate,
    CollectionRef,
    MessageCreate,
    MessageRecord,
    MessageStatus,
)
from alcove.chats.service import branch, title_of
from alcove.infra.background import background_tasks
from alcove.kernel.chat import ChatRequest, Citation, Delta, Source, Usage
from alcove.kernel.errors import Conflict, InvalidRequest, ModelNotFound, NotFound, RateLimited
from alcove.kernel.pages import PageRequest
from tests.chats.conftest import Room, broken


async def finished(room: Room, who, chat_id: str, message_id: str) -> MessageRecord:
    async for event in await room.service.events(who, chat_id, message_id, 0):
        assert event is None or event.id > 0
    _, messages = await room.service.get(who, chat_id)
    return next(each for each in messages if each.id == message_id)


async def test_question_is_kept_and_answered_with_a_trace(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    question, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Say hello\nplease"))
    assert answer.status is MessageStatus.STREAMING
    assert answer.parent_id == question.id
    kept = await finished(room, ada, chat.id, answer.id)
    assert kept.content == "Hello there"
    assert kept.status is MessageStatus.COMPLETE
    assert kept.finished_at is not None
    assert [trace.id for trace in room.sink.traces] == [kept.trace_id]
    assert room.sink.traces[0].session_id == chat.id
    again, _ = await room.service.get(ada, chat.id)
    assert again.title == "Say hello"
    assert again.current_message_id == answer.id


async def test_events_replay_from_any_number(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    events = [each async for each in await room.service.events(ada, chat.id, answer.id, 0)]
    assert [each.name for each in events] == ["delta", "delta", "done"]
    assert [each.id for each in events] == [1, 2, 3]
    later = [each async for each in await room.service.events(ada, chat.id, answer.id, 1)]
    assert [each.id for each in later] == [2, 3]
    beyond = [each async for each in await room.service.events(ada, chat.id, answer.id, 99)]
    assert beyond == []
    assert events[0].encode() == b'id: 1\nevent: delta\ndata: {"content":"Hello "}\n\n'


async def test_answer_runs_on_when_nobody_watches_and_two_pages_see_the_same(room: Room, ada):
    go_on = anyio.Event()

    async def slow(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="one ")
        await go_on.wait()
        yield Delta(content="two", finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2))

    room.model.script = slow
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Count"))
    watcher = await room.service.events(ada, chat.id, answer.id, 0)
    first = await anext(watcher)
    assert first is not None
    assert json.loads(first.data) == {"content": "one "}
    await watcher.aclose()  # the page is closed
    _, messages = await room.service.get(ada, chat.id)
    assert messages[-1].content == "one "
    go_on.set()
    seen: list[list[str]] = [[], []]

    async def watch(into: list[str]) -> None:
        async for event in await room.service.events(ada, chat.id, answer.id, first.id):
            into.append(event.name)

    async with anyio.create_task_group() as group:
        for into in seen:
            group.start_soon(watch, into)
    assert seen[0] == seen[1] == ["delta", "done"]
    kept = await finished(room, ada, chat.id, answer.id)
    assert kept.content == "one two"
    assert kept.usage == Usage(input_tokens=3, output_tokens=2)


async def test_stop_keeps_what_there_is_and_closes_the_model(room: Room, ada):
    async def endless(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        while True:
            yield Delta(content="and on ")
            await anyio.sleep(0.01)

    room.model.script = endless
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Talk"))
    await anyio.sleep(0.05)
    stopped = await room.service.stop(ada, chat.id, answer.id)
    assert stopped.status is MessageStatus.STOPPED
    assert stopped.content.startswith("and on ")
    assert room.model.closed == 1
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert stored.status is MessageStatus.STOPPED
    assert room.sink.traces[-1].status_message == "The answer was stopped before its end."


async def test_failure_after_the_first_word_is_an_error_event_and_keeps_the_half(room: Room, ada):
    room.model.script = broken
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Go"))
    events = [each async for each in await room.service.events(ada, chat.id, answer.id, 0)]
    assert [each.name for each in events] == ["delta", "error"]
    assert json.loads(events[-1].data)["error"]["detail"] == "the model server fell over"
    kept = await finished(room, ada, chat.id, answer.id)
    assert (kept.status, kept.content) == (MessageStatus.FAILED, "Half an ")
    assert kept.error is not None


async def test_unexpected_failure_shows_no_inside(room: Room, ada):
    async def buggy(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="x")
        raise ZeroDivisionError("secret detail")

    room.model.script = buggy
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Go"))
    kept = await finished(room, ada, chat.id, answer.id)
    assert kept.error is not None
    assert kept.error.code == "internal_error"
    assert "secret" not in kept.error.detail


async def test_edit_makes_a_branch_and_the_model_sees_only_that_branch(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    _, first = await room.service.ask(ada, chat.id, MessageCreate(content="First"))
    await finished(room, ada, chat.id, first.id)
    _, second = await room.service.ask(ada, chat.id, MessageCreate(content="Second", parent_id=first.id))
    await finished(room, ada, chat.id, second.id)
    edited, third = await room.service.ask(ada, chat.id, MessageCreate(content="Second, edited", parent_id=first.id))
    await finished(room, ada, chat.id, third.id)
    _, messages = await room.service.get(ada, chat.id)
    assert len(messages) == 6
    assert [each.content for each in branch(messages, third.id)] == [
        "First", "Hello there", "Second, edited", "Hello there",
    ]  # fmt: skip
    assert [message.text for message in room.model.requests[-1].messages] == ["First", "Hello there", "Second, edited"]
    assert edited.parent_id == first.id
    chat = await room.service.update(ada, chat.id, ChatUpdate(current_message_id=second.id))
    assert chat.current_message_id == second.id


async def test_regenerate_is_a_sibling_of_the_answer_or_a_child_of_the_question(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    question, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await finished(room, ada, chat.id, answer.id)
    beside = await room.service.regenerate(ada, chat.id, answer.id, None)
    below = await room.service.regenerate(ada, chat.id, question.id, None)
    assert beside.parent_id == below.parent_id == question.id
    for each in (beside, below):
        assert (await finished(room, ada, chat.id, each.id)).content == "Hello there"


async def test_a_running_answer_cannot_be_followed_up_or_regenerated(room: Room, ada):
    async def waiting(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="…")
        await anyio.sleep_forever()

    room.model.script = waiting
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    with pytest.raises(Conflict):
        await room.service.ask(ada, chat.id, MessageCreate(content="And?", parent_id=answer.id))
    with pytest.raises(Conflict):
        await room.service.regenerate(ada, chat.id, answer.id, None)
    await room.service.stop(ada, chat.id, answer.id)


async def test_too_many_running_answers_are_refused_and_nothing_is_kept(room: Room, ada):
    async def waiting(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="…")
        await anyio.sleep_forever()

    room.model.script = waiting
    chat = await room.service.create(ada, ChatCreate())
    running = [(await room.service.ask(ada, chat.id, MessageCreate(content="Hi")))[1] for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        await room.service.ask(ada, chat.id, MessageCreate(content="One more"))
    assert refused.value.retry_after_s
    _, messages = await room.service.get(ada, chat.id)
    assert all(each.content != "One more" for each in messages)
    for each in running:
        await room.service.stop(ada, chat.id, each.id)


async def test_server_going_down_interrupts_but_keeps_the_half(room: Room, ada, database):
    async def waiting(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(content="so far")
        await anyio.sleep_forever()

    room.model.script = waiting
    async with background_tasks(drain_s=0.05) as background:
        object.__setattr__(room.service.answers, "background", background)
        chat = await room.service.create(ada, ChatCreate())
        _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
        await anyio.sleep(0.02)
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert (stored.status, stored.content) == (MessageStatus.INTERRUPTED, "so far")


async def test_checkpoint_and_restart_after_a_crash(room: Room, ada, clock):
    """A crash leaves the row as the last checkpoint had it; the next start marks it as interrupted."""
    go_on = anyio.Event()

    async def slow(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        for _ in range(20):
            yield Delta(content="word ")
            await anyio.sleep(0.01)
        await go_on.wait()

    room.model.script = slow
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await anyio.sleep(0.25)
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert stored.status is MessageStatus.STREAMING
    assert stored.content.startswith("word ")
    assert await room.store.interrupt_all(clock.now()) == 1
    stored = await room.store.get_message(ada.user_id, chat.id, answer.id)
    assert stored is not None
    assert stored.status is MessageStatus.INTERRUPTED
    go_on.set()


async def test_answer_waits_for_documents_sent_with_the_question(room: Room, ada):
    room.documents.reading = ["paper"]
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="What does it say?", document_ids=["paper"]))
    watcher = await room.service.events(ada, chat.id, answer.id, 0)
    first = await anext(watcher)
    assert first is not None
    assert json.loads(first.data) == {"stage": "reading", "detail": "Reading paper.pdf"}
    assert room.model.requests == []
    room.documents.reading = []
    assert [each.name async for each in watcher if each] == ["delta", "delta", "done"]


async def test_unreadable_document_fails_the_answer_with_the_reason(room: Room, ada):
    room.documents.broken = {"paper"}
    chat = await room.service.create(ada, ChatCreate())
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="?", document_ids=["paper"]))
    kept = await finished(room, ada, chat.id, answer.id)
    assert kept.error is not None
    assert "encrypted" in kept.error.detail


async def test_collections_of_the_chat_reach_the_model(room: Room, ada):
    room.documents.by_owner = {ada.user_id: {"c1": CollectionRef(id="c1", name="Papers", kind="collection")}}
    chat = await room.service.create(ada, ChatCreate(collection_ids=["c1"]))
    own = await room.service.own_collection(ada, chat.id)
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await finished(room, ada, chat.id, answer.id)
    assert room.model.requests[-1].collections == ("c1", own.id)


async def test_nobody_reaches_the_chats_of_others(room: Room, ada, bob):
    room.documents.by_owner = {ada.user_id: {"c1": CollectionRef(id="c1", name="Papers", kind="collection")}}
    chat = await room.service.create(ada, ChatCreate(title="Mine"))
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await finished(room, ada, chat.id, answer.id)
    service = room.service
    for attempt in (
        lambda: service.get(bob, chat.id),
        lambda: service.update(bob, chat.id, ChatUpdate(title="Yours")),
        lambda: service.delete(bob, chat.id),
        lambda: service.ask(bob, chat.id, MessageCreate(content="Hi")),
        lambda: service.regenerate(bob, chat.id, answer.id, None),
        lambda: service.stop(bob, chat.id, answer.id),
        lambda: service.events(bob, chat.id, answer.id, 0),
        lambda: service.own_collection(bob, chat.id),
        lambda: service.create(bob, ChatCreate(collection_ids=["c1"])),
    ):
        with pytest.raises(NotFound):
            await attempt()
    other = await service.create(bob, ChatCreate())
    with pytest.raises(NotFound):  # a message of another's chat as parent
        await service.ask(bob, other.id, MessageCreate(content="Hi", parent_id=answer.id))
    with pytest.raises(NotFound):
        await service.ask(bob, other.id, MessageCreate(content="Hi", document_ids=["foreign"]))
    assert (await service.find(bob, "", PageRequest())).items[0].id == other.id
    assert (await service.find(bob, "Hi", PageRequest())).items == []


async def test_bad_requests_are_refused_by_name(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    question, _ = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    with pytest.raises(ModelNotFound):
        await room.service.ask(ada, chat.id, MessageCreate(content="Hi", model="nope"))
    with pytest.raises(ModelNotFound):
        await room.service.create(ada, ChatCreate(model="nope"))
    with pytest.raises(InvalidRequest):
        await room.service.ask(ada, chat.id, MessageCreate(content="Hi", parent_id=question.id))
    with pytest.raises(InvalidRequest):
        await room.service.events(ada, chat.id, question.id, 0)
    with pytest.raises(InvalidRequest):
        await room.service.find(ada, "", PageRequest(cursor="nonsense"))


async def test_delete_leaves_nothing_behind(room: Room, ada):
    chat = await room.service.create(ada, ChatCreate())
    await room.service.own_collection(ada, chat.id)
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await finished(room, ada, chat.id, answer.id)
    await room.service.delete(ada, chat.id)
    with pytest.raises(NotFound):
        await room.service.get(ada, chat.id)
    assert await room.store.list_messages(ada.user_id, chat.id) == []
    assert room.documents.own == {}
    assert room.traces.deleted == [(ada.user_id, chat.id)]


async def test_listing_pages_pins_and_search(room: Room, ada):
    ids = [(await room.service.create(ada, ChatCreate(title=f"Chat {number}"))).id for number in range(5)]
    await room.service.update(ada, ids[1], ChatUpdate(pinned=True))
    seen: list[str] = []
    cursor = None
    while True:
        page = await room.service.find(ada, "", PageRequest(cursor=cursor, limit=2))
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [ids[1], ids[4], ids[3], ids[2], ids[0]]
    _, answer = await room.service.ask(ada, ids[2], MessageCreate(content="Where do 100% of axolotls_live?"))
    await finished(room, ada, ids[2], answer.id)
    found = await room.service.find(ada, "AXOLOTLS_live", PageRequest())
    assert [each.id for each in found.items] == [ids[2]]
    assert "axolotls_live" in (found.items[0].snippet or "")
    assert (await room.service.find(ada, "100_", PageRequest())).items == []
    assert [each.title for each in (await room.service.find(ada, "chat 3", PageRequest())).items] == ["Chat 3"]


async def test_export_holds_all_branches_and_markdown_the_one_on_display(room: Room, ada):
    async def cited(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        source = Source(
            number=1, text="Axolotls live in lakes.", document_id="d", document="a.pdf", collection_id="c",
            collection="Animals", chunk_index=0, score=0.9, page=3,
        )  # fmt: skip
        yield Delta(sources=(source,))
        yield Delta(content="In lakes [1].", citations=(Citation(number=1, quote=source.text),), finish_reason="stop")

    room.model.script = cited
    chat = await room.service.create(ada, ChatCreate(title="Axolotls"))
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Where?"))
    await finished(room, ada, chat.id, answer.id)
    again = await room.service.regenerate(ada, chat.id, answer.id, None)
    await finished(room, ada, chat.id, again.id)
    wire, messages = await room.service.get(ada, chat.id)
    data = json.loads(as_json(wire, messages))
    assert len(data["messages"]) == 3
    assert data["messages"][1]["sources"][0]["page"] == 3
    assert as_markdown(wire, messages) == (
        "# Axolotls\n\n## You\n\nWhere?\n\n## scripted\n\nIn lakes [1].\n\n- [1] a.pdf, page 3: “Axolotls live in lakes.”\n"
    )


def test_title_is_the_first_line_cut_at_a_word():
    assert title_of("## Hello *there*\nmore") == "Hello *there"
    assert title_of("   \n") == "New chat"
    assert title_of("word " * 30) == "word word word word word word word word word word word word…"
    assert len(title_of("x" * 500)) <= 61


async def test_a_chat_keeps_the_model_that_answered_first(room: Room, ada):
    """Adding a model server changes the default; a chat with private documents must not move there by itself."""
    chat = await room.service.create(ada, ChatCreate())
    assert chat.model is None
    _, answer = await room.service.ask(ada, chat.id, MessageCreate(content="Hi"))
    await finished(room, ada, chat.id, answer.id)
    again, _ = await room.service.get(ada, chat.id)
    assert again.model == "scripted"
