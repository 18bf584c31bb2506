"""The page about local models, on a real server with tiny models: load, test, pin, make a variant, a pull that fails, delete."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from alcove.runtime.testing.gguf import SLOW, tiny_model
from tests.browser.pages import SHOTS, axe, sign_in
from tests.e2e.conftest import PASSWORD, Alcove, start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

USER = "grace@example.org"
_STEP = 1 << 16


class FileServer(ThreadingHTTPServer):
    """Serves a model under any path: half of it quickly, the rest a little at a time until `go` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Slowly)
        self.go = threading.Event()
        self.data = tiny_model(SLOW)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Slowly(BaseHTTPRequestHandler):
    server: FileServer

    def do_HEAD(self) -> None:
        self._head(200, len(self.server.data))

    def do_GET(self) -> None:
        data = self.server.data
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        first, last = (int(asked[1]), int(asked[2] or len(data) - 1)) if asked else (0, len(data) - 1)
        part = data[first : last + 1]
        self._head(206 if asked else 200, len(part), f"bytes {first}-{last}/{len(data)}")
        half = len(part) // 2
        self.wfile.write(part[:half])
        for at in range(half, len(part), _STEP):
            self.server.go.wait(0.2)
            self.wfile.write(part[at : at + _STEP])

    def _head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(length))
        self.send_header("accept-ranges", "bytes")
        self.send_header("etag", '"one"')
        if content_range:
            self.send_header("content-range", content_range)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    server = FileServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def alcove(tmp_path_factory: pytest.TempPathFactory, files: FileServer) -> Iterator[Alcove]:
    hosts = json.dumps([files.url.removeprefix("http://")])
    server = start(tmp_path_factory.mktemp("models") / "data", ALCOVE_RUNTIME__REGISTRY__HOSTS=hosts)
    yield server
    assert server.stop() == 0


