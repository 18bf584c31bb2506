import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI, Request

from alcove.infra.blobs import BlobStore
from alcove.infra.problems import install_error_handlers
from alcove.infra.uploads import clean_name, receive_file

CONTENT = b"The lamp burned whale oil.\r\n--not-the-boundary\r\n" * 1000


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/api/upload")
    async def upload(request: Request) -> dict[str, object]:
        received = await receive_file(request, folder=tmp_path, max_bytes=100_000)
        assert received.path.read_bytes() == CONTENT
        return {
            "name": received.name,
            "size": received.size_bytes,
            "sha256": received.sha256,
            "type": received.media_type,
        }

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_file_is_received_whole_with_its_hash(http: httpx2.AsyncClient):
    answer = await http.post(
        "/api/upload", data={"other": "x"}, files={"file": ("../../etc/Ünïcode report.pdf", CONTENT, "application/pdf")}
    )
    assert answer.json() == {
        "name": "Ünïcode report.pdf",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "type": "application/pdf",
    }


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"json": {"a": 1}}, 415, "multipart"),
        ({"data": {"a": "1"}, "files": {"document": ("a.txt", b"x")}}, 400, "no file"),
        ({"files": [("file", ("a.txt", b"x")), ("file", ("b.txt", b"y"))]}, 400, "several"),
        ({"files": {"file": ("a.txt", b"x" * 100_001)}}, 413, "larger"),
        ({"content": b"rubbish", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, "malformed"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, ""),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 415, "multipart"),
    ],
)
async def test_bad_forms_are_refused_and_leave_nothing(http, tmp_path, options, status, words):
    answer = await http.post("/api/upload", **options)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert list(tmp_path.iterdir()) == []


def test_names_are_harmless():
    assert clean_name("..\\..\\boot.ini") == "boot.ini"
    assert clean_name("a\x00b\nc\u202egnp.exe") == "abcgnp.exe"
    assert clean_name("") == clean_name("../..") == clean_name(" . ") == "document"
    assert clean_name("x" * 500 + ".pdf") == "x" * 196 + ".pdf"


async def test_blobs_are_kept_once_by_content(tmp_path: Path):
    blobs = BlobStore(tmp_path / "blobs")
    await blobs.open()
    digest = hashlib.sha256(b"one").hexdigest()
    for _ in range(2):
        received = blobs.incoming / "file"
        received.write_bytes(b"one")
        await blobs.put(received, digest)
        assert not received.exists()
        assert blobs.path(digest).read_bytes() == b"one"
    (blobs.incoming / "half").write_bytes(b"ha")
    await blobs.open()  # the next start
    assert list(blobs.incoming.iterdir()) == []
    assert blobs.path(digest).exists()
    await blobs.delete(digest)
    await blobs.delete(digest)
    assert not blobs.path(digest).exists()
    for hostile in ("../../etc/passwd", "", "A" * 64, digest + "/x"):
        with pytest.raises(ValueError, match="SHA-256"):
            blobs.path(hostile)
