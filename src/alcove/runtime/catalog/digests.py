"""SHA-256 digests, as registries write them."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from alcove.runtime.catalog.errors import InvalidDigest

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_PIECE = 1 << 20


def hex_of(digest: str) -> str:
    """Gives the hex digits of `sha256:<hex>` (or `sha256-<hex>`), in lower case.

    Raises:
        InvalidDigest: When it is written in another way.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        detail = f"invalid digest format: {digest[:100]!r} is not 'sha256:' and 64 hex digits"
        raise InvalidDigest(detail)
    return match[1].lower()


def digest_of(data: bytes) -> str:
    """Gives the digest of some bytes, with `sha256:` before it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file_digest(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """Gives the digest of a file, with `sha256:` before it. Blocks: call it in a thread.

    Args:
        path: The file.
        on_bytes: Called with the number of bytes of each piece; what it raises ends the reading.

    Raises:
        OSError: When it cannot be read.
    """
    made = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            made.update(piece)
            on_bytes(len(piece))
    return f"sha256:{made.hexdigest()}"


def short(digest: str) -> str:
    """Gives the twelve digits that progress lines show."""
    return digest.partition(":")[2][:12]
