"""What a response costs: its token counts at the prices of a kept list, the one that comes with `genai-prices`.

The list is what is installed; nothing is fetched, ever. A deployment is priced by its URL where that is one of the
list's providers, else by its model's name, at its maker's prices; or at what its `price_as` or `prices` say. Whatever
the list does not know has no cost: a missing figure is seen and asked about, a wrong one is not.

The library takes 150 µs for each question, so its prices are looked up once a minute (some change by the hour) and
multiplied here. A test compares that with the library's own answers, model by model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway.audit.record import Usage
from gateway.config_file import ConfigFile, Deployment

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1000)
_STANDARD: Final = frozenset({None, "auto", "default"})
"""What `service_tier` says of a response at the ordinary price."""
_ANY: Final = "litellm"
"""The list's own word for a reference that may begin with its provider: `anthropic/claude-sonnet-4-5`."""

Price: TypeAlias = tuple[tuple[int, Decimal], ...]
"""USD per million tokens, from how many input tokens on; the highest first. Empty: not priced."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What the tokens of one model cost. A part that is not priced costs what the whole does."""

    input: Price
    output: Price
    cached_input: Price = ()
    cache_write: Price = ()
    reasoning: Price = ()
    request: Decimal = Decimal(0)
    """USD for each response, whatever its length."""

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for the tokens of one response; None where they do not add up, or are not all priced."""
        if usage.cached_tokens + usage.cache_write_tokens > usage.input_tokens:
            return None
        cached = usage.cached_tokens if self.cached_input else 0
        written = usage.cache_write_tokens if self.cache_write else 0
        thought = usage.reasoning_tokens if self.reasoning else 0
        parts = (
            (usage.input_tokens - cached - written, self.input),
            (cached, self.cached_input),
            (written, self.cache_write),
            (usage.output_tokens - thought, self.output),
            (thought, self.reasoning),
        )
        total = Decimal(0)
        for count, price in parts:
            if count < 0 or (count and not price):
                return None
            if count:
                total += count * next(each for start, each in price if usage.input_tokens > start)
        return total / _MILLION + self.request


class _Listed:
    """A model of the list. Its rates may depend on the day, the hour, and the service tier."""

    def __init__(self, provider: Provider, info: ModelInfo) -> None:
        self._info: Final = info
        own = any(info is model for model in provider.models)
        # For another provider's model the list does not say what a tier costs here.
        self._tiers: Final = {
            v.when["service_tier"]
            for v in info.price_variants or ()
            if own and len(v.when) == 1 and "service_tier" in v.when
        }
        self._rates: Final[dict[str | None, Rates]] = {}
        self._minute = -1

    def rates(self, tier: str | None, now: float) -> Rates | None:
        """The rates of a tier; None where the list does not know it. `now` is in seconds since 1970."""
        if tier in _STANDARD:
            tier = None
        elif tier not in self._tiers:
            return None
        minute = int(now // 60)
        if minute != self._minute:
            self._rates.clear()
            self._minute = minute
        if tier not in self._rates:
            context = None if tier is None else {"service_tier": tier}
            self._rates[tier] = _rates(self._info.get_prices(datetime.fromtimestamp(now, UTC), context))
        return self._rates[tier]


class Prices:
    """The prices of all deployments. Ask for a `cost` once for each response, at its end."""

    def __init__(self, config: ConfigFile, clock: Callable[[], float]) -> None:
        """Look every deployment up; takes a third of a second. `clock` gives seconds since 1970."""
        snapshot = _snapshot()
        self._clock: Final = clock
        self._of: Final[dict[tuple[str | None, str | None], Rates | _Listed]] = {}
        for model, where in config.models.items():
            for deployment in where.deployments:
                found = _own(deployment) or _find(snapshot, deployment.price_as or deployment.model, deployment)
                if found is not None:
                    self._of[model, deployment.name] = found

    def cost(self, model: str | None, deployment: str | None, usage: Usage, tier: str | None) -> Decimal | None:
        """USD for a response's tokens, None where that is not known.

        `model` is the name that clients use; `tier` is the `service_tier` of the response.
        """
        found = self._of.get((model, deployment))
        if found is None or not usage.complete:
            return None
        rates = found.rates(tier, self._clock()) if isinstance(found, _Listed) else found
        return None if rates is None else rates.cost(usage)


def is_listed(name: str) -> bool:
    """Whether the list knows a model, as `gpt-5.1` or `openai/gpt-5.1`. Takes a third of a second the first time."""
    return _find(_snapshot(), name, None) is not None


def _snapshot() -> DataSnapshot:
    # Here, because it takes a third of a second: neither the command line nor a session waits for it.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    # One of our own: the library's shared one is replaced where a program has it fetch new prices.
    return DataSnapshot(providers, from_auto_update=False)


def _find(snapshot: DataSnapshot, name: str, deployment: Deployment | None) -> _Listed | None:
    url = None
    if deployment is not None and deployment.price_as is None:
        url = re.sub(r"^(ws|http)s?:", "https:", deployment.url, flags=re.IGNORECASE)
        if not any(re.match(provider.api_pattern, url) for provider in snapshot.providers):
            url = None
    try:
        provider, info = snapshot.find_provider_model(name, None, None if url else _ANY, url)
    except LookupError:
        return None
    return _Listed(provider, info)


def _own(deployment: Deployment) -> Rates | None:
    own = deployment.prices
    if own is None:
        return None
    return Rates(_flat(own.input), _flat(own.output), _flat(own.cached_input), _flat(own.cache_write))


def _flat(price: Decimal | None) -> Price:
    return () if price is None else ((-1, price),)


def _rates(prices: ModelPrice) -> Rates:
    each = prices.requests_kcount
    return Rates(
        _price(prices, "input_mtok"),
        _price(prices, "output_mtok"),
        _price(prices, "cache_read_mtok"),
        _price(prices, "cache_write_mtok"),
        _price(prices, "output_reasoning_mtok"),
        each / _THOUSAND if isinstance(each, Decimal) else Decimal(0),
    )


def _price(prices: ModelPrice, key: str) -> Price:
    price = getattr(prices, key)
    if price is None or isinstance(price, Decimal):
        return _flat(price)
    return (*((tier.start, tier.price) for tier in reversed(price.tiers)), (-1, price.base))
