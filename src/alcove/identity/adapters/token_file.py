"""The setup token in a file of the data folder that only the operator can read.

The file is the one place of truth, so a token made by `alcove setup-link` is known to a running server at once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread

from alcove.infra.secrets import replace_private_file

SETUP_TOKEN_FILE = "setup-token"  # noqa: S105  the name of a file


@dataclass(frozen=True, slots=True)
class FileSetupTokens:
    """Keeps the token with the second at which it ends, one on each line.

    Attributes:
        _data_dir: The data folder; must exist.
    """

    _data_dir: Path

    async def save(self, token: str, expires_at: datetime) -> None:
        """Keeps a token in place of the one before."""
        text = f"{token}\n{expires_at.astimezone(UTC).isoformat()}\n"
        await to_thread.run_sync(replace_private_file, self._path, text)

    async def load(self) -> tuple[str, datetime] | None:
        """Gives the token and when it ends, or None; a file that cannot be understood counts as none."""
        return await to_thread.run_sync(self._read)

    async def clear(self) -> None:
        """Deletes the file."""
        await to_thread.run_sync(lambda: self._path.unlink(missing_ok=True))

    @property
    def _path(self) -> Path:
        return self._data_dir / SETUP_TOKEN_FILE

    def _read(self) -> tuple[str, datetime] | None:
        try:
            token, ends = self._path.read_text("utf-8").split()
            expires_at = datetime.fromisoformat(ends)
        except (OSError, ValueError):
            return None
        return (token, expires_at) if expires_at.tzinfo is not None else None
