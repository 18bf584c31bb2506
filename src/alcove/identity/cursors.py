"""Cursors of listings as this room makes them, read back with suspicion."""

from alcove.kernel.errors import InvalidRequest
from alcove.kernel.ids import is_id

_MAX_DIGITS = 9  # the sequence column is a 32-bit integer
_REFUSAL = "The cursor is not one of ours; send `next_cursor` of the page before."


def id_of(cursor: str) -> str:
    """Gives the row id that a cursor stands for.

    Raises:
        InvalidRequest: When it is none.
    """
    if not is_id(cursor):
        raise InvalidRequest(_REFUSAL)
    return cursor


def sequence_of(cursor: str) -> int:
    """Gives the sequence number that a cursor stands for.

    Raises:
        InvalidRequest: When it is none.
    """
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _MAX_DIGITS):
        raise InvalidRequest(_REFUSAL)
    return int(cursor)
