"""The commands and their help."""

from typing import Annotated

import typer

import alcove
from alcove.cli import accounts, client, gateway, groups, keys, models, server
from alcove.cli.usage import usage

app = typer.Typer(
    name="alcove",
    help=(
        "A private AI platform: chat, documents, model gateway and tracing on your own machine.\n\n"
        "Start it with `alcove up`, then open the address it prints. Everything else can be done in the page; these "
        "commands are for scripts and for people who like a terminal."
    ),
    epilog="Settings: environment variables ALCOVE_… or the file alcove.toml (docs/reference/settings.md).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, value: bool) -> None:
    if value:
        typer.echo(f"alcove {alcove.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Carries the options of `alcove` itself."""


SERVER = "Server"
PEOPLE = "People and keys"
TALK = "Talk to a running server"
MODELS = "Local models"

app.command("up", rich_help_panel=SERVER)(server.up)
app.command("serve", rich_help_panel=SERVER)(server.serve)
app.command("doctor", rich_help_panel=SERVER)(server.doctor)
app.command("setup-link", rich_help_panel=PEOPLE)(accounts.setup_link)
app.add_typer(accounts.users, name="users", rich_help_panel=PEOPLE)
app.add_typer(groups.groups, name="groups", rich_help_panel=PEOPLE)
app.add_typer(keys.keys, name="keys", rich_help_panel=PEOPLE)
app.command("ask", rich_help_panel=TALK)(client.ask)
app.command("chat", rich_help_panel=TALK)(client.chat)
app.command("ingest", rich_help_panel=TALK)(client.ingest)
app.command("apply", rich_help_panel=TALK)(gateway.apply)
app.add_typer(gateway.imports, name="import", rich_help_panel=TALK)
app.command("usage", rich_help_panel=TALK)(usage)
app.command("run", rich_help_panel=MODELS)(models.run)
app.command("pull", rich_help_panel=MODELS)(models.pull)
app.command("list", rich_help_panel=MODELS)(models.list_models)
app.command("show", rich_help_panel=MODELS)(models.show)
app.command("ps", rich_help_panel=MODELS)(models.ps)
app.command("stop", rich_help_panel=MODELS)(models.stop)
app.command("create", rich_help_panel=MODELS)(models.create)
app.command("cp", rich_help_panel=MODELS)(models.cp)
app.command("rm", rich_help_panel=MODELS)(models.rm)
app.command("push", rich_help_panel=MODELS)(models.push)
