"""Pulls that are broken off, and go on: by lost links, stalls, damage, and `kill -9`."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from alcove.kernel.clock import SystemClock
from alcove.runtime.catalog.errors import DigestMismatch, DiskFull
from alcove.runtime.registry.errors import RegistryError, RegistryUnreachable
from alcove.runtime.transfers import Transfers
from tests.runtime.places import CONFIG, LAYERS, open_place
from tests.wire.front_server import Answer, Asked, Front, part, running_front
from tests.wire.registry_server import CONFIG_TYPE, MANIFEST_TYPE, RegistryServer

WEIGHTS = (
    LAYERS["model"] + bytes(range(256)) * 4096
)  # 1 MB behind the tensors: allowed, and never the same twice in a row
DIGEST = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
CONFIG_BYTES = json.dumps(CONFIG).encode()
PARTS: dict[str, Any] = {"parts": 4, "min_part_bytes": 1 << 18}


def manifest() -> bytes:
    config = {
        "mediaType": CONFIG_TYPE,
        "digest": f"sha256:{hashlib.sha256(CONFIG_BYTES).hexdigest()}",
        "size": len(CONFIG_BYTES),
    }
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": DIGEST, "size": len(WEIGHTS)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]}).encode()


def registry_answer(asked: Asked) -> Answer:
    """A registry with one model that does all right."""
    if "/manifests/" in asked.path:
        return Answer(body=manifest(), headers={"content-type": MANIFEST_TYPE})
    return part(asked, WEIGHTS if asked.path.endswith(DIGEST) else CONFIG_BYTES)


def blobs(folder: Path) -> list[str]:
    return sorted(each.name for each in (folder / "models/blobs").iterdir())


def weights_asked(front: Front) -> list[Asked]:
    return [each for each in front.asked if each.path.endswith(DIGEST)]


async def test_parts_are_fetched_at_the_same_time(tmp_path: Path) -> None:
    arrived = anyio.Event()
    waiting: set[str] = set()

    async def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            waiting.add(asked.headers["range"])
            if len(waiting) == 4:
                arrived.set()
            with anyio.fail_after(5):
                await arrived.wait()
        return registry_answer(asked)

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), **PARTS) as place:
            await place.pull(f"{front.host}/library/big")
            model = await place.catalog.get(f"{front.host}/library/big")
            assert model.files.weights.read_bytes() == WEIGHTS
    assert len(blobs(tmp_path)) == 2


async def test_lost_links_and_stalls_are_gone_on_from_where_they_were(tmp_path: Path) -> None:
    cuts = 0

    def answer(asked: Asked) -> Answer:
        nonlocal cuts
        good = registry_answer(asked)
        if asked.path.endswith(DIGEST) and cuts < 12:
            cuts += 1
            pause_s = 30.0 if cuts == 3 else 0.0
            return Answer(status=good.status, headers=good.headers, body=good.body, cut_after=50_000, pause_s=pause_s)
        return good

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), attempts=3, stall_s=0.3, **PARTS) as place:
            await place.pull(f"{front.host}/library/big")
            assert (await place.catalog.get(f"{front.host}/library/big")).files.weights.read_bytes() == WEIGHTS
        starts = [each.range[0] for each in weights_asked(front)]
        assert len(set(starts)) == len(starts)  # never the same bytes twice


async def test_a_link_that_stays_lost_ends_the_pull_and_keeps_what_is_here(tmp_path: Path) -> None:
    is_cut = True

    def answer(asked: Asked) -> Answer:
        good = registry_answer(asked)
        if is_cut and asked.path.endswith(DIGEST):
            cut = 100_000 if asked.range[0] == 0 else 0
            return Answer(status=good.status, headers=good.headers, body=good.body, cut_after=cut)
        return good

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), attempts=3, **PARTS) as place:
            with pytest.raises(RegistryUnreachable, match="pull again to go on"):
                await place.pull(f"{front.host}/library/big")
        assert any(name.endswith("-partial") for name in blobs(tmp_path))
        is_cut = False
        front.asked.clear()
        async with open_place(tmp_path, hosts=(front.host,), **PARTS) as place:
            lines = await place.pull(f"{front.host}/library/big")
        begun = next(each for each in lines if each.digest == DIGEST)
        assert begun.completed >= 100_000
        assert 0 not in {each.range[0] for each in weights_asked(front)}
    assert not any("partial" in name for name in blobs(tmp_path))


async def test_a_byte_changed_in_what_is_here_is_found_and_the_next_pull_is_clean(tmp_path: Path) -> None:
    is_cut = True

    def answer(asked: Asked) -> Answer:
        good = registry_answer(asked)
        if is_cut and asked.path.endswith(DIGEST):
            return Answer(
                status=good.status,
                headers=good.headers,
                body=good.body,
                cut_after=100_000 if asked.range[0] == 0 else 0,
            )
        return good

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), attempts=2, parts=1) as place:
            with pytest.raises(RegistryUnreachable):
                await place.pull(f"{front.host}/library/big")
        is_cut = False
        file = tmp_path / "models/blobs" / f"{DIGEST.replace(':', '-')}-partial"
        with file.open("r+b") as damaged:
            damaged.seek(50_000)
            byte = damaged.read(1)
            damaged.seek(50_000)
            damaged.write(bytes([byte[0] ^ 1]))
        async with open_place(tmp_path, hosts=(front.host,), parts=1) as place:
            with pytest.raises(DigestMismatch, match="file must be downloaded again"):
                await place.pull(f"{front.host}/library/big")
            assert not any(DIGEST[7:] in name for name in blobs(tmp_path))
            await place.pull(f"{front.host}/library/big")
            assert len(await place.catalog.list()) == 1


async def test_a_server_without_ranges_gives_the_file_whole(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            return Answer(body=WEIGHTS)
        return registry_answer(asked)

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), **PARTS) as place:
            await place.pull(f"{front.host}/library/big")
            assert (await place.catalog.get(f"{front.host}/library/big")).files.weights.read_bytes() == WEIGHTS


@pytest.mark.parametrize("content_range", [f"bytes 0-9/{len(WEIGHTS) + 1}", "bytes 7-16/20", "nonsense"])
async def test_a_server_that_gives_other_bytes_is_not_believed(tmp_path: Path, content_range: str) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            return Answer(status=206, headers={"content-range": content_range}, body=bytes(10))
        return registry_answer(asked)

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,), parts=1) as place:
            with pytest.raises(RegistryError):
                await place.pull(f"{front.host}/library/big")


async def test_a_model_that_cannot_fit_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        if "/manifests/" in asked.path:
            return Answer(body=manifest().replace(str(len(WEIGHTS)).encode(), b"9000000000000000"))
        return registry_answer(asked)

    async with running_front(answer) as front:
        async with open_place(tmp_path, hosts=(front.host,)) as place:
            with pytest.raises(DiskFull, match="not enough disk space"):
                await place.pull(f"{front.host}/library/big")
        assert weights_asked(front) == []


async def test_two_pulls_share_one_download_that_ends_with_the_last(tmp_path: Path) -> None:
    go = anyio.Event()
    asked_once = anyio.Event()

    async def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            asked_once.set()
            await go.wait()
        return registry_answer(asked)

    async with running_front(answer) as front:
        name = f"{front.host}/library/big"
        async with open_place(tmp_path, hosts=(front.host,), parts=1, stall_s=20) as place:
            async with anyio.create_task_group() as group:
                first = anyio.CancelScope()

                async def leave_early() -> None:
                    with first:
                        await place.pull(name)

                group.start_soon(leave_early)
                group.start_soon(place.pull, name)
                await asked_once.wait()
                await anyio.sleep(0.1)
                first.cancel()
                await anyio.sleep(0.1)
                go.set()
            assert len(weights_asked(front)) == 1
            assert len(await place.catalog.list()) == 1
            await place.catalog.delete(name)
            go = anyio.Event()
            with anyio.move_on_after(0.3):
                await place.pull(name)
            await anyio.sleep(0.1)
            assert place.downloads._running == {}


async def test_a_pull_of_the_page_goes_on_alone_and_a_clients_ends_with_it(tmp_path: Path) -> None:
    async with running_front(registry_answer) as front:
        name = f"{front.host}/library/big"
        async with open_place(tmp_path, hosts=(front.host,), **PARTS) as place:
            transfers = Transfers(tasks=place.downloads.tasks, clock=SystemClock())
            kept = await transfers.start(
                name, lambda: place.puller.pull(name, is_insecure=True), key=name, by="root", is_kept=True
            )
            async with contextlib.aclosing(kept.follow()) as lines:
                async for _ in lines:
                    break
            with anyio.fail_after(10):
                while kept.state == "running":
                    await anyio.sleep(0.01)
            assert kept.state == "done"
            assert [each.status for each in kept.lines][-1] == "success"
            assert kept.completed == kept.total == len(WEIGHTS) + len(CONFIG_BYTES)
            slow = await transfers.start(
                "x",
                lambda: place.puller.pull(f"http://{front.host}/library/big", is_insecure=True, name="x"),
                key="x",
                by="root",
                is_kept=False,
            )
            async with contextlib.aclosing(slow.follow()) as lines:
                async for _ in lines:
                    break
            with anyio.fail_after(10):
                while slow.state == "running":
                    await anyio.sleep(0.01)
            assert slow.state in {"cancelled", "done"}


CHILD = """
import sys, anyio
from pathlib import Path
from tests.runtime.places import open_place

