"""`python -m alcove` is `alcove`."""

from alcove.cli import run

run()
