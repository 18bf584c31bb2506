"""What a call may cost, before it is made."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from alcove.gateway.calls import ModelPrices
from alcove.gateway.prices import DeploymentPricing
from alcove.gateway.routing.estimate import RoutedEstimate
from alcove.gateway.routing.models import Fallbacks
from alcove.gateway.routing.route import PooledRoute
from alcove.kernel.ports import NoPricing
from tests.gateway.pool import call, member, route


@dataclass
class Ways:
    """A router with two models; it notes when it is asked."""

    routes: dict[str, PooledRoute]
    version: tuple[int, int] = (1, 1)
    asked: list[str] = field(default_factory=list)

    def known(self, model_id: str) -> PooledRoute | None:
        self.asked.append(model_id)
        return self.routes.get(model_id)


def test_the_dearest_deployment_that_may_answer_is_reckoned_with() -> None:
    prices = {
        "cheap": ModelPrices(input_usd=Decimal("0.15"), output_usd=Decimal("0.60")),
        "dear": ModelPrices(input_usd=Decimal(3), output_usd=Decimal(15)),
    }
    ways: Any = Ways(
        {"both": route(member("cheap"), member("dear")), "one": route(member("cheap")), "free": route(member("local"))}
    )
    estimate = RoutedEstimate(ways, DeploymentPricing(NoPricing(), prices.get))
    for _ in range(3):
        assert estimate.nano_usd(call(model="both", input_tokens=1000, output_tokens=100)) == 1000 * 3000 + 100 * 15_000
    assert estimate.nano_usd(call(model="one", input_tokens=1000, output_tokens=100)) == 1000 * 150 + 100 * 600
    assert estimate.nano_usd(call(model="free", input_tokens=1000)) == 0
    assert estimate.nano_usd(call(model="alcove/reader", input_tokens=1000)) == 0
    assert ways.asked == ["both", "one", "free", "alcove/reader"]


def test_models_that_may_be_asked_instead_are_reckoned_with_and_those_in_place_of_these() -> None:
    prices = {
        name: ModelPrices(input_usd=Decimal(usd), output_usd=Decimal(1))
        for name, usd in (("cheap", 1), ("dear", 5), ("dearest", 9))
    }
    last = route(member("dearest"), model="last", fallbacks=Fallbacks(on_error=("first",)))
    between = route(member("dear"), model="between", fallbacks=Fallbacks(on_content_policy=("last",)))
    first = route(
        member("cheap"), model="first", others=(between, last), fallbacks=Fallbacks(on_error=("between", "gone"))
    )
    ways: Any = Ways({"first": first})
    estimate = RoutedEstimate(ways, DeploymentPricing(NoPricing(), prices.get))
    assert estimate.nano_usd(call(model="first", input_tokens=1000)) == 1000 * 9000


def test_new_prices_count_when_deployments_change() -> None:
    prices: dict[str, ModelPrices] = {}
    ways: Any = Ways({"m": route(member("up"))})
    estimate = RoutedEstimate(ways, DeploymentPricing(NoPricing(), prices.get))
    assert estimate.nano_usd(call(model="m", input_tokens=10)) == 0
    prices["up"] = ModelPrices(input_usd=Decimal(2))
    ways.version = (2, 1)
    assert estimate.nano_usd(call(model="m", input_tokens=10)) == 20_000
