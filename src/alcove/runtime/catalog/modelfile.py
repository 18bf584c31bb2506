"""Modelfiles: what `alcove create` reads, and what `show` gives back.

Commands are `FROM PARAMETER TEMPLATE SYSTEM ADAPTER LICENSE MESSAGE` (and `REQUIRES`, which is read and not heeded), one a line, in any
case; a value in three quotation marks goes over lines. (Ollama's docs/modelfile.md, August 2026.)
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import InvalidRequest
from alcove.runtime.models import InstalledModel

_COMMANDS = frozenset(
    {"from", "parameter", "template", "system", "adapter", "license", "message", "requires", "renderer", "parser"}
)
_LINE = re.compile(r"[ \t]*(?P<command>[A-Za-z]+)(?:[ \t]+|\n|$)")
_ROLES = frozenset({"system", "user", "assistant"})
_TRIPLE = '"""'

INTEGERS = frozenset(
    {
        "num_keep",
        "seed",
        "num_predict",
        "top_k",
        "repeat_last_n",
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "draft_num_predict",
    }
)
NUMBERS = frozenset(
    {"top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty"}
)
TRUTHS = frozenset({"use_mmap"})
LISTS = frozenset({"stop"})
_TRUE, _FALSE = frozenset({"true", "1", "t"}), frozenset({"false", "0", "f"})


class BadModelfile(InvalidRequest):
    """The Modelfile cannot be read."""

    code = "bad_modelfile"
    title = "Modelfile not readable"


@dataclass(kw_only=True, slots=True)
class Modelfile:
    """A Modelfile.

    Attributes:
        origin: What `FROM` names: a model, or a path.
        parameters: Options.
        template: Prompt template.
        system: System prompt.
        adapters: Paths of adapters.
        license: Licences.
        messages: Messages put before every conversation.
    """

    origin: str = ""
    parameters: dict[str, JsonValue] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    adapters: list[str] = field(default_factory=list)
    license: list[str] = field(default_factory=list)
    messages: list[dict[str, JsonValue]] = field(default_factory=list)


def parse_modelfile(text: str) -> Modelfile:
    """Reads a Modelfile.

    Raises:
        BadModelfile: When a line is none of its commands, or a value cannot be read; names the line.
    """
    made = Modelfile()
    reader = _Reader(text.replace("\r\n", "\n").removeprefix("\ufeff"))
    while reader.skip_empty():
        command = reader.command()
        word = reader.word() if command in {"parameter", "message"} else ""
        _take(made, command, word, reader.value(), reader.line)
    if not made.origin:
        detail = "no FROM line: a Modelfile has to name a model or a GGUF file"
        raise BadModelfile(detail)
    return made


def _take(made: Modelfile, command: str, word: str, value: str, line: int) -> None:
    match command:
        case "from":
            made.origin = value
        case "parameter":
            _set(made.parameters, word.lower(), value, line)
        case "template":
            made.template = value
        case "system":
            made.system = value
        case "adapter":
            made.adapters.append(value)
        case "license":
            made.license.append(value)
        case "message":
            if word.lower() not in _ROLES:
                detail = f"line {line}: the role of a message is system, user or assistant, not {word[:40]!r}"
                raise BadModelfile(detail)
            made.messages.append({"role": word.lower(), "content": value})
        case _:  # for other programs
            return


def _set(parameters: dict[str, JsonValue], name: str, value: str, line: int) -> None:
    try:
        read = _read_option(name, value)
    except ValueError as error:
        detail = f"line {line}: {error}"
        raise BadModelfile(detail) from None
    if name in LISTS:
        before = parameters.get(name)
        parameters[name] = [*(before if isinstance(before, list) else []), read]
    else:
        parameters[name] = read


def _read_option(name: str, value: str) -> JsonValue:
    kind = option_kind(name)
    if kind is None:
        msg = f"unknown parameter {name[:40]!r}"
        raise ValueError(msg)
    try:
        if kind == "integer":
            return int(value)
        if kind == "float" and math.isfinite(float(value)):
            return float(value)
    except ValueError:
        msg = f"{name} must be of type {kind}, not {value[:40]!r}"
        raise ValueError(msg) from None
    if kind == "float":
        msg = f"{name} must be a finite number, not {value[:40]!r}"
        raise ValueError(msg)
    if kind == "boolean":
        if value.lower() not in _TRUE | _FALSE:
            msg = f"{name} must be of type boolean, not {value[:40]!r}"
            raise ValueError(msg)
        return value.lower() in _TRUE
    return value


