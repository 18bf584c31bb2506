"""Asks a server for streams, and reads of them no more than it must, so that the asking costs little of what is measured."""

import contextlib
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_FIRST = re.compile(rb'"content":\s*"[^"]')
_TOKENS = re.compile(rb'"completion_tokens":\s*(\d+)')
_TIMEOUT_S = 120
_READ_BYTES = 1 << 16


class Failed(Exception):
    """An answer that was not whole; the text says how."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where to ask.

    Attributes:
        connect: Gives a connection.
        model: The model's name there.
        headers: More lines of the request's head.
    """

    connect: Callable[[], socket.socket]
    model: str
    headers: str = ""

    def request(self, prompt: str, fields: dict[str, Any]) -> bytes:
        """Gives a whole request, with a connection of its own."""
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": prompt}], **fields}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{self.headers}"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True)
class Answer:
    """What one request gave, in seconds from the call."""

    first_s: float
    whole_s: float
    tokens: float


@dataclass(frozen=True)
class Run:
    """What some streams at a time gave."""

    wall_s: float
    answers: Sequence[Answer]

    @property
    def tokens_per_s(self) -> float:
        """All their tokens, by the time from the first request to the last end."""
        return sum(each.tokens for each in self.answers) / self.wall_s


def ask(door: Door, prompt: str, fields: dict[str, Any]) -> Answer:
    """Asks once.

    Raises:
        Failed: When the answer is not whole.
    """
    began_s = time.perf_counter()
    first_s = 0.0
    with contextlib.closing(door.connect()) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.sendall(door.request(prompt, fields))
        head, last = b"", b""
        while data := connection.recv(_READ_BYTES):
            if not first_s:
                head += data
                if _FIRST.search(head):
                    first_s = time.perf_counter() - began_s
            last = (last + data)[-4096:]
            if b"data: [DONE]" in last:
                break
    whole_s = time.perf_counter() - began_s
    tokens = _TOKENS.search(last)
    if b"data: [DONE]" not in last or tokens is None or not first_s:
        msg = f"not whole: {(head[:300] + b' ... ' + last[-300:])!r}"
        raise Failed(msg)
    return Answer(first_s, whole_s, int(tokens[1]))


def run(door: Door, prompts: Sequence[Sequence[str]], fields: dict[str, Any]) -> Run:
    """Asks with as many streams at a time as there are lists, each its prompts one after the other."""
    answers: list[Answer] = []
    failures: list[Exception] = []

    def work(mine: Sequence[str]) -> None:
        try:
            answers.extend(ask(door, each, fields) for each in mine)
        except (OSError, Failed) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[mine]) for mine in prompts]
    began_s = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        raise failures[0]
    return Run(time.perf_counter() - began_s, answers)


@dataclass
class Left:
    """What came of many requests, some of which were left by their client."""

    whole: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)


def leave(door: Door, count: int, streams: int, seed: int) -> Left:
    """Asks so many times; about half of the clients leave at a random moment: before, during or after the first token, or at once."""
    found, lock, chance = Left(), threading.Lock(), random.Random(seed)
    plans = [
        (chance.randrange(1, 48), chance.choice((0.0, chance.uniform(0, 0.02), chance.uniform(0, 0.3))) if chance.random() < 0.5 else None)
        for _ in range(count)
    ]  # fmt: skip

    def work() -> None:
        while True:
            with lock:
                if not plans:
                    return
                number = len(plans)
                tokens, after_s = plans.pop()
            fields = {
                "max_tokens": tokens,
                "ignore_eos": True,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            prompt = f"Number {number}: " + "more words " * (0 if number % 10 else 30)
            try:
                if after_s is None:
                    answer = ask(door, prompt, fields)
                    if answer.tokens != tokens:
                        found.failures.append(f"{answer.tokens} tokens instead of {tokens}")
                    found.whole += 1
                else:
                    _leave_after(door, prompt, fields, after_s)
                    found.left += 1
            except (OSError, Failed) as error:
                found.failures.append(str(error)[:300])

    threads = [threading.Thread(target=work) for _ in range(streams)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def _leave_after(door: Door, prompt: str, fields: dict[str, Any], seconds: float) -> None:
    """Asks, and leaves after a time whatever came; an answer other than a stream counts as failed.

    Raises:
        Failed: When the server refused.
    """
    until_s = time.perf_counter() + seconds
    with contextlib.closing(door.connect()) as connection:
        connection.sendall(door.request(prompt, fields))
        read = b""
        while (rest_s := until_s - time.perf_counter()) > 0:
            connection.settimeout(rest_s)
            try:
                data = connection.recv(_READ_BYTES)
            except TimeoutError:
                break
            if not data:
                break
            read = (read + data)[:2000]
    if read and (not read.startswith(b"HTTP/1.1 200 ") or b'"error"' in read):
        msg = f"refused: {read[:300]!r}"
        raise Failed(msg)
