"""The journal: nothing acknowledged is lost, nothing torn is read, and it never grows without bound."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alcove.infra.journal import Journal
from alcove.kernel.errors import Overloaded, TooLarge, Unavailable


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal", segment_bytes=1000, max_bytes=5000)
    journal.open()
    yield journal
    journal.close()


def everything(journal: Journal) -> list[bytes]:
    """Reads and discards all there is."""
    found: list[bytes] = []
    while journal.backlog_bytes:
        chunk = journal.peek(max_entries=7, max_bytes=2000)
        found.extend(chunk.entries)
        journal.discard(chunk.end)
    return found


def reopened(folder: Path) -> Journal:
    journal = Journal(folder, segment_bytes=1000, max_bytes=5000)
    journal.open()
    return journal


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


async def test_entries_come_back_in_order_across_segments(journal: Journal) -> None:
    payloads = [f"entry {number} {'x' * (number * 13 % 300)}".encode() for number in range(30)]
    got: list[bytes] = []
    for payload in payloads:
        await journal.append(payload)
        if journal.backlog_bytes > 3000:
            got.extend(everything(journal))
    assert got + everything(journal) == payloads


async def test_peek_leaves_entries_where_they_are_until_discarded(journal: Journal) -> None:
    await journal.append(b"one")
    await journal.append(b"two")
    first = journal.peek(max_entries=1, max_bytes=1000)
    assert first.entries == (b"one",)
    assert journal.peek(max_entries=1, max_bytes=1000) == first
    journal.discard(first.end)
    assert journal.peek(max_entries=9, max_bytes=1000).entries == (b"two",)


async def test_peek_gives_one_entry_even_if_it_is_larger_than_asked_for(journal: Journal) -> None:
    await journal.append(b"x" * 500)
    await journal.append(b"y" * 500)
    assert journal.peek(max_entries=9, max_bytes=10).entries == (b"x" * 500,)


async def test_stored_segments_are_deleted(journal: Journal, tmp_path: Path) -> None:
    for _ in range(8):
        await journal.append(b"x" * 400)
    assert len(segments(tmp_path / "journal")) == 4
    half = journal.peek(max_entries=5, max_bytes=10_000)
    journal.discard(half.end)
    assert len(segments(tmp_path / "journal")) == 2
    everything(journal)
    assert segments(tmp_path / "journal") == []
    await journal.append(b"again")
    assert everything(journal) == [b"again"]


async def test_full_journal_refuses_and_recovers_once_stored(journal: Journal) -> None:
    for _ in range(12):
        await journal.append(b"x" * 400)
    with pytest.raises(Overloaded) as refused:
        await journal.append(b"x" * 400)
    assert refused.value.retry_after_s == 1
    assert journal.backlog_bytes <= 5000
    with pytest.raises(Overloaded):
        journal.admit(0, share=0.5)
    everything(journal)
    await journal.append(b"x" * 400)


@pytest.mark.parametrize("payload", [b"", b"x" * 1000])
async def test_entry_of_impossible_size_is_refused(journal: Journal, payload: bytes) -> None:
    with pytest.raises(TooLarge):
        await journal.append(payload)
    assert journal.backlog_bytes == 0


async def test_what_was_not_stored_is_there_after_a_restart(journal: Journal, tmp_path: Path) -> None:
    for number in range(5):
        await journal.append(f"entry {number}".encode())
    journal.close()
    again = reopened(tmp_path / "journal")
    await again.append(b"later")
    assert everything(again) == [b"entry 0", b"entry 1", b"entry 2", b"entry 3", b"entry 4", b"later"]
    again.close()


async def test_second_process_is_refused(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="in use"):
        reopened(tmp_path / "journal")
    journal.close()
    reopened(tmp_path / "journal").close()


async def test_append_after_close_is_refused(journal: Journal) -> None:
    journal.close()
    with pytest.raises(Unavailable):
        await journal.append(b"late")


async def test_damaged_segment_is_kept_aside_and_the_next_one_is_read(journal: Journal, tmp_path: Path) -> None:
    for number in range(4):
        await journal.append(bytes([65 + number]) * 450)
    journal.close()
    first = segments(tmp_path / "journal")[0]
    content = bytearray(first.read_bytes())
    content[500] ^= 0xFF  # in the second entry
    first.write_bytes(content)
    again = reopened(tmp_path / "journal")
    assert everything(again) == [b"A" * 450, b"C" * 450, b"D" * 450]
    assert [path.suffix for path in (tmp_path / "journal").iterdir() if path.name != "lock"] == [".damaged"]
    again.close()


async def test_segment_of_zeros_is_no_endless_list_of_empty_entries(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}.journal").write_bytes(bytes(4096))
    journal = reopened(tmp_path)
    assert everything(journal) == []
    journal.close()


async def test_failed_write_leaves_nothing_behind_and_the_next_one_works(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.append(b"before")
    whole_write = os.write

    def half_write(fd: int, data: bytes) -> int:
        return whole_write(fd, data[: len(data) // 2])  # what a full disk does

    with monkeypatch.context() as full_disk:
        full_disk.setattr("alcove.infra.journal.os.write", half_write)
        for _ in range(2):
            with pytest.raises(Unavailable, match="No space"):
                await journal.append(b"lost" * 10)
    await journal.append(b"after")
    journal.close()
    again = reopened(tmp_path / "journal")
    assert everything(again) == [b"before", b"after"]
    again.close()


async def test_concurrent_appends_share_writes_and_lose_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    ends: list[int] = []

    async def append(number: int) -> None:
        ends.append(await journal.append(b"%d" % number))

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(append, number)
    assert sorted(int(entry) for entry in everything(journal)) == list(range(200))
    assert len(set(ends)) < 200
    journal.close()


async def test_cancelled_appender_does_not_harm_the_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await journal.append(b"cancelled")

        group.start_soon(cancelled)
        group.start_soon(journal.append, b"kept")
        await anyio.lowlevel.checkpoint()
        scope.cancel()
    assert b"kept" in everything(journal)
    journal.close()


async def test_synced_journal_writes_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path, is_synced=True)
    journal.open()
    await journal.append(b"safe from power cuts")
    assert everything(journal) == [b"safe from power cuts"]
    journal.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=12), kept_share=st.floats(0, 1))
async def test_any_truncation_gives_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], kept_share: float
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    journal.open()
    for payload in payloads:
        await journal.append(payload)
    journal.close()
    (path,) = segments(folder)
    kept = round(path.stat().st_size * kept_share)
    os.truncate(path, kept)
    again = Journal(folder)
    again.open()
    await again.append(b"next")
    found = everything(again)
    whole = 0
    for payload in payloads:
        kept -= 8 + len(payload)
        if kept < 0:
            break
        whole += 1
    assert found == [*payloads[:whole], b"next"]
    again.close()


_APPENDER = """
import sys, anyio
from pathlib import Path
from alcove.infra.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), segment_bytes=100_000)
    journal.open()
    for number in range(int(sys.argv[2]), 10_000_000):
        await journal.append(b"%d:" % number + b"x" * (number * 7919 % 5000))
        print(number, flush=True)

anyio.run(main)
"""


async def killed_appender(folder: Path, first: int, after_s: float) -> list[int]:
    """Runs an appender for a while and kills it; gives the numbers it said were safe."""
    command = [sys.executable, "-c", _APPENDER, str(folder), str(first)]
    async with await anyio.open_process(command, stdin=None, stderr=None) as child:
        assert child.stdout is not None
        said = await child.stdout.receive()
        with anyio.move_on_after(after_s):
            async for more in child.stdout:
                said += more
        child.send_signal(signal.SIGKILL)
        async for more in child.stdout:
            said += more
    return [int(line) for line in said.split(b"\n")[:-1]]


async def test_kill_9_while_writing_loses_nothing_acknowledged(tmp_path: Path) -> None:
    first = 0
    for round_number in range(3):
        acknowledged = await killed_appender(tmp_path, first, 0.1 + 0.07 * round_number)
        journal = Journal(tmp_path)
        journal.open()
        found = [int(entry.split(b":")[0]) for entry in everything(journal)]
        journal.close()
        assert found == list(range(first, first + len(found)))
        assert len(acknowledged) <= len(found) <= len(acknowledged) + 1
        first = found[-1] + 1