def add(client: httpx2.Client, name: str, data: bytes) -> None:
    """Sends a model's file and makes a model of it."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert client.post(f"/api/blobs/{digest}", content=data).status_code in {200, 201}
    made = client.post("/api/create", json={"model": name, "files": {f"{name}.gguf": digest}, "stream": False})
    assert made.json() == {"status": "success"}, made.text


def row(page: Page, name: str) -> Locator:
    items = page.get_by_role("list", name="Installed models").get_by_role("listitem")
    return items.filter(has=page.get_by_text(name, exact=True)).first


def test_a_first_model_is_explained_then_loaded_tested_pinned_and_deleted(alcove: Alcove, page: Page) -> None:
    sign_in(page, alcove)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="No model on this machine yet")).to_be_visible()
    page.get_by_role("button", name="Pull a first model").press("Enter")
    expect(page.get_by_role("textbox", name="Model", exact=True)).to_be_focused()
    axe(page)
    page.screenshot(path=SHOTS / "models-empty.png")

    with alcove.client() as client:
        add(client, "tiny", tiny_model())
        add(client, "embedder", tiny_model(is_embedder=True))
    page.reload()
    tiny = row(page, "tiny:latest")
    expect(tiny).to_contain_text("not loaded")
    expect(tiny).to_contain_text("which fits")
    expect(row(page, "embedder:latest").get_by_role("button", name=re.compile("^Test"))).to_have_count(0)

    tiny.get_by_role("button", name="Load tiny:latest").click()
    expect(tiny.get_by_role("button", name="Unload tiny:latest")).to_be_visible()
    running = page.get_by_role("list", name="Running models").get_by_role("listitem")
    expect(running).to_have_count(1)
    expect(running).to_contain_text("slots at work")
    expect(running).to_contain_text("unloads in")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    axe(page)
    page.set_viewport_size({"width": 1280, "height": 1400})  # the page scrolls inside of itself
    page.screenshot(path=SHOTS / "models.png")
    page.set_viewport_size({"width": 1280, "height": 860})

    tiny.get_by_role("button", name="Test tiny:latest").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Prompt").fill("Hello")
    dialog.get_by_label("Prompt").press("Enter")
    expect(dialog.get_by_text("The answer is complete")).to_be_attached()
    expect(dialog.get_by_label("Speed")).to_contain_text("in the answer")
    axe(page)
    page.screenshot(path=SHOTS / "models-test.png")
    page.keyboard.press("Escape")

    tiny.get_by_role("button", name="Actions for tiny:latest").press("Enter")
    page.get_by_role("menuitem", name="Pin").press("Enter")
    expect(running).to_contain_text("stays: pinned")
    tiny.get_by_role("button", name="Unload tiny:latest").click()
    expect(tiny).to_contain_text("was unloaded by hand")
    expect(tiny).to_contain_text("not loaded")
    page.reload()
    expect(row(page, "tiny:latest").get_by_label("pinned")).to_be_visible()  # also while it is not loaded

    row(page, "embedder:latest").get_by_role("button", name="Actions for embedder:latest").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete model").click()
    expect(page.get_by_text("Deleted embedder:latest.")).to_be_visible()
    expect(row(page, "embedder:latest")).to_have_count(0)


def test_a_variant_is_made_and_what_is_wrong_stands_beside_its_field(alcove: Alcove, page: Page) -> None:
    with alcove.client() as client:
        add(client, "base", tiny_model())
    sign_in(page, alcove)
    page.goto(f"{alcove.url}/models")
    page.get_by_role("button", name="Create a variant").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("team/brief")
    dialog.get_by_role("combobox", name="Made from").click()
    page.get_by_role("option", name="base:latest").click()
    dialog.get_by_label("System prompt").fill("Be brief.")
    dialog.get_by_label("Parameters").fill("temperature")
    dialog.get_by_role("button", name="Create variant").click()
    expect(dialog.get_by_text("Line 1 needs a name and a value")).to_be_visible()
    axe(page)
    dialog.get_by_label("Parameters").fill("num_ctx much")
    dialog.get_by_role("button", name="Create variant").click()
    expect(dialog.get_by_role("alert")).to_contain_text("num_ctx")
    page.screenshot(path=SHOTS / "models-variant.png")
    dialog.get_by_label("Parameters").fill("num_ctx 256")
    dialog.get_by_role("button", name="Create variant").click()
    expect(row(page, "team/brief:latest")).to_be_visible()


def test_a_pull_is_watched_over_a_reload_and_refusals_stand_at_the_field(
    alcove: Alcove, page: Page, files: FileServer
) -> None:
    sign_in(page, alcove)
    page.goto(f"{alcove.url}/models")
    panel = page.get_by_role("region", name="Pull a model")
    field = page.get_by_role("textbox", name="Model", exact=True)
    field.fill("registry.invalid/team/model:1")
    page.get_by_role("button", name="Pull", exact=True).click()
    expect(panel.get_by_role("alert")).to_contain_text("registry.invalid")

    field.fill(f"{files.url}/pulled.gguf")
    field.press("Enter")
    expect(panel).to_contain_text("This is an http address")
    panel.get_by_role("checkbox", name="The registry may be asked by http").check()
    panel.get_by_label("Name here").fill("pulled:1")
    page.get_by_role("button", name="Pull", exact=True).click()
    pull = page.get_by_role("list", name="Pulls").get_by_role("listitem").first
    expect(pull).to_contain_text(re.compile(r"\d+ %.* of .*left"))
    axe(page)
    pull.scroll_into_view_if_needed()
    page.screenshot(path=SHOTS / "models-pull.png")
    page.reload()
    expect(pull).to_contain_text(re.compile(r"\d+ %.* of "))
    expect(page.get_by_role("button", name=re.compile("^Cancel the pull"))).to_be_visible()
    files.go.set()
    expect(pull).to_contain_text("installed")
    expect(row(page, "pulled:1")).to_be_visible()  # without a reload


def test_who_is_no_admin_looks_and_tests_and_changes_nothing(alcove: Alcove, page: Page) -> None:
    with alcove.client() as client:
        add(client, "shared", tiny_model())
        made = client.post("/api/v1/users", json={"email": USER, "name": "Grace", "password": PASSWORD, "role": "user"})
        assert made.status_code == 201, made.text
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    sign_in(page, alcove, USER)
    page.goto(f"{alcove.url}/models")
    shared = row(page, "shared:latest")
    expect(shared.get_by_role("button", name="Test shared:latest")).to_be_visible()
    for name in ("Load shared:latest", "Actions for shared:latest", "Pull", "Create a variant"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    axe(page)
    page.screenshot(path=SHOTS / "models-phone-dark.png")
