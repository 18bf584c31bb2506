"""Runs the benchmarks, one after the other: all of them, or those named (`make bench ARGS="start idle"`).

A benchmark is a script in this folder with a `main()`; its docstring says what it measures and how.
"""

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, Path]:
    """Gives the scripts by name."""
    found: dict[str, Path] = {}
    for path in sorted(FOLDER.glob("*.py")):
        names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        if "main" in names and path.name != Path(__file__).name:
            found[path.stem] = path
    return found


def main() -> int:
    """Runs them; the exit status is the number of those that failed."""
    known = benchmarks()
    chosen = sys.argv[1:] or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = 0
    for name in chosen:
        print(f"\n=== {name}", flush=True)
        failed += subprocess.run([sys.executable, str(known[name])], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
