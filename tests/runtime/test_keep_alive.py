"""`keep_alive`, as Ollama reads it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.kernel.errors import InvalidRequest
from alcove.runtime.keep_alive import keep_alive_s, setting_s
from alcove.runtime.models import FOREVER_S


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0),
        (-0.0, 0),
        (300, 300),
        (0.5, 0.5),
        (-1, FOREVER_S),
        (-0.1, FOREVER_S),
        (1e300, FOREVER_S),
        (10**400, FOREVER_S),
        (math.inf, FOREVER_S),
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("-0s", 0),
        ("1m", 60),
        ("5m", 300),
        ("10m", 600),
        ("24h", 86_400),
        ("1h30m", 5400),
        ("300ms", 0.3),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("+2s", 2),
        ("1us", 1e-6),
        ("1\u00b5s", 1e-6),
        ("1\u03bcs", 1e-6),
        ("1ns", 1e-9),
        ("-1m", FOREVER_S),
        ("-1ns", FOREVER_S),
    ],
)
def test_seconds_it_stands_for(value: object, seconds: float | None) -> None:
    assert keep_alive_s(value) == seconds  # type: ignore[arg-type]  # any JSON


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "must be a number of seconds, not nan"),
        ("-1", 'time: missing unit in duration "-1"'),
        ("300", 'time: missing unit in duration "300"'),
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".", 'time: invalid duration "."'),
        (".s", 'time: invalid duration ".s"'),
        ("m", 'time: invalid duration "m"'),
        ("5 m", 'time: unknown unit " m" in duration "5 m"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1h-5m", 'time: unknown unit "h-" in duration "1h-5m"'),
        ("for ever", 'time: invalid duration "for ever"'),
        ("99999999999999h", 'time: invalid duration "99999999999999h"'),
        ("\u0663m", 'time: invalid duration "\u0663m"'),
    ],
)
def test_what_is_no_duration_is_refused_in_the_words_of_go(value: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        keep_alive_s(value)
    assert caught.value.detail == message
    assert caught.value.fields[0].field == "keep_alive"


@pytest.mark.parametrize("value", [True, False, [], ["5m"], {}, {"seconds": 5}])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="unsupported type"):
        keep_alive_s(value)  # type: ignore[arg-type]


@given(st.text(max_size=300) | st.from_regex(r"[-+]?([0-9]*(\.[0-9]*)?(ns|us|ms|s|m|h))+", fullmatch=True))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = keep_alive_s(text)
    except InvalidRequest:
        return
    assert seconds is not None
    assert seconds >= 0
    assert not math.isnan(seconds)


@given(st.integers(0, 10_000), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert keep_alive_s(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(("text", "seconds"), [("300", 300), (" 5m ", 300), ("-1", FOREVER_S), ("0", 0), ("1h", 3600)])
def test_setting_takes_plain_seconds_too(text: str, seconds: float) -> None:
    assert setting_s(text) == seconds


def test_setting_that_is_neither_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        setting_s("soon")
