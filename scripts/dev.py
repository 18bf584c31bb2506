"""Runs the server and the page's development server side by side; Ctrl-C ends both.

Usage: python scripts/dev.py [ARGUMENT…]   (handed to `alcove up`)
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    commands = (
        [sys.executable, "-m", "alcove", "up", *sys.argv[1:]],
        [sys.executable, ROOT / "scripts" / "npm.py", "run", "dev"],
    )
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    try:
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main())
