"""What calls cost, from the price list packaged with `genai-prices`. Its updater is never started: nothing is fetched.

The list is large (a second to load and some 50 MB), so it is loaded only when there is a vendor with prices: by `prepare` in a
thread of its own, or else at the first need. Its own reckoning takes a third of a millisecond; so a model's prices are looked up once and
remembered, and only those that depend on the length of the prompt, or on the time, are reckoned by the list each time.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

from anyio import to_thread

from alcove.gateway.adapters.profiles import PRICE_LISTS
from alcove.gateway.prices import TokenPrices, believed
from alcove.kernel.chat import Usage
from alcove.kernel.ports import ModelInfo, Served

_MILLION = Decimal(1_000_000)
_MAX_REMEMBERED = 2000


@dataclass(slots=True)
class PackagedPrices:
    """Prices by vendor and model. Models of one's own, and of vendors without a list, have none."""

    _calc: Callable[..., Any] | None = field(default=None)
    _usage: Callable[..., Any] | None = field(default=None)
    _known: dict[tuple[str, str], Callable[[Usage], Decimal | None]] = field(default_factory=dict)

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

    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal | None:  # noqa: ARG002
        """Gives the price of a call in US dollars; None when it is not known."""
        known = self._known.get((model.provider, model.id))
        if known is None:
            known = self._find(model)
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[model.provider, model.id] = known
        return known(usage)

    def _find(self, model: ModelInfo) -> Callable[[Usage], Decimal | None]:
        vendor = PRICE_LISTS.get(model.provider)
        if vendor is None:
            return _unknown
        for name in (model.id, model.id.split("/", 1)[-1]):  # the second: behind the deployment's name
            found = self._reckon(vendor, name, Usage(input_tokens=1, output_tokens=1))
            if found is not None:
                flat = _flat(found)
                return flat.cost_usd if flat is not None else partial(self._listed, vendor, name)
        return _unknown

    def _listed(self, vendor: str, model_id: str, usage: Usage) -> Decimal | None:
        found = self._reckon(vendor, model_id, believed(usage))
        total = None if found is None else found.total_price
        return max(total, Decimal(0)) if isinstance(total, Decimal) else None

    def _reckon(self, vendor: str, model_id: str, usage: Usage) -> Any:  # noqa: ANN401  the library's own
        if self._calc is None or self._usage is None:
            self.load()
        if self._calc is None or self._usage is None:
            return None
        counts = self._usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_input_tokens or None,
            output_tokens=usage.output_tokens,
        )
        try:
            return self._calc(counts, model_id, provider_id=vendor)
        except (LookupError, ValueError):
            return None


def _unknown(_: Usage) -> None:
    return None


def _flat(found: Any) -> TokenPrices | None:  # noqa: ANN401  the library's own
    """Gives a model's prices where they are the same for every call: no steps by length, none by time, none by request."""
    price = found.model_price
    if isinstance(found.model.prices, list) or getattr(price, "requests_kcount", None) is not None:
        return None
    given = {name: getattr(price, f"{name}_mtok", None) for name in ("input", "output", "cache_read")}
    if any(value is not None and not isinstance(value, Decimal) for value in given.values()):
        return None
    if given["input"] is None:
        return None
    cached = given["input"] if given["cache_read"] is None else given["cache_read"]
    return TokenPrices(
        input_usd=given["input"] / _MILLION,
        output_usd=(given["output"] or Decimal(0)) / _MILLION,
        cached_input_usd=cached / _MILLION,
    )
