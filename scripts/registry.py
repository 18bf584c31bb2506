"""Makes sure that a registry is there for the tests of pulling and pushing models; where it cannot be had, says what is left out.

The tests run Debian's `docker-registry` on this machine, with its files in a folder of their own. Its package is only unpacked,
into .make/registry; nothing is installed. DOCKER_REGISTRY names another program.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".make" / "registry"
NAME = "docker-registry"


def find() -> str | None:
    """Gives the path of the registry, or None."""
    named = os.environ.get("DOCKER_REGISTRY")  # noqa: TID251  a test script
    if named:
        return shutil.which(named)
    return shutil.which(str(FOLDER / NAME)) or shutil.which(NAME)


def main() -> int:
    if find():
        return 0
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        print("Getting a registry for the tests of pulling and pushing models …", flush=True)
        if os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], stdout=subprocess.DEVNULL, check=False)
        with tempfile.TemporaryDirectory() as folder:
            quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(["apt-get", "-qq", "download", NAME], check=False, **quiet)
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", package, folder], check=False, **quiet)
            program = Path(folder, "usr", "bin", NAME)
            if program.is_file():
                FOLDER.mkdir(parents=True, exist_ok=True)
                shutil.copy2(program, FOLDER / NAME)
        if find():
            return 0
    print(
        "No registry here: the tests that pull and push models are left out. Install one (Debian: apt-get install "
        "docker-registry) or set DOCKER_REGISTRY."
    )
    return 1 if os.environ.get("CI") else 0  # noqa: TID251


if __name__ == "__main__":
    sys.exit(main())
