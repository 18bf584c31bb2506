"""The master key of the house, the keys derived from it, and what is encrypted with them.

There is no default secret: a 32-byte master key is made at first start, readable by its owner alone, or is given by the
operator. Nothing is encrypted with the master key itself; each purpose has its own key derived by HKDF (RFC 5869), so that
one purpose's key tells nothing about another's. Rotation is by list: the first key is used for writing, all for reading.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

log = structlog.get_logger(__name__)

KEY_BYTES = 32
MASTER_KEY_FILE = "master.key"

Purpose = Literal["pepper", "secrets", "csrf"]
"""What a derived key is for: API-key digests, provider secrets at rest, tokens against request forgery."""

_MIN_DISTINCT_BYTES = 16  # 32 random bytes have fewer with a chance below 1e-12
_PLACEHOLDERS = frozenset({
    "admin", "adminadmin", "adminpassword", "alcove", "change", "changeit", "changeme", "changethis", "changemeplease", "default",
    "defaultpassword", "dummy", "example", "fixme", "insecure", "mypassword", "mysecret", "mysecretkey", "pass", "password", "passw0rd",
    "placeholder", "pleasechangeme", "replace", "replaceme", "replacethis", "root", "sample", "secret", "secretkey", "sk",
    "supersecret", "test", "todo", "user", "xxx", "xxxx", "xxxxxxxx", "xxxxxxxxxxxxxxxx",
})  # fmt: skip
_PLACEHOLDER_STARTS = ("your", "insert", "<", "${", "{{")


class UnsafeSecret(Exception):
    """A secret that everybody knows, or that is too weak, was given; the program must not start with it."""

    exit_code: ClassVar[int] = 78  # EX_CONFIG of sysexits.h


class Undecryptable(Exception):
    """A stored secret cannot be read: made with another master key, moved to another record, or changed."""


def refuse_placeholder(value: str, *, name: str) -> None:
    """Refuses values that stand in documents and samples.

    Args:
        value: The secret as given.
        name: The setting it was given by, for the message; the value itself is never shown.

    Raises:
        UnsafeSecret: When it is one.
    """
    lowered = value.strip().lower()
    if not lowered:
        msg = f"{name} is empty; give a real value or leave the setting out"
        raise UnsafeSecret(msg)
    bare = re.sub(r"[\W_]", "", lowered).strip("0123456789")
    if not bare or bare in _PLACEHOLDERS or lowered.startswith(_PLACEHOLDER_STARTS):
        msg = f"{name} holds a placeholder from documentation; give a secret of your own"
        raise UnsafeSecret(msg)


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """The master keys, newest first; shows nothing of them when printed.

    Attributes:
        _keys: 32 bytes each; the first is used for writing.
    """

    _keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuses what is no key.

        Raises:
            UnsafeSecret: When there is none, or one has not 32 bytes.
        """
        if not self._keys or any(len(key) != KEY_BYTES for key in self._keys):
            msg = f"a master key has {KEY_BYTES} bytes"
            raise UnsafeSecret(msg)

    def __repr__(self) -> str:
        return f"MasterKey({len(self._keys)} keys)"

    def derive(self, purpose: Purpose) -> bytes:
        """Gives the 32-byte key for a purpose, from the newest master key."""
        return self.derive_all(purpose)[0]

    def derive_all(self, purpose: Purpose) -> tuple[bytes, ...]:
        """Gives the 32-byte keys for a purpose, one for each master key, newest first."""
        return tuple(_derive(key, purpose) for key in self._keys)


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"alcove/{purpose}".encode()).derive(key)


