"""Which addresses are passed through, and what a request and its answer are."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from alcove.gateway.calls import CallKind

JSON = "application/json"
MULTIPART = "multipart/form-data"

FORM_INPUT_TOKENS = 1_000
"""Held for a request whose input is a file, and counted where the server tells nothing: about a picture, or a minute of speech."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """An address whose requests are passed through.

    Attributes:
        path: Path under `/v1`, here and there.
        kind: What it is for.
        takes: Media type of the request: JSON, or a form with files.
        text_field: Field of a JSON body that holds what is to be worked on, for an estimate of its tokens.
    """

    path: str
    kind: CallKind
    takes: str = JSON
    text_field: str = "input"

    @property
    def endpoint(self) -> str:
        """The whole path, as usage rows name it."""
        return f"/v1{self.path}"


MODERATIONS = Passage(path="/moderations", kind=CallKind.MODERATION)
RERANK = Passage(path="/rerank", kind=CallKind.RERANK, text_field="documents")
IMAGE_GENERATIONS = Passage(path="/images/generations", kind=CallKind.IMAGE, text_field="prompt")
IMAGE_EDITS = Passage(path="/images/edits", kind=CallKind.IMAGE, takes=MULTIPART)
IMAGE_VARIATIONS = Passage(path="/images/variations", kind=CallKind.IMAGE, takes=MULTIPART)
TRANSCRIPTIONS = Passage(path="/audio/transcriptions", kind=CallKind.TRANSCRIPTION, takes=MULTIPART)
TRANSLATIONS = Passage(path="/audio/translations", kind=CallKind.TRANSCRIPTION, takes=MULTIPART)
SPEECH = Passage(path="/audio/speech", kind=CallKind.SPEECH)


@dataclass(frozen=True, kw_only=True, slots=True)
class PassedRequest:
    """A request that is to be passed through, with the model's id taken out of its body.

    Attributes:
        passage: Where it goes.
        model: The model's id, as the client sent it.
        body: Gives the body again with another id in it.
        content_type: What the body is.
        accept: What the client takes.
        input_tokens: Tokens of the input, estimated; for a file `FORM_INPUT_TOKENS`.
        request_id: Id of the HTTP request.
    """

    passage: Passage
    model: str
    body: "ModelBody"
    content_type: str
    accept: str
    input_tokens: int = 0
    request_id: str = ""


class ModelBody:
    """A body in which the model's id can be replaced."""

    def named(self, model_id: str) -> bytes:
        """Gives the body with this id of the model."""
        raise NotImplementedError(model_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class PassedAnswer:
    """An answer that is passed through.

    Attributes:
        content_type: What it is.
        pieces: Its bytes, as they come.
        close: To be called in every case, once nobody reads any more.
        trace_id: Its trace.
        headers: Header fields that tell how much is left.
    """

    content_type: str
    pieces: AsyncGenerator[bytes, None]
    close: Callable[[], Awaitable[None]]
    trace_id: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
