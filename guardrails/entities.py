"""Which entities a policy's modules can report, and whether its rules are about any of them.

A rule for an entity that nothing reports is never applied. Where it is meant to block, a slip of the pen would let
through what it names, so it is an error, not a rule without effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from guardrails.errors import GuardrailError
from guardrails.modules import BUILT_IN, names, secrets, shapes
from policies.model import ModuleSpec, Policy

_BY_MODULE: Mapping[str, Sequence[str]] = {
    "names": names.ENTITIES,
    "shapes": shapes.ENTITIES,
    "secrets": secrets.ENTITIES,
}


def reported(policy: Policy) -> frozenset[str] | None:
    """The entities that the modules and deny entries of a policy report; None when a module of its own may add any."""
    if any(spec.use not in BUILT_IN for spec in policy.detect.modules):
        return None
    names = {name for spec in policy.detect.modules for name in _of(spec)}
    return frozenset(names | {entry.entity for entry in policy.detect.deny})


def check_rules(policy: Policy) -> None:
    """Make sure that every rule is about something that exists.

    A rule for an entity that Presidio knows and this policy does not ask for is fine: it may be one text for many.

    Raises:
        GuardrailError: a key of `actions` or `operators` is nobody's entity; the text names it and the nearest one.

    """
    known = reported(policy)
    if known is None:
        return
    for where, rules in (("actions", policy.actions), ("operators", policy.operators)):
        for name in rules:
            if name == "default" or name in known or name in _vocabulary():
                continue
            near = difflib.get_close_matches(name, sorted(known), 1, 0.5)
            advice = f"; did you mean {near[0]}?" if near else ""
            raise GuardrailError(f"{where}.{name}: no module reports such an entity{advice}")


def _of(spec: ModuleSpec) -> Sequence[str]:
    if spec.use == "patterns":
        patterns = spec.options.get("patterns")
        entries = patterns if isinstance(patterns, list | tuple) else ()
        return [str(entry["entity"]) for entry in entries if isinstance(entry, Mapping)]
    entities = spec.options.get("entities")
    if isinstance(entities, list | tuple):
        return [str(name) for name in entities]
    return _BY_MODULE.get(spec.use, ())


def _vocabulary() -> frozenset[str]:
    from guardrails.modules.presidio_engine import shipped_entities

    return shipped_entities().union(*_BY_MODULE.values())
