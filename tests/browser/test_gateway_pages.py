"""The pages of the gateway: a model group, a key with a limit, the refusal, and all of it on the usage page."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import SHOTS, axe, sign_in
from tests.e2e.conftest import ADMIN, Alcove, start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PAGES = (
    "/usage",
    "/usage?everyone=yes",
    "/admin/models",
    "/admin/model-groups",
    "/admin/groups",
    "/admin/guardrails",
    "/admin/cache",
    "/settings/keys",
    "/settings/limits",
)


@pytest.fixture(scope="module")
def alcove(tmp_path_factory: pytest.TempPathFactory):
    """A server with the built-in fake model server behind it."""
    server = start(
        tmp_path_factory.mktemp("gateway") / "data",
        ALCOVE_GATEWAY__DEPLOYMENTS='[{"name": "fake", "provider": "fake"}]',
    )
    yield server
    assert server.stop() == 0


def test_limited_key_is_refused_and_its_calls_stand_on_the_usage_page(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    make_model_group(page, alcove, "fast", "fake", "echo")
    secret = make_key(page, alcove, "Robot", requests_a_minute=2)

    with alcove.client(secret) as client:
        call = {"model": "fast", "messages": [{"role": "user", "content": "Who keeps the lighthouse?"}]}
        statuses = [client.post("/v1/chat/completions", json=call).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]

    page.goto(f"{alcove.url}/usage")
    totals = page.get_by_label("Totals")
    for _ in range(20):  # a call shows when its row is stored, a moment after the answer
        page.get_by_role("button", name="Refresh").click()
        if totals.is_visible() and re.match(r"Requests\s*2", totals.inner_text()):
            break
        page.wait_for_timeout(500)
    expect(totals).to_contain_text("Requests2")
    calls = page.get_by_role("region", name="Calls")
    expect(calls.get_by_text(re.compile("key Robot"))).to_have_count(
        2
    )  # what a limit refuses was never asked of a model
    page.get_by_role("combobox", name="Sums for each").click()
    page.get_by_role("option", name="Key").click()
    expect(page.get_by_role("region", name="Breakdown").get_by_role("rowheader", name="Robot")).to_be_visible()
    axe(page)
    page.screenshot(path=SHOTS / "usage.png")


def test_group_gets_members_and_a_key_is_charged_to_it(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    page.goto(f"{alcove.url}/admin/groups")
    page.get_by_role("button", name="Add group").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Research")
    dialog.get_by_label("Budget in dollars").fill("25")
    dialog.get_by_role("button", name="Add group").click()
    expect(page.get_by_text("nobody in it · $25.00 a month")).to_be_visible()
    page.get_by_role("button", name="Actions for Research").click()
    page.get_by_role("menuitem", name="Members").click()
    page.get_by_role("combobox", name="Add a person").click()
    page.get_by_role("option").first.click()
    expect(page.get_by_role("list", name="Members").get_by_role("listitem")).to_have_count(1)
    axe(page)
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 person · $25.00 a month")).to_be_visible()

    page.goto(f"{alcove.url}/settings/keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Lab")
    dialog.get_by_role("button", name="Limits").click()
    dialog.get_by_role("combobox", name="Charged to").click()
    page.get_by_role("option", name="Research").click()
    axe(page)
    dialog.get_by_role("button", name="Make key").click()
    dialog.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text("charged to Research")).to_be_visible()


def test_key_is_rotated_by_keyboard_and_its_old_secret_ends(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    before = make_key(page, alcove, "Rotated", requests_a_minute=None)
    page.get_by_role("button", name="Actions for Rotated").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Rotate").press("Enter")
    page.get_by_role("combobox", name="The old secret").click()
    page.get_by_role("option", name="It ends now").click()
    page.get_by_role("button", name="Rotate key").press("Enter")
    after = page.get_by_role("dialog").locator("code").first.inner_text()
    page.get_by_role("button", name="I have copied it").press("Enter")
    with alcove.client(before) as old, alcove.client(after) as new:
        assert old.get("/v1/models").status_code == 401
        assert new.get("/v1/models").status_code == 200


def test_guardrail_is_tried_made_and_refuses_until_it_is_deleted(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    page.goto(f"{alcove.url}/admin/guardrails")
    page.get_by_role("button", name="Add guardrail").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("projects")
    dialog.get_by_role("combobox", name="What it does").click()
    page.get_by_role("option", name="Ban words and patterns").click()
    dialog.get_by_role("button", name="Add pattern").click()
    pattern = dialog.get_by_role("textbox", name="Pattern 1")
    pattern.fill("(?=FAL)")
    expect(dialog.get_by_text("is no pattern of RE2")).to_be_visible()
    axe(page)
    pattern.fill("FAL-[0-9]{4}")
    expect(dialog.get_by_text("is no pattern of RE2")).to_be_hidden()
    dialog.get_by_role("checkbox", name="On for everybody and every model").check()
    dialog.get_by_role("button", name="Try it").click()
    dialog.get_by_label("A text").fill("What is FAL-1234?")
    dialog.get_by_role("button", name="Try the text").press("Enter")
    expect(dialog.get_by_text("The request would be refused.")).to_be_visible()
    axe(page)
    page.screenshot(path=SHOTS / "guardrail.png")
    dialog.get_by_role("button", name="Add guardrail").click()
    row = page.get_by_role("list", name="Guardrails").get_by_role("listitem")
    expect(row).to_contain_text("On for everybody")

    with alcove.client(alcove.key(ADMIN)) as client:
        call = {"model": "fake/echo", "messages": [{"role": "user", "content": "What is FAL-1234?"}]}
        refused = client.post("/v1/chat/completions", json=call)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_blocked")
        expect(row).to_contain_text("refused 1 time since the start")
        page.get_by_role("button", name="Actions for projects").focus()
        page.keyboard.press("Enter")
        page.get_by_role("menuitem", name="Delete").press("Enter")
        page.get_by_role("button", name="Delete guardrail").press("Enter")
        expect(page.get_by_role("heading", name="No guardrail yet")).to_be_visible()
        assert client.post("/v1/chat/completions", json=call).status_code == 200


def test_answers_of_a_group_are_cached_and_dropped_in_the_page(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    make_model_group(page, alcove, "kept", "fake", "echo")
    page.goto(f"{alcove.url}/admin/cache")
    page.get_by_role("button", name="Cache a model").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Whose answers").click()
    page.get_by_role("option", name="kept").click()
    axe(page)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("list", name="Whose answers are kept")).to_contain_text("for 1 hour, each person their own")

    with alcove.client(alcove.key(ADMIN)) as client:
        call = {"model": "kept", "messages": [{"role": "user", "content": "Who keeps the lighthouse?"}]}
        told = [client.post("/v1/chat/completions", json=call).headers["x-alcove-cache"] for _ in range(2)]
    assert told == ["miss", "hit"]

    numbers = page.get_by_label("The cache in numbers")
    expect(numbers).to_contain_text("1 of 2 requests")
    page.get_by_role("button", name="Empty the cache").click()
    dialog.get_by_role("combobox", name="Model").fill("kept")
    axe(page)
    page.keyboard.press("Escape")  # closes the suggestions, not the dialog
    dialog.get_by_role("button", name="Drop these answers").click()
    expect(page.get_by_text("Dropped 1 cached answer.")).to_be_visible()
    expect(numbers).to_contain_text("Answers kept0")


def test_pages_are_sound_in_light_and_dark_and_on_a_phone(alcove: Alcove, context: BrowserContext, page: Page):
    sign_in(page, alcove)
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        for path in PAGES:
            page.goto(f"{alcove.url}{path}")
            expect(page.get_by_role("main").get_by_role("heading").nth(1)).to_be_visible()
            page.wait_for_timeout(600)
            axe(page)
            actual = page.evaluate("document.documentElement.scrollWidth")
            assert actual <= width, f"{path} is {actual} px wide on a screen of {width}"
            page.screenshot(path=SHOTS / f"{scheme}-{width}{re.sub(r'[/?=]', '-', path)}.png")


def make_model_group(page: Page, server: Alcove, name: str, deployment: str, model: str) -> None:
    page.goto(f"{server.url}/admin/model-groups")
    page.get_by_role("button", name="Add model group").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Model id").fill(name)
    dialog.get_by_role("combobox", name="Server of member 1").fill(deployment)
    dialog.get_by_role("combobox", name="Model of member 1").fill(model)
    dialog.get_by_role("button", name=re.compile("^Advanced")).click()
    expect(dialog.get_by_label("Retries")).to_be_visible()
    axe(page)
    dialog.get_by_role("button", name="Add model group").click()
    members = page.get_by_role("list", name=f"Members of {name}")
    expect(members).to_contain_text(f"{deployment}/{model}")


def make_key(page: Page, server: Alcove, name: str, *, requests_a_minute: int | None) -> str:
    """Makes a key in the page; gives its secret."""
    page.goto(f"{server.url}/settings/keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    if requests_a_minute is not None:
        dialog.get_by_role("button", name="Limits").click()
        dialog.get_by_role("textbox", name="Requests a minute").fill(str(requests_a_minute))
    dialog.get_by_role("button", name="Make key").click()
    secret = dialog.locator("code").first.inner_text()
    dialog.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_role("button", name=f"Actions for {name}")).to_be_visible()
    return secret
