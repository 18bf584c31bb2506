"""Commands that are HTTP clients of a running server: `ask`, `chat`, `ingest`. What they do is in `talk`, loaded when one is called."""

from pathlib import Path
from typing import Annotated

import typer

from alcove.cli.options import DEFAULT_URL, ApiKey, Collection, Json, Model, Url


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    collection: Collection = None,
    model: Model = None,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Ask one question, and get an answer with its sources.

    With --json: {"answer", "sources": [{"text", "document", "score", …}], "citations", "model", "trace_id"}.
    """
    from alcove.cli import talk  # noqa: PLC0415  other commands need no HTTP client

    call = talk.Call(url=url, api_key=api_key, collection=collection, model=model, as_json=as_json)
    talk.ask(question, call)


def chat(
    collection: Collection = None,
    model: Model = None,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Chat in the terminal; the conversation goes on until you press Ctrl-D.

    Lines can be piped in: each is one message, and with --json each answer is one line of JSON.
    """
    from alcove.cli import talk  # noqa: PLC0415  other commands need no HTTP client

    talk.chat(talk.Call(url=url, api_key=api_key, collection=collection, model=model, as_json=as_json))


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(exists=True, readable=True, help="Files, or folders to read with all they hold.")
    ],
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Collection to add to; made if it is not there.")
    ],
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Add documents to a collection, and wait until they can be asked about.

    Reads PDF, DOCX, HTML, Markdown and text. One bad file never stops the others; the exit status is 1 if any failed.
    With --json: one object a document, {"path", "status", "document_id", "chunks", "error"}, a line each.
    """
    from alcove.cli import talk  # noqa: PLC0415  other commands need no HTTP client

    talk.ingest(paths, talk.Call(url=url, api_key=api_key, collection=collection, as_json=as_json))
