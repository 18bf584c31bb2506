"""What every trace store must do, whatever it is made of."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alcove.kernel.clock import FakeClock
from alcove.kernel.trace import Level, Trace
from alcove.tracing.encoding import decoded, encoded
from alcove.tracing.models import Change, Erasure, TraceQuery
from alcove.tracing.ports import TraceStore
from tests.tracing.conftest import MakeTrace


def change(trace: Trace) -> Change:
    return decoded(encoded(trace, max_text_chars=10_000, max_bytes=1 << 20))


async def ids(store: TraceStore, **query: object) -> list[str]:
    return [head.id for head in await store.find(TraceQuery(**({"owner_id": "user-ada"} | query)))]


async def test_empty_store_has_nothing(store: TraceStore, clock: FakeClock) -> None:
    await store.check()
    assert await ids(store) == []
    assert await store.get("user-ada", "0" * 32) is None
    assert await store.prune(clock.now()) == 0
    await store.release()


async def test_trace_comes_back_as_it_was_written(store: TraceStore, make_trace: MakeTrace) -> None:
    trace = make_trace(question='Ünïcode "quoted"\n\\ \x00 👋', output={"nested": [1, 2.5, None, True, {"a": "b"}]})
    written = change(trace)
    await store.write([written])
    found = await store.get("user-ada", trace.id)
    assert found is not None
    assert found[0] == written.trace
    assert list(found[1]) == list(written.observations)
    assert await store.find(TraceQuery(owner_id="user-ada")) == [written.trace.head]


async def test_trace_without_optional_parts_comes_back_too(store: TraceStore, make_trace: MakeTrace) -> None:
    nothing = dict.fromkeys(("ended_at", "session_id", "model", "input", "output"))
    trace = make_trace(**nothing, metadata={}, tags=[], observations=[])
    written = change(trace)
    await store.write([written])
    assert await store.get("user-ada", trace.id) == (written.trace, [])


async def test_money_is_exact(store: TraceStore, make_trace: MakeTrace) -> None:
    traces = [make_trace() for _ in range(3)]
    for number, trace in enumerate(traces):
        trace.observations[1].cost_usd = Decimal("0.1") + Decimal("1e-12") * number
    await store.write([change(trace) for trace in traces])
    costs = [head.cost_usd for head in await store.find(TraceQuery(owner_id="user-ada"))]
    assert costs == [Decimal("0.100000000002"), Decimal("0.100000000001"), Decimal("0.1")]


async def test_trace_recorded_twice_is_one_and_the_later_one_counts(store: TraceStore, make_trace: MakeTrace) -> None:
    trace = make_trace()
    await store.write([change(trace)])
    later = replace(trace.observations[1], id="00000000000000aa", name="memory outlet")
    trace.observations.append(later)
    trace.output = "A recess in a wall."
    for _ in range(2):  # and replayed after a crash
        await store.write([change(trace)])
    (head,) = await store.find(TraceQuery(owner_id="user-ada"))
    assert (head.output_preview, head.observation_count) == ("A recess in a wall.", 3)
    found = await store.get("user-ada", trace.id)
    assert found is not None
    assert sorted(each.name for each in found[1]) == ["chat small", "memory outlet", "retrieve"]


async def test_both_versions_in_one_batch_are_one(store: TraceStore, make_trace: MakeTrace) -> None:
    trace = make_trace()
    first = change(trace)
    trace.output = "Later."
    await store.write([first, change(trace)])
    assert [head.output_preview for head in await store.find(TraceQuery(owner_id="user-ada"))] == ["Later."]


async def test_same_id_of_two_owners_is_two_traces(store: TraceStore, make_trace: MakeTrace) -> None:
    hers = make_trace(output="hers")
    his = make_trace("user-bob", id=hers.id, output="his")
    await store.write([change(hers)])
    await store.write([change(his)])
    for owner, output in (("user-ada", "hers"), ("user-bob", "his")):
        found = await store.get(owner, hers.id)
        assert found is not None
        assert found[0].output == output
        assert {each.owner_id for each in found[1]} == {owner}


async def test_each_sees_their_own_and_none_means_everyones(store: TraceStore, make_trace: MakeTrace) -> None:
    hers, his = make_trace("user-ada"), make_trace("user-bob")
    await store.write([change(hers), change(his)])
    assert await ids(store, owner_id="user-ada") == [hers.id]
    assert await ids(store, owner_id="user-bob") == [his.id]
    assert await ids(store, owner_id=None) == [his.id, hers.id]
    assert await store.get("user-ada", his.id) is None
    assert await store.get(None, his.id) is not None


async def test_list_is_filtered(store: TraceStore, make_trace: MakeTrace) -> None:
    plain = make_trace()
    other_chat = make_trace(session_id="chat-2")
    other_model = make_trace(model="large")
    failed = make_trace(level=Level.ERROR)
    await store.write([change(each) for each in (plain, other_chat, other_model, failed)])
    assert await ids(store, session_id="chat-2") == [other_chat.id]
    assert await ids(store, model="large") == [other_model.id]
    assert await ids(store, level=Level.ERROR) == [failed.id]
    assert await ids(store, session_id="chat-1", model="small", level=Level.DEFAULT) == [plain.id]
    assert await ids(store, session_id="chat-2", level=Level.ERROR) == []


@pytest.mark.parametrize("text", ["GRÜNE", 'say "so"', "100%", "under_score", "two\nlines", "'; DROP TABLE traces; --"])
async def test_text_is_found_whatever_is_in_it(store: TraceStore, make_trace: MakeTrace, text: str) -> None:
    in_question = make_trace(question=f"Please tell {text.lower()} again")
    in_answer = make_trace(answer=f"Well: {text}.")
    neither = make_trace(question="100 percent under-score", answer="grune")
    await store.write([change(each) for each in (in_question, in_answer, neither)])
    assert await ids(store, text=text) == [in_answer.id, in_question.id]


async def test_pages_go_back_in_time_without_gaps(store: TraceStore, make_trace: MakeTrace, clock: FakeClock) -> None:
    traces = [make_trace() for _ in range(7)]
    at = clock.now()
    for trace in traces[:4]:
        trace.started_at = at  # the same instant: the id decides
    await store.write([change(each) for each in traces])
    expected = await ids(store)
    assert len(expected) == 7
    got: list[str] = []
    before = None
    while heads := await store.find(TraceQuery(owner_id="user-ada", before=before, limit=3)):
        got.extend(head.id for head in heads)
        before = (heads[-1].started_at, heads[-1].id)
    assert got == expected


async def test_erased_session_is_gone_and_stays_gone(store: TraceStore, make_trace: MakeTrace) -> None:
    hers = make_trace(session_id="chat-1")
    other = make_trace(session_id="chat-2")
    none = make_trace(session_id=None)
    his = make_trace("user-bob", session_id="chat-1")
    await store.write([change(each) for each in (hers, other, none, his)])
    late = make_trace(session_id="chat-1")
    await store.write([Erasure(owner_id="user-ada", session_id="chat-1"), change(late), change(hers)])
    await store.write([change(late)])
    assert await ids(store) == [none.id, other.id]
    assert await store.get("user-ada", hers.id) is None
    assert await ids(store, owner_id="user-bob") == [his.id]


async def test_erased_owner_is_gone_and_stays_gone(store: TraceStore, make_trace: MakeTrace) -> None:
    hers, his = make_trace("user-ada"), make_trace("user-bob")
    await store.write([change(hers), change(his), Erasure(owner_id="user-ada", session_id=None)])
    await store.write([change(make_trace("user-ada", session_id="chat-9"))])
    assert await ids(store, owner_id=None) == [his.id]


async def test_pruning_deletes_what_is_old(store: TraceStore, make_trace: MakeTrace) -> None:
    old = make_trace()
    new = make_trace()
    await store.write([change(old), change(new)])
    assert await store.prune(new.started_at - timedelta(milliseconds=1)) == 1
    assert await ids(store) == [new.id]
    assert await store.get("user-ada", old.id) is None


async def test_released_store_opens_again_by_itself(store: TraceStore, make_trace: MakeTrace) -> None:
    first, second = make_trace(), make_trace()
    await store.write([change(first)])
    await store.release()
    assert await ids(store) == [first.id]
    await store.release()
    await store.write([change(second)])
    assert await ids(store) == [second.id, first.id]
