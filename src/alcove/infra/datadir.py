"""The data folder: private to its owner, used by one server at a time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from alcove.kernel.errors import AlcoveError

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


class DataFolderInUse(AlcoveError):
    """Another server already runs on this data folder."""

    code = "data_folder_in_use"
    title = "Data folder in use"


class DataFolderUnusable(AlcoveError):
    """The data folder cannot be used."""

    code = "data_folder_unusable"
    title = "Data folder not usable"


def prepare_data_dir(folder: Path) -> None:
    """Makes the folder, readable by its owner only; and so is every file this process makes from now on.

    Raises:
        DataFolderUnusable: When it cannot be made or written.
    """
    os.umask(~_PRIVATE_FOLDER & 0o777)
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        detail = f"The data folder {str(folder)!r} cannot be made: {error.strerror}. Choose another with --data-dir."
        raise DataFolderUnusable(detail) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        detail = (
            f"The data folder {str(folder)!r} cannot be written. Check its owner, or choose another with --data-dir."
        )
        raise DataFolderUnusable(detail)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; the lock ends with the process, however that ends.

    Raises:
        DataFolderInUse: When another process holds it.
    """
    file = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip()
            detail = (
                f"A server (process {holder or '?'}) already runs on the data folder {str(folder)!r}. "
                "Stop it first, or choose another folder with --data-dir."
            )
            raise DataFolderInUse(detail) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)
