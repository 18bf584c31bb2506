"""Commands for local models: `run`, `pull`, `list`, `show`, … as HTTP clients of a running server, by the protocol of Ollama.

What they do is in `model_talk`, loaded when one is called.
"""

from pathlib import Path
from typing import Annotated

import typer

from alcove.cli.options import DEFAULT_URL, ApiKey, Json, Url

ModelArgument = Annotated[str, typer.Argument(help="Name of the model, such as `qwen2.5:0.5b`.", metavar="MODEL")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Ask the registry by http, without TLS.")]


def pull(
    model: Annotated[str, typer.Argument(help="What to pull: see below.", metavar="MODEL")],
    insecure: Insecure = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Pull a model, so that it runs on the server's machine. Needs an admin's key.

    MODEL is a name of Ollama's registry (`qwen2.5:0.5b`), of another registry (`registry.example.org/team/model:1`), of the Hugging Face
    hub (`hf.co/user/repository:Q4_K_M`), or the address of a GGUF file, with `#sha256=…` behind it to be sure of its content. A pull that is
    broken off goes on from where it was. Which hosts may be asked is a setting of the server (runtime.registry.hosts).
    """
    from alcove.cli import model_talk  # noqa: PLC0415  other commands need no HTTP client

    model_talk.pull(model, model_talk.Options(url=url, api_key=api_key, as_json=as_json, insecure=insecure))


def push(
    model: Annotated[
        str, typer.Argument(help="Its name, which says where to: `registry.example.org/team/model:1`.", metavar="MODEL")
    ],
    insecure: Insecure = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Push a model to a registry. Needs an admin's key.

    Give it a name of that registry first: `alcove cp mine registry.example.org/team/mine:1`.
    """
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.push(model, model_talk.Options(url=url, api_key=api_key, as_json=as_json, insecure=insecure))


def list_models(
    beginning: Annotated[str, typer.Argument(help="Only models whose name begins so.", show_default=False)] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """List the local models.

    With --json: what `GET /api/tags` answers.
    """
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.list_models(beginning, model_talk.Options(url=url, api_key=api_key, as_json=as_json))


def show(
    model: ModelArgument,
    *,
    modelfile: Annotated[bool, typer.Option("--modelfile", help="Only its Modelfile.")] = False,
    template: Annotated[bool, typer.Option("--template", help="Only its prompt template.")] = False,
    system: Annotated[bool, typer.Option("--system", help="Only its system prompt.")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Only its options.")] = False,
    licenses: Annotated[bool, typer.Option("--license", help="Only its licences.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="All values of its file, and its tensors.")] = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Tell about a model: what it is, what it can do, how it is set.

    With --json: what `POST /api/show` answers.
    """
    from alcove.cli import model_talk  # noqa: PLC0415

    parts = {
        "modelfile": modelfile,
        "template": template,
        "system": system,
        "parameters": parameters,
        "license": licenses,
    }
    wanted = [name for name, is_wanted in parts.items() if is_wanted]
    options = model_talk.Options(url=url, api_key=api_key, as_json=as_json, verbose=verbose)
    model_talk.show(model, wanted, options)


def ps(as_json: Json = False, url: Url = DEFAULT_URL, api_key: ApiKey = "") -> None:
    """List the models that are loaded, and until when.

    With --json: what `GET /api/ps` answers.
    """
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.ps(model_talk.Options(url=url, api_key=api_key, as_json=as_json))


def stop(model: ModelArgument, url: Url = DEFAULT_URL, api_key: ApiKey = "") -> None:
    """Unload a model once its answers have ended; its memory is free then."""
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.stop(model, model_talk.Options(url=url, api_key=api_key))


def rm(
    models: Annotated[list[str], typer.Argument(help="Names of models.", metavar="MODEL...")],
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Delete models from the server's disk. Needs an admin's key."""
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.rm(models, model_talk.Options(url=url, api_key=api_key))


def cp(
    source: ModelArgument,
    destination: Annotated[str, typer.Argument(help="Its second name.")],
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Give a model a second name; it takes no more room. Needs an admin's key."""
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.cp(source, destination, model_talk.Options(url=url, api_key=api_key))


def create(
    model: ModelArgument,
    file: Annotated[
        Path, typer.Option("--file", "-f", exists=True, dir_okay=False, readable=True, help="The Modelfile.")
    ] = Path("Modelfile"),
    quantize: Annotated[
        str,
        typer.Option(
            "--quantize", "-q", help="What the weights have to be (nothing is quantized here).", show_default=False
        ),
    ] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Make a model from a Modelfile. Needs an admin's key.

    A Modelfile names a model or a GGUF file of this machine (FROM), and what is to be different: SYSTEM, TEMPLATE, PARAMETER, MESSAGE,
    ADAPTER, LICENSE. Files are sent to the server, once. `alcove show --modelfile MODEL` gives an example.
    """
    from alcove.cli import model_talk  # noqa: PLC0415

    model_talk.create(model, file, quantize, model_talk.Options(url=url, api_key=api_key, as_json=as_json))


def run(
    model: ModelArgument,
    *,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="What to ask; without it, a chat begins.", show_default=False)
    ] = None,
    system: Annotated[str, typer.Option("--system", help="System prompt of this chat.", show_default=False)] = "",
    keep_alive: Annotated[
        str,
        typer.Option(
            "--keepalive",
            help="How long the model stays loaded after it: `5m`, `1h`, `-1m` for ever.",
            show_default=False,
        ),
    ] = "",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say how long it took, and how fast it was.")
    ] = False,
    insecure: Insecure = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Chat with a model in the terminal; one that is not there yet is pulled first, which needs an admin's key.

    With a prompt, or with text piped in, it answers once. In a chat, /? lists what else can be typed; Ctrl-D ends it.
    """
    from alcove.cli import model_chat, model_talk  # noqa: PLC0415

    options = model_talk.Options(url=url, api_key=api_key, verbose=verbose, insecure=insecure)
    model_chat.run(model, " ".join(prompt or []), model_chat.Talk(system=system, keep_alive=keep_alive), options)
