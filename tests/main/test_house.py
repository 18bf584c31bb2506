"""The house as a whole: what fails in it fails alone, and it closes in an order in which nothing is used after its end."""

from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from alcove.gateway.directory import DeploymentDirectory
from alcove.infra.background import running_workers
from tests.main.conftest import open_place


async def test_a_worker_that_fails_is_started_again_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    tries = 0

    async def fail(directory: DeploymentDirectory) -> None:
        nonlocal tries
        tries += 1
        raise ValueError("a bug")

    monkeypatch.setattr(DeploymentDirectory, "run", fail)
    with capture_logs() as logs, anyio.fail_after(20):
        async with open_place(tmp_path) as place:
            while tries < 2:
                await anyio.sleep(0.05)
            report = await place.house.status.report()
            workers = next(each for each in report.parts if each.name == "Workers")
            assert (workers.healthy, workers.detail) == (False, "failed, and started again: model lists")
            assert (await place.client().get("/health/ready")).status_code == 200
    assert any(each["event"] == "worker_failed" and each["worker"] == "model lists" for each in logs)


async def test_workers_end_with_the_block_and_harm_no_other():
    ended: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("work")

    async def fail() -> None:
        raise OSError("no space left")

    async with running_workers() as workers:
        workers.start(work, "good")
        workers.start(fail, "bad")
        await anyio.sleep(0.05)
        assert workers.unwell() == ["bad"]
        assert not ended
    assert ended == ["work"]
