"""Makes the README's pictures from a running server: a document, a question, the passage behind the answer.

Run `make screenshot`. It starts a server of its own on a folder that is thrown away.
"""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import ARGUMENTS, chromium  # noqa: E402
from tests.browser.pages import sign_in  # noqa: E402
from tests.e2e.conftest import ADMIN, start  # noqa: E402

IMAGES = ROOT / "docs" / "images"
COLLECTION = "Lighthouses"
DOCUMENTS = {
    "Skerry Point - history.md": """# The lighthouse of Skerry Point

The lighthouse of Skerry Point was built in 1874 by the engineer Agnes Thornbury, after the wreck of the *Halcyon* on the reef below.
Its lamp burned whale oil until 1911, when an incandescent mantle took its place.

## The storm of 1902

In the night of 14 November 1902 the sea broke the lantern's glass. The keeper, Tobias Wren, kept the light burning by hand until
morning, and eleven ships passed the point in safety. The glass was replaced with plates 28 mm thick.
""",
    "Keepers and their duties.md": """# Keepers

Three keepers served in turns of eight hours. The principal keeper wrote the log, trimmed the wick every four hours, and wound
the clockwork that turned the lens. From 1936 the clockwork was driven by an electric motor.

The last keeper left Skerry Point in 1988, when the light was made automatic.
""",
    "The lens.md": """# The lens

The lens of Skerry Point is of the first order, with a focal distance of 920 mm. It floats on a bath of mercury, so that a
child can turn its four tonnes with one hand. Its light is seen 21 nautical miles away.
""",
}


def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = chromium()
    if path is None:
        print("There is no chromium here.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start(Path(folder) / "data")
        files = Path(folder) / "documents"
        files.mkdir()
        for name, text in DOCUMENTS.items():
            (files / name).write_text(text, encoding="utf-8")
        key = server.key(ADMIN)
        done = server.run("ingest", str(files), "--collection", COLLECTION, api_key=key)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1280, "height": 800},
                color_scheme=scheme,
                device_scale_factor=1.5,
                reduced_motion="reduce",
            )
            page = context.new_page()
            sign_in(page, server)
            with server.client(key) as http:
                collection = http.get("/api/v1/knowledge/collections", params={"name": COLLECTION}).json()["items"][0]
            page.goto(f"{server.url}/?collection={collection['id']}")
            _ask(page, "Who kept the light burning in the storm of 1902?")
            page.get_by_role("article").last.get_by_role("button", name=re.compile(r"Source 1|\[?1\]?")).first.click()
            expect(page.locator("mark").first).to_be_visible()
            page.screenshot(path=IMAGES / ("chat.png" if scheme == "light" else "chat-dark.png"))
            if scheme == "light":
                page.keyboard.press("Escape")
                page.get_by_role("link", name=re.compile("trace", re.IGNORECASE)).last.click()
                expect(page.get_by_text("retrieve", exact=True).first).to_be_visible()
                page.get_by_text("retrieve", exact=True).first.click()
                page.screenshot(path=IMAGES / "trace.png")
            context.close()
        browser.close()
        server.stop()
    return 0


def _ask(page: Page, question: str) -> None:
    message = page.get_by_role("textbox", name="Message")
    message.fill(question)
    message.press("Enter")
    expect(page.get_by_role("article").last).to_contain_text("Tobias Wren", timeout=60_000)
    expect(page.get_by_role("button", name=re.compile("Stop answering"))).to_be_hidden()


if __name__ == "__main__":
    sys.exit(main())
