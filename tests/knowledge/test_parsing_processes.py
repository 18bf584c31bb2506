"""Parsing in limited processes: hostile and broken files, limits, and what such a process can still reach."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alcove.kernel.errors import AlcoveError, InternalError
from alcove.knowledge.parsing import (
    DamagedDocument,
    DocumentTooLarge,
    ParsedDocument,
    ParseLimit,
    ParseLimits,
    Parsers,
    parse,
)

from . import files
from .test_parsing_formats import BODY, check

MILLION = 1_000_000


@pytest.fixture
async def parsers() -> AsyncIterator[Parsers]:
    async with Parsers(size=2) as pool:
        yield pool


async def parse_bytes(
    parsers: Parsers, tmp_path: Path, data: bytes, name: str, limits: ParseLimits | None = None
) -> ParsedDocument:
    path = tmp_path / "blob"
    path.write_bytes(data)
    return await parsers.parse(path, name=name, limits=limits)


def check_refusal(error: AlcoveError, name: str) -> None:
    """What holds for every error: it is the file's, and says which file it is about."""
    assert error.status in {413, 415, 422}, error
    assert repr(name) in error.detail


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except OSError:
        return False


async def is_well(parsers: Parsers, tmp_path: Path) -> bool:
    """Whether the pool still parses."""
    return (await parse_bytes(parsers, tmp_path, b"Still here.", "well.txt")).text == "Still here."


