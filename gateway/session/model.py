"""The one place that decides and writes the model.

The connection's model is `?model=`, else the first frame's, else the key's first; it must be one of the key's. Every
`response.create` carries exactly it, whatever the frame said; and no other key that a provider might read as a model
brings in a name outside the key's list.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from gateway.errors import Refused
from gateway.wire.frame import Json
from gateway.wire.schema import KNOWN, Context, rule

Frame: TypeAlias = dict[str, Json]

_LOOKS_LIKE: Final = "model"
_NAMES: Final = frozenset(
    "deployment deploymentid deploymentname deployments engine engineid engines fallback fallbacks".split()  # noqa: SIM905
)
_EXEMPT: Final = frozenset({"modelchanged", "modality", "modalities"})


def asked(frame: Frame) -> Json:
    """The model a frame names, flat or nested; None when it names none."""
    nested = frame.get("response")
    named = frame.get("model")
    if named is None and isinstance(nested, dict):
        named = nested.get("model")
    return named


def choose(named: Json, allowed: Sequence[str]) -> str:
    """The model of a connection whose first frame names `named`.

    Raises:
        Refused: it is not one of the key's models, or not a name at all.

    """
    if named is None:
        return allowed[0]
    if not isinstance(named, str) or named not in allowed:
        raise Refused("This key may not use the model that was asked for.", param="model")
    return named


def enforce(
    frame: Frame, model: str, provider_name: str, allowed: Sequence[str], mismatch: Literal["overwrite", "reject"]
) -> bool:
    """Write the model into a frame, in place; say whether the frame had named another one.

    Raises:
        Refused: it named another model, and the configuration refuses that.

    """
    places = [frame]
    nested = frame.get("response")
    if isinstance(nested, dict):
        places.append(nested)
    differs = False
    for place in places:
        named = place.get("model")
        differs |= named is not None and named != model
        place["model"] = provider_name
    foreign = _drop_foreign(frame, Context.TYPED, None, frozenset(allowed), top=True)
    if (differs or foreign) and mismatch == "reject":
        raise Refused("This connection's model is fixed; the frame names another.", param="model")
    return differs


def drop_foreign(frame: Frame, allowed: Sequence[str], mismatch: Literal["overwrite", "reject"]) -> None:
    """Take model names outside the key's list out of a frame that carries no model of its own (steer, inject).

    Raises:
        Refused: it named one, and the configuration refuses that.

    """
    if _drop_foreign(frame, Context.TYPED, None, frozenset(allowed), top=False) and mismatch == "reject":
        raise Refused("This connection's model is fixed; the frame names another.", param="model")


def _drop_foreign(node: Json, context: Context, key: str | None, allowed: frozenset[str], *, top: bool) -> bool:
    """Remove names outside the list wherever a key looks like a model's; say whether there were any."""
    if context is Context.CONTENT:
        return False
    dropped = False
    if isinstance(node, list):
        for child in node:
            dropped |= _drop_foreign(child, context, key, allowed, top=False)
        return dropped
    if not isinstance(node, dict):
        return False
    type_ = node.get("type")
    holder = type_ if isinstance(type_, str) else key
    for name in list(node):
        if not (name == "model" and top) and _names_model(name):
            dropped |= _filter(node, name, allowed)
        if isinstance(node.get(name), dict | list):
            below = rule(context, holder, name).below
            nested = top and name == "response" and key is None
            dropped |= _drop_foreign(node[name], below, name, allowed, top=nested)
    return dropped


def _filter(node: Frame, name: str, allowed: frozenset[str]) -> bool:
    """Keep of one value only names in the list; remove the key when nothing is left."""
    kept, foreign = _without(node[name], allowed)
    if foreign and kept is None:
        del node[name]
    elif foreign:
        node[name] = kept
    return foreign


def _without(value: Json, allowed: frozenset[str]) -> tuple[Json, bool]:
    """A value without the names outside the list, None when nothing is left; and whether it had any.

    Of an object ({"name": "…"}) or an array in an array whatever text it holds could be the name.
    """
    kept: Json
    if isinstance(value, str):
        return (value, False) if value in allowed else (None, True)
    if isinstance(value, list):
        parts = [_without(child, allowed) for child in value]
        foreign = any(taken for _, taken in parts)
        kept = [child for child, taken in parts if child is not None or not taken]
    elif isinstance(value, dict):
        named = {key: _without(child, allowed) for key, child in value.items()}
        foreign = any(taken for _, taken in named.values())
        kept = {key: child for key, (child, taken) in named.items() if child is not None or not taken}
    else:
        return value, False
    return (kept or None, True) if foreign else (value, False)


def _names_model(key: str) -> bool:
    """Whether a reader might take a key for a model's: letters folded, everything else ignored."""
    if key in KNOWN:
        return key in _KNOWN_MODELS
    return _looks_like_model(key)


def _looks_like_model(key: str) -> bool:
    letters = "".join(c for c in unicodedata.normalize("NFKC", key).casefold() if c.isalnum())
    return letters not in _EXEMPT and (_LOOKS_LIKE in letters or letters in _NAMES)


_KNOWN_MODELS: Final = frozenset(filter(_looks_like_model, KNOWN))
