"""The command line: `alcove`.

Commands that talk to a running server (`ask`, `chat`, `ingest`) must answer at once, so the server's own modules are imported
only by the commands that need them.
"""

import sys
from typing import NoReturn

from alcove.cli.app import app
from alcove.infra.secrets import UnsafeSecret
from alcove.kernel.errors import AlcoveError, first_known

EXIT_FAILED = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h


def run() -> None:
    """Runs the command line; errors that a person can act on are one message, never a traceback."""
    try:
        app()
    except BaseExceptionGroup as failures:
        _end(first_known(failures, UnsafeSecret, KeyboardInterrupt))
    except (AlcoveError, UnsafeSecret, KeyboardInterrupt) as error:
        _end(error)


def _end(error: BaseException) -> NoReturn:
    if isinstance(error, KeyboardInterrupt):
        sys.exit(130)
    if isinstance(error, UnsafeSecret):
        print(f"alcove: {error}", file=sys.stderr)  # noqa: T201  the command line speaks on standard error
        sys.exit(error.exit_code)
    if isinstance(error, AlcoveError):
        print(f"alcove: {error.detail}", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_CONFIG if error.code == "bad_settings" else EXIT_FAILED)
    raise error
