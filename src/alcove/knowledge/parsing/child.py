"""The process that parses: `python -m alcove.knowledge.parsing.child`, started and spoken to by `Parsers` alone.

It loads the parsers once, stays clean, and forks one process for each file. That one limits itself, opens the file, gives
up everything else (`sandbox`), parses, writes one answer and ends; so starting costs milliseconds, and nothing that a file
did to its parser is there when the next file comes.

Out: the line `ready`. In: one JSON object a line, `{"path", "name", "limits"}`. Out: one line `{"status", "size"}`, then
`size` bytes of JSON: `{"document"}`, `{"error": {"code", "detail"}}` or, for a fault of ours, `{"crash": where}`. `status` is
what the kernel says about the end of the forked process.
"""

import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from alcove.kernel.errors import AlcoveError
from alcove.knowledge.parsing import reading, sandbox
from alcove.knowledge.parsing.errors import ParseLimit
from alcove.knowledge.parsing.models import ParsedDocument, ParseLimits

_PIECE = 1 << 16


def main() -> None:
    """Answer requests until there are no more."""
    sandbox.die_with_parent()
    _warm_up()
    gc.freeze()
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        limits = ParseLimits(**request["limits"])
        status, answer = _run(Path(request["path"]), request["name"], limits)
        head = json.dumps({"status": status, "size": len(answer)}).encode()
        sys.stdout.buffer.write(head + b"\n")
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _warm_up() -> None:
    """Load what is loaded on first use: afterwards no file can be opened."""
    import pypdfium2  # noqa: PLC0415
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415

    pypdfium2.PdfDocument.new().close()
    LexborHTMLParser("<p>x</p>").css("p")
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "utf-8-sig", "cp437"):
        "x".encode(codec)


def _run(path: Path, name: str, limits: ParseLimits) -> tuple[int, bytes]:
    """Parse one file in a process of its own; returns its wait status and its answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _parse_and_exit(path, name, limits, writer)
    os.close(writer)
    answer = bytearray()
    allowed = limits.answer_bytes
    while len(answer) <= allowed and (piece := os.read(reader, _PIECE)):
        answer += piece
    os.close(reader)
    if len(answer) > allowed:
        os.kill(child, 9)
        answer.clear()
    _, status = os.waitpid(child, 0)
    return status, bytes(answer)


def _parse_and_exit(path: Path, name: str, limits: ParseLimits, out: int) -> None:
    code = 1
    try:
        sandbox.die_with_parent()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        answer = json.dumps(_parse(path, name, limits), ensure_ascii=False).encode("utf-8", "replace")
        view = memoryview(answer)
        while view:
            view = view[os.write(out, view) :]
        code = 0
    finally:
        os._exit(code)


def _parse(path: Path, name: str, limits: ParseLimits) -> dict[str, Any]:
    try:
        sandbox.limit_resources(memory_bytes=limits.memory_bytes, cpu_s=limits.cpu_s)
        media_type, data = reading.load(path, name=name, limits=limits)
        sandbox.close_doors()
        document = reading.read(media_type, data, name=name, limits=limits)
        return {"document": to_wire(document)}
    except AlcoveError as error:
        return {"error": {"code": error.code, "detail": error.detail}}
    except (MemoryError, RecursionError):
        limit = ParseLimit(f"{name!r} needs more memory than allowed to be read; split it into smaller files.")
        return {"error": {"code": limit.code, "detail": limit.detail}}
    except Exception as fault:  # noqa: BLE001 - a reader's fault must not look like a crash of the process
        last = traceback.extract_tb(fault.__traceback__)[-1]
        return {"crash": f"{type(fault).__name__} at {Path(last.filename).name}:{last.lineno}"}


def to_wire(document: ParsedDocument) -> dict[str, Any]:
    """The document as JSON can hold it, pages and sections as lists of numbers."""
    wire = {name: getattr(document, name) for name in ("text", "media_type", "page_count", "warnings", "title")}
    wire["pages"] = [(page.page, page.start, page.end) for page in document.pages]
    wire["sections"] = [(section.start, section.end, section.headings) for section in document.sections]
    return wire


if __name__ == "__main__":
    main()