async def main():
    folder, host, name = sys.argv[1:]
    async with open_place(Path(folder), hosts=(host,), parts=4, min_part_bytes=1 << 20) as place:
        await place.pull(name)
    print("done")

anyio.run(main)
"""


def test_a_pull_that_is_killed_again_and_again_ends_with_the_right_bytes(
    registry: RegistryServer, tmp_path: Path
) -> None:
    weights = LAYERS["model"] + os.urandom(1 << 20) * 120
    digest = registry.put_model("library/killed", "1", {"model": weights}, CONFIG)
    name = f"{registry.host}/library/killed:1"
    key = f"sha256-{hashlib.sha256(weights).hexdigest()}"
    folder = tmp_path / "models/blobs"
    begin = [sys.executable, "-c", CHILD, str(tmp_path), registry.host, name]
    seen = 0
    for kill in range(1, 4):
        process = subprocess.Popen(begin, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if _noted(folder, key) >= min(seen + (8 << 20), 100 << 20):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        process.communicate()
        assert not (folder / key).exists() or process.returncode == 0
        now = _noted(folder, key)
        assert now >= seen or process.returncode == 0, kill
        seen = now
    done = subprocess.run(begin, stdout=subprocess.PIPE, check=True, timeout=30)
    assert done.stdout.strip() == b"done"
    assert (folder / key).read_bytes() == weights
    assert sorted(each.name for each in folder.iterdir() if "partial" in each.name or each.name.startswith(".")) == []
    path = tmp_path / "models/manifests" / registry.host / "library/killed/1"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _noted(folder: Path, key: str) -> int:
    found = 0
    for note in folder.glob(f"{key}-partial-*"):
        with contextlib.suppress(OSError, ValueError):
            found += json.loads(note.read_bytes())["Completed"]
    return found
