"""Settings of the models on this machine's disk."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

GIB = 1 << 30

Serve = Literal["nobody", "keys", "everyone"]


class CatalogSettings(BaseModel):
    """Where models are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    folder: Path | None = None
    """Folder of the models, laid out as Ollama's. Default: `models` in the data folder."""

    ollama_folders: tuple[Path, ...] = ()
    """Folders of Ollama installations on this machine (`/usr/share/ollama/.ollama/models`), whose models are used in place and never
    changed. Default: none."""

    max_blob_bytes: Annotated[int, Field(ge=1024)] = 200 * GIB
    """Largest file that may be sent here (`POST /api/blobs/…`), in bytes. Default 200 GiB."""

    keep_unused_h: Annotated[float, Field(ge=1, le=87_600)] = 168.0
    """Hours that files are kept which no model uses: those that were sent for a model never made, and downloads that were broken off and
    never gone on with. They are removed when the server starts. 1 to 87,600. Default 168: a week to pull again."""

    serve: Serve = "keys"
    """Who may pull models from here by the registry's protocol (`/v2/…`): nobody, those with an API key (`Authorization: Bearer`), or
    everyone who reaches the port. An Ollama sends no key, so it needs `everyone`. Default: those with a key."""
