"""The gateway from a file: `apply`, `import litellm`. What they do is in `declared`, loaded when one is called."""

from pathlib import Path
from typing import Annotated

import typer

from alcove.cli.options import DEFAULT_URL, ApiKey, Json, Url

imports = typer.Typer(help="Read other products' configuration.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Also delete what an admin added and the file does not have, of the kinds it lists."),
]


def apply(
    file: Annotated[
        Path, typer.Option("--file", "-f", exists=True, dir_okay=False, help="Gateway file, YAML or TOML.")
    ],
    dry_run: DryRun = False,
    prune: Prune = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Make the gateway what a file says: deployments, guardrails, model groups, groups.

    Shows every difference before it is made. Texts may name environment variables as ${NAME}. Needs an admin's key.
    With --json: one object a change, {"action", "kind", "name", "differences"}, a line each.
    """
    from alcove.cli import declared  # noqa: PLC0415  other commands need no HTTP client

    declared.apply(
        declared.Wish(file=file, is_dry=dry_run, is_pruning=prune, as_json=as_json, url=url, api_key=api_key)
    )


@imports.command("litellm")
def import_litellm(
    config: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="LiteLLM's config.yaml.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the gateway file there. Default: standard output.")
    ] = None,
) -> None:
    """Turn a LiteLLM proxy's configuration into a gateway file, for `alcove apply`.

    What has no counterpart is told on standard error, a line each.
    """
    from alcove.cli import declared  # noqa: PLC0415  other commands need no YAML

    declared.import_litellm(config, output)
