"""How a model is to be run, and what memory that takes."""

from dataclasses import dataclass

from alcove.kernel.errors import InvalidRequest
from alcove.runtime.errors import NotEnoughMemory
from alcove.runtime.models import (
    Capability,
    InstalledModel,
    LoadOptions,
    ModelShape,
    Purpose,
    RunnerPlan,
    RuntimeSettings,
)

_MB = 1 << 20
_BASE_BYTES = 32 * _MB  # a child before it has a model: 26 MB, measured
_LAYER_VALUES = 24  # numbers of four bytes for each token of a batch and each of the model's width, while it computes
_CACHE_SHARE = {"f16": 1.0, "q8_0": 34 / 64, "q4_0": 18 / 64}
_CONTEXT_STEP = 256  # llama.cpp rounds each slot's context up to a multiple of this
_EMBEDDING_CTX = 2048  # an embedder takes the whole text at once, and memory for it
_BATCHES = (32, 64, 128, 256, 512)
_BATCH_S = 0.15
_FLOPS = 3e10  # of one thread with AVX2; half of what an idle one does
_MOST_THREADS = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Plans how models are run on this machine.

    Attributes:
        settings: The room's settings.
        budget_bytes: Memory that all models may take together.
        processors: How many this machine has.
    """

    settings: RuntimeSettings
    budget_bytes: int
    processors: int

    def plan(self, model: InstalledModel, options: LoadOptions, purpose: Purpose) -> RunnerPlan:
        """Gives the plan; with fewer slots than the settings say where only those fit.

        Raises:
            InvalidRequest: When an option makes no sense.
            NotEnoughMemory: When it cannot fit even alone.
        """
        num_ctx, note = self.context(model, options, purpose)
        threads = self._threads(options)
        batch = self._batch_of(model, options, purpose, num_ctx)
        slots, memory = self._fitted(model, num_ctx, batch)
        if memory > self.budget_bytes:
            msg = (
                f"{model.name!r} needs {memory // _MB} MB with a context of {num_ctx} tokens, and local models may take "
                f"{self.budget_bytes // _MB} MB here; choose a smaller model, a smaller num_ctx, or raise runtime.memory_mb."
            )
            raise NotEnoughMemory(msg)
        return RunnerPlan(
            model=model,
            purpose=purpose,
            num_ctx=num_ctx,
            slots=slots,
            threads=threads,
            batch=batch,
            gpu_wanted=-1 if options.num_gpu is None else options.num_gpu,
            main_gpu=options.main_gpu or 0,
            use_mmap=options.use_mmap is not False,
            memory_bytes=memory,
            note=note,
        )

    def need_bytes(self, model: InstalledModel, options: LoadOptions, purpose: Purpose) -> int:
        """Predicts what a model would take by its plan; where it cannot fit, what it would take at least."""
        num_ctx, _ = self.context(model, options, purpose)
        return self._fitted(model, num_ctx, self._batch_of(model, options, purpose, num_ctx))[1]

    def _batch_of(self, model: InstalledModel, options: LoadOptions, purpose: Purpose, num_ctx: int) -> int:
        """Gives the tokens computed at a time; what is no chat is taken in whole."""
        if purpose != "chat":
            return num_ctx
        return options.num_batch or self._batch(model.shape, self._threads(options))

    def _fitted(self, model: InstalledModel, num_ctx: int, batch: int) -> tuple[int, int]:
        """Gives as many slots as fit, of those the settings say, halved until they do; and the memory they take. One is the least."""
        slots = self.settings.parallel
        memory = memory_bytes(model, num_ctx, slots, batch, self.settings.cache_type)
        while memory > self.budget_bytes and slots > 1:
            slots //= 2
            memory = memory_bytes(model, num_ctx, slots, batch, self.settings.cache_type)
        return slots, memory

    def context(self, model: InstalledModel, options: LoadOptions, purpose: Purpose) -> tuple[int, str]:
        """Gives the tokens of context, and in words what was asked for where that is more than the model can.

        Raises:
            InvalidRequest: When what was asked for is no number of tokens.
        """
        for name in ("num_ctx", "num_batch", "num_thread"):
            value = getattr(options, name)
            if value is not None and not 0 < value <= 1 << 30:
                msg = f"{name} is {value}; it has to be from 1 to {1 << 30:,}."
                raise InvalidRequest(msg)
        own = model.parameters.get("num_ctx")
        most = model.shape.context_length or 1 << 30
        default = (
            min(self.settings.context_length, _EMBEDDING_CTX) if purpose != "chat" else self.settings.context_length
        )
        wanted = options.num_ctx or (own if isinstance(own, int) and own > 0 else default)
        if wanted <= most:
            return min(-(-wanted // _CONTEXT_STEP) * _CONTEXT_STEP, most), ""
        if options.num_ctx is None and not isinstance(own, int):
            return most, ""
        return most, f"num_ctx {wanted} was cut to {most}, the length {model.name} was trained on"

    def fits(self, plan: RunnerPlan, model: InstalledModel, options: LoadOptions, purpose: Purpose) -> bool:
        """Tells whether a model that runs so serves a request; what that leaves open is as it is."""
        if plan.purpose != purpose or plan.model.digest != model.digest or plan.model.files != model.files:
            return False
        if options.num_ctx is not None and self.context(model, options, purpose)[0] != plan.num_ctx:
            return False
        pairs = (
            (options.num_batch if purpose == "chat" else None, plan.batch),
            (options.num_gpu, plan.gpu_wanted),
            (options.main_gpu, plan.main_gpu),
            (options.num_thread and self._threads(options), plan.threads),
            (options.use_mmap, plan.use_mmap),
        )
        return all(wanted is None or wanted == has for wanted, has in pairs)

    def _threads(self, options: LoadOptions) -> int:
        """Gives the threads that compute: of those that a request asks for, no more than there are processors."""
        if options.num_thread:
            return min(options.num_thread, self.processors)
        return min(self.settings.threads or max(1, self.processors - 1), _MOST_THREADS)

    @staticmethod
    def _batch(shape: ModelShape, threads: int) -> int:
        """Gives as many tokens as are computed in a tenth of a second or two.

        llama.cpp looks for clients that have left between two batches of a prompt. Over 64 tokens gain nothing on processors;
        below, F16 weights lose (measured: 4.6 s for 1,000 tokens at 128 to 512, 5.0 at 64, 8.0 at 32).
        """
        tokens = _BATCH_S * _FLOPS * threads / (2 * max(shape.parameters, 1))
        return max((each for each in _BATCHES if each <= tokens), default=_BATCHES[0])


def memory_bytes(model: InstalledModel, num_ctx: int, slots: int, batch: int, cache_type: str) -> int:
    """Predicts what a child takes: weights, what of them is copied, keys and values, room to compute in, and itself."""
    shape = model.shape
    cache = int(shape.kv_bytes_per_token * _CACHE_SHARE.get(cache_type, 1.0)) * num_ctx * slots
    work = batch * shape.embedding_length * _LAYER_VALUES * 4
    return shape.weights_bytes + shape.repacked_bytes + cache + work + _BASE_BYTES


def purpose_of(model: InstalledModel) -> Purpose:
    """Gives what a model is made for."""
    if Capability.RERANK in model.capabilities:
        return "rerank"
    if Capability.EMBEDDING in model.capabilities and Capability.COMPLETION not in model.capabilities:
        return "embedding"
    return "chat"
