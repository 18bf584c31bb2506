"""What people do on the page, and what is looked for on every one."""

import base64
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import ADMIN, PASSWORD, Alcove

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = Path(os.environ.get("ALCOVE_SHOTS", ROOT / "test-results"))
SHOTS.mkdir(parents=True, exist_ok=True)


def sign_in(page: Page, server: Alcove, email: str = ADMIN, password: str = PASSWORD) -> None:
    """Signs in through the form."""
    page.goto(f"{server.url}/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").first.fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()


def axe(page: Page) -> None:
    """Fails when axe-core finds anything serious; evaluated in a world of its own, which the page's policy does not bind."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{each['id']}: {each['help']} ({each['nodes'][0]['html'][:160]})"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    if serious:
        raise AssertionError("\n".join(serious))


def drop_file(page: Page, name: str, path: Path) -> None:
    """Drops a file on the page, as from the desktop."""
    content = base64.b64encode(path.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, {type: 'application/pdf'}));
            return transfer;
        }""",
        [name, content],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.get_by_role("textbox", name="Message").dispatch_event(event, {"dataTransfer": transfer})
