"""Makes the environment of the client programs in tests/clients: other people's libraries, which share nothing with ours.

Does nothing when it is there already. Where it cannot be made, says which tests are left out.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".make" / "clients"
REQUIREMENTS = ROOT / "tests" / "clients" / "requirements.txt"


def python() -> Path | None:
    """Gives the environment's Python, if it is there and made from these requirements."""
    mark = FOLDER / "made-from.txt"
    is_current = mark.exists() and mark.read_text() == REQUIREMENTS.read_text()
    return FOLDER / "bin" / "python" if is_current else None


def main() -> int:
    if python() is not None:
        return 0
    print("Installing the client libraries for tests/clients …", flush=True)
    venv.create(FOLDER, with_pip=True, clear=True)
    pip = [FOLDER / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    made = subprocess.run([*pip, "install", "--requirement", REQUIREMENTS], check=False)
    if made.returncode == 0:
        (FOLDER / "made-from.txt").write_text(REQUIREMENTS.read_text())
        return 0
    print("The client libraries cannot be installed here: tests/clients is left out.")
    return 1 if os.environ.get("CI") else 0  # noqa: TID251  a test script


if __name__ == "__main__":
    sys.exit(main())
