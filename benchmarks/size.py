"""Install size: a fresh virtual environment from `requirements.lock`, by package, with Alcove itself and its built page.

Bytes are those of the files as installed, compiled modules (`.pyc`) included; pip is left out. Needs a package index.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import Distribution, MetadataPathFinder
from pathlib import Path

from report import Row, show

ROOT = Path(__file__).parent.parent
GOAL_MB = 600
SHOWN = 15


def installed_bytes(site: Path) -> Counter[str]:
    """Gives the bytes of each distribution in a site-packages folder."""
    sizes: Counter[str] = Counter()
    for distribution in Distribution.discover(context=MetadataPathFinder.Context(path=[str(site)])):
        name = distribution.metadata["Name"]
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if path.is_file():
                sizes[name] += path.stat().st_size
    return sizes


def folder_bytes(folder: Path) -> int:
    """Gives the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def install(venv: Path) -> Path:
    """Makes a virtual environment with the locked requirements; gives its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "-r", str(ROOT / "requirements.lock")], check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    return site


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(dir=os.curdir if sys.argv[1:] == ["--here"] else None) as folder:
        sizes = installed_bytes(install(Path(folder) / "venv"))
    for tool in ("pip", "setuptools"):
        sizes.pop(tool, None)
    package = ROOT / "src" / "alcove"
    sizes["alcove (page)"] = folder_bytes(package / "page")
    sizes["alcove (embedding model)"] = folder_bytes(package / "infra" / "minilm")
    sizes["alcove (code)"] = folder_bytes(package) - sizes["alcove (page)"] - sizes["alcove (embedding model)"]
    total = sum(sizes.values())
    largest = sizes.most_common(SHOWN)
    rest = total - sum(size for _, size in largest)
    rows: list[Row] = [{"package": name, "MB": size / 1e6} for name, size in largest]
    rows.append({"package": f"{len(sizes) - SHOWN} others", "MB": rest / 1e6})
    rows.append({"package": f"all (goal {GOAL_MB})", "MB": total / 1e6})
    show("Install size", rows)


if __name__ == "__main__":
    main()