def option_kind(name: str) -> str | None:
    """Gives the type of an option, in the words of Ollama's errors; None for one that is not known."""
    if name in INTEGERS:
        return "integer"
    if name in NUMBERS:
        return "float"
    if name in TRUTHS:
        return "boolean"
    return "array" if name in LISTS else None


class _Reader:
    """Reads forward through a Modelfile."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def skip_empty(self) -> bool:
        """Goes to the next command; gives whether there is one."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                self._at = self._line_end()
            elif self._text[self._at].isspace():
                self._at += 1
            else:
                return True
        return False

    def command(self) -> str:
        match = _LINE.match(self._text, self._at)
        command = match["command"].lower() if match is not None else ""
        if match is None or command not in _COMMANDS:
            shown = self._text[self._at : self._line_end()][:80]
            known = ", ".join(sorted(each.upper() for each in _COMMANDS))
            detail = f"line {self.line}: {shown!r} does not begin with one of {known}"
            raise BadModelfile(detail)
        self._at = match.end()
        return command

    def word(self) -> str:
        """Gives the next word of the line."""
        end = self._at
        while end < len(self._text) and not self._text[end].isspace():
            end += 1
        word = self._text[self._at : end]
        while end < len(self._text) and self._text[end] in " \t":
            end += 1
        self._at = end
        return word

    def value(self) -> str:
        """Gives the rest of the line, or what stands between quotation marks."""
        line = self.line
        if self._text.startswith(_TRIPLE, self._at):
            end = self._text.find(_TRIPLE, self._at + 3)
            if end < 0:
                detail = f'line {line}: a text in """ has no end'
                raise BadModelfile(detail)
            value = self._text[self._at + 3 : end]
            self._at = end + 3
            return value
        end = self._line_end()
        value = self._text[self._at : end].strip()
        self._at = end
        if not value:
            detail = f"line {line}: the value is missing"
            raise BadModelfile(detail)
        if len(value) > 1 and value[0] == value[-1] == '"':
            return _unquoted(value)
        return value

    def _line_end(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end


def _unquoted(value: str) -> str:
    try:
        read = json.loads(value)
    except ValueError:
        return value[1:-1]
    return read if isinstance(read, str) else value[1:-1]


def _quoted(text: str) -> str:
    """Writes a text so that it reads back the same, in one line where it fits into one."""
    if "\n" in text or '"' in text:
        return f"{_TRIPLE}{text}{_TRIPLE}" if _TRIPLE not in text else json.dumps(text, ensure_ascii=False)
    return text if text and text == text.strip() else json.dumps(text, ensure_ascii=False)


def parameter_lines(parameters: Mapping[str, JsonValue]) -> Sequence[tuple[str, str]]:
    """Gives options as names and texts; one that is a list gives several."""
    found: list[tuple[str, str]] = []
    for name, value in sorted(parameters.items()):
        found += [
            (name, json.dumps(each, ensure_ascii=False)) for each in (value if isinstance(value, list) else [value])
        ]
    return found


def render_modelfile(model: InstalledModel) -> str:
    """Writes the Modelfile from which a model could be made again."""
    lines = [
        '# Modelfile generated by "alcove show"',
        "# To build a new Modelfile based on this, replace FROM with:",
        f"# FROM {model.name}",
        "",
        f"FROM {model.files.weights}",
    ]
    if model.files.projector is not None:
        lines.append(f"FROM {model.files.projector}")
    lines += [f"ADAPTER {each}" for each in model.files.adapters]
    if model.template:
        lines.append(f"TEMPLATE {_TRIPLE}{model.template}{_TRIPLE}")
    if model.system:
        lines.append(f"SYSTEM {_quoted(model.system)}")
    lines += [f"PARAMETER {name} {value}" for name, value in parameter_lines(model.parameters)]
    lines += [f"MESSAGE {each.get('role', 'user')} {_quoted(str(each.get('content', '')))}" for each in model.messages]
    lines += [f"LICENSE {_TRIPLE}{each}{_TRIPLE}" for each in model.license]
    return "\n".join(lines) + "\n"
