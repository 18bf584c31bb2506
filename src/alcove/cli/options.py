"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", "-d", help="Folder for everything Alcove keeps. Also: ALCOVE_DATA_DIR.", show_default=False
    ),
]
Url = Annotated[
    str, typer.Option("--url", envvar="ALCOVE_URL", help="Address of the running server.", show_envvar=True)
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key",
        envvar="ALCOVE_API_KEY",
        help="API key (make one with `alcove keys create`, or in the page under Settings).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Collection = Annotated[str | None, typer.Option("--collection", "-c", help="Name of the knowledge collection.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Model that answers. Default: the server's own choice.")
]

DEFAULT_URL = "http://127.0.0.1:3000"


def overrides(data_dir: Path | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401  any field of the settings tree
    """Gives what the command line says of the settings, as `load_settings` takes it."""
    found = {name: value for name, value in more.items() if value}
    if data_dir is not None:
        found["data_dir"] = data_dir.expanduser().absolute()
    return found
