"""Where answers are kept: in this process, or in a Valkey server that all processes share."""
