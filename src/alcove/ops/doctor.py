"""Checks of a machine and a data folder; each says what it found, and what to do about it."""

import errno
import hashlib
import json
import os
import shutil
import socket
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from alcove.infra.database import Database, is_current

_MIN_FREE = 1 << 30
_GIB = 1 << 30
_PRIVATE = 0o077


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        is_good: Whether it is as it should be.
        detail: What was found; when it is not good, what to do.
    """

    name: str
    is_good: bool
    detail: str


def check_python() -> Finding:
    """Looks at the Python version."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(name="Python", is_good=sys.version_info >= (3, 11), detail=f"{version} (3.11 or newer is needed)")


def check_data_dir(folder: Path) -> Finding:
    """Looks whether the data folder can be written, and by its owner only."""
    name = "Data folder"
    if not folder.exists():
        return Finding(name=name, is_good=True, detail=f"{folder} will be made at first start")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(name=name, is_good=False, detail=f"{folder} cannot be written; check its owner and mode")
    if stat.S_IMODE(folder.stat().st_mode) & _PRIVATE:
        return Finding(name=name, is_good=False, detail=f"others can look into {folder}; run: chmod 700 {folder}")
    return Finding(name=name, is_good=True, detail=str(folder))


def check_disk(folder: Path) -> Finding:
    """Looks for room on the disk."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / _GIB:.1f} GiB free" + ("" if free >= _MIN_FREE else "; make room, at least 1 GiB")
    return Finding(name="Disk", is_good=free >= _MIN_FREE, detail=detail)


def check_private_file(name: str, file: Path) -> Finding:
    """Looks whether a secret file is readable by its owner only."""
    if not file.exists():
        return Finding(name=name, is_good=True, detail="will be made at first start")
    if stat.S_IMODE(file.stat().st_mode) & _PRIVATE:
        return Finding(name=name, is_good=False, detail=f"others can read {file}; run: chmod 600 {file}")
    return Finding(
        name=name, is_good=True, detail=f"{file} (keep a copy in a safe place: without it, secrets are lost)"
    )


def check_master_key(file: Path, *, is_given: bool, has_data: bool) -> Finding:
    """Looks whether the master key is where it belongs; a new one would not open what an older one has sealed.

    Args:
        file: Where it lies.
        is_given: Whether the settings give it, so that the file is not read.
        has_data: Whether there is a database already.
    """
    name = "Master key"
    if is_given:
        return Finding(name=name, is_good=True, detail="given by the settings")
    if has_data and not file.exists():
        detail = (
            f"{file} is missing beside an existing database: put it back from a copy. The next start would make another "
            "one, with which stored keys of model servers cannot be read and API keys and sessions are not known"
        )
        return Finding(name=name, is_good=False, detail=detail)
    return check_private_file(name, file)


async def check_database(database: Database) -> Finding:
    """Looks whether the database answers and has this version's schema."""
    name = "Database"
    try:
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
        is_up_to_date = await is_current(database)
    except Exception as error:  # noqa: BLE001  every driver has errors of its own; all mean the same here
        return Finding(name=name, is_good=False, detail=f"does not answer: {error}")
    kind = database.engine.dialect.name
    if not is_up_to_date:
        return Finding(name=name, is_good=True, detail=f"{kind}; the next start brings its schema to this version")
    return Finding(name=name, is_good=True, detail=kind)


def check_embedding_model(folder: Path) -> Finding:
    """Looks whether the packaged embedding model is whole."""
    name = "Embedding model"
    try:
        expected = json.loads((folder / "digest.json").read_text(encoding="utf-8"))
        found = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        return Finding(name=name, is_good=False, detail=f"is missing ({error}); install Alcove again")
    if found != expected["model_sha256"]:
        return Finding(name=name, is_good=False, detail="is damaged (its digest differs); install Alcove again")
    return Finding(name=name, is_good=True, detail=f"{expected['id']} ({expected['precision']}), digest right")


def check_page(folder: Path) -> Finding:
    """Looks whether the page has been built."""
    is_there = (folder / "index.html").is_file()
    return Finding(name="Page", is_good=is_there, detail="built" if is_there else "is not built; run: make page")


def check_port(host: str, port: int) -> Finding:
    """Looks whether the port is free, or taken (by a running server, perhaps)."""
    name = f"Port {port}"
    if port == 0:
        return Finding(name=name, is_good=True, detail="a free one is picked at start")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return Finding(
                    name=name, is_good=True, detail="in use (a running Alcove, or choose another with --port)"
                )
            return Finding(name=name, is_good=False, detail=f"cannot be opened on {host}: {error.strerror}")
    return Finding(name=name, is_good=True, detail=f"free on {host}")
