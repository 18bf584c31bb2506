"""The house's health: every part is asked, none can hide another."""

import anyio
import pytest

from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import Unavailable
from alcove.status.service import Part, StatusService


class FakePart:
    """A part whose answer a test sets."""

    def __init__(self) -> None:
        self.answer: tuple[bool, str] | Exception = (True, "well")
        self.asked = 0

    async def check(self) -> tuple[bool, str]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def service(clock: FakeClock, *parts: Part) -> StatusService:
    return StatusService(parts=parts, clock=clock, version="1.2.3", started_s=clock.monotonic_s())


async def hang() -> tuple[bool, str]:
    await anyio.sleep_forever()
    return True, "never"


async def test_report_shows_every_part_in_order(clock: FakeClock) -> None:
    well, unwell = FakePart(), FakePart()
    unwell.answer = (False, "disk full")
    status = service(
        clock,
        Part(name="database", check=well.check),
        Part(name="traces", check=unwell.check),
        Part(name="models", check=hang, timeout_s=0.01),
    )
    clock.advance(90)
    report = await status.report()
    assert (report.version, report.uptime_s) == ("1.2.3", 90)
    assert [(part.name, part.healthy, part.detail) for part in report.parts] == [
        ("database", True, "well"),
        ("traces", False, "disk full"),
        ("models", False, "It did not answer within 0.01 s."),
    ]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unavailable("The disk is full."), "The disk is full."),
        (ValueError("postgresql://user:secret@host"), "The check failed (ValueError); the log has the details."),
    ],
)
async def test_part_that_raises_is_unwell_and_says_no_secrets(clock: FakeClock, error: Exception, detail: str) -> None:
    part = FakePart()
    part.answer = error
    (shown,) = (await service(clock, Part(name="database", check=part.check)).report()).parts
    assert (shown.healthy, shown.detail) == (False, detail)


async def test_only_essential_parts_decide_whether_it_is_ready(clock: FakeClock) -> None:
    essential, other = FakePart(), FakePart()
    other.answer = (False, "no model server")
    status = service(
        clock,
        Part(name="database", check=essential.check, is_essential=True),
        Part(name="models", check=other.check),
    )
    assert await status.is_ready()
    assert other.asked == 0
    essential.answer = (False, "locked")
    clock.advance(1.5)
    assert not await status.is_ready()


async def test_readiness_is_found_out_once_a_second_at_most(clock: FakeClock) -> None:
    part = FakePart()
    status = service(clock, Part(name="database", check=part.check, is_essential=True))
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(status.is_ready)
    assert part.asked == 1
    clock.advance(1)
    await status.is_ready()
    assert part.asked == 2


async def test_part_that_hangs_makes_it_not_ready(clock: FakeClock) -> None:
    assert not await service(clock, Part(name="database", check=hang, is_essential=True, timeout_s=0.01)).is_ready()
