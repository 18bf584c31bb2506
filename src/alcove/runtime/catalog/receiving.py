"""Takes in files that are sent here under their digest, piece by piece, so that a large one is never in memory."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO

import anyio
import anyio.to_thread

from alcove.kernel.errors import InvalidRequest, TooLarge
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.digests import hex_of
from alcove.runtime.catalog.errors import DigestMismatch

_WRITE_BYTES = 1 << 20
_ROOM_BYTES = 256 << 20  # how often it is looked whether there is still room, when nobody said how much is to come


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """Takes in blobs.

    Attributes:
        catalog: Where they go.
        max_bytes: Largest blob.
    """

    catalog: DiskCatalog
    max_bytes: int

    async def has(self, digest: str) -> bool:
        """Tells whether a blob is there.

        Raises:
            InvalidDigest: When the digest is none.
        """
        return await anyio.to_thread.run_sync(self.catalog.own.has, digest)

    async def receive(self, digest: str, pieces: AsyncIterator[bytes], length: int | None) -> bool:
        """Takes a blob in; gives whether it is new.

        Args:
            digest: What its digest has to be.
            pieces: Its bytes.
            length: How many there are, where the sender says so.

        Raises:
            InvalidDigest: When the digest is none.
            DigestMismatch: When the bytes have another one.
            TooLarge: When there are more than may be sent.
            DiskFull: When there is no room.
        """
        wanted = f"sha256:{hex_of(digest)}"
        if await self.has(wanted):
            return False
        self._check_size(length or 0)
        folder = self.catalog.own
        await anyio.to_thread.run_sync(folder.need_room, length or 0)
        path = folder.incoming()
        made = hashlib.sha256()
        try:
            with await anyio.to_thread.run_sync(path.open, "xb") as file:
                await self._write(file, pieces, made, length)
                await anyio.to_thread.run_sync(_sync, file)
            found = f"sha256:{made.hexdigest()}"
            if found != wanted:
                detail = f'digest mismatch, expected "{wanted}", got "{found}"'
                raise DigestMismatch(detail)
            with anyio.CancelScope(shield=True):
                blob = await anyio.to_thread.run_sync(folder.take_in, path, wanted)
                await anyio.to_thread.run_sync(self.catalog.checked.remember, blob, wanted)
        finally:
            path.unlink(missing_ok=True)
        return True

    async def _write(
        self, file: IO[bytes], pieces: AsyncIterator[bytes], made: "hashlib._Hash", length: int | None
    ) -> None:
        size, next_look = 0, _ROOM_BYTES
        held: list[bytes] = []
        held_bytes = 0

        def write(data: bytes) -> None:
            made.update(data)
            file.write(data)

        async for piece in pieces:
            size += len(piece)
            self._check_size(size)
            held.append(piece)
            held_bytes += len(piece)
            if held_bytes >= _WRITE_BYTES:
                await anyio.to_thread.run_sync(write, b"".join(held))
                held, held_bytes = [], 0
            if size >= next_look:
                next_look = size + _ROOM_BYTES
                await anyio.to_thread.run_sync(self.catalog.own.need_room, 0)
        await anyio.to_thread.run_sync(write, b"".join(held))
        if length is not None and size != length:
            detail = f"the upload was broken off after {size} of {length} bytes"
            raise InvalidRequest(detail)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            detail = f"the file is larger than {self.max_bytes:,} bytes, the most that may be sent here (runtime.catalog.max_blob_bytes)"
            raise TooLarge(detail, headers={"connection": "close"})


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
