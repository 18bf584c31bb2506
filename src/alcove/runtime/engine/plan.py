"""What a child process is told: llama.cpp's parameters, each with the reason where it is not its own default."""

import json
from pathlib import Path

from alcove.kernel.chat import JsonValue
from alcove.runtime.models import Capability, RunnerPlan

_OOM_SCORE = 600  # when memory runs out, the kernel ends a model before the house
_SPARE_THREADS = 8  # connections beside the slots, for health checks and those that wait
_CHECKPOINTS = 4
_CACHE_TYPES = {"f16": "", "q8_0": "GGML_TYPE_Q8_0", "q4_0": "GGML_TYPE_Q4_0"}
_AT_LEAST_RESERVED = 1 << 31  # stacks of threads and the allocator's arenas: reserved, hardly used

ENVIRONMENT = {"GOMP_SPINCOUNT": "1000", "GGML_NO_BACKTRACE": "1", "LC_ALL": "C.UTF-8"}
"""A child's environment, and all of it: no proxy, token or path of ours goes there.

Without the second, a process that aborts starts a debugger on itself where there is one, and what that says takes the place of the reason.

Threads that wait spin only shortly. With the default, two threads on two busy processors lose a factor of 20 to 80.
"""


def child_line(plan: RunnerPlan, socket: Path, *, cache_type: str, limit_address_space: bool) -> bytes:
    """Gives the line of JSON that a child reads first."""
    files = plan.model.files
    is_chat = plan.purpose == "chat"
    params: dict[str, JsonValue] = {
        "model.path": str(files.weights),
        "mmproj.path": str(files.projector) if files.projector is not None else "",
        "model_alias": [plan.model.name],
        "hostnames": [str(socket)],
        "n_ctx": plan.num_ctx * plan.slots,  # shared out among the slots
        "n_parallel": plan.slots,
        "kv_unified": False,
        "n_batch": plan.batch,
        "n_ubatch": plan.batch,
        "cpuparams.n_threads": plan.threads,
        "cpuparams_batch.n_threads": plan.threads,
        "n_threads_http": plan.slots + _SPARE_THREADS,
        "n_gpu_layers": plan.gpu_layers,
        "main_gpu": plan.main_gpu,
        "embedding": not is_chat,
        "fit_params": False,  # the memory was planned for these values
        "warmup": False,  # a third of the time of loading, which the first request takes anyway
        "cache_ram_mib": 0,  # 8 GB by default: old prompts beside the slots' own
        "cache_idle_slots": False,
        "n_ctx_checkpoints": _CHECKPOINTS,
        "ctx_shift": False,  # would forget the beginning silently
        "cors_origins": "",
        "endpoint_slots": False,  # asking it starves the check for clients that have left
        "endpoint_props": False,
        "ui": False,
        "offline": True,
        "verbosity": 2,  # errors and warnings
    }
    line: dict[str, JsonValue] = {
        "params": params,
        "load_mode": "LLAMA_LOAD_MODE_MMAP" if plan.use_mmap else "LLAMA_LOAD_MODE_NONE",
        "pooling": _pooling(plan),
        "cache_type": _CACHE_TYPES.get(cache_type, ""),
        "adapters": [str(each) for each in files.adapters],
        "oom_score_adj": _OOM_SCORE,
        "address_space_bytes": _address_space(plan) if limit_address_space else 0,
    }
    return json.dumps(line).encode() + b"\n"


def _pooling(plan: RunnerPlan) -> str:
    """Gives how the vectors of a text's tokens become one; empty for what the model's file says."""
    if plan.purpose == "rerank":
        return "LLAMA_POOLING_TYPE_RANK"
    if plan.purpose == "embedding" and Capability.EMBEDDING not in plan.model.capabilities:
        return "LLAMA_POOLING_TYPE_LAST"  # a model made for chats has none; Ollama takes the last token's too
    return ""


def _address_space(plan: RunnerPlan) -> int:
    return _AT_LEAST_RESERVED + plan.model.shape.weights_bytes + 2 * plan.memory_bytes
