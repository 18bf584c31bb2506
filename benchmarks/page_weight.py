"""Page weight: what a browser must fetch before the page shows, and what each part of it loads later, on demand.

Follows `index.html` and the static imports of its modules, as a browser does; `import()` is followed one step, as the parts
that load when a screen is opened. Sizes are compressed with gzip at level 9. Fonts count where they are loaded: none before
a formula is shown.
"""

import gzip
import re
from pathlib import Path

from report import Row, show

PAGE = Path(__file__).parent.parent / "src" / "alcove" / "page"
GOAL_BYTES = 1_000_000
SHOWN = 6

_IN_HTML = re.compile(r"""<(?:script|link)\b[^>]*?(?:src|href)="(/[^"]+)"[^>]*>""")
_STATIC = re.compile(r"""(?:\bfrom|\bimport)\s*["'](\.{1,2}/[^"']+)["']""")
_DYNAMIC = re.compile(r"""\bimport\(\s*["'`](\.{1,2}/[^"'`]+)["'`]\s*\)""")


def named_in_html() -> set[Path]:
    """Gives the files that `index.html` makes a browser load."""
    html = (PAGE / "index.html").read_text()
    found = {PAGE / "index.html"}
    for tag in _IN_HTML.finditer(html):
        if 'rel="manifest"' not in tag[0]:
            found.add(PAGE / tag[1].lstrip("/"))
    return found


def with_imports(files: set[Path]) -> set[Path]:
    """Gives the files and all that their modules import statically."""
    found = set(files)
    waiting = [file for file in files if file.suffix == ".js"]
    while waiting:
        file = waiting.pop()
        for match in _STATIC.finditer(file.read_text()):
            imported = (file.parent / match[1]).resolve()
            if imported not in found and imported.is_file():
                found.add(imported)
                waiting.append(imported)
    return found


def on_demand(files: set[Path]) -> set[Path]:
    """Gives the modules that these files may load later."""
    found: set[Path] = set()
    for file in files:
        if file.suffix == ".js":
            found |= {(file.parent / match[1]).resolve() for match in _DYNAMIC.finditer(file.read_text())}
    return {file for file in found if file.is_file()} - files


def weight(files: set[Path]) -> tuple[int, int]:
    """Gives the bytes of files, as they are and compressed."""
    contents = [file.read_bytes() for file in files]
    return sum(len(each) for each in contents), sum(len(gzip.compress(each, 9)) for each in contents)


def row(name: str, files: set[Path]) -> Row:
    """Gives the table's row for a set of files."""
    raw, compressed = weight(files)
    return {"part": name, "files": len(files), "kB": raw / 1000, "gzip kB": compressed / 1000}


def main() -> None:
    """Measures and prints."""
    first = with_imports(named_in_html())
    outside = list(re.findall(r"(?:src|href)=\"(https?://[^\"]+)", (PAGE / "index.html").read_text()))
    parts = sorted(on_demand(first), key=lambda file: weight(with_imports({file}) - first)[1], reverse=True)
    rows = [row(f"first load (goal {GOAL_BYTES / 1000:,.0f} gzip kB)", first)]
    rows += [row(f"+ {file.name}", with_imports({file}) - first) for file in parts[:SHOWN]]
    rows.append(row("everything there is", {file for file in PAGE.rglob("*") if file.is_file()}))
    show("Page weight", rows)
    print(f"hosts outside named by index.html: {outside or 'none'}")


if __name__ == "__main__":
    main()
