"""What the hot route holds for an answer before it is there, and what it counts where a model server tells nothing."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alcove.gateway.faces.responses_request import responses_call
from alcove.gateway.passed import PassedRequest

ASK = [{"role": "user", "content": "say it"}]


def passed(**fields: Any) -> PassedRequest | None:
    return PassedRequest.read(json.dumps({"model": "m", "messages": ASK, **fields}).encode(), "r")


def held(**fields: Any) -> int:
    request = passed(**fields)
    assert request is not None
    return request.output_tokens


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 4096),
        ({"max_tokens": 7}, 7),
        ({"max_tokens": None}, 4096),
        ({"max_tokens": -1}, 4096),
        ({"max_tokens": 0}, 4096),
        ({"max_tokens": "9"}, 4096),
        ({"max_tokens": 5e5}, 4096),
        ({"max_tokens": True}, 4096),
        ({"max_completion_tokens": 1, "max_tokens": 100_000}, 100_000),
        ({"max_completion_tokens": 100_000, "max_tokens": 1}, 100_000),
        ({"max_completion_tokens": 1, "max_tokens": "100000"}, 4096),
        ({"max_tokens": 10**30}, 10_000_000),
    ],
)
def test_the_largest_bound_of_an_answer_is_held_and_never_less_than_servers_may_take_it_for(
    fields: Mapping[str, Any], tokens: int
) -> None:
    assert held(**fields) == tokens


def test_responses_know_one_bound_only() -> None:
    request = responses_call(
        {"model": "m", "input": "x", "max_output_tokens": 1, "max_tokens": 100_000, "max_completion_tokens": 100_000}
    ).request
    assert request.extra["max_tokens"] == 1
    assert "max_completion_tokens" not in request.extra
    assert "max_tokens" not in responses_call({"model": "m", "input": "x", "max_tokens": 5}).request.extra


def test_what_only_anthropic_has_words_for_is_not_passed() -> None:
    assert passed(anthropic={"top_k": 3}) is None
