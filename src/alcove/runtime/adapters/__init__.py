"""Local models' ports to the outside."""
