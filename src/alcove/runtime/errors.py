"""What can go wrong with local models, each with what to do about it."""

import logging

from alcove.kernel.errors import AlcoveError, Overloaded, UpstreamError


class BadModelFile(AlcoveError):
    """The model's file is damaged or is not a model this engine can run; pull it again."""

    code = "bad_model_file"
    status = 422
    title = "The model's file cannot be used"
    type = "invalid_request_error"


class QueueFull(Overloaded):
    """Too many requests wait for this model already; try again shortly."""

    code = "queue_full"
    title = "Too many requests wait for this model"


class NotEnoughMemory(AlcoveError):
    """The model does not fit into the memory that local models may use; choose a smaller model or a smaller `num_ctx`."""

    code = "not_enough_memory"
    status = 507
    title = "Not enough memory for this model"
    log_level = logging.WARNING


class ModelFailed(UpstreamError):
    """The model's process did not start; its last lines say why."""

    code = "model_failed"
    title = "The model could not be loaded"

    def __init__(self, detail: str | None = None, *, stderr: tuple[str, ...] = (), status: int = 500) -> None:
        """Keep what the process wrote last.

        Args:
            detail: What went wrong.
            stderr: The last lines the process wrote.
            status: HTTP status to answer with.
        """
        super().__init__(detail, status=status)
        self.stderr = stderr


class RunnerStopped(UpstreamError):
    """The model's process has stopped unexpectedly, perhaps for want of memory; the next request starts a new one."""

    code = "runner_stopped"
    title = "The model's process has stopped"

    def __init__(self, detail: str | None = None) -> None:
        """Answer 500, as Ollama does."""
        super().__init__(detail, status=500)
