"""How long a model stays loaded after its last request, as clients of Ollama say it.

A number is seconds, a text is a duration as Go writes them (`300ms`, `5m`, `1h30m`): it needs a unit, but for `0`. Less than nothing
means for ever, nothing means until the request ends. The rules and the words of refusals are those of Ollama (`api/types.go`) and
of Go's `time.ParseDuration`, both seen in August 2026.
"""

import math
import re
from typing import NoReturn

from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest
from alcove.runtime.models import FOREVER_S

_UNITS_NS = {
    "ns": 1,
    "us": 1000,
    "\u00b5s": 1000,  # micro sign
    "\u03bcs": 1000,  # Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PIECE = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?P<unit>[^0-9.]*)")
_PLAIN_SECONDS = re.compile(r"[+-]?[0-9]{1,18}")
_MOST_NS = (1 << 63) - 1
_SECOND_NS = 1_000_000_000
_MAX_SHOWN = 60
_MAX_LENGTH = 200


def keep_alive_s(value: JsonValue) -> float | None:
    """Gives the seconds that a request's `keep_alive` stands for: 0 to unload, `FOREVER_S` for ever; None where it says nothing.

    Raises:
        InvalidRequest: When it is neither a number (nan is none) nor a duration; `-1` as a text is none, for it has no unit.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        kind = "bool" if isinstance(value, bool) else "map" if hasattr(value, "keys") else "list"
        _refuse(f'unsupported type: {kind}; must be seconds as a number, or a duration such as "5m"')
    if isinstance(value, str):
        return duration_s(value)
    if isinstance(value, float) and math.isnan(value):
        _refuse("must be a number of seconds, not nan")
    if value < 0 or value * _SECOND_NS > _MOST_NS:
        return FOREVER_S
    return float(value)


def duration_s(text: str) -> float:
    """Gives the seconds that a duration of Go's stands for; `FOREVER_S` for one below zero.

    Raises:
        InvalidRequest: When it is none.
    """
    shown = f'"{text[:_MAX_SHOWN]}"'
    rest = text[1:] if text[:1] in {"+", "-"} else text
    if rest == "0":
        return 0.0
    if not rest or len(rest) > _MAX_LENGTH:
        _refuse(f"time: invalid duration {shown}")
    total_ns = 0
    at = 0
    while at < len(rest):
        piece = _PIECE.match(rest, at)
        if piece is None or not (piece["whole"] or piece["part"]):
            _refuse(f"time: invalid duration {shown}")
        if not piece["unit"]:
            _refuse(f"time: missing unit in duration {shown}")
        unit_ns = _UNITS_NS.get(piece["unit"])
        if unit_ns is None:
            _refuse(f'time: unknown unit "{piece["unit"][:_MAX_SHOWN]}" in duration {shown}')
        part = piece["part"] or ""
        total_ns += int(piece["whole"] or 0) * unit_ns + int(part or 0) * unit_ns // 10 ** len(part)
        if total_ns > _MOST_NS:
            _refuse(f"time: invalid duration {shown}")
        at = piece.end()
    return FOREVER_S if text[:1] == "-" and total_ns else total_ns / _SECOND_NS


def setting_s(text: str) -> float:
    """Gives the seconds that `OLLAMA_KEEP_ALIVE` stands for, where plain seconds may stand without a unit.

    Raises:
        InvalidRequest: When it is neither.
    """
    text = text.strip()
    if _PLAIN_SECONDS.fullmatch(text):
        seconds = keep_alive_s(int(text))
        return 0.0 if seconds is None else seconds
    return duration_s(text)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, fields=(FieldError(field="keep_alive", message=message),))
