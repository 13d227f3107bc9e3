"""A package of the same name from elsewhere is noticed before it is used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway import ownership
from gateway.errors import GatewayError
from gateway.ownership import PACKAGES, check_packages


def owners(monkeypatch: pytest.MonkeyPatch, found: Mapping[str, list[str]]) -> None:
    monkeypatch.setattr(ownership, "packages_distributions", lambda: found)


def test_nothing_is_said_while_the_packages_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (
        {},
        {"guardrails": ["guardrail-gateway"]},
        {"guardrails": ["Guardrail_Gateway"], "gateway": ["guardrail-gateway", "guardrail-gateway"]},
        {"numpy": ["numpy"], "guard": ["guardrails-ai"]},
    ):
        owners(monkeypatch, found)
        check_packages()


@pytest.mark.parametrize("package", PACKAGES)
def test_another_distribution_with_one_of_them_is_named_with_what_to_do(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners(monkeypatch, {package: ["guardrail-gateway", "guardrails-ai", "other"]})
    with pytest.raises(GatewayError) as caught:
        check_packages()
    text = str(caught.value)
    assert f"'{package}'" in text
    assert "guardrails-ai, other" in text
    assert "pip uninstall guardrails-ai other" in text


def test_the_environment_of_these_tests_is_fine() -> None:
    check_packages()
