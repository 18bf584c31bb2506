"""The process around one model: sets llama.cpp up, says `ready` or why not, and ends with its parent.

Run as `python child.py`, not as part of the package: it imports nothing of ours, so that it is there in tens of milliseconds. It reads
one line of JSON from its standard input (`engine/plan.py` writes it), answers with one line of JSON on its standard output, and
serves until its standard input is closed. What llama.cpp prints goes to standard error, whichever stream it prints to. With `--devices` it only says what the engine can compute on.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LINE_BYTES = 1 << 16


def main() -> None:
    """Serves one model."""
    answer = _keep_output()
    _end_with_parent()
    if "--devices" in sys.argv[1:]:
        _say(answer, {"devices": _devices()})
        return
    plan: Mapping[str, Any] = json.loads(sys.stdin.buffer.readline(_LINE_BYTES))
    _bound(plan)
    threading.Thread(target=_wait_for_end, daemon=True).start()
    try:
        server = serve(plan)
    except Exception as error:  # noqa: BLE001  the process's edge: whatever it was, the parent is told
        _say(answer, {"state": "error", "detail": str(error)[:2000] or type(error).__name__})
        os._exit(1)
    _say(answer, {"state": "ready", "address": server.listening_address})
    while True:
        signal.pause()


def serve(plan: Mapping[str, Any]) -> Any:  # noqa: ANN401  the extension module has no types
    """Sets llama.cpp up as planned, and gives its server, which runs."""
    import xllamacpp as engine  # noqa: PLC0415  only after the process has been bounded

    params = engine.CommonParams()
    for name, value in plan["params"].items():
        _set(params, name, value)
    params.load_mode = getattr(engine.llama_load_mode, plan["load_mode"])
    if plan["pooling"]:
        params.pooling_type = getattr(engine.llama_pooling_type, plan["pooling"])
    if plan["cache_type"]:
        params.cache_type_k = params.cache_type_v = getattr(engine.ggml_type, plan["cache_type"])
    adapters = []
    for path in plan["adapters"]:
        adapter = engine.CommonAdapterLoraInfo()
        adapter.path = path
        adapter.scale = 1.0
        adapters.append(adapter)
    params.lora_adapters = adapters
    return engine.Server(params)


def _devices() -> list[str]:
    """Gives what the engine can compute on, beside the processors."""
    import xllamacpp as engine  # noqa: PLC0415  as above

    found = [(str(each["name"]), getattr(each["type"], "name", "")) for each in engine.get_device_info()]
    return [name for name, kind in found if "GPU" in kind]


def _set(params: object, name: str, value: object) -> None:
    """Sets `cpuparams.n_threads` and the like."""
    *path, last = name.split(".")
    for each in path:
        params = getattr(params, each)
    setattr(params, last, value)


def _keep_output() -> int:
    """Gives standard output under another number; what is printed from here on goes to standard error."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return ours


def _say(output: int, words: Mapping[str, object]) -> None:
    os.write(output, json.dumps(words).encode() + b"\n")


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us when its requests are over


def _bound(plan: Mapping[str, Any]) -> None:
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text(str(plan["oom_score_adj"]), encoding="ascii")
    if plan["address_space_bytes"]:
        _, hardest = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (plan["address_space_bytes"], hardest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _wait_for_end() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
