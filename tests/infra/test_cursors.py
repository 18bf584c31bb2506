from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest

from alcove.infra.cursors import a_flag, a_number, a_text, a_time, an_id, read_cursor, write_cursor
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.ids import new_id

AT = datetime(2026, 11, 25, 12, 30, 15, 123456, tzinfo=UTC)


def test_a_cursor_comes_back_as_it_was_written() -> None:
    row = new_id()
    assert read_cursor(write_cursor(True, AT, row), a_flag, a_time, an_id) == (True, AT, row)
    assert read_cursor(write_cursor("Übersicht „1“"), a_text) == ("Übersicht „1“",)
    assert read_cursor(write_cursor(7), a_number) == (7,)


def test_a_moment_comes_back_in_utc() -> None:
    bern = AT.astimezone(timezone(timedelta(hours=1)))
    (read,) = read_cursor(write_cursor(bern), a_time)
    assert (read, read.utcoffset()) == (AT, timedelta(0))


def test_a_cursor_stands_in_an_address_as_it_is() -> None:
    assert set(write_cursor("?&/+ ~" * 9)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[1]", a_text),
        (b'["\\u0000"]', a_text),
        (b'["\\ud800"]', a_text),
        (b'["x"]', an_id),
        (b"[true]", a_number),
        (b"[-1]", a_number),
        (b"[99999999999999999999]", a_number),
        (b"[1.5]", a_number),
        (b"[1]", a_flag),
        (b'["now"]', a_time),
        (b'["2026-11-25T12:00:00"]', a_time),
        (b'["0001-01-01T00:00:00+14:00"]', a_time),
        (b"[]", a_text),
        (b'["a", "b"]', a_text),
        (b'{"a": 1}', a_text),
        (b"null", a_text),
        (b"[" * 100_000, a_text),
        (b"\xff\xfe", a_text),
    ],
)
def test_what_is_no_cursor_of_such_a_listing_is_refused(content, kind) -> None:
    with pytest.raises(InvalidRequest, match="not a cursor of this listing"):
        read_cursor(urlsafe_b64encode(content).decode(), kind)


@pytest.mark.parametrize("cursor", ["", "x", "é", "====", "%00", "\ud800", "1;drop table users"])
def test_what_is_not_even_a_code_is_refused(cursor) -> None:
    with pytest.raises(InvalidRequest, match="not a cursor of this listing"):
        read_cursor(cursor, a_text)
