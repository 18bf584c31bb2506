"""From a turn to a journal entry and on to rows: sums, durations, previews, and texts that are too long or malformed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from alcove.kernel.clock import FakeClock
from alcove.kernel.trace import Observation, ObservationKind, Trace
from alcove.tracing.encoding import decoded, encoded, encoded_erasure
from alcove.tracing.fitting import CUT_MARK, cut_json
from alcove.tracing.models import Erasure, TraceWrite
from tests.tracing.conftest import MakeTrace


def through(trace: Trace, max_text_chars: int = 10_000, max_bytes: int = 1 << 20) -> TraceWrite:
    entry = encoded(trace, max_text_chars=max_text_chars, max_bytes=max_bytes)
    assert len(entry) <= max_bytes
    change = decoded(entry)
    assert isinstance(change, TraceWrite)
    return change


def test_head_sums_up_the_observations(make_trace: MakeTrace) -> None:
    trace = make_trace()
    trace.observations.append(
        Observation(
            id="00000000000000bb",
            parent_id=trace.observations[1].id,
            kind=ObservationKind.GENERATION,
            name="chat other",
            model="other",
            started_at=trace.started_at + timedelta(milliseconds=300),
            usage=trace.observations[1].usage,
            cost_usd=Decimal("0.5"),
        )
    )
    head = through(trace).trace.head
    assert (head.input_tokens, head.output_tokens) == (200, 14)
    assert head.cost_usd == Decimal("0.50000123")
    assert head.unpriced_count == 0
    assert head.latency_ms == 512.5
    assert head.time_to_first_token_ms == 170
    assert head.observation_count == 3
    assert head.input_preview == "What is an alcove?"
    assert head.output_preview == "A recess."


def test_observation_has_its_own_times_and_usage(make_trace: MakeTrace) -> None:
    retrieval, generation = through(make_trace()).observations
    assert (retrieval.latency_ms, retrieval.time_to_first_token_ms, retrieval.usage) == (20, None, {})
    assert (generation.latency_ms, generation.time_to_first_token_ms) == (480, 150)
    assert generation.usage == {
        "input_tokens": 100,
        "output_tokens": 7,
        "cached_input_tokens": 64,
        "reasoning_tokens": 0,
    }


def test_unknown_price_is_null_and_counted_never_zero(make_trace: MakeTrace) -> None:
    trace = make_trace()
    trace.observations[1].cost_usd = None
    head = through(trace).trace.head
    assert head.cost_usd is None
    assert head.unpriced_count == 1


def test_turn_that_never_began_has_a_head_all_the_same(clock: FakeClock) -> None:
    head = through(Trace(id="a" * 32, owner_id="user-ada", name="chat", started_at=clock.now())).trace.head
    assert (head.latency_ms, head.time_to_first_token_ms, head.cost_usd) == (None, None, None)
    assert (head.input_tokens, head.input_preview, head.observation_count) == (0, "", 0)


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        ("  many\n words ", "many words"),
        (
            [
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "last"},
            ],
            "last",
        ),
        ([{"role": "user", "content": ""}], '[{"role":"user","content":""}]'),
        ({"a": 1}, '{"a":1}'),
        ([1, 2], "[1,2]"),
        ("x" * 500, "x" * 200 + "…"),
    ],
)
def test_preview_is_what_a_person_would_call_the_text(make_trace: MakeTrace, value: object, preview: str) -> None:
    head = through(make_trace(input=value, output=value)).trace.head
    assert head.input_preview == preview


def test_long_texts_are_cut_marked_and_leave_the_turn_unchanged(make_trace: MakeTrace) -> None:
    trace = make_trace(question="q" * 5000, answer="a" * 300)
    change = through(trace, max_text_chars=1000)
    assert change.trace.metadata == {"request_id": "r-1", "cut": ["input"]}
    assert change.trace.output == "a" * 300
    assert len(to_json(change.trace.input)) < 1100
    system, question = change.trace.input
    assert system["content"] == "Be brief."
    assert question["content"].endswith(CUT_MARK)
    assert change.observations[0].metadata == {"cut": ["input"]}
    assert trace.metadata == {"request_id": "r-1"}
    assert trace.input[1]["content"] == "q" * 5000


def test_entry_never_exceeds_its_size(make_trace: MakeTrace, clock: FakeClock) -> None:
    trace = make_trace(question="q" * 9000)
    for number in range(300):
        trace.observations.append(
            Observation(
                id=f"{number:016x}",
                parent_id=None,
                kind=ObservationKind.TOOL,
                name="n" * 5000,
                status_message="s" * 5000,
                started_at=clock.now(),
                output="o" * 9000,
            )
        )
    change = through(trace, max_bytes=1_000_000)
    assert change.trace.head.observation_count == 302
    assert all(len(each.name) <= 210 and len(each.status_message or "") <= 2010 for each in change.observations)


def test_trace_of_too_many_observations_says_how_many_are_left_out(make_trace: MakeTrace, clock: FakeClock) -> None:
    trace = make_trace()
    trace.observations = [
        Observation(id=f"{number:016x}", parent_id=None, kind=ObservationKind.EVENT, name="e", started_at=clock.now())
        for number in range(2500)
    ]
    change = through(trace, max_bytes=600_000)
    assert change.trace.metadata["observations_left_out"] == 500
    assert len(change.observations) == 2000


def test_half_a_surrogate_pair_does_not_lose_the_trace(make_trace: MakeTrace) -> None:
    trace = make_trace(answer="fine \ud83d end", metadata={"key \udc00": "\ud800"})
    change = through(trace)
    assert change.trace.output == "fine ? end"
    assert change.observations[1].output == "fine ? end"


def test_what_is_no_json_is_written_as_text(make_trace: MakeTrace) -> None:
    change = through(make_trace(output={"when": object, "raw": b"\xff"}))
    assert "object" in str(change.trace.output)


def test_erasure_comes_back() -> None:
    for erasure in (Erasure(owner_id="a", session_id="b"), Erasure(owner_id="a", session_id=None)):
        assert decoded(encoded_erasure(erasure)) == erasure


@pytest.mark.parametrize("entry", [b"", b"{}", b"[]", b'{"trace":{}}', b"\xff", b'{"erasure":{"owner_id":1}}'])
def test_entry_that_means_nothing_is_refused(entry: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(entry)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda children: st.lists(children, max_size=6) | st.dictionaries(st.text(max_size=8), children, max_size=6),
    max_leaves=40,
)


@given(value=json_values, limit=st.integers(200, 2000))
def test_cut_json_is_short_and_leaves_short_values_alone(value: object, limit: int) -> None:
    cut = cut_json(value, limit)
    size = len(to_json(value).decode(errors="replace"))
    if size <= limit // 4:
        assert cut is value
    if cut is not value:
        texts = 1 + str(to_json(value)).count('"')
        assert len(to_json(cut).decode()) <= 6 * limit + texts * len(CUT_MARK)  # a control character is six in JSON
    assert cut_json(cut, limit * 20) == cut


def test_deep_nesting_is_no_trap(make_trace: MakeTrace) -> None:
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    change = through(make_trace(output=deep, metadata={"deep": deep}))
    assert change.trace.output == "[nested too deeply]"


@given(value=json_values)
def test_any_json_survives_the_journal(value: object) -> None:
    trace = Trace(id="a" * 32, owner_id="o", name="n", started_at=FakeClock().now(), input=value, output=value)
    change = through(trace, max_text_chars=1_000_000)
    assert change.trace.input == value
    assert change.trace.output == value
