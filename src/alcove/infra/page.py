"""Serves the built page: hashed assets for ever, everything else fresh, unknown addresses to the page itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from alcove.infra.problems import render
from alcove.kernel.errors import AlcoveError, NotFound

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_API_PREFIXES = ("/api/", "/v1/", "/v2/", "/health/", "/metrics")
_FOR_EVER = "public, max-age=31536000, immutable"
_FRESH = "no-cache"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
_NOT_BUILT = (
    "<!doctype html><title>Alcove</title><p>The server runs, but the page has not been built. "
    "Run <code>make page</code> in the source folder and reload; the APIs work meanwhile.</p>"
)


class WrongMethod(AlcoveError):
    """The page can only be read."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    type = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the page.

    Attributes:
        path: Where it lies.
        media_type: What it is.
        variants: Its compressed forms, by content encoding, best first.
        caching: Its `Cache-Control`.
        etag: Names this version of it.
    """

    path: Path
    media_type: str
    variants: tuple[tuple[str, Path], ...]
    caching: str
    etag: str


class PageApp:
    """An ASGI application over a folder. The files are listed once, so no request can name any other file."""

    def __init__(self, folder: Path) -> None:
        """Lists the files of `folder`, which may be missing (a source checkout whose page was not built)."""
        self._files = dict(_list(folder))

    @property
    def is_built(self) -> bool:
        """Whether there is a page."""
        return "/index.html" in self._files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that no route took."""
        if scope["type"] != "http":
            return
        response = self._respond(scope["method"], scope["path"], Headers(scope=scope))
        await response(scope, receive, send)

    def _respond(self, method: str, path: str, headers: Headers) -> Response:
        if path.startswith(_API_PREFIXES):
            return render(NotFound("There is no such address here."), path)
        if method not in {"GET", "HEAD"}:
            return render(WrongMethod(headers={"allow": "GET, HEAD"}), path)
        file = self._files.get(path)
        if file is not None:
            return _send(file, headers)
        if "." in path.rsplit("/", 1)[-1]:
            return render(NotFound("There is no such file."), path)
        page = self._files.get("/index.html")  # an address of the page itself, such as /c/…
        return _send(page, headers) if page is not None else HTMLResponse(_NOT_BUILT, status_code=503)


def _send(file: _File, headers: Headers) -> Response:
    accepted = {each.split(";")[0].strip() for each in headers.get("accept-encoding", "").split(",")}
    extra = {"cache-control": file.caching, "vary": "accept-encoding", "etag": file.etag}
    if headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=extra)
    for encoding, variant in file.variants:
        if encoding in accepted:
            extra["content-encoding"] = encoding
            return FileResponse(variant, media_type=file.media_type, headers=extra)
    return FileResponse(file.path, media_type=file.media_type, headers=extra)


def _list(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not path.is_file() or path.suffix in {".br", ".gz"}:
            continue
        url = f"/{path.relative_to(folder).as_posix()}"
        variants = tuple(
            (encoding, path.with_name(path.name + suffix))
            for encoding, suffix in _ENCODINGS
            if path.with_name(path.name + suffix).is_file()
        )
        media_type = _TYPES.get(path.suffix) or guess_type(path.name)[0] or "application/octet-stream"
        caching = _FOR_EVER if url.startswith("/assets/") else _FRESH
        found = path.stat()
        yield url, _File(path, media_type, variants, caching, f'"{found.st_mtime_ns:x}-{found.st_size:x}"')