def processes() -> set[int]:
    """The parsing processes that this process has started."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"alcove.knowledge.parsing.child" in command and int(parent) == os.getpid():
            found.add(int(entry.name))
    return found


@contextmanager
def faster_than(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


# --- The walk


async def test_every_format_is_parsed(parsers: Parsers, tmp_path: Path) -> None:
    for data, name in (
        (files.pdf([["Words here."]]), "a.pdf"),
        (files.docx(BODY), "a.docx"),
        (b"<h1>Title</h1><p>Words</p>", "a.html"),
        (b"# Title\n\nWords", "a.md"),
        ("Wörter".encode("utf-16"), "a.txt"),
    ):
        check(await parse_bytes(parsers, tmp_path, data, name))


async def test_parse_alone_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Words.")
    document = await parse(tmp_path / "a", name="a.txt")
    assert document.text == "Words."
    assert not processes()


async def test_long_text_survives_the_way_back(parsers: Parsers, tmp_path: Path) -> None:
    text = "Ein Wörtchen 字 😀. " * 100_000
    assert (await parse_bytes(parsers, tmp_path, text.encode(), "a.txt")).text == text.strip()


async def test_missing_file_is_our_own_fault(parsers: Parsers, tmp_path: Path) -> None:
    with pytest.raises(InternalError):
        await parsers.parse(tmp_path / "none", name="a.txt")


async def test_processes_are_bounded_and_reused(parsers: Parsers, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Words.")
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(lambda: parsers.parse(tmp_path / "a", name="a.txt"))
    seen = processes()
    assert 1 <= len(seen) <= 2
    assert await is_well(parsers, tmp_path)
    assert processes() == seen
    await parsers.aclose()
    assert not processes()


# --- Hostile files


@pytest.mark.parametrize(
    ("make", "name", "error", "words"),
    [
        (lambda: files.inflating_docx(120 * MILLION), "bomb.docx", DocumentTooLarge, "100 times"),
        (lambda: files.lying_docx(120 * MILLION), "lie.docx", DamagedDocument, "archive"),
        (
            lambda: files.docx("<w:p/>", prolog='<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
            "xxe.docx",
            DamagedDocument,
            "document type",
        ),
        (
            lambda: files.docx("<w:p/>", prolog='<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'),
            "laughs.docx",
            DamagedDocument,
            "document type",
        ),
        (lambda: files.docx("<w:p>" * 5_000 + "</w:p>" * 5_000), "deep.docx", DamagedDocument, "deep"),
        (lambda: files.docx("<w:p/>", extra=[("../../x", b"x")]), "slip.docx", DamagedDocument, "leads out"),
        (lambda: files.docx("<w:p/>", extra=[("/etc/x", b"x")]), "root.docx", DamagedDocument, "leads out"),
        (
            lambda: files.docx("<w:p/>", extra=[(f"word/{n}", b"") for n in range(10_001)]),
            "parts.docx",
            DocumentTooLarge,
            "parts",
        ),
        (lambda: files.many_pages_pdf(20_000), "pages.pdf", DocumentTooLarge, "20,000 pages"),
        (lambda: b"<div>" * 200_000, "deep.html", ParseLimit, "deep"),
        (lambda: b"<b><p>" * 200_000, "format.html", ParseLimit, "deep"),
    ],
)
async def test_hostile_file_is_refused_at_once(
    parsers: Parsers, tmp_path: Path, make, name: str, error: type[AlcoveError], words: str
) -> None:
    data = make()
    with faster_than(5), pytest.raises(error, match=f"'{name}'.*{words}"):
        await parse_bytes(parsers, tmp_path, data, name)
    assert await is_well(parsers, tmp_path)


async def test_pdf_that_inflates_to_a_gigabyte_ends_at_the_memory_limit(parsers: Parsers, tmp_path: Path) -> None:
    limits = ParseLimits(memory_bytes=192 << 20)
    with pytest.raises(ParseLimit, match="192 MiB"):
        await parse_bytes(parsers, tmp_path, files.bomb_pdf(250 * MILLION), "bomb.pdf", limits)
    assert await is_well(parsers, tmp_path)


async def test_large_flat_page_is_read(parsers: Parsers, tmp_path: Path) -> None:
    document = await parse_bytes(parsers, tmp_path, b"<p>Some <b>words</b>.</p>\n" * 80_000, "flat.html")
    assert document.text.count("Some words.") == 80_000


@pytest.mark.parametrize(
    "text", [" " * 2 * MILLION + "x", "x" * 2 * MILLION, "-\n" * MILLION, "#" * MILLION, "[" * MILLION]
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
async def test_monotonous_text_takes_no_long_time(parsers: Parsers, tmp_path: Path, text: str, name: str) -> None:
    with faster_than(8):
        check(await parse_bytes(parsers, tmp_path, text.encode(), name))


@pytest.mark.parametrize("suffix", ["pdf", "docx", "html", "md", "txt", "doc", ""])
async def test_random_bytes_are_refused_or_read(parsers: Parsers, tmp_path: Path, suffix: str) -> None:
    for size in (1, 7, 300, 70_000):
        try:
            check(await parse_bytes(parsers, tmp_path, os.urandom(size), f"noise.{suffix}"))
        except AlcoveError as error:
            check_refusal(error, f"noise.{suffix}")


GOOD = [
    (files.pdf([["Some words here."], ["And there."]], bookmarks=[("Some", 0)]), "a.pdf"),
    (files.docx(BODY), "a.docx"),
    (b"<html><body><h1>Title</h1><table><tr><td>a<td>b</table><ul><li>x<li>y</ul><p>Words</body></html>", "a.html"),
    (b"---\ntitle: x\n---\n# Title\n\n```\ncode\n```\n\nWords\n=====\n", "a.md"),
    ("Wörter und Sätze. Noch einer.".encode("utf-16"), "a.txt"),
]


@st.composite
def broken_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A good file, cut off, with bytes changed, put in or taken out."""
    data, name = draw(st.sampled_from(GOOD))
    broken = bytearray(data)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(broken) - 1)))
        match draw(st.sampled_from(["flip", "insert", "remove", "repeat", "cut"])):
            case "flip" if broken:
                broken[at] = draw(st.integers(0, 255))
            case "insert":
                broken[at:at] = draw(st.binary(max_size=20))
            case "remove":
                del broken[at : at + draw(st.integers(1, 50))]
            case "repeat":
                broken[at:at] = broken[at : at + 50] * draw(st.integers(1, 20))
            case _:
                del broken[at:]
    return bytes(broken), name


def test_broken_file_always_gives_a_document_or_a_clear_error(tmp_path: Path) -> None:
    with anyio.from_thread.start_blocking_portal("asyncio") as portal:
        parsers = Parsers(size=1)

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(broken_files())
        def holds(file: tuple[bytes, str]) -> None:
            try:
                check(portal.call(parse_bytes, parsers, tmp_path, *file))
            except AlcoveError as error:
                check_refusal(error, file[1])

        holds()
        portal.call(parsers.aclose)


# --- Limits, deadlines, cancellation


async def test_file_over_the_size_limit_is_refused(parsers: Parsers, tmp_path: Path) -> None:
    with pytest.raises(DocumentTooLarge, match="1,000 bytes"):
        await parse_bytes(parsers, tmp_path, b"word " * 300, "a.txt", ParseLimits(max_bytes=1_000))


