"""The house as a whole: what fails in it fails alone, and it closes in an order in which nothing is used after its end."""

from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from alcove.gateway.directory import DeploymentDirectory
from alcove.infra.background import Deadline, background_tasks, running_workers
from alcove.infra.jobs import Job
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.kernel.errors import Unavailable
from alcove.knowledge.ingestion import Ingestion
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


async def test_a_job_at_work_while_the_house_closes_can_use_the_index_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    begun, done, closed = anyio.Event(), [], []
    aclose = QdrantEdgeIndex.aclose

    async def ingest(ingestion: Ingestion, job: Job) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.2)
                assert not closed
                await ingestion.index.delete_document("nobody", "nothing")
                done.append(job.id)

    async def close(index: QdrantEdgeIndex) -> None:
        closed.append(True)
        await aclose(index)
        with pytest.raises(Unavailable, match="closed"):
            await index.delete_document("nobody", "nothing")

    monkeypatch.setattr(Ingestion, "ingest", ingest)
    monkeypatch.setattr(QdrantEdgeIndex, "aclose", close)
    async with open_place(tmp_path) as place:
        client = place.keyed((await place.key(await place.user("ada")))[1])
        made = (await client.post("/api/v1/knowledge/collections", json={"name": "Papers"})).json()
        sent = await client.post(
            f"/api/v1/knowledge/collections/{made['id']}/documents", files={"file": ("a.txt", b"words")}
        )
        assert sent.status_code == 202, sent.text
        with anyio.fail_after(10):
            await begun.wait()
    assert done
    assert closed


async def test_background_tasks_keep_to_the_deadline_set_before_their_end():
    ended: list[str] = []

    async def task(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)

    with anyio.fail_after(2):
        async with background_tasks(drain_s=60) as background:
            background.start(lambda: task("before"), "before")
            await anyio.sleep(0.01)
            background.deadline.set(anyio.current_time() + 0.1)
            background.deadline.set(anyio.current_time() + 60)  # too late: the first one stands
            background.start(lambda: task("after"), "after")
            await anyio.sleep(0.05)
            assert not ended
            await anyio.sleep(0.1)
            assert sorted(ended) == ["after", "before"]


async def test_a_deadline_leaves_what_has_ended_alone():
    deadline = Deadline()
    with deadline.applied():
        pass
    deadline.set(anyio.current_time())
    await anyio.sleep(0.01)
    reached = False
    with deadline.applied():
        await anyio.sleep(1)
        reached = True
    assert not reached
