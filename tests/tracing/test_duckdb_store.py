"""What is particular to the DuckDB file: when it is open, who may have it, and what it may not do."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from alcove.kernel.errors import Unavailable
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.encoding import decoded, encoded
from alcove.tracing.models import Erasure, TraceQuery
from tests.tracing.conftest import MakeTrace

EVERYONE = TraceQuery(owner_id=None)


def opened(path: Path, query_timeout_s: float = 10) -> DuckDbTraceStore:
    return DuckDbTraceStore(path, memory_mb=128, threads=1, query_timeout_s=query_timeout_s)


async def test_nothing_is_opened_or_imported_before_the_first_trace(tmp_path: Path) -> None:
    script = """
import sys, anyio
from pathlib import Path
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.models import TraceQuery
from alcove.kernel.clock import SystemClock

async def main():
    store = DuckDbTraceStore(Path(sys.argv[1]) / "traces.duckdb", memory_mb=128, threads=1, query_timeout_s=10)
    assert await store.find(TraceQuery(owner_id=None)) == []
    assert await store.get(None, "x") is None
    assert await store.prune(SystemClock().now()) == 0
    await store.check()
    await store.release()
    assert "duckdb" not in sys.modules and not store.is_open

anyio.run(main)
"""
    await anyio.run_process([sys.executable, "-c", script, str(tmp_path)])
    assert not (tmp_path / "traces.duckdb").exists()


async def test_files_are_for_the_owner_of_the_process_only(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = opened(tmp_path / "new" / "traces.duckdb")
    await store.write([decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "traces.duckdb").stat().st_mode & 0o777 == 0o600
    await store.release()


async def test_file_of_another_process_is_unavailable_until_it_lets_go(tmp_path: Path, make_trace: MakeTrace) -> None:
    path = tmp_path / "traces.duckdb"
    script = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    change = decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))
    store = opened(path)
    async with await anyio.open_process(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stderr=None
    ) as other:
        assert other.stdout is not None
        await other.stdout.receive()
        with pytest.raises(Unavailable):
            await store.write([change])
        with pytest.raises(Unavailable):
            await store.find(EVERYONE)
        other.kill()
    await store.write([change])
    assert len(await store.find(EVERYONE)) == 1
    await store.release()


async def test_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "traces.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable):
        await opened(tmp_path / "traces.duckdb").find(EVERYONE)


async def test_file_of_a_later_version_is_left_alone(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = opened(tmp_path / "traces.duckdb")
    await store.write([decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))])
    await store._run_write(lambda connection: connection.execute("UPDATE schema_version SET version = 99"))
    await store.release()
    with pytest.raises(Unavailable, match="schema 99"):
        await store.find(EVERYONE)
    assert not store.is_open


async def test_query_that_takes_too_long_is_given_up(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = opened(tmp_path / "traces.duckdb", query_timeout_s=0.3)
    await store.write([decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))])
    with pytest.raises(Unavailable, match=r"longer than 0\.3 s"):
        await store._run_read(
            lambda connection: connection.execute(
                "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
            ).fetchall(),
            [],
        )
    assert len(await store.find(EVERYONE)) == 1
    await store.release()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY traces TO '/dev/null'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "ATTACH '/dev/shm/other.duckdb'",
    ],
)
async def test_sql_cannot_reach_outside_the_file(tmp_path: Path, make_trace: MakeTrace, sql: str) -> None:
    store = opened(tmp_path / "traces.duckdb")
    await store.write([decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))])
    with pytest.raises(Exception, match=r"(?i)disabled|locked|permission|not allowed|cannot"):
        await store._run_write(lambda connection: connection.execute(sql).fetchall())
    await store.release()


async def test_failed_batch_leaves_nothing_behind(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = opened(tmp_path / "traces.duckdb")
    good = decoded(encoded(make_trace(), max_text_chars=1000, max_bytes=100_000))
    bad = decoded(encoded(make_trace(output="bad"), max_text_chars=1000, max_bytes=100_000))
    object.__setattr__(bad.trace.head, "input_tokens", 10**30)
    with pytest.raises(Exception, match=r"(?i)convers|cast|range|large") as refused:
        await store.write([good, Erasure(owner_id="user-bob", session_id=None), bad])
    assert not isinstance(refused.value, Unavailable)
    assert await store.find(EVERYONE) == []
    await store.write([good])
    assert len(await store.find(EVERYONE)) == 1
    await store.release()
