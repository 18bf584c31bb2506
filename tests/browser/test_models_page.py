"""The page about local models, on a real server with tiny models: load, test, pin, make a variant, a pull that fails, delete."""

import hashlib
import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from alcove.runtime.testing.gguf import tiny_model
from tests.browser.pages import SHOTS, axe, sign_in
from tests.e2e.conftest import PASSWORD, Alcove, start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

USER = "grace@example.org"


@pytest.fixture(scope="module")
def alcove(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    server = start(tmp_path_factory.mktemp("models") / "data")
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


def test_a_pull_that_is_refused_or_fails_says_so_and_is_there_after_a_reload(alcove: Alcove, page: Page) -> None:
    sign_in(page, alcove)
    page.goto(f"{alcove.url}/models")
    field = page.get_by_role("textbox", name="Model", exact=True)
    field.fill("registry.invalid/team/model:1")
    page.get_by_role("button", name="Pull", exact=True).click()
    expect(page.get_by_role("region", name="Pull a model").get_by_role("alert")).to_be_visible()
    field.fill("http://127.0.0.1:9/model.gguf")
    field.press("Enter")
    expect(page.get_by_role("region", name="Pull a model").get_by_role("alert").first).to_be_visible()
    axe(page)
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.screenshot(path=SHOTS / "models-pull.png")


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
