"""Cursors of listings: where a page ended, as text that callers hand back and need not understand.

Callers can hand back anything, so what is read is checked: the number of values and the kind of each.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, overload

from alcove.kernel.errors import InvalidRequest
from alcove.kernel.ids import is_id

Value = str | bool | int
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_MAX_INTEGER = 2**31 - 1  # of a database's ordinary integer column


def write_cursor(*values: Value | datetime) -> str:
    """Gives the cursor of a row by the values that the listing is ordered by."""
    plain = [each.astimezone(UTC).isoformat() if isinstance(each, datetime) else each for each in values]
    return urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


@overload
def read_cursor(cursor: str, one: Callable[[Value], A], /) -> tuple[A]: ...
@overload
def read_cursor(cursor: str, one: Callable[[Value], A], two: Callable[[Value], B], /) -> tuple[A, B]: ...
@overload
def read_cursor(
    cursor: str, one: Callable[[Value], A], two: Callable[[Value], B], three: Callable[[Value], C], /
) -> tuple[A, B, C]: ...
def read_cursor(cursor: str, /, *kinds: Callable[[Value], object]) -> tuple[object, ...]:
    """Gives the values of a cursor.

    Args:
        cursor: What a caller handed back.
        kinds: For each value, what reads it: `an_id`, `a_text`, `a_number`, `a_flag` or `a_time`.

    Raises:
        InvalidRequest: When it is not a cursor of such values.
    """
    try:
        return tuple(kind(value) for kind, value in zip(kinds, _values(cursor), strict=True))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        detail = f"cursor: {cursor[:80]!r} is not a cursor of this listing; leave it out for the first page."
        raise InvalidRequest(detail) from error


def _values(cursor: str) -> list[Value]:
    values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(values, list):
        raise TypeError(values)
    return values


def an_id(value: Value) -> str:
    """Reads a row's id."""
    if not (isinstance(value, str) and is_id(value)):
        raise ValueError(value)
    return value


def a_text(value: Value) -> str:
    """Reads a text that every database takes."""
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError(value)
    value.encode()  # half a surrogate pair is no text
    return value


def a_number(value: Value) -> int:
    """Reads a whole number of a database's ordinary integer column."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_INTEGER:
        raise ValueError(value)
    return value


def a_flag(value: Value) -> bool:
    """Reads yes or no."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def a_time(value: Value) -> datetime:
    """Reads a moment with its zone."""
    if not isinstance(value, str):
        raise TypeError(value)
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(value)
    return at.astimezone(UTC)
