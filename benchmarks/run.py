"""Runs the benchmarks, one after the other: all of them, or those named (`make bench ARGS="start idle"`).

A benchmark is a script in this folder with a `main()`, or a folder with a `__main__.py`; its docstring says what it measures and how.
Options are handed to the benchmark before them: `make bench ARGS="gateway --quick"`.
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
    return found | {path.parent.name: path for path in sorted(FOLDER.glob("*/__main__.py"))}


def asked(words: list[str]) -> list[tuple[str, list[str]]]:
    """Gives the names, each with the options after it."""
    named: list[tuple[str, list[str]]] = []
    for word in words:
        if named and (word.startswith("-") or named[-1][1]):
            named[-1][1].append(word)
        else:
            named.append((word, []))
    return named


def main() -> int:
    """Runs them; the exit status is the number of those that failed."""
    known = benchmarks()
    chosen = asked(sys.argv[1:]) or [(name, []) for name in known]
    unknown = [name for name, _ in chosen if name not in known]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = 0
    for name, options in chosen:
        print(f"\n=== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", name, *options], cwd=FOLDER, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
