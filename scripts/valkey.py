"""Makes sure that a Valkey or Redis server is there for the tests of shared limits; where it cannot be installed, says what is left out.

The tests start Debian's `valkey-server` or `redis-server` (or the program named by VALKEY_SERVER) on a socket of their own.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("valkey-server", "redis-server")


def find() -> str | None:
    """Gives the path of the server, or None."""
    named = os.environ.get("VALKEY_SERVER")  # noqa: TID251  a test script
    return shutil.which(named) if named else next((path for path in map(shutil.which, NAMES) if path), None)


def main() -> int:
    if find():
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing a Valkey or Redis server for the tests of shared limits …", flush=True)
        subprocess.run(["apt-get", "-qq", "update"], stdout=subprocess.DEVNULL, check=False)
        for name in NAMES:
            install = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", name]
            subprocess.run(install, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if find():
                return 0
    print(
        "No Valkey or Redis server here: the tests of shared limits are left out. Install one (Debian: apt-get install "
        "redis-server) or set VALKEY_SERVER."
    )
    return 1 if os.environ.get("CI") else 0  # noqa: TID251


if __name__ == "__main__":
    sys.exit(main())
