"""Chats with a local model in the terminal: `alcove run`."""

import re
import sys
from dataclasses import dataclass, field
from typing import Any

import typer

from alcove.cli.model_tables import tell
from alcove.cli.model_talk import Options, pull_through
from alcove.cli.talk import RequestFailed, Server, console
from alcove.runtime.catalog.modelfile import BadModelfile, parse_modelfile

_NO_MODEL = re.compile(r"model ['\"].*['\"] not found")


@dataclass(kw_only=True, slots=True)
class Talk:
    """A chat in the terminal.

    Attributes:
        system: System prompt; empty for the model's own.
        keep_alive: How long the model stays loaded after it; empty for the server's choice.
        options: Options that were set.
        messages: What was said.
    """

    system: str = ""
    keep_alive: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def body(self, model: str) -> dict[str, Any]:
        """Gives the request for the next answer."""
        first = [{"role": "system", "content": self.system}] if self.system else []
        body: dict[str, Any] = {"model": model, "messages": [*first, *self.messages], "stream": True}
        if self.options:
            body["options"] = self.options
        if self.keep_alive:
            body["keep_alive"] = self.keep_alive
        return body


def run(model: str, prompt: str, talk: Talk, options: Options) -> None:
    """Chats with a model, or asks it once."""
    with options.server() as server:
        _make_sure(server, model, options)
        piped = "" if sys.stdin.isatty() else sys.stdin.read()
        question = "\n".join(each for each in (prompt, piped.strip()) if each)
        if question:
            talk.messages.append({"role": "user", "content": question})
            _answer(server, model, talk, options)
        elif sys.stdin.isatty():
            _chat(server, model, talk, options)


def _make_sure(server: Server, model: str, options: Options) -> None:
    """Pulls a model that is not there."""
    try:
        server.call("POST", "/api/show", json={"model": model})
    except RequestFailed as error:
        if _NO_MODEL.search(error.detail) is None:
            raise
        pull_through(server, model, options)


def _chat(server: Server, model: str, talk: Talk, options: Options) -> None:
    console.print("[dim]Ask away. /? for help, Ctrl-D ends the chat.[/dim]")
    while (line := _next_line()) is not None:
        text = line.strip()
        if text in {"/bye", "/exit"}:
            return
        if text.startswith("/"):
            _command(server, model, talk, text)
        elif text:
            talk.messages.append({"role": "user", "content": _whole(text)})
            try:
                _answer(server, model, talk, options)
            except RequestFailed as error:
                talk.messages.pop()
                console.print(error.detail, style="red", highlight=False, markup=False)
            except KeyboardInterrupt:  # ends the answer, not the chat
                talk.messages.pop()
                typer.echo("")


def _answer(server: Server, model: str, talk: Talk, options: Options) -> None:
    """Writes the next answer as it comes."""
    said = ""
    is_thinking = False
    last: dict[str, Any] = {}
    for last in server.lines("POST", "/api/chat", json=talk.body(model)):
        message = last.get("message") or {}
        thought, text = message.get("thinking") or "", message.get("content") or ""
        if thought:
            is_thinking = True
            console.print(thought, style="dim", end="", highlight=False, markup=False)
        if text:
            if is_thinking:
                console.print("\n")
                is_thinking = False
            said += text
            sys.stdout.write(text)
            sys.stdout.flush()
    typer.echo("")
    if not last.get("done"):
        detail = "the answer broke off"
        raise RequestFailed(detail)
    talk.messages.append({"role": "assistant", "content": said})
    if options.verbose:
        _measure(last)


def _measure(last: dict[str, Any]) -> None:
    for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
        console.print(f"{name.replace('_', ' '):<22} {last.get(name, 0) / 1e9:.3f} s", highlight=False)
    for name in ("prompt_eval", "eval"):
        count, seconds = last.get(f"{name}_count", 0), last.get(f"{name}_duration", 0) / 1e9
        rate = f", {count / seconds:.1f} a second" if seconds else ""
        console.print(f"{f'{name} count'.replace('_', ' '):<22} {count} tokens{rate}", highlight=False)


_HELP = """\
/set system TEXT        another system prompt
/set parameter NAME X   an option: temperature 0.2, num_ctx 8192, stop "###" …
/show                   what the model is
/clear                  forget what was said
/bye                    end the chat (or Ctrl-D)
\"\"\"                     begin and end a text of several lines"""


def _command(server: Server, model: str, talk: Talk, text: str) -> None:
    words = text.split(maxsplit=3)
    if words[0] == "/clear":
        talk.messages.clear()
        console.print("forgotten")
    elif words[0] == "/show":
        tell(server.call("POST", "/api/show", json={"model": model}), verbose=False)
    elif words[:2] == ["/set", "system"]:
        talk.system = text.split(maxsplit=2)[2] if len(words) > 2 else ""  # noqa: PLR2004  command, name, text
        console.print("the system prompt is set")
    elif words[:2] == ["/set", "parameter"] and len(words) == 4:  # noqa: PLR2004
        try:
            read = parse_modelfile(f"FROM x\nPARAMETER {words[2]} {words[3]}").parameters
        except BadModelfile as error:
            console.print(error.detail, style="red", highlight=False, markup=False)
        else:
            talk.options.update(read)
            console.print(f"{words[2]} is set", highlight=False, markup=False)
    else:
        console.print(_HELP, highlight=False, markup=False)


def _next_line() -> str | None:
    try:
        return input(">>> ")
    except EOFError:
        return None


def _whole(text: str) -> str:
    """Gives a text of several lines, if this is the beginning of one."""
    if not text.startswith('"""'):
        return text
    lines = [text[3:]]
    while not lines[-1].rstrip().endswith('"""'):
        try:
            lines.append(input("... "))
        except EOFError:
            return "\n".join(lines)
    return "\n".join(lines).rstrip().removesuffix('"""').strip()
