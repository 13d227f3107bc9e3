"""What a response costs: the library's answers, faster; nothing fetched; no figure where nobody knows."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider
from genai_prices.types import Usage as Counted

from gateway.audit.record import Usage
from gateway.config_file import ConfigFile
from gateway.prices import Prices, _Listed, is_listed

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
USAGES = [
    Usage(),
    Usage(1000, 200, 1200),
    Usage(1_000_000, 9_999, 1_009_999, 400_000, 100_000, 5_000),
    Usage(200_000, 1, 200_001, 200_000),
    Usage(200_001, 7, 200_008, 3, 4, 7),
]
LISTED = [(provider, info) for provider in providers for info in provider.models]


def prices(name: str = "gpt-5.1", url: str = "wss://api.openai.com/v1/responses", **more: Any) -> Prices:
    """The prices of a gateway with one deployment."""
    deployment = {"name": "one", "url": url, "model": name, **more}
    key = {"id": "a", "secret_env": "A", "models": ["ours"]}
    config = {"keys": [key], "models": {"ours": {"deployments": [deployment]}}}
    return Prices(ConfigFile.model_validate(config), lambda: NOW)


def cost(of: Prices, usage: Usage = USAGES[1], tier: str | None = None) -> float | None:
    """What the only deployment's response costs."""
    found = of.cost("ours", "one", usage, tier)
    return None if found is None else float(found)


def stock(provider: Provider, info: ModelInfo, usage: Usage, now: float, tier: str | None) -> Decimal:
    """What the library itself says."""
    counted = Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    context = None if tier is None else {"service_tier": tier}
    at = datetime.fromtimestamp(now, UTC)
    return info.calc_price(counted, provider, genai_request_timestamp=at, price_context=context).total_price


def test_every_model_of_the_list_costs_what_the_library_says() -> None:
    compared = tiered = 0
    for provider, info in LISTED:
        listed = _Listed(provider, info)
        for tier in (None, "flex", "priority"):
            for now in (NOW, NOW - 400 * 86_400, NOW + 8 * 3600):
                rates = listed.rates(tier, now)
                for usage in USAGES if rates is not None else ():
                    ours = rates.cost(usage) if rates is not None else None
                    if ours is not None:
                        assert ours == stock(provider, info, usage, now, tier), info.id
                        compared += 1
                        tiered += tier is not None
    assert compared > 20_000
    assert tiered > 300


def test_nearly_every_model_that_is_priced_by_tokens_has_a_cost() -> None:
    by_tokens = [
        _Listed(provider, info)
        for provider, info in LISTED
        if isinstance(info.prices, list) or (info.prices.input_mtok is not None and info.prices.output_mtok is not None)
    ]
    priced = [one for one in by_tokens if (rates := one.rates(None, NOW)) and rates.cost(USAGES[1]) is not None]
    assert len(priced) > 0.95 * len(by_tokens)


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("gpt-5.1", "wss://api.openai.com/v1/responses", 0.00325),
        ("gpt-5.1-2025-11-13", "https://api.openai.com/v1/responses", 0.00325),
        ("gpt-5.1", "HTTPS://api.openai.com/v1/responses", 0.00325),
        ("gpt-5.1", "ws://127.0.0.1:9100/v1/responses", 0.00325),
        ("anthropic/claude-sonnet-4-5", "http://127.0.0.1:9100/v1/responses", 0.006),
        ("claude-sonnet-4-5", "wss://api.openai.com/v1/responses", None),
        ("gpt-999", "wss://api.openai.com/v1/responses", None),
        ("our-own-model", "http://127.0.0.1:9100/v1/responses", None),
        ("", "http://127.0.0.1:9100/v1/responses", None),
    ],
)
def test_a_deployment_is_priced_by_its_url_and_else_by_its_models_name(
    name: str, url: str, expected: float | None
) -> None:
    if not name:
        name = " "
    assert cost(prices(name, url)) == expected


def test_one_name_has_each_providers_own_price() -> None:
    of_groq = prices("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1/responses")
    of_nobody = prices("llama-3.3-70b-versatile", "http://10.0.0.1/v1/responses")
    assert cost(of_groq) is not None
    assert cost(of_nobody) is None


def test_price_as_says_what_the_list_calls_a_model() -> None:
    azure = "https://acme.openai.azure.com/openai/v1/responses"
    assert cost(prices("our-chat", azure)) is None
    assert cost(prices("our-chat", azure, price_as="openai/gpt-5.1")) == 0.00325
    assert is_listed("gpt-5.1")
    assert is_listed("anthropic/claude-sonnet-4-5")
    assert not is_listed("gpt-999")
    assert not is_listed("nobody/gpt-999")


def test_prices_of_ones_own_come_before_the_lists() -> None:
    own = prices(prices={"input": 1, "output": 2.5, "cached_input": 0.1})
    assert cost(own, Usage(1000, 200, 1200, 400)) == pytest.approx((600 + 40 + 500) / 1e6)
    assert cost(own, Usage(1000, 200, 1200, 400), "priority") == cost(own, Usage(1000, 200, 1200, 400))
    assert cost(prices("llama", "http://10.0.0.1/v1/responses", prices={"input": 0, "output": 0})) == 0.0


def test_a_service_tier_has_its_own_price_and_one_that_is_not_listed_has_none() -> None:
    one = prices()
    assert [cost(one, tier=tier) for tier in (None, "auto", "default")] == [0.00325] * 3
    assert cost(one, tier="flex") == 0.001625
    assert cost(one, tier="priority") == 0.0065
    assert cost(one, tier="scale") is None
    assert cost(one, tier="ada@example.com") is None
    on_azure = prices("gpt-5.1", "https://acme.openai.azure.com/openai/v1/responses")
    assert cost(on_azure) is not None
    assert cost(on_azure, tier="flex") is None


def test_what_does_not_add_up_or_is_missing_has_no_cost() -> None:
    one = prices()
    assert cost(one, Usage(10, 20, 30, cached_tokens=11)) is None
    assert cost(one, Usage(10, 0, 10, complete=False)) is None
    assert one.cost("ours", "another", USAGES[1], None) is None
    assert one.cost("theirs", "one", USAGES[1], None) is None
    assert one.cost(None, None, USAGES[1], None) is None


def test_a_price_that_changes_by_the_hour_is_looked_up_again() -> None:
    changing = [
        (provider, info)
        for provider, info in LISTED
        if isinstance(info.prices, list)
        and any(type(one.constraint).__name__ == "TimeOfDateConstraint" for one in info.prices)
    ]
    assert changing, "the list has such prices"
    for provider, info in changing:
        listed = _Listed(provider, info)
        found = [listed.rates(None, NOW + hour * 3600) for hour in range(24)]
        assert len(set(found)) > 1, info.id


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection is made")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert cost(prices()) is not None
    assert is_listed("gpt-5.1")


def test_a_shared_list_that_a_program_has_replaced_is_not_used() -> None:
    from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

    set_custom_snapshot(DataSnapshot([], from_auto_update=True))
    try:
        assert cost(prices()) is not None
    finally:
        set_custom_snapshot(None)
