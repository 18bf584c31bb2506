"""The forms of credentials: API keys, session tokens, e-mail addresses."""

import hashlib
import hmac
import re
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = 8
_SECRET_LENGTH = 32
_KEY = re.compile(rf"sk-as-([A-Za-z0-9]{{{_PREFIX_LENGTH}}})_[A-Za-z0-9]{{{_SECRET_LENGTH}}}")
_MAX_KEY_LENGTH = 64
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,185}[A-Za-z0-9])?")


def new_key() -> tuple[str, str]:
    """Gives the prefix of a new API key and the whole of it: `sk-as-`, 8 characters, `_`, 32 characters (190 bits)."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LENGTH))
    return prefix, new_secret(prefix)


def new_secret(prefix: str) -> str:
    """Gives a new API key with a prefix that is known already."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return f"sk-as-{prefix}_{secret}"


def key_prefix(key: str) -> str | None:
    """Gives the prefix by which an API key is found, or None when the text has not the form of one."""
    match = _KEY.fullmatch(key) if len(key) <= _MAX_KEY_LENGTH else None
    return match[1] if match else None


def key_digest(key: str, pepper: bytes) -> str:
    """Gives what is kept of an API key: HMAC-SHA256 under the pepper, hex."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def new_token() -> str:
    """Gives a new secret of 256 random bits, as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Tells whether a text has the form of `new_token`."""
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> str:
    """Gives what is kept of a session token: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def normal_email(text: str) -> str | None:
    """Gives an e-mail address as it is kept, in lower case; None when the text is none.

    The form is checked, not the mailbox; names without a dot after the `@` are good, for `admin@localhost`.
    """
    stripped = text.strip().lower()
    return stripped if _EMAIL.fullmatch(stripped) else None
