"""Places where traces are kept."""