@pytest.mark.parametrize(
    ("data", "name"),
    [(files.pdf([["word " * 15] * 40] * 3), "a.pdf"), (b"word " * 2_000, "a.md"), (b"word " * 2_000, "a.txt")],
)
async def test_text_over_the_limit_is_refused_not_cut(parsers: Parsers, tmp_path: Path, data: bytes, name: str) -> None:
    with pytest.raises(DocumentTooLarge, match="1,000 characters"):
        await parse_bytes(parsers, tmp_path, data, name, ParseLimits(max_characters=1_000))


async def test_processor_time_is_limited(parsers: Parsers, tmp_path: Path) -> None:
    page = b"<p>Some <b>words</b>.</p>\n" * 600_000
    with pytest.raises(ParseLimit, match="processor time"):
        await parse_bytes(parsers, tmp_path, page, "a.html", ParseLimits(cpu_s=1))
    assert await is_well(parsers, tmp_path)


async def test_deadline_kills_the_parse(parsers: Parsers, tmp_path: Path) -> None:
    page = b"<p>Some <b>words</b>.</p>\n" * 600_000
    with faster_than(4), pytest.raises(ParseLimit, match=r"longer than 0\.5 s"):
        await parse_bytes(parsers, tmp_path, page, "a.html", ParseLimits(wall_s=0.5))
    assert not processes()
    assert await is_well(parsers, tmp_path)


async def test_cancelled_parse_is_killed(parsers: Parsers, tmp_path: Path) -> None:
    page = b"<p>Some <b>words</b>.</p>\n" * 600_000
    with faster_than(4), anyio.move_on_after(0.5):
        await parse_bytes(parsers, tmp_path, page, "a.html")
    assert not processes()
    assert await is_well(parsers, tmp_path)


async def test_killed_process_is_replaced(parsers: Parsers, tmp_path: Path) -> None:
    assert await is_well(parsers, tmp_path)
    for process in processes():
        os.kill(process, signal.SIGKILL)
    assert await is_well(parsers, tmp_path)


async def test_process_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Words.")
    script = (
        "import anyio, pathlib, sys\n"
        "from alcove.knowledge.parsing import Parsers\n"
        "async def main():\n"
        "    parsers = Parsers()\n"
        f"    await parsers.parse(pathlib.Path({str(tmp_path / 'a')!r}), name='a.txt')\n"
        "    print(parsers._idle[0]._process.pid, flush=True)\n"
        "    await anyio.sleep(30)\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, "-c", script], stderr=None) as server:
        assert server.stdout is not None
        child = int(await server.stdout.receive())
        server.kill()
        await server.wait()
    with anyio.fail_after(5):
        while is_running(child):
            await anyio.sleep(0.02)


# --- What a parsing process can reach

PROBE = """
import json, os, socket, sys
from alcove.knowledge.parsing import sandbox
out = {}
def attempt(name, what):
    try:
        what(); out[name] = "possible"
    except BaseException as error:
        out[name] = type(error).__name__
server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
if os.fork() == 0:
    sandbox.limit_resources(memory_bytes=1 << 28, cpu_s=5)
    sandbox.close_doors()
    attempt("read", lambda: open("/etc/passwd").read())
    attempt("list", lambda: os.listdir("/"))
    attempt("write", lambda: open("/tmp/alcove-probe", "w").write("x"))
    attempt("connect", lambda: socket.create_connection(address, timeout=2))
    attempt("run", lambda: os.execv("/bin/true", ["true"]))
    attempt("memory", lambda: bytearray(1 << 29))
    print(json.dumps(out), flush=True)
    os._exit(0)
os.wait()
"""


def test_confined_process_reaches_neither_files_nor_network() -> None:
    answer = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True, timeout=20).stdout
    out = json.loads(answer)
    assert out.pop("memory") == "MemoryError"
    assert out.pop("write") != "possible"
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 4:
        pytest.skip("this kernel has no Landlock that knows the network")
    assert "possible" not in out.values(), out


def test_parsing_process_loads_no_server() -> None:
    script = (
        "import sys, alcove.knowledge.parsing.child\n"
        "heavy = {'anyio', 'asyncio', 'pydantic', 'sqlalchemy', 'starlette', 'fastapi', 'numpy', 'onnxruntime', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True, timeout=20).stdout
    assert answer.strip() == b"[]"
