"""Alcove: a private AI platform in one Python package."""

from importlib.metadata import version

__version__ = version("alcove")
