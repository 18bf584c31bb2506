"""Health of every part, and what can be measured."""
