"""A real server, and the page in Debian's headless Chromium."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.conftest import Alcove, start

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for path in (shutil.which(name) for name in names if name) if path), None)


@pytest.fixture(
    scope="module"
)  # Playwright's event loop runs for as long as it is open: no async test could run beside it
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no chromium here; install Debian's package or set CHROMIUM")
    expect.set_options(timeout=20_000)  # machines that run tests are busy
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that notes what it should not do: ask another host, break its security policy, throw."""
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(f"error: {error}"))
    opened.on("console", lambda message: faults.append(message.text) if _is_fault(message.text) else None)
    opened.on("request", lambda request: faults.append(f"asked {request.url}") if not _is_here(request.url) else None)
    yield opened
    assert faults == []


def _is_fault(text: str) -> bool:
    return "Content Security Policy" in text or "Content-Security-Policy" in text


def _is_here(url: str) -> bool:
    return re.match(r"(http://127\.0\.0\.1[:/]|data:|blob:|about:)", url) is not None


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """An OpenAI-compatible server on loopback; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.wire.openai_server", str(port)],
        cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/v1"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    """A server that nobody has set up yet."""
    server = start(
        tmp_path_factory.mktemp("fresh") / "data",
        ALCOVE_SETUP__ADMIN_EMAIL="", ALCOVE_SETUP__ADMIN_PASSWORD="",
    )  # fmt: skip
    yield server
    server.stop()
