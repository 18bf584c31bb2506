"""What this machine has for models: memory and processors."""

import os
from pathlib import Path

from alcove.runtime.models import RuntimeSettings

_MB = 1 << 20
_UNKNOWN_BYTES = 4 << 30
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def processors() -> int:
    """Gives how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def budget_bytes(settings: RuntimeSettings, *, meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Gives the memory that models may take together: as set, or a share of what is free here and allowed by the container."""
    if settings.memory_mb:
        return settings.memory_mb * _MB
    bounds = [_available(meminfo), _allowed(cgroup)]
    return int(min((each for each in bounds if each), default=_UNKNOWN_BYTES) * settings.memory_share)


def _available(path: Path) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    found = next((each for each in lines if each.startswith("MemAvailable:")), "")
    return int(found.split()[1]) * 1024 if found else 0


def _allowed(path: Path) -> int:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdecimal() else 0
