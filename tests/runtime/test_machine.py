"""What this machine has for models."""

from pathlib import Path

from alcove.runtime.machine import budget_bytes, processors
from alcove.runtime.models import RuntimeSettings

GB = 1 << 30


def test_budget_is_what_is_set_or_a_share_of_what_is_free(tmp_path: Path) -> None:
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text(f"MemTotal: 99 kB\nMemAvailable: {8 * GB // 1024} kB\n")
    half = RuntimeSettings(memory_share=0.5)
    assert budget_bytes(half, meminfo=meminfo, cgroup=cgroup) == 4 * GB
    cgroup.write_text("max\n")
    assert budget_bytes(half, meminfo=meminfo, cgroup=cgroup) == 4 * GB
    cgroup.write_text(f"{2 * GB}\n")
    assert budget_bytes(half, meminfo=meminfo, cgroup=cgroup) == GB
    assert budget_bytes(RuntimeSettings(memory_mb=300), meminfo=meminfo, cgroup=cgroup) == 300 << 20
    nowhere = tmp_path / "none"
    assert budget_bytes(half, meminfo=nowhere, cgroup=nowhere) == 2 * GB


def test_there_is_a_processor() -> None:
    assert processors() >= 1
