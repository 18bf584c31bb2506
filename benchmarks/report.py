"""How every benchmark shows its figures: one table for people, one line of JSON for machines."""

import json
import platform
from collections.abc import Mapping, Sequence

Row = Mapping[str, str | float | int]


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints a table of rows with the same columns, then the same as JSON on one line."""
    columns = list(rows[0])
    cells = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[place]) for line in cells)) for place, column in enumerate(columns)]
    print(f"\n{title}\n")
    for line in (columns, ["-" * width for width in widths], *cells):
        padded = [
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  " + "  ".join(padded).rstrip())
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"benchmark": title, "machine": machine, "rows": [dict(row) for row in rows]}), flush=True)


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
