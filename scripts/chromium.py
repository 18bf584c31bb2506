"""Makes sure that Chromium is there for the browser tests; where it cannot be installed, says what is left out.

The tests use Debian's `chromium` (or the program named by CHROMIUM); nothing is downloaded beside the system's packages.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Gives the path of Chromium, or None."""
    named = os.environ.get("CHROMIUM")  # noqa: TID251  a test script
    return shutil.which(named) if named else next((path for path in map(shutil.which, NAMES) if path), None)


def main() -> int:
    if find():
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing chromium for the browser tests …", flush=True)
        packages = ["chromium", "fonts-dejavu-core"]
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", "-qq", *arguments], stdout=subprocess.DEVNULL, check=False)
    if find():
        return 0
    print(
        "No chromium here: the browser tests are left out. Install it (Debian: apt-get install chromium) or set CHROMIUM."
    )
    return 1 if os.environ.get("CI") else 0  # noqa: TID251


if __name__ == "__main__":
    sys.exit(main())
