import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from alcove.infra.logging import configure_logging, redact

KEY = "sk-as-abcdefgh_0123456789abcdefghijABCDEFGHIJ12"


@pytest.fixture
def lines() -> Iterator[Callable[..., list[str]]]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    stream = io.StringIO()

    def configured(*, level: str = "info", style: str = "json") -> None:
        configure_logging(level=level, style=style)  # type: ignore[arg-type]  # the test names real styles
        handler = root.handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)

    def read(**options: str) -> list[str]:
        if options:
            configured(**options)
        return stream.getvalue().splitlines()

    yield read
    structlog.reset_defaults()
    root.handlers = kept
    root.setLevel(level)


def test_a_line_is_json_with_its_fields(lines: Callable[..., list[str]]) -> None:
    lines(style="json")
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger("alcove.x").info("thing_done", count=2)
    structlog.contextvars.clear_contextvars()
    logging.getLogger("library").warning("careful with %s", "this")
    first, second = (json.loads(line) for line in lines())
    assert (first["event"], first["count"], first["request_id"], first["level"]) == ("thing_done", 2, "r1", "info")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"], second["logger"]) == ("careful with this", "warning", "library")


def test_below_the_level_nothing_is_written(lines: Callable[..., list[str]]) -> None:
    lines(level="warning", style="text")
    structlog.get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud")
    assert ["loud" in line for line in lines()] == [True]


def test_secrets_are_blanked_out_by_name_and_by_form(lines: Callable[..., list[str]]) -> None:
    lines(style="json")
    log = structlog.get_logger()
    log.info("x", password="hunter22", user_token="abc", cookie="c", api_key="k", header=f"Bearer {KEY}", text=KEY)
    try:
        raise ValueError(f"bad key {KEY}")
    except ValueError:
        log.exception("failed")
    written = "\n".join(lines())
    for secret in ("hunter22", "abc", KEY, '"c"', '"k"'):
        assert secret not in written
    assert written.count("[redacted]") >= 6
    assert "ValueError" in written


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_traceback_shows_no_variables_and_no_keys(lines: Callable[..., list[str]], style: str) -> None:
    lines(style=style)

    def fail(password: str) -> None:
        raise ValueError(f"bad key {KEY}")

    try:
        fail("".join(["hun", "ter22"]))
    except ValueError:
        structlog.get_logger().exception("failed")
    written = "\n".join(lines())
    assert "ValueError: bad key [redacted]" in written
    assert "Traceback" in written
    assert "hunter22" not in written


def test_counts_of_tokens_stay() -> None:
    event = {"event": "x", "input_tokens": 3, "key_id": "1"}
    assert redact(None, "info", dict(event)) == event
