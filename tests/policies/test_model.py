"""Policies as values: defaults, rules and operators of an entity, digests, immutability, reprs."""

from __future__ import annotations

import pickle
from itertools import combinations
from typing import Final

import pytest
from pydantic import ValidationError

from policies.load import load_text
from policies.model import EntityRule, ModuleSpec, OperatorSpec, Origin, Policy

MINIMAL = "version: 1\ndetect: {modules: [{use: secrets}]}\n"
DETECT = "version: 1\nname: p\ndetect: {modules: [{use: secrets}]}\n"


def test_a_minimal_policy_has_the_documented_defaults() -> None:
    policy = load_text(MINIMAL)
    assert policy.version == 1
    assert policy.name == "unnamed"
    assert policy.mode == "enforce"
    assert (policy.detect.language, policy.detect.budget, policy.detect.fold) == ("en", 2.0, True)
    assert policy.detect.decode == ("base64", "percent", "html", "json")
    assert (policy.detect.allow, policy.detect.deny) == ((), ())
    assert policy.input.attachments == "block"
    assert (policy.output.mask, policy.output.delivery, policy.output.heartbeat) == ("off", "replay", 5.0)
    where = policy.output.restore_in
    assert (where.text, where.tool_arguments, where.urls) == (True, True, False)
    source = policy.output.restore_from
    assert (source.user, source.instructions, source.tool_outputs, source.assistant) == (True, True, True, True)
    assert policy.tokens.style == "angle"
    assert policy.audit.content == "masked"
    assert policy.rule("ANYTHING") == EntityRule(input="mask", output="restore")
    assert policy.operator("ANYTHING") == OperatorSpec("token")


def test_an_entity_takes_missing_halves_of_its_rule_from_default() -> None:
    policy = load_text(
        DETECT + "actions:\n  default: {output: mask}\n  US_SSN: {input: block}\n  URL: {input: allow, output: allow}\n"
    )
    assert policy.rule("US_SSN") == EntityRule("block", "mask")
    assert policy.rule("URL") == EntityRule("allow", "allow")
    assert policy.rule("OTHER") == EntityRule("mask", "mask")


ORIGINS: Final[tuple[Origin, ...]] = ("user", "instructions", "tool_outputs", "assistant")


@pytest.mark.parametrize("off", [set(some) for size in range(5) for some in combinations(ORIGINS, size)], ids=sorted)
def test_a_value_of_nobody_the_policy_knows_comes_back_only_where_everybodys_does(off: set[Origin]) -> None:
    switches = ", ".join(f"{one}: {'off' if one in off else 'on'}" for one in ORIGINS)
    source = load_text(f"{DETECT}output: {{restore_from: {{{switches}}}}}").output.restore_from
    assert {one for one in ORIGINS if source.allows(one)} == set(ORIGINS) - off
    assert source.everybody == source.allows("other") == (not off)


def test_an_entity_without_an_operator_takes_that_of_default() -> None:
    policy = load_text(
        DETECT + "operators:\n  default: {use: redact}\n  CREDIT_CARD: {use: mask, from_end: true, keep: 4}\n"
        "  US_SSN: {use: token}\n"
    )
    card = policy.operator("CREDIT_CARD")
    assert card.use == "mask"
    assert card.options == {"masking_char": "*", "keep": 4, "from_end": True}
    assert policy.operator("US_SSN").use == "token"
    assert policy.operator("OTHER").use == "redact"


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("{use: token}", {}),
        ("{use: replace}", {}),
        ("{use: replace, new_value: ''}", {"new_value": ""}),
        ("{use: redact}", {}),
        ("{use: mask, chars_to_mask: 3}", {"masking_char": "*", "chars_to_mask": 3, "from_end": False}),
        ("{use: hash}", {"hash_type": "sha256"}),
        ("{use: hash, hash_type: sha512}", {"hash_type": "sha512"}),
        ("{use: encrypt}", {}),
        ("{use: encrypt, key_env: AUDITORS_KEY}", {"key_env": "AUDITORS_KEY"}),
    ],
)
def test_every_operator_has_its_own_options(written: str, options: dict[str, object]) -> None:
    assert load_text(DETECT + f"operators: {{US_SSN: {written}}}").operator("US_SSN").options == options


def test_modules_keep_their_order_and_their_options() -> None:
    policy = load_text(
        r"""
version: 1
detect:
  modules:
    - {use: presidio, entities: [US_SSN, URL], thresholds: {URL: 1}}
    - {use: presidio, entities: [PERSON], model: en_core_web_lg, threshold: 0.5}
    - {use: secrets}
    - use: patterns
      patterns: [{entity: EMPLOYEE_ID, regex: 'EMP-\d{6}', score: 0.9, context: [employee]}, {entity: A, regex: a}]
    - {use: acme_privacy, level: 3, words: [a, {b: null}], model: null}
    - {use: 'acme.privacy:Detector'}
"""
    )
    assert [module.use for module in policy.detect.modules] == [
        *("presidio", "presidio", "secrets", "patterns", "acme_privacy", "acme.privacy:Detector")
    ]
    first, second, third, fourth, fifth, sixth = (module.options for module in policy.detect.modules)
    assert first == {"entities": ("US_SSN", "URL"), "threshold": 0.4, "thresholds": {"URL": 1.0}}
    assert second == {"entities": ("PERSON",), "threshold": 0.5, "thresholds": {}, "model": "en_core_web_lg"}
    assert third == {}
    assert fourth == {
        "threshold": 0.4,
        "patterns": (
            {
                "entity": "EMPLOYEE_ID",
                "regex": r"EMP-\d{6}",
                "score": 0.9,
                "context": ("employee",),
                "ignore_case": False,
            },
            {"entity": "A", "regex": "a", "score": 0.8, "context": (), "ignore_case": False},
        ),
    }
    assert fifth == {"level": 3, "words": ["a", {"b": None}], "model": None}
    assert sixth == {}


