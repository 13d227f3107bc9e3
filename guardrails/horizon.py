"""How far a policy's detection looks around a place of a text: the bounds by which a text is masked as it comes.

Decision 0022 has the rule and its proof. Here are the numbers, read off the modules a policy names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from guardrails.errors import GuardrailError
from guardrails.modules import Bound, declared
from guardrails.modules.patterns import WINDOW_CHARACTERS
from guardrails.modules.spacing import spaces
from guardrails.normalise import CONTEXT
from policies.model import ModuleSpec, Policy

BEFORE: Final = 256
"""Characters before a place that are always looked at: more than any built-in module looks back, context words apart,
and enough for its search to fall into step (decision 0022)."""
_ESCAPES: Final = frozenset({"percent", "html", "json"})
_BOUNDS: Final = {"shapes": Bound(8, before=64, after=16), "secrets": Bound(1, before=160, after=4)}
"""`shapes`: dates and numbers in groups. `secrets`: only private keys hold spaces, and cuts.py holds those together."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What must be visible around a place before it is decided.

    `after` characters and `words` words after it, `before` characters before it, `far` where context words count.
    `sentences`: some module has no bound, so that texts are decided a sentence at a time.
    """

    after: int
    words: int
    before: int
    far: int
    sentences: bool
    folds: bool
    escapes: tuple[str, ...]
    base64: bool
    keys: bool

    @property
    def views(self) -> bool:
        """Whether a text may have other readings that reach over white space."""
        return self.folds or bool(self.escapes)


@lru_cache(maxsize=64)
def horizon(policy: Policy) -> Horizon:
    """The horizon of a policy. The first call for one with Presidio imports it, which takes seconds."""
    detect = policy.detect
    bounds = list(_bounds(policy))
    known = [bound for bound in bounds if bound is not None]
    escapes = tuple(name for name in detect.decode if name in _ESCAPES)
    window = CONTEXT + 2 if detect.fold or escapes else 0
    before = max([BEFORE, *(bound.before for bound in known if bound.before <= BEFORE)])
    return Horizon(
        after=max([window, *(bound.after for bound in known)]),
        words=1 + max([0, *(bound.words for bound in known), *(len(entry.text.split()) - 1 for entry in detect.deny)]),
        before=before,
        far=max([before, *(bound.before + CONTEXT for bound in known)]),
        sentences=len(known) < len(bounds),
        folds=detect.fold,
        escapes=escapes,
        base64="base64" in detect.decode,
        keys=any(spec.use == "secrets" for spec in detect.modules),
    )


def _bounds(policy: Policy) -> Iterator[Bound | None]:
    for spec in policy.detect.modules:
        if spec.use == "patterns":
            yield from _patterns(spec)
        elif spec.use == "presidio":
            yield _presidio(spec, policy.detect.language)
        else:
            yield _BOUNDS.get(spec.use) or declared(spec.use)


def _patterns(spec: ModuleSpec) -> Iterator[Bound | None]:
    entries = spec.options.get("patterns")
    for entry in entries if isinstance(entries, list | tuple) else ():
        if isinstance(entry, Mapping):
            words = spaces(str(entry.get("regex")))
            around = WINDOW_CHARACTERS if entry.get("context") else 0
            yield None if words is None else Bound(words, before=around, after=around)


def _presidio(spec: ModuleSpec, language: str) -> Bound | None:
    entities = spec.options.get("entities")
    if spec.options.get("model") is not None or not isinstance(entities, list | tuple):
        return None
    from guardrails.modules import presidio_engine

    try:
        return presidio_engine.bound([str(entity) for entity in entities], language)
    except GuardrailError:
        return None  # it cannot be built either
