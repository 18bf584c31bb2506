"""llama.cpp as a child process: one model, one process, one unix socket."""
