"""Answers kept for the next time they are asked for."""
