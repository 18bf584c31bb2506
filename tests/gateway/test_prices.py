"""Prices from the packaged list."""

import socket
import threading
from decimal import Decimal

import pytest

from alcove.gateway.adapters.prices import PackagedPrices
from alcove.gateway.adapters.profiles import PRICE_LISTS, kind_of, profile_of, rename
from alcove.infra.http import Url
from alcove.kernel.chat import JsonValue, Usage
from alcove.kernel.ports import ModelInfo

USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000, cached_input_tokens=500_000)


@pytest.mark.parametrize("model_id", ["gpt-4o", "my-openai/gpt-4o"])
def test_priced_model_costs_what_the_list_says(model_id: str) -> None:
    cost = PackagedPrices().cost_usd(ModelInfo(id=model_id, provider="openai"), USAGE)
    assert cost == Decimal("1.25") + Decimal("0.625") + Decimal(10)


@pytest.mark.parametrize(
    ("provider", "model_id"), [("ollama", "gpt-4o"), ("alcove", "alcove/reader"), ("openai_compatible", "gpt-4o"), ("openai", "no-such-model")]
)  # fmt: skip
def test_unknown_price_is_none_not_zero(provider: str, model_id: str) -> None:
    assert PackagedPrices().cost_usd(ModelInfo(id=model_id, provider=provider), USAGE) is None


def test_strange_counts_have_no_price_and_no_error() -> None:
    odd = Usage(input_tokens=1, output_tokens=0, cached_input_tokens=99)
    assert PackagedPrices().cost_usd(ModelInfo(id="gpt-4o", provider="openai"), odd) is not None


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = threading.active_count()
    prices = PackagedPrices()
    for provider in PRICE_LISTS:
        prices.cost_usd(ModelInfo(id="some-model", provider=provider), USAGE)
    assert threading.active_count() == before


def test_list_is_loaded_only_when_needed() -> None:
    prices = PackagedPrices()
    prices.cost_usd(ModelInfo(id="x", provider="ollama"), USAGE)
    assert prices._calc is None


async def test_list_is_loaded_in_a_thread_for_a_vendor_with_prices() -> None:
    prices = PackagedPrices()
    await prices.prepare({"ollama", "openai_compatible"})
    assert prices._calc is None
    await prices.prepare({"ollama", "openai"})
    assert prices._calc is not None


def test_vendor_is_known_by_its_host() -> None:
    assert profile_of(Url.parse("https://api.openai.com/v1")).provider == "openai"
    assert profile_of(Url.parse("https://api.openai.com.evil.example/v1")).provider == "openai_compatible"


@pytest.mark.parametrize(
    ("model_id", "kind"),
    [("gpt-4o", "chat"), ("text-embedding-3-small", "embedding"), ("BAAI/bge-m3", "embedding"), ("whisper-1", "transcription"), ("qwen2.5:0.5b", "chat"),
     ("all-minilm", "embedding"), ("gpt-image-1", "image"), ("gpt-4o-audio-preview", "chat"), ("bge-reranker-v2-m3", "rerank"), ("tts-1-hd", "speech"), ("sora-2", None), ("intfloat/e5-large", "embedding"), ("phi-3.5-mini", "chat")],
)  # fmt: skip
def test_kind_is_guessed_from_the_id(model_id: str, kind: str | None) -> None:
    assert kind_of(model_id) == kind


def test_openai_is_told_the_longest_answer_under_its_newer_name() -> None:
    for provider, expected in (("openai", {"max_completion_tokens": 5}), ("openai_compatible", {"max_tokens": 5})):
        body: dict[str, JsonValue] = {"max_tokens": 5}
        rename(body, provider)
        assert body == expected
    both: dict[str, JsonValue] = {"max_tokens": 5, "max_completion_tokens": 6}
    rename(both, "openai")
    assert both == {"max_tokens": 5, "max_completion_tokens": 6}
