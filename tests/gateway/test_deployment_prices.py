"""Prices of a deployment's own, and counts no server should be believed."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.gateway.adapters.prices import PackagedPrices
from alcove.gateway.calls import ModelPrices
from alcove.gateway.prices import DeploymentPricing
from alcove.kernel.chat import Usage
from alcove.kernel.ports import ModelInfo, NoPricing, Served

MODEL = ModelInfo(id="gpt-4o", provider="openai")
OWN = ModelPrices(input_usd=Decimal("0.3"), output_usd=Decimal("1.2"), cached_input_usd=Decimal("0.075"))
COUNTS = st.integers(-(2**70), 2**70)


def pricing(**own: ModelPrices) -> DeploymentPricing:
    return DeploymentPricing(PackagedPrices(), own.get)


def test_deployment_with_prices_of_its_own_goes_by_them():
    usage = Usage(input_tokens=3, output_tokens=7, cached_input_tokens=1, reasoning_tokens=5)
    assert pricing(up=OWN).cost_usd(MODEL, usage, Served(deployment="up")) == Decimal("0.000009075")
    assert pricing(up=OWN).cost_usd(MODEL, usage, Served(deployment="other")) == PackagedPrices().cost_usd(MODEL, usage)
    assert pricing(up=OWN).cost_usd(MODEL, usage) == PackagedPrices().cost_usd(MODEL, usage)


def test_cached_input_without_a_price_costs_as_other_input():
    prices = ModelPrices(input_usd=Decimal(2))
    usage = Usage(input_tokens=1_000_000, cached_input_tokens=400_000, output_tokens=9)
    assert pricing(up=prices).cost_usd(MODEL, usage, Served(deployment="up")) == 2


def test_changed_prices_hold_from_the_next_call_on():
    own = {"up": OWN}
    changing = DeploymentPricing(NoPricing(), own.get)
    usage = Usage(input_tokens=1_000_000)
    assert changing.cost_usd(MODEL, usage, Served(deployment="up")) == Decimal("0.3")
    own["up"] = ModelPrices(input_usd=Decimal(5))
    assert changing.cost_usd(MODEL, usage, Served(deployment="up")) == 5
    del own["up"]
    assert changing.cost_usd(MODEL, usage, Served(deployment="up")) is None


def test_price_of_nothing_is_nothing_where_the_price_is_known():
    assert (
        pricing(up=ModelPrices(input_usd=Decimal(0))).cost_usd(MODEL, Usage(input_tokens=5), Served(deployment="up"))
        == 0
    )


@pytest.mark.parametrize("deployment", ["up", ""])
@settings(max_examples=60, deadline=None)
@given(counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
def test_no_counts_make_a_negative_cost_or_an_error(deployment: str, counts: tuple[int, int, int, int]):
    usage = Usage(
        input_tokens=counts[0], output_tokens=counts[1], cached_input_tokens=counts[2], reasoning_tokens=counts[3]
    )
    for model in (
        MODEL,
        ModelInfo(id="gemini-2.5-pro", provider="gemini"),
        ModelInfo(id="claude-sonnet-4-5", provider="anthropic"),
    ):
        cost = pricing(up=OWN).cost_usd(model, usage, Served(deployment=deployment))
        assert cost is None or 0 <= cost < 10**6


@settings(max_examples=60, deadline=None)
@given(counts=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)))
def test_remembered_prices_are_those_of_the_list(counts: tuple[int, int, int]):
    usage = Usage(input_tokens=counts[0], output_tokens=counts[1], cached_input_tokens=min(counts[2], counts[0]))
    prices = PackagedPrices()
    for model_id in ("gpt-4o", "gpt-4.1-mini", "o3"):
        model = ModelInfo(id=model_id, provider="openai")
        assert prices.cost_usd(model, usage) == prices._listed("openai", model_id, usage)
