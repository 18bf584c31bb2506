"""Takes away from a process what a parser does not need, so that a hostile file gains nothing from breaking it.

Two layers, both of the Linux kernel and in force for the rest of the process's life:
- resource limits (`setrlimit`): memory, processor time, open files, file sizes, no core dumps, no new processes;
- no network and no files: an own, empty network namespace where the kernel lets an ordinary user make one, and Landlock
  (kernel 5.13 and later) without a single rule, so that nothing can be opened, made or connected to.
Containers often forbid namespaces and old kernels lack Landlock. Then that layer is left out: the limits always hold, and
the process has an empty environment and only the file's bytes in any case.
"""

import ctypes
import resource
import signal
import sys
from typing import Final

_IS_LINUX: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
# System call numbers, the same on every architecture (linux/Documentation/userspace-api/landlock.rst).
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_VERSION: Final = 1
# Rights by ABI version: how many bits of file access, network access and scopes it knows.
_FILE_RIGHTS: Final = (0, 13, 14, 15, 15, 16, 16, 16)
_NETWORK_SINCE: Final = 4
_SCOPES_SINCE: Final = 6

_MAX_OPEN_FILES: Final = 32
_MAX_FILE_BYTES: Final = 0
_CPU_GRACE_S: Final = 2


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def limit_resources(*, memory_bytes: int, cpu_s: int) -> None:
    """Set the limits of this process: beyond them allocations fail, and SIGXCPU ends it."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    _set(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _set(resource.RLIMIT_AS, memory_bytes)
    _set(resource.RLIMIT_CPU, cpu_s, cpu_s + _CPU_GRACE_S)
    _set(resource.RLIMIT_NPROC, 0)


def _set(what: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(what)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    try:
        resource.setrlimit(what, (soft, hard))
    except (ValueError, OSError):  # macOS knows some of these limits but sets none
        if _IS_LINUX:
            raise


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, however that ends."""
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def close_doors() -> None:
    """Give up the network and the file system for good, as far as this kernel can."""
    if not _IS_LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_VERSION))
    if version < 1:
        return
    files = (1 << _FILE_RIGHTS[min(version, len(_FILE_RIGHTS) - 1)]) - 1
    rules = _Ruleset(files, 0b11 if version >= _NETWORK_SINCE else 0, 0b11 if version >= _SCOPES_SINCE else 0)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NETWORK_SINCE else 8
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset >= 0:
        libc.syscall(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
