"""Traces: what happened in every turn, kept durably and shown to those whose turn it was."""
