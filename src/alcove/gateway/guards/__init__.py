"""Guardrails: what may not go into a model, and what may not come out."""
