"""The whole walk in a browser: set up, drop a document, ask, open the citation, open the trace, reload in mid-answer."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import SHOTS, axe, drop_file, sign_in
from tests.e2e.conftest import PASSWORD, Alcove, start
from tests.wire.openai_server import DIAGRAMS as HOSTILE_DIAGRAMS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PAPER = """# Skerry Point

The lighthouse of Skerry Point was built in 1874 by Agnes Thornbury. Its lamp burned whale oil until 1911.

The keeper's cottage has a green door. In winter the path to it is under water twice a day.
"""


@pytest.fixture(scope="module")
def alcove(tmp_path_factory: pytest.TempPathFactory, upstream: str):
    """A server with an account and a model server behind it."""
    server = start(
        tmp_path_factory.mktemp("house") / "data",
        ALCOVE_GATEWAY__DEPLOYMENTS=f'[{{"name": "fake", "base_url": "{upstream}", "models": ["slow", "citing", "hostile"]}}]',
    )
    yield server
    assert server.stop() == 0


def test_stranger_sets_up_drops_a_pdf_asks_and_checks_the_answer(fresh: Alcove, page: Page, tmp_path: Path):
    link = fresh.run("setup-link", "--url", fresh.url, "--data-dir", str(fresh.data_dir)).stdout.strip()
    page.goto(link)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_label("Password").first.fill("short")
    page.get_by_role("button", name=re.compile("create|start|account", re.IGNORECASE)).click()
    expect(page.get_by_text(re.compile("8 characters", re.IGNORECASE)).first).to_be_visible()
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name=re.compile("create|start|account", re.IGNORECASE)).click()
    message = page.get_by_role("textbox", name="Message")
    expect(message).to_be_visible()
    assert "token=" not in page.url
    axe(page)
    page.screenshot(path=SHOTS / "welcome.png")

    drop_file(page, "skerry.pdf", pdf(tmp_path))
    expect(page.get_by_text("skerry.pdf").first).to_be_visible()
    message.fill("Who built the lighthouse of Skerry Point?")
    message.press("Enter")
    expect(page).to_have_url(re.compile(r"/c/"))
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("Agnes Thornbury", timeout=60_000)
    expect(page.get_by_role("button", name=re.compile("Stop answering"))).to_be_hidden()
    axe(page)
    page.screenshot(path=SHOTS / "answer.png")

    answer.get_by_role("button", name=re.compile(r"Source 1|\[?1\]?")).first.click()
    panel = page.get_by_role("complementary", name="Source").or_(page.get_by_role("dialog", name="Source"))
    expect(panel).to_contain_text("skerry.pdf")
    expect(panel.locator("mark")).to_contain_text("built in 1874 by Agnes Thornbury")
    axe(page)
    page.screenshot(path=SHOTS / "citation.png")
    page.keyboard.press("Escape")

    answer.get_by_role("link", name=re.compile("trace", re.IGNORECASE)).click()
    expect(page).to_have_url(re.compile(r"/traces/"))
    expect(page.get_by_text("retrieve").first).to_be_visible()
    expect(page.get_by_text("alcove/reader").first).to_be_visible()
    axe(page)
    page.screenshot(path=SHOTS / "trace.png")


def test_answer_goes_on_while_the_page_reloads_and_other_chats_are_read(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    choose_model(page, "slow")
    ask(page, "Count to two hundred")
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("word5")
    page.reload()
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("word9")
    expect(page.get_by_role("button", name=re.compile("Stop answering"))).to_be_visible()
    page.get_by_role("link", name="New chat").or_(page.get_by_role("button", name="New chat")).first.click()
    page.wait_for_timeout(500)
    page.go_back()
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("word199", timeout=30_000)
    text = answer.inner_text()
    words = re.findall(r"word(\d+)", text)
    assert [int(each) for each in words] == list(range(200))


def test_stop_edit_regenerate_and_branches(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    choose_model(page, "slow")
    ask(page, "Count")
    expect(page.get_by_role("article").last).to_contain_text("word3")
    page.get_by_role("button", name=re.compile("Stop answering")).click()
    expect(page.get_by_role("button", name=re.compile("Stop answering"))).to_be_hidden()
    choose_model(page, "citing")
    page.get_by_role("article").last.hover()
    page.get_by_role("button", name="Answer again").last.click()
    expect(page.get_by_role("article").last).to_contain_text("Agnes Thornbury")
    expect(page.get_by_text("2 / 2")).to_be_visible()
    page.get_by_role("button", name=re.compile("previous", re.IGNORECASE)).last.click()
    expect(page.get_by_role("article").last).to_contain_text("word0")
    page.reload()
    expect(page.get_by_role("article").last).to_contain_text("word0")


def test_end_of_chat_stays_in_view_unless_the_reader_scrolls_up(alcove: Alcove, page: Page):
    page.set_viewport_size({"width": 1000, "height": 600})
    sign_in(page, alcove)
    choose_model(page, "citing")
    thread = page.get_by_test_id("thread")
    for number in range(6):
        if number % 2 == 1:
            thread.hover()
            page.mouse.wheel(0, -5000)
        ask(page, f"Question {number}? " + "Some more words. " * 12 * (number % 3))
        expect(page.get_by_role("article")).to_have_count(2 * number + 2)
        expect(page.get_by_role("article").last).to_contain_text("Agnes Thornbury")
        expect(page.get_by_role("button", name=re.compile("Stop answering"))).to_be_hidden()
        page.wait_for_timeout(300)
        assert bottom_of_last_message(page) <= top_of_composer(page), f"the end is hidden after question {number}"
    choose_model(page, "slow")
    ask(page, "Count")
    expect(page.get_by_role("article").last).to_contain_text("word9")
    thread.hover()
    page.mouse.wheel(0, -400)
    expect(page.get_by_role("button", name="Jump to the latest message")).to_be_visible()
    page.wait_for_timeout(300)
    assert bottom_of_last_message(page) > top_of_composer(page), "scrolling up was not respected"
    page.get_by_role("button", name="Jump to the latest message").click()
    page.get_by_role("button", name=re.compile("Stop answering")).click()
    expect(page.get_by_text("You stopped this answer")).to_be_in_viewport(ratio=1)
    page.wait_for_timeout(300)
    assert bottom_of_last_message(page) <= top_of_composer(page)


def test_hostile_answer_runs_nothing_and_asks_nobody(alcove: Alcove, page: Page):
    sign_in(page, alcove)
    choose_model(page, "hostile")
    ask(page, '<img src=x onerror="window.hacked = 8">')
    expect_diagrams(page, len(HOSTILE_DIAGRAMS))
    assert page.evaluate("window.hacked") is None
    page.reload()
    expect_diagrams(page, len(HOSTILE_DIAGRAMS))
    assert page.evaluate("window.hacked") is None
    assert page.locator("article iframe").count() == 0
    assert page.locator("article").locator("image, foreignObject img, [data-streamdown=mermaid] a").count() == 0


def expect_diagrams(page: Page, count: int) -> None:
    """Waits until each diagram was drawn, or shown as one that cannot be; goes to each, since only those in view are drawn."""
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("end of answer")
    blocks = answer.locator("[data-streamdown=mermaid-block]")
    expect(blocks).to_have_count(count)
    thread = page.get_by_test_id("thread")
    thread.hover()
    while thread.evaluate("element => element.scrollTop") > 0:  # or the thread holds on to its end
        page.mouse.wheel(0, -5000)
        page.wait_for_timeout(200)
    for block in blocks.all():
        block.scroll_into_view_if_needed()
        expect(block.locator("[data-streamdown=mermaid] svg, pre").first).to_be_attached()


def test_keyboard_dark_and_phone(alcove: Alcove, context: BrowserContext, page: Page):
    sign_in(page, alcove)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    for path in ("/", "/knowledge", "/traces", "/settings", "/admin"):
        page.goto(f"{alcove.url}{path}")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("main")).to_be_visible()
        axe(page)
        page.screenshot(path=SHOTS / f"page{path.replace('/', '-')}.png")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/", "/knowledge", "/traces", "/settings", "/admin"):
        page.goto(f"{alcove.url}{path}")
        page.wait_for_load_state("networkidle")
        axe(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{path} is {width} px wide on a phone"
        page.screenshot(path=SHOTS / f"phone{path.replace('/', '-')}.png")


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("button", name=re.compile("^Model")).first.click()
    page.get_by_role("option", name=re.compile(name)).or_(
        page.get_by_role("menuitem", name=re.compile(name))
    ).first.click()


def ask(page: Page, text: str) -> None:
    message = page.get_by_role("textbox", name="Message")
    message.fill(text)
    message.press("Enter")
    expect(page).to_have_url(re.compile(r"/c/"))


def bottom_of_last_message(page: Page) -> float:
    return page.get_by_role("article").last.evaluate("element => element.getBoundingClientRect().bottom")


def top_of_composer(page: Page) -> float:
    return page.get_by_test_id("thread").evaluate("element => element.getBoundingClientRect().bottom")


def pdf(folder: Path) -> Path:
    """Makes a one-page PDF of the paper, by hand."""
    lines = [line for line in PAPER.replace("# ", "").splitlines() if line]
    shown = " T* ".join(f"({line}) Tj" for line in (line.replace("(", r"\(").replace(")", r"\)") for line in lines))
    stream = f"BT /F1 10 Tf 40 700 Td 14 TL {shown} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources 5 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>",
    ]
    content = b"%PDF-1.4\n"
    offsets = []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(content)
    content += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % each for each in offsets)
    content += b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table
    path = folder / "skerry.pdf"
    path.write_bytes(content)
    return path
