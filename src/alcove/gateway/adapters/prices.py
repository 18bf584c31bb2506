"""What calls cost, from the price list packaged with `genai-prices`. Its updater is never started: nothing is fetched.

The list is large (a second to load and some 50 MB), so it is loaded only when there is a vendor with prices: by `prepare` in a
thread of its own, or else at the first need.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from typing import Any

from anyio import to_thread

from alcove.gateway.adapters.profiles import PRICE_LISTS
from alcove.kernel.chat import Usage
from alcove.kernel.ports import ModelInfo


@dataclass(slots=True)
class PackagedPrices:
    """Prices by vendor and model. Models of one's own, and of vendors without a list, have none."""

    _calc: Callable[..., Any] | None = field(default=None)
    _usage: Callable[..., Any] | None = field(default=None)

    async def prepare(self, providers: Collection[str]) -> None:
        """Loads the list without holding anybody up, if one of these vendors has prices."""
        if self._calc is None and any(provider in PRICE_LISTS for provider in providers):
            await to_thread.run_sync(self.load)

    def load(self) -> None:
        """Loads the list now; blocks for about a second."""
        library = import_module("genai_prices")
        library.calc_price(library.Usage(input_tokens=1), "gpt-4o", provider_id="openai")  # this loads the list itself
        self._usage = library.Usage
        self._calc = library.calc_price

    def cost_usd(self, model: ModelInfo, usage: Usage) -> Decimal | None:
        """Gives the price of a call in US dollars; None when it is not known."""
        vendor = PRICE_LISTS.get(model.provider)
        if vendor is None:
            return None
        price = self._price(vendor, model.id, usage)
        if price is None and "/" in model.id:
            price = self._price(vendor, model.id.split("/", 1)[1], usage)  # behind the deployment's name
        return price

    def _price(self, vendor: str, model_id: str, usage: Usage) -> Decimal | None:
        if self._calc is None or self._usage is None:
            self.load()
        if self._calc is None or self._usage is None:
            return None
        counts = self._usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=min(usage.cached_input_tokens, usage.input_tokens) or None,
            output_tokens=usage.output_tokens,
        )
        try:
            total = self._calc(counts, model_id, provider_id=vendor).total_price
        except (LookupError, ValueError):
            return None
        return total if isinstance(total, Decimal) else None
