"""Writes the lock files: every package with its hashes, for every platform, without the host it came from."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASE = [
    sys.executable,
    "-m",
    "uv",
    "pip",
    "compile",
    "--universal",
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--no-annotate",
]
LOCKS = {
    "requirements.lock": [],
    "requirements-build.lock": ["--group", "build", "--constraint", "requirements.lock"],
    "requirements-dev.lock": ["--extra", "postgres", "--group", "dev", "--constraint", "requirements.lock"],
}


def main() -> int:
    for name, options in LOCKS.items():
        source = [] if name == "requirements-build.lock" else ["pyproject.toml"]
        subprocess.run(
            [*BASE, "--quiet", "--upgrade", "--python-version", "3.11", *source, *options, "--output-file", name],
            cwd=ROOT,
            check=True,
        )
        text = (ROOT / name).read_text(encoding="utf-8")
        if "://" in text:
            print(f"{name} holds an address; it must not.", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
