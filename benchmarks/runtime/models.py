"""The models that are measured: random weights of a usual shape, made once under `~/.cache/alcove-bench`."""

from pathlib import Path

from alcove.runtime.testing.gguf import TinyShape, tiny_model

CACHE = Path.home() / ".cache" / "alcove-bench"

SHAPES = {
    "24m": TinyShape(width=384, layers=6, heads=6, kv_heads=6, hidden=1024, words=17408),
    "125m": TinyShape(width=768, layers=12, heads=12, kv_heads=12, hidden=2048, words=26112),
    "500m": TinyShape(width=1280, layers=24, heads=20, kv_heads=20, hidden=3328, words=16384),
}
"""By their weights, in millions."""


def model_file(name: str) -> Path:
    """Gives a model's file (Q8_0), made if it is not there yet."""
    path = CACHE / f"random-{name}-q8_0.gguf"
    if not path.exists():
        print(f"making {path.name}", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_bytes(tiny_model(SHAPES[name], is_quantised=True))
        draft.replace(path)
    return path
