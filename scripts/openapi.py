"""Writes `docs/reference/openapi.json` from the application; with --check, fails when the file is stale."""

import json
import sys
from pathlib import Path

from alcove.infra.metrics import Metrics
from alcove.main import create_app
from alcove.settings import Settings

FILE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.json"


def main() -> int:
    text = (
        json.dumps(
            create_app(Settings.model_construct(), Metrics()).openapi(), indent=1, ensure_ascii=False, sort_keys=True
        )
        + "\n"
    )
    if "--check" in sys.argv[1:]:
        if not FILE.is_file() or FILE.read_text(encoding="utf-8") != text:
            print(f"{FILE.name} is stale: run `make openapi`.", file=sys.stderr)
            return 1
        return 0
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