def parse_master_key(text: str, *, name: str) -> MasterKey:
    """Reads master keys given as text: one on each line, 32 bytes as 64 hex digits or as base64; the newest first.

    Args:
        text: The keys.
        name: Where they came from, for the message.

    Raises:
        UnsafeSecret: When there is none, or one is a placeholder, malformed, too short, or plainly not random.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        msg = f"{name} is empty; make a key with: openssl rand -base64 32"
        raise UnsafeSecret(msg)
    return MasterKey(tuple(_parse_key(line, name) for line in lines))


def _parse_key(line: str, name: str) -> bytes:
    key = _decode(line)
    if key is None:
        refuse_placeholder(line, name=name)
        msg = f"{name} is not {KEY_BYTES} bytes as hex or base64; make one with: openssl rand -base64 32"
        raise UnsafeSecret(msg)
    if len(set(key)) < _MIN_DISTINCT_BYTES:
        msg = f"{name} is not random; make a key with: openssl rand -base64 32"
        raise UnsafeSecret(msg)
    return key


def _decode(line: str) -> bytes | None:
    if len(line) == 2 * KEY_BYTES:
        with contextlib.suppress(ValueError):
            return bytes.fromhex(line)
    with contextlib.suppress(ValueError, binascii.Error):
        standard = line.replace("-", "+").replace("_", "/")
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        if len(key) == KEY_BYTES:
            return key
    return None


def load_master_key(data_dir: Path, *, given: str | None = None, given_file: Path | None = None) -> MasterKey:
    """Gives the master key: the given one, else the one in the data folder, which is made at first start.

    Args:
        data_dir: The data folder; must exist.
        given: The key itself, from settings.
        given_file: A file that holds it, such as a mounted secret or a systemd credential.

    Raises:
        UnsafeSecret: When the key is a placeholder, weak or malformed, or given twice, or its file cannot be read.
    """
    if given is not None and given_file is not None:
        msg = "the master key is given both as a value and as a file; give one"
        raise UnsafeSecret(msg)
    if given is not None:
        return parse_master_key(given, name="the master key in the settings")
    path = given_file or data_dir / MASTER_KEY_FILE
    if given_file is None and not path.exists():
        create_private_file(path, base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the master key cannot be read from {str(path)!r}: {type(error).__name__}"
        raise UnsafeSecret(msg) from error
    if given_file is None:
        _keep_private(path)
    return parse_master_key(text, name=f"the master key in {str(path)!r}")


def create_private_file(path: Path, text: str) -> bool:
    """Writes a new file that only its owner can read, whole or not at all; leaves an existing one as it is.

    Returns:
        Whether this call made the file.
    """
    draft = _write_draft(path, text)
    try:
        os.link(draft, path)  # fails if another process was first: rename would overwrite its key
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def replace_private_file(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all, in place of an existing one."""
    _write_draft(path, text).replace(path)
    _sync_folder(path.parent)


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        log.warning("master_key_was_readable_by_others", mode=oct(mode))
        with contextlib.suppress(PermissionError):
            path.chmod(0o600)


_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True, repr=False)
class SecretBox:
    """Encrypts secrets at rest with AES-256-GCM, each bound to the record it belongs to.

    The text it gives is base64url of: version (1 byte), key id (4), nonce (12), ciphertext with tag. The record id is
    associated data: a secret copied into another row does not open there.

    Attributes:
        _keys: 32 bytes each, newest first; from `MasterKey.derive_all("secrets")`.
    """

    _keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"SecretBox({len(self._keys)} keys)"

    def encrypt(self, plain: str, *, record_id: str) -> str:
        """Gives the secret encrypted with the newest key."""
        key = self._keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, plain.encode(), record_id.encode())
        return base64.urlsafe_b64encode(_VERSION + _key_id(key) + nonce + sealed).decode()

    def decrypt(self, token: str, *, record_id: str) -> str:
        """Gives the secret back.

        Raises:
            Undecryptable: When no key of ours made it, it belongs to another record, or it was changed.
        """
        key_id, nonce, sealed = _split(token)
        for key in self._keys:
            if _key_id(key) == key_id:
                with contextlib.suppress(InvalidTag):
                    return AESGCM(key).decrypt(nonce, sealed, record_id.encode()).decode()
        msg = "the stored secret cannot be read with this master key; enter it again"
        raise Undecryptable(msg)

    def is_current(self, token: str) -> bool:
        """Tells whether the newest key made it; if not, decrypt and encrypt it again."""
        return _split(token)[0] == _key_id(self._keys[0])


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"alcove/key-id" + key).digest()[:_KEY_ID_BYTES]


def _split(token: str) -> tuple[bytes, bytes, bytes]:
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) <= _HEADER_BYTES or raw[:1] != _VERSION:
        msg = "the stored secret has an unknown form; enter it again"
        raise Undecryptable(msg)
    return raw[1 : 1 + _KEY_ID_BYTES], raw[1 + _KEY_ID_BYTES : _HEADER_BYTES], raw[_HEADER_BYTES:]
