"""Receives one file of a form, piece by piece, so that a large one is never in memory."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from alcove.kernel.errors import FieldError, InvalidRequest, TooLarge, UnsupportedMedia
from alcove.kernel.ids import new_id

_FIELD = "file"
_MAX_NAME = 200
_MAX_HEADERS = 8_192
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
"""What OpenAPI says of routes that take a file; the body is read piece by piece, not by the framework."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedFile:
    """A file that has been received and synced to disk.

    Attributes:
        path: Where it lies; the caller moves or deletes it.
        name: What the sender called it: its last part, no control characters, at most 200 characters.
        media_type: What the sender says it is; not to be believed.
        size_bytes: Its size.
        sha256: The hash of its content, hex.
    """

    path: Path
    name: str
    media_type: str
    size_bytes: int
    sha256: str


async def receive_file(request: Request, *, folder: Path, max_bytes: int) -> ReceivedFile:
    """Receives the field `file` of a `multipart/form-data` request.

    Args:
        request: The request; its body must not have been read.
        folder: Where to write.
        max_bytes: Largest file.

    Raises:
        UnsupportedMedia: When the request is no form.
        InvalidRequest: When the form is malformed, or has no file or several.
        TooLarge: When the file is larger than `max_bytes`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        detail = "Send the file as multipart/form-data, in the field `file`."
        raise UnsupportedMedia(detail)
    path = folder / new_id()
    form = _Form(path, max_bytes)
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for piece in request.stream():
            if piece:
                await anyio.to_thread.run_sync(parser.write, piece)
        parser.finalize()
        return await anyio.to_thread.run_sync(form.finish)
    except FormParserError as error:
        detail = f"The form is malformed: {error}"
        raise InvalidRequest(detail) from error
    except ClientDisconnect as error:
        detail = "The upload was broken off."
        raise InvalidRequest(detail) from error
    finally:
        with anyio.CancelScope(shield=True):  # also when the client has gone: what was half received has to go
            await anyio.to_thread.run_sync(form.close)


@dataclass(slots=True)
class _Form:
    """Takes the parser's callbacks; only one part is kept, and only on disk."""

    path: Path
    max_bytes: int
    _file: IO[bytes] | None = None
    _hash: Any = field(default_factory=hashlib.sha256)
    _size: int = 0
    _name: str | None = None
    _media_type: str = "application/octet-stream"
    _is_wanted: bool = False
    _is_finished: bool = False
    _header_name: bytes = b""
    _header_value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> Any:  # noqa: ANN401  the library's TypedDict of callables
        """Gives the callbacks the parser wants."""
        found: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_data,
            "on_part_data": self._on_data,
        }
        return found

    def finish(self) -> ReceivedFile:
        if self._file is None or self._name is None:
            raise InvalidRequest(
                "The form has no file; send one in the field `file`.",
                fields=(FieldError(field=_FIELD, message="missing"),),
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._is_finished = True
        return ReceivedFile(
            path=self.path,
            name=self._name,
            media_type=self._media_type,
            size_bytes=self._size,
            sha256=self._hash.hexdigest(),
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            if not self._is_finished:
                self.path.unlink(missing_ok=True)

    def _begin_part(self) -> None:
        self._headers, self._header_name, self._header_value, self._is_wanted = {}, b"", b"", False

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._check_headers()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._check_headers()

    def _check_headers(self) -> None:
        if len(self._header_name) + len(self._header_value) > _MAX_HEADERS:
            detail = "The form's headers are too long."
            raise InvalidRequest(detail)

    def _end_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _begin_data(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != _FIELD.encode():
            return
        if self._file is not None:
            detail = "The form has several files; send one a request."
            raise InvalidRequest(detail, fields=(FieldError(field=_FIELD, message="more than one"),))
        self._is_wanted = True
        self._name = clean_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        self._media_type = self._headers.get(b"content-type", b"application/octet-stream").decode("ascii", "replace")[
            :200
        ]
        self._file = self.path.open("xb")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_wanted or self._file is None:
            return
        self._size += end - start
        if self._size > self.max_bytes:
            detail = f"{self._name!r} is larger than {self.max_bytes // (1024 * 1024)} MB, the most this server takes."
            raise TooLarge(detail)
        piece = data[start:end]
        self._hash.update(piece)
        self._file.write(piece)


def clean_name(name: str) -> str:
    """Gives the last part of a file name, in Unicode's composed form, without control and direction characters."""
    name = name.replace("%22", '"')  # as browsers write a quotation mark in a form's file name (WHATWG HTML, 4.10.21.8)
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    last = " ".join(_CONTROL.sub("", last).split()).strip(". ") or "document"
    if len(last) <= _MAX_NAME:
        return last
    stem, dot, suffix = last.rpartition(".")
    if not dot or len(suffix) > 10:  # noqa: PLR2004  no ending worth keeping
        return last[:_MAX_NAME]
    return f"{stem[: _MAX_NAME - len(suffix) - 1]}.{suffix}"