def test_a_policy_never_changes() -> None:
    policy = load_text(MINIMAL)
    with pytest.raises(ValidationError):
        policy.mode = "observe"
    with pytest.raises(AttributeError):
        policy.detect.modules[0].use = "presidio"  # type: ignore[misc]


def test_a_policy_pickles_with_its_digest_and_hash() -> None:
    policy = load_text(DETECT + "operators: {US_SSN: {use: redact}}\nactions: {US_SSN: {input: block}}")
    for seen in (False, True):  # before and after the digest was first asked for
        again = pickle.loads(pickle.dumps(policy))
        assert again == policy, seen
        assert again.digest == policy.digest
        assert hash(again) == hash(policy)
        assert again.operator("US_SSN") == OperatorSpec("redact")
        assert again.rule("US_SSN").input == "block"


def test_the_digest_ignores_the_order_of_keys_and_how_values_are_written() -> None:
    one = load_text(
        "version: 1\nname: p\ndetect:\n  budget: 2s\n  modules: [{use: presidio, entities: [A, B],"
        " thresholds: {A: 0.5, B: 0.6}}]\nactions: {A: {input: block}, B: {input: allow}}\n"
    )
    other = load_text(
        "actions: {B: {input: allow}, A: {input: block}}\nmode: enforce\ndetect:\n  fold: yes\n  modules:\n"
        "  - {thresholds: {B: 0.60, A: 0.5}, threshold: 0.4, entities: [A, B], use: presidio}\n"
        "  budget: 2000ms\nname: p\nversion: 1\n"
    )
    assert one.digest == other.digest
    assert len(one.digest) == 16
    assert int(one.digest, 16) >= 0


def test_every_difference_in_meaning_changes_the_digest() -> None:
    texts = [
        DETECT,
        DETECT.replace("name: p", "name: q"),
        DETECT + "output: {restore_from: {user: false}}",
        DETECT + "output: {restore_from: {assistant: false}}",
        DETECT + "mode: observe",
        DETECT + "actions: {A: {input: block}}",
        DETECT + "actions: {A: {output: block}}",
        DETECT + "operators: {A: {use: redact}}",
        DETECT + "operators: {A: {use: token}}",
        DETECT.replace("{use: secrets}", "{use: acme}"),
        DETECT.replace("{use: secrets}", "{use: acme, level: 1}"),
        DETECT.replace("{use: secrets}", "{use: secrets}, {use: secrets}"),
        DETECT.replace("detect: {", "detect: {deny: [{entity: A, text: b}], "),
        DETECT.replace("detect: {", "detect: {allow: [b], "),
    ]
    assert len({load_text(text).digest for text in texts}) == len(texts)


def test_the_digest_is_the_same_in_every_process_and_version() -> None:
    # A pinned value: each run of the tests is another process. When it must change, the changelog has to say so,
    # since audits name policies by it.
    text = DETECT + "actions: {US_SSN: {input: block}}\noperators: {default: {use: redact}}"
    assert load_text(text).digest == "8475c67a0b2be730"


def test_a_changed_copy_has_a_digest_of_its_own() -> None:
    policy = load_text(MINIMAL)
    digest = policy.digest
    observing = policy.model_copy(update={"mode": "observe"})
    assert observing.digest != digest
    assert observing.digest == load_text(MINIMAL + "mode: observe").digest
    assert policy.digest == digest


def test_a_policy_can_be_made_from_what_it_dumps_as() -> None:
    policy = load_text(DETECT + "operators: {US_SSN: {use: mask, keep: 2}}\noutput: {heartbeat: 250ms}")
    assert Policy.model_validate(policy.model_dump()) == policy


def test_specs_can_be_made_by_hand_and_compared() -> None:
    assert ModuleSpec("secrets") == ModuleSpec(use="secrets", options={})
    assert ModuleSpec("secrets") != ModuleSpec("secrets", {"a": 1})
    assert hash(ModuleSpec("a", {"b": 1})) == hash(ModuleSpec("a", {"c": 1}))


def test_reprs_hold_neither_patterns_nor_listed_texts() -> None:
    policy = load_text(
        "version: 1\nname: p\ndetect:\n  modules: [{use: patterns, patterns: [{entity: A, regex: k4n4ry}]}]\n"
        "  allow: [k4n4ry]\n  deny: [{entity: A, text: k4n4ry}]\noperators: {A: {use: replace, new_value: k4n4ry}}\n"
    )
    shown = f"{policy!r} {policy} {policy.detect!r} {policy.detect.modules!r} {policy.operators!r}"
    assert "k4n4ry" not in shown
    assert repr(policy) == f"Policy(name='p', digest='{policy.digest}')"
