"""The turn: its steps in order, errors, cancellation, and the trace it always leaves."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal

import anyio
import pytest

from alcove.kernel.chat import ChatRequest, ChatRole, Delta, Source, ToolCallDelta, Usage
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import Forbidden, InternalError, ModelNotFound, Overloaded, StreamInterrupted
from alcove.kernel.filters import BaseFilter, Filter
from alcove.kernel.ports import CallContext, ModelInfo, Served
from alcove.kernel.principal import Principal
from alcove.kernel.runner import TurnRunner
from alcove.kernel.trace import Level, ListTraceSink, ObservationKind
from alcove.kernel.turn import Turn, ask
from tests.kernel.fakes import DONE, FakeModel, HeldBackground, NotingFilter, OneModel, ShoutingFilter, question

SOURCE = Source(
    number=1,
    text="An alcove is a recess.",
    document_id="d1",
    document="house.md",
    collection_id="c1",
    collection="home",
    chunk_index=0,
    score=0.9,
    start=10,
    end=32,
)


class FixedPrice:
    """Knows one price."""

    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal | None:
        return Decimal("0.25") * usage.total_tokens


class FullSink(ListTraceSink):
    """Has no room."""

    def admit(self) -> None:
        raise Overloaded


class FindingFilter(BaseFilter):
    """Finds a source for every question."""

    name = "knowledge"
    status = "Searching"

    async def inlet(self, turn: Turn) -> None:
        turn.request = replace(turn.request, sources=(SOURCE,))


@dataclass
class Setting:
    """A house to run turns in."""

    model: FakeModel
    filters: Sequence[Filter] = ()
    clock: FakeClock = field(default_factory=FakeClock)
    sink: ListTraceSink = field(default_factory=ListTraceSink)
    background: HeldBackground = field(default_factory=HeldBackground)

    def runner(self) -> TurnRunner:
        return TurnRunner(
            models=OneModel(self.model),
            filters=self.filters,
            sink=self.sink,
            pricing=FixedPrice(),
            background=self.background,
            clock=self.clock,
        )


async def answered(setting: Setting, request: ChatRequest, who: Principal) -> tuple[Turn, list[Delta]]:
    runner = setting.runner()
    turn = runner.open(request, who, request_id="r-1")
    return turn, [delta async for delta in runner.stream(turn)]


async def test_plain_turn_streams_the_model_and_leaves_a_trace(ada: Principal) -> None:
    setting = Setting(FakeModel())
    turn, deltas = await answered(setting, question(session_id="chat-1"), ada)
    assert deltas == list(setting.model.deltas)
    assert turn.answer.content == "Hello there"
    (trace,) = setting.sink.traces
    assert trace.id == turn.trace_id
    assert (trace.owner_id, trace.session_id, trace.model, trace.level) == (
        ada.user_id,
        "chat-1",
        "small",
        Level.DEFAULT,
    )
    assert trace.input == [{"role": "user", "content": "Hi?"}]
    assert trace.output == "Hello there"
    assert trace.metadata == {"request_id": "r-1"}
    assert trace.ended_at is not None
    (generation,) = trace.observations
    assert (generation.kind, generation.model, generation.usage) == (ObservationKind.GENERATION, "small", DONE.usage)
    assert generation.cost_usd == Decimal("1.75")
    assert generation.metadata["finish_reason"] == "stop"
    assert setting.background.tasks == []


async def test_key_is_noted_in_the_trace(ada: Principal) -> None:
    setting = Setting(FakeModel())
    await answered(setting, question(), replace(ada, key_id="key-1"))
    assert setting.sink.traces[0].metadata["key_id"] == "key-1"


async def test_time_to_first_token_is_when_the_first_piece_came(ada: Principal) -> None:
    clock = FakeClock()
    quiet = (Delta(status="thinking"), Delta(reasoning="hm"), Delta(content="So"), DONE)
    setting = Setting(FakeModel(deltas=quiet, clock=clock), clock=clock)
    await answered(setting, question(), ada)
    (generation,) = setting.sink.traces[0].observations
    assert generation.first_token_at is not None
    assert generation.ended_at is not None
    assert (generation.first_token_at - generation.started_at).total_seconds() == 2
    assert (generation.ended_at - generation.started_at).total_seconds() == 4


async def test_filters_act_by_priority_in_and_in_reverse_out(ada: Principal) -> None:
    notes: list[str] = []
    filters = [NotingFilter("late", notes, priority=9), NotingFilter("early", notes, priority=1)]
    setting = Setting(FakeModel(), filters)
    await answered(setting, question(), ada)
    assert notes == ["early inlet", "late inlet"]
    await setting.background.run()
    assert notes[2:] == ["late outlet: Hello there", "early outlet: Hello there"]


async def test_filter_that_does_not_apply_costs_nothing(ada: Principal) -> None:
    class Elsewhere(NotingFilter):
        def applies(self, turn: Turn) -> bool:
            return turn.request.model == "other"

    notes: list[str] = []
    setting = Setting(FakeModel(), [Elsewhere("elsewhere", notes)])
    await answered(setting, question(), ada)
    assert notes == []
    assert setting.background.tasks == []
    assert [each.name for each in setting.sink.traces[0].observations] == ["chat small"]


async def test_stream_filters_nest_like_their_inlets(ada: Principal) -> None:
    inner, outer = ShoutingFilter("?", priority=2), ShoutingFilter("!", priority=1)
    setting = Setting(FakeModel(), [inner, outer])
    turn, _ = await answered(setting, question(), ada)
    assert turn.answer.content == "HELLO?! THERE?!"
    assert (inner.closed, outer.closed, setting.model.closed) == (1, 1, 1)


async def test_sources_go_to_the_client_and_into_the_prompt_and_markers_become_citations(ada: Principal) -> None:
    model = FakeModel(deltas=(Delta(content="A recess [1]. Not [2]."), DONE))
    setting = Setting(model, [FindingFilter()])
    turn, deltas = await answered(setting, question("What is an alcove?"), ada)
    assert deltas[0] == Delta(status="Searching")
    assert deltas[1] == Delta(sources=(SOURCE,))
    system = model.requests[0].messages[0]
    assert system.role is ChatRole.SYSTEM
    assert "[1] house.md\nAn alcove is a recess." in system.text
    (citation,) = deltas[-1].citations
    assert (citation.number, citation.quote, citation.start, citation.end) == (1, SOURCE.text, 10, 32)
    assert turn.answer.sources == (SOURCE,)
    assert [each.name for each in setting.sink.traces[0].observations] == ["knowledge inlet", "chat small"]


async def test_model_that_reads_sources_gets_them_as_they_are(ada: Principal) -> None:
    model = FakeModel(info=ModelInfo(id="small", reads_sources=True))
    await answered(Setting(model, [FindingFilter()]), question("What?"), ada)
    (request,) = model.requests
    assert request.sources == (SOURCE,)
    assert [message.role for message in request.messages] == [ChatRole.USER]


async def test_unknown_model_is_an_error_with_a_trace(ada: Principal) -> None:
    setting = Setting(FakeModel())
    with pytest.raises(ModelNotFound):
        await answered(setting, question(model="large"), ada)
    (trace,) = setting.sink.traces
    assert (trace.level, trace.status_message, trace.model) == (Level.ERROR, "There is no model 'large'.", "large")
    assert trace.observations == []


async def test_filter_that_refuses_ends_the_turn_before_the_model_is_asked(ada: Principal) -> None:
    class Refusing(BaseFilter):
        name = "guard"

        async def inlet(self, turn: Turn) -> None:
            detail = "Not about that."
            raise Forbidden(detail)

    setting = Setting(FakeModel(), [Refusing()])
    with pytest.raises(Forbidden):
        await answered(setting, question(), ada)
    assert setting.model.requests == []
    (observation,) = setting.sink.traces[0].observations
    assert (observation.name, observation.level, observation.status_message) == (
        "guard inlet",
        Level.ERROR,
        "Not about that.",
    )


async def test_stream_that_breaks_keeps_what_was_said_and_runs_no_outlet(ada: Principal) -> None:
    notes: list[str] = []
    model = FakeModel(error=StreamInterrupted("cut"), error_after=1)
    setting = Setting(model, [NotingFilter("memory", notes)])
    runner = setting.runner()
    turn = runner.open(question(), ada)
    got: list[Delta] = []

    async def listen() -> None:
        async for delta in runner.stream(turn):
            got.append(delta)

    with pytest.raises(StreamInterrupted):
        await listen()
    assert got == [Delta(content="Hello")]
    assert isinstance(turn.error, StreamInterrupted)
    (trace,) = setting.sink.traces
    assert (trace.output, trace.level, trace.status_message) == ("Hello", Level.ERROR, "cut")
    assert trace.observations[-1].level is Level.ERROR
    assert model.closed == 1
    assert setting.background.tasks == []


async def test_unforeseen_error_becomes_an_internal_one_without_its_text(ada: Principal) -> None:
    setting = Setting(FakeModel(error=ValueError("postgresql://user:secret@host")))
    with pytest.raises(InternalError) as raised:
        await answered(setting, question(), ada)
    assert isinstance(raised.value.__cause__, ValueError)
    assert "secret" not in raised.value.detail
    assert setting.sink.traces[0].status_message == raised.value.detail


async def test_closing_the_stream_closes_the_model_and_leaves_a_trace(ada: Principal) -> None:
    notes: list[str] = []
    shout = ShoutingFilter()
    setting = Setting(FakeModel(), [shout, NotingFilter("memory", notes)])
    runner = setting.runner()
    turn = runner.open(question(), ada)
    async with aclosing(runner.stream(turn)) as deltas:
        async for _ in deltas:
            break
    assert (setting.model.closed, shout.closed) == (1, 1)
    assert turn.is_cancelled
    (trace,) = setting.sink.traces
    assert (trace.level, trace.output) == (Level.WARNING, "HELLO!")
    generation = trace.observations[-1]
    assert (generation.level, generation.output) == (Level.WARNING, "Hello")
    assert [name for name, _ in setting.background.tasks] == [f"outlet {trace.id}"]


async def test_cancelling_the_task_closes_the_model_and_leaves_a_trace(ada: Principal) -> None:
    setting = Setting(FakeModel(hangs_after=1))
    runner = setting.runner()
    turn = runner.open(question(), ada)
    with anyio.move_on_after(0.02):
        async for _ in runner.stream(turn):
            pass
    assert setting.model.closed == 1
    assert turn.is_cancelled
    assert [trace.output for trace in setting.sink.traces] == ["Hello"]


async def test_outlets_run_off_the_path_and_their_observations_join_the_trace(ada: Principal) -> None:
    notes: list[str] = []
    clock = FakeClock()
    setting = Setting(FakeModel(), [NotingFilter("memory", notes)], clock=clock)
    await answered(setting, question(), ada)
    (trace,) = setting.sink.traces
    ended_at = trace.ended_at
    assert [each.name for each in trace.observations] == ["memory inlet", "chat small"]
    clock.advance(30)
    await setting.background.run()
    assert len(setting.sink.traces) == 2
    assert [each.name for each in setting.sink.traces[1].observations][-1] == "memory outlet"
    assert trace.ended_at == ended_at  # the answer's latency is not the outlets'


async def test_outlet_that_fails_does_not_keep_the_next_from_running(ada: Principal) -> None:
    notes: list[str] = []
    filters = [
        NotingFilter("kept", notes, priority=1),
        NotingFilter("broken", notes, priority=2, error=ValueError("no")),
    ]
    setting = Setting(FakeModel(), filters)
    await answered(setting, question(), ada)
    with pytest.raises(ExceptionGroup):
        await setting.background.run()
    assert notes[2:] == ["broken outlet: Hello there", "kept outlet: Hello there"]
    levels = {each.name: each.level for each in setting.sink.traces[1].observations}
    assert (levels["broken outlet"], levels["kept outlet"]) == (Level.ERROR, Level.DEFAULT)


async def test_turn_whose_trace_could_not_be_kept_is_not_begun(ada: Principal) -> None:
    setting = Setting(FakeModel(), sink=FullSink())
    with pytest.raises(Overloaded):
        setting.runner().open(question(), ada)
    assert setting.model.requests == []


async def test_composite_model_is_a_span_around_the_calls_it_makes(ada: Principal) -> None:
    inner = FakeModel(info=ModelInfo(id="inner"))

    @dataclass
    class Crew(FakeModel):
        async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
            async with aclosing(ask(inner, request, context)) as deltas:
                async for delta in deltas:
                    yield delta

    setting = Setting(Crew(info=ModelInfo(id="small", is_composite=True)))
    await answered(setting, question(), ada)
    span, generation = setting.sink.traces[0].observations
    assert (span.kind, span.usage, span.cost_usd) == (ObservationKind.SPAN, None, None)
    assert (generation.kind, generation.model, generation.usage) == (ObservationKind.GENERATION, "inner", DONE.usage)
    assert (span.parent_id, generation.parent_id) == (None, span.id)


async def test_tool_calls_are_in_the_trace(ada: Principal) -> None:
    call = ToolCallDelta(index=0, id="call-1", name="search", arguments='{"q":1}')
    setting = Setting(FakeModel(deltas=(Delta(tool_calls=(call,)), Delta(finish_reason="tool_calls"))))
    await answered(setting, question(), ada)
    (generation,) = setting.sink.traces[0].observations
    assert generation.metadata["tool_calls"] == [{"id": "call-1", "name": "search", "arguments": '{"q":1}'}]
    assert generation.first_token_at is not None
