"""What every room stands on."""

import contextlib
from dataclasses import dataclass

from alcove.infra.background import Workers
from alcove.infra.database import Database
from alcove.infra.metrics import Metrics
from alcove.infra.secrets import MasterKey
from alcove.kernel.clock import Clock
from alcove.kernel.runner import BackgroundTasks
from alcove.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What every room stands on.

    Attributes:
        settings: All settings.
        clock: The time.
        database: The SQL database, migrated.
        key: The master key.
        background: Where tasks run that nobody waits for.
        workers: Where tasks run for as long as the house is open.
        metrics: What is counted.
        stack: Closes what was opened, last first.
    """

    settings: Settings
    clock: Clock
    database: Database
    key: MasterKey
    background: BackgroundTasks
    workers: Workers
    metrics: Metrics
    stack: contextlib.AsyncExitStack
