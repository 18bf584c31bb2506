"""Observations: nesting, times, failures."""

import anyio
import pytest

from alcove.kernel.clock import FakeClock
from alcove.kernel.ids import new_trace_id
from alcove.kernel.trace import Level, ListTraceSink, NullTraceSink, ObservationKind, Trace, Tracer


@pytest.fixture
def tracer(clock: FakeClock) -> Tracer:
    return Tracer(Trace(id=new_trace_id(), owner_id="ada", name="chat", started_at=clock.now()), clock)


def tree(tracer: Tracer) -> dict[str, str | None]:
    """Gives each observation's parent by name."""
    names = {each.id: each.name for each in tracer.trace.observations}
    return {each.name: names.get(each.parent_id or "") for each in tracer.trace.observations}


def test_observations_nest_like_their_blocks(tracer: Tracer) -> None:
    with tracer.observe(ObservationKind.SPAN, "outer"):
        with tracer.observe(ObservationKind.RETRIEVER, "inner"):
            tracer.end(tracer.begin(ObservationKind.EVENT, "event"))
        with tracer.observe(ObservationKind.TOOL, "sibling"):
            pass
    with tracer.observe(ObservationKind.SPAN, "after"):
        pass
    assert tree(tracer) == {"outer": None, "inner": "outer", "event": "inner", "sibling": "outer", "after": None}


def test_observations_of_what_is_called_stand_under_the_call(tracer: Tracer) -> None:
    with tracer.observe(ObservationKind.TOOL, "tool"):
        call = tracer.begin(ObservationKind.GENERATION, "call")
        called = tracer.under(call)
        with called.observe(ObservationKind.RETRIEVER, "search"):
            called.end(called.begin(ObservationKind.EMBEDDING, "embed"))
        tracer.end(call)
        tracer.end(tracer.begin(ObservationKind.EVENT, "then"))
    assert tree(tracer) == {"tool": None, "call": "tool", "search": "call", "embed": "search", "then": "tool"}


def test_trace_begun_inside_another_is_no_child_of_it(tracer: Tracer, clock: FakeClock) -> None:
    other = Tracer(Trace(id=new_trace_id(), owner_id="ada", name="chat", started_at=clock.now()), clock)
    with tracer.observe(ObservationKind.SPAN, "outer"), other.observe(ObservationKind.SPAN, "other"):
        pass
    assert tree(other) == {"other": None}


async def test_tasks_side_by_side_do_not_mix(tracer: Tracer) -> None:
    async def work(name: str) -> None:
        with tracer.observe(ObservationKind.SPAN, name):
            await anyio.sleep(0.001)
            with tracer.observe(ObservationKind.TOOL, f"{name} tool"):
                await anyio.sleep(0.001)

    with tracer.observe(ObservationKind.SPAN, "run"):
        async with anyio.create_task_group() as group:
            for name in ("a", "b", "c"):
                group.start_soon(work, name)
    assert tree(tracer) == {
        "run": None,
        "a": "run",
        "b": "run",
        "c": "run",
        "a tool": "a",
        "b tool": "b",
        "c tool": "c",
    }


def test_block_is_timed(tracer: Tracer, clock: FakeClock) -> None:
    with tracer.observe(ObservationKind.SPAN, "work") as observation:
        clock.advance(3)
    assert observation.ended_at is not None
    assert (observation.ended_at - observation.started_at).total_seconds() == 3
    clock.advance(1)
    tracer.end(observation)
    assert (observation.ended_at - observation.started_at).total_seconds() == 3


@pytest.mark.parametrize(
    ("error", "level", "message"),
    [
        (ValueError("bad"), Level.ERROR, "bad"),
        (ValueError(), Level.ERROR, "ValueError"),
        (KeyboardInterrupt(), Level.WARNING, "KeyboardInterrupt"),
    ],
)
def test_block_that_fails_is_marked_and_the_error_goes_on(
    tracer: Tracer, error: BaseException, level: Level, message: str
) -> None:
    with pytest.raises(type(error)), tracer.observe(ObservationKind.SPAN, "work"):
        raise error
    (observation,) = tracer.trace.observations
    assert (observation.level, observation.status_message) == (level, message)
    assert observation.ended_at is not None
    with tracer.observe(ObservationKind.SPAN, "next") as following:
        pass
    assert following.parent_id is None


async def test_sinks_for_tests_keep_all_or_nothing(tracer: Tracer) -> None:
    kept = ListTraceSink()
    for sink in (kept, NullTraceSink()):
        sink.admit()
        await sink.record(tracer.trace)
    assert kept.traces == [tracer.trace]
