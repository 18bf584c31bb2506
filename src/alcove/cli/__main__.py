"""`python -m alcove.cli` is `alcove`."""

from alcove.cli import run

run()
