"""Adapters of the identity room's ports."""
