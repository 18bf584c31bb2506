"""What only Ollama's protocol has words for, on its way through a house that speaks OpenAI's.

A request that came in Ollama's words is carried in the kernel's. Options that chat completions has no name for keep their own
(`num_ctx`, `keep_alive`, `top_k`, …) in the request's `extra`, beside everything else, where clients of `/v1` may put them too: the
adapters for local models and for Ollama's servers read them there. That a request came in these words is marked under the key
`OLLAMA`, since vendors that refuse what they do not know are not to be sent options that such clients send along unasked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alcove.kernel.chat import ChatRequest, ChatRole, ImagePart, JsonValue, TextPart

OLLAMA = "ollama"
"""The key in `extra`: of a request, an object; of a text part, what the part is (`SUFFIX`, `TEMPLATE`)."""

GENERATE = "generate"
"""The key below it in a request that is to be completed as it is written, not as a chat: `{"raw": bool}`."""

SUFFIX, TEMPLATE = "suffix", "template"

TIMES = ("load_duration", "prompt_eval_duration", "eval_duration")
"""Keys below it in the `extra` of an answer: nanoseconds, as the server that answered measured them."""

LOAD_OPTIONS = frozenset({"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"})
SAMPLING_OPTIONS = frozenset({"num_keep", "top_k", "min_p", "typical_p", "repeat_last_n", "repeat_penalty"})
OWN_FIELDS = LOAD_OPTIONS | SAMPLING_OPTIONS | {"keep_alive", "think", "truncate", "shift"}
"""Fields of a request that chat completions has no name for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """A text that is to be gone on with.

    Attributes:
        prompt: The text.
        suffix: What is to follow; None for nothing.
        system: The system prompt; empty for none.
        template: The prompt template to use in place of the model's own, in Go's syntax; empty for none.
        is_raw: Whether the prompt goes to the model as it is, without a template.
        images: Images, as `data:` URLs.
    """

    prompt: str
    suffix: str | None = None
    system: str = ""
    template: str = ""
    is_raw: bool = False
    images: tuple[str, ...] = ()


def ollama_of(extra: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Gives what is under the key; nothing where there is none."""
    found = extra.get(OLLAMA)
    return found if isinstance(found, Mapping) else {}


def came_in_ollamas_words(request: ChatRequest) -> bool:
    """Tells whether a client of Ollama's sent it."""
    return isinstance(request.extra.get(OLLAMA), Mapping)


def completion_of(request: ChatRequest) -> Completion | None:
    """Gives the text that a request wants gone on with; None when it is a chat like any other."""
    wanted = ollama_of(request.extra).get(GENERATE)
    if not isinstance(wanted, Mapping):
        return None
    prompt, system = "", ""
    found: dict[str, str] = {}
    images: list[str] = []
    for message in request.messages:
        if message.role is not ChatRole.USER:
            system = message.text
            continue
        for part in message.content:
            if isinstance(part, ImagePart):
                images.append(part.url)
            elif isinstance(part, TextPart):
                mark = part.extra.get(OLLAMA)
                if isinstance(mark, str):
                    found[mark] = part.text
                else:
                    prompt += part.text
    return Completion(
        prompt=prompt,
        suffix=found.get(SUFFIX),
        system=system,
        template=found.get(TEMPLATE, ""),
        is_raw=wanted.get("raw") is True,
        images=tuple(images),
    )


def without_own_fields(request: ChatRequest, *, kept: frozenset[str] = frozenset()) -> ChatRequest:
    """Gives a request that came in Ollama's words without the options that only Ollama has a name for; any other as it is.

    Args:
        request: The request.
        kept: Those that its server has a name for, too.
    """
    if not came_in_ollamas_words(request):
        return request
    dropped = (OWN_FIELDS - kept) | {OLLAMA}
    return replace(request, extra={key: value for key, value in request.extra.items() if key not in dropped})
