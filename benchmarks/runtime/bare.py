"""xllamacpp alone, as a process: llama.cpp set up as for our child, asked by function calls, without HTTP and without us.

Run as `python bare.py`. It reads the plan of `engine/plan.py` from its standard input and says `ready SECONDS`, the time of loading; then for each
line of JSON `{"prompts": [[...], ...], "fields": {...}}` it asks one prompt after the other in a thread for each list, and answers with the times.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from alcove.runtime.engine.child import serve

Chunk = dict[str, Any]
Ask = Callable[[dict[str, Any], Callable[[Chunk | list[Chunk]], bool]], object]


def asked(ask: Ask, prompt: str, fields: dict[str, Any]) -> dict[str, float]:
    """Asks once; gives the seconds to the first text and to the end, and the tokens."""
    found = {"first_s": 0.0, "whole_s": 0.0, "tokens": 0.0}
    began_s = time.perf_counter()

    def take(chunk: Chunk | list[Chunk]) -> bool:
        for each in chunk if isinstance(chunk, list) else [chunk]:
            choices = each.get("choices")
            if not found["first_s"] and choices and choices[0]["delta"].get("content"):
                found["first_s"] = time.perf_counter() - began_s
            if each.get("usage"):
                found["tokens"] = each["usage"]["completion_tokens"]
        return False

    ask({"messages": [{"role": "user", "content": prompt}], **fields}, take)
    found["whole_s"] = time.perf_counter() - began_s
    return found


def main() -> None:
    """Serves until standard input is closed."""
    began_s = time.perf_counter()
    server = serve(json.loads(sys.stdin.readline()))
    print("ready", time.perf_counter() - began_s, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answers: list[dict[str, float]] = []

        def work(prompts: list[str], order: dict[str, Any] = order, answers: list[dict[str, float]] = answers) -> None:
            answers.extend(asked(server.handle_chat_completions, each, order["fields"]) for each in prompts)

        threads = [threading.Thread(target=work, args=[prompts]) for prompts in order["prompts"]]
        started_s = time.perf_counter()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        print(json.dumps({"wall_s": time.perf_counter() - started_s, "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
