"""The built-in policies: that they load and keep what their names and comments promise."""

from __future__ import annotations

import pytest

from policies.load import BUILTIN, load, names
from policies.model import EntityRule

BASIC = {"EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "PHONE_NUMBER", "IBAN_CODE", "CRYPTO", "IP_ADDRESS", "DATE_OF_BIRTH"}


def entities_of(name: str) -> set[str]:
    found: set[str] = set()
    for module in load(name).detect.modules:
        entities = module.options.get("entities", ())
        assert isinstance(entities, tuple)
        found |= set(entities)
    return found


@pytest.mark.parametrize("name", names())
def test_a_built_in_policy_is_called_like_its_file_and_opens_with_what_it_is_for(name: str) -> None:
    assert load(name).name == name
    assert (BUILTIN / f"{name}.yaml").read_text().startswith(f"# {name}: ")


@pytest.mark.parametrize("name", names())
def test_a_built_in_policy_looks_for_credentials_and_reads_no_attachments(name: str) -> None:
    policy = load(name)
    assert "secrets" in [module.use for module in policy.detect.modules]
    assert policy.input.attachments == "block"
    assert policy.output.restore_in.urls is False


def test_default_masks_restores_and_leaves_the_providers_text_alone() -> None:
    policy = load("default")
    assert policy.mode == "enforce"
    assert entities_of("default") == BASIC
    assert policy.rule("EMAIL_ADDRESS") == EntityRule("mask", "restore")
    assert policy.output.mask == "off"
    assert policy.audit.content == "masked"


def test_default_wants_more_than_digits_for_a_phone_number() -> None:
    options = load("default").detect.modules[0].options
    assert options["threshold"] == 0.4
    thresholds = options["thresholds"]
    assert isinstance(thresholds, dict)
    assert thresholds["PHONE_NUMBER"] >= 0.6


def test_strict_looks_for_more_in_both_directions_and_keeps_no_text() -> None:
    policy = load("strict")
    assert entities_of("strict") > BASIC
    assert not entities_of("strict") & {"URL", "DATE_TIME"}
    assert (policy.output.mask, policy.output.delivery) == ("new", "replay")
    assert policy.audit.content == "none"
    assert policy.mode == "enforce"


def test_observe_differs_from_default_in_name_and_mode_only() -> None:
    observe, default = load("observe"), load("default")
    assert observe.mode == "observe"
    assert observe.model_copy(update={"name": "default", "mode": "enforce"}) == default
