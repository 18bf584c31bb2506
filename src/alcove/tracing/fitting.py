"""Making any value fit to be kept: not too long, so that one pasted book does not fill the store, and valid JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from pydantic_core import to_json

from alcove.kernel.chat import JsonValue

CUT_MARK = "… [cut]"

_LEAF_CHARS = 8  # what a number, a bracket or a comma counts for
_MAX_DEPTH = 40


def cut_text(text: str, limit: int, *, mark: str = CUT_MARK) -> str:
    """Gives at most `limit` characters of a text; where something is missing, `mark` follows."""
    return text if len(text) <= limit else text[:limit] + mark


def cut_json(value: JsonValue, limit: int) -> JsonValue:
    """Gives a JSON value with at most about `limit` characters of text; the very same value, if it is short enough.

    The longest texts are cut first, all to the same length, so that the shape and the short texts stay readable. What has
    too many parts for that, or is nested too deeply, becomes the beginning of its JSON as one text.
    """
    lengths: list[int] = []
    others = _measure(value, lengths, 0)
    if others is not None and others + sum(lengths) <= limit:
        return value
    if others is None:
        return "[nested too deeply]"
    if others > limit // 2:
        return cut_text(to_json(plain(value)).decode(), limit)
    return _cut(value, _common_length(lengths, limit - others))


def plain(value: object) -> JsonValue:
    """Gives a value as JSON that can be written: half surrogate pairs become `?`, and what is no JSON its `repr`."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return plain(str(value) if isinstance(value, Decimal) else repr(value))


def _measure(value: JsonValue, lengths: list[int], depth: int) -> int | None:
    """Adds the length of every text in the value to `lengths`.

    Returns:
        What all else in it counts for; None when it is nested too deeply.
    """
    if isinstance(value, str):
        lengths.append(len(value))
        return 0
    if not isinstance(value, Mapping | Sequence):
        return _LEAF_CHARS
    if depth >= _MAX_DEPTH:
        return None
    total = _LEAF_CHARS
    if isinstance(value, Mapping):
        total += sum(_LEAF_CHARS + len(key) for key in value)
    for item in value.values() if isinstance(value, Mapping) else value:
        size = _measure(item, lengths, depth + 1)
        if size is None:
            return None
        total += size
    return total


def _common_length(lengths: Sequence[int], limit: int) -> int:
    """Gives the length to which all longer texts must be cut, so that all together have `limit` characters."""
    left = limit
    for number, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - number)
        if length > share:
            return share
        left -= length
    return limit


def _cut(value: JsonValue, length: int) -> JsonValue:
    if isinstance(value, str):
        return cut_text(value, length)
    if isinstance(value, Mapping):
        return {key: _cut(item, length) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_cut(item, length) for item in value]
    return value
