"""Why a file could not be turned into text: each error names the file and says what to do about it."""

from typing import Final

from alcove.kernel.errors import AlcoveError, TooLarge, Unprocessable, UnsupportedMedia


class EmptyFile(Unprocessable):
    """The file holds no text."""

    code = "empty_file"
    title = "The file is empty"


class NoTextLayer(Unprocessable):
    """The PDF holds pictures of pages and no text; run it through OCR first and upload the result."""

    code = "no_text_layer"
    title = "The document has no text layer"


class EncryptedDocument(Unprocessable):
    """The document is protected by a password; save a copy without one and upload that."""

    code = "encrypted_document"
    title = "The document is encrypted"


class DamagedDocument(Unprocessable):
    """The file is damaged or not what its name says; open it in its own program, save it again and upload the copy."""

    code = "damaged_document"
    title = "The document is damaged"


class ParseLimit(Unprocessable):
    """Reading the file needs more memory or time than allowed; split it into smaller files or simplify it."""

    code = "parse_limit"
    title = "The document is too expensive to read"


class DocumentTooLarge(TooLarge):
    """The document is larger than allowed; split it into smaller files."""

    code = "document_too_large"
    title = "The document is too large"


class UnsupportedDocument(UnsupportedMedia):
    """Files of this kind cannot be read; upload PDF, DOCX, HTML, Markdown or plain text."""

    title = "Unsupported kind of document"


ParseError = (
    EmptyFile | NoTextLayer | EncryptedDocument | DamagedDocument | ParseLimit | DocumentTooLarge | UnsupportedDocument
)

BY_CODE: Final[dict[str, type[AlcoveError]]] = {
    kind.code: kind
    for kind in (
        EmptyFile,
        NoTextLayer,
        EncryptedDocument,
        DamagedDocument,
        ParseLimit,
        DocumentTooLarge,
        UnsupportedDocument,
    )
}
