"""Faces of the gateway beside chat completions: Anthropic's Messages, OpenAI's Responses and legacy completions.

Each reads its protocol into the kernel's `ChatRequest`, and writes the deltas of an answer in its own events; in between runs the
same turn as for everybody. What chat completions has a name for keeps that name in `ChatRequest.extra`, so every model understands it.
"""
