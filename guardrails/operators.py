"""What a masked value becomes when a policy wants something else than a token that can be restored.

The names and meanings are Presidio's, with two differences. `hash` is keyed: Presidio's salts every call anew, so that
the same value never gets the same hash and nothing can be told apart or counted; and without any key the nine digits
of an SSN are found from their hash in half an hour. With a tenant's secret as the key the same value has the same hash
within a tenant and nobody else can test a guess. `mask` also counts what is kept: Presidio only counts what is hidden,
so that a longer value than expected shows more.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from typing import Protocol

from guardrails.errors import GuardrailError

AES_KEY_BYTES = (16, 24, 32)
_ENCRYPTION_KEY = b"guardrails operator encrypt v1"


class Spec(Protocol):
    """An operator and its options; `policies.model.OperatorSpec` is one."""

    @property
    def use(self) -> str: ...

    @property
    def options(self) -> Mapping[str, object]: ...


def apply(spec: Spec, entity: str, value: str, secret: bytes) -> str:
    """What `value` becomes. `secret` is the tenant's; every operator but `token` is known here.

    Raises: GuardrailError for an operator or options that `check` would refuse.
    """
    operator = _OPERATORS.get(spec.use)
    if operator is None:
        raise GuardrailError(f"operator '{spec.use}' is not known; known: token, {', '.join(_OPERATORS)}")
    return operator(spec.options, entity, value, secret)


def check(spec: Spec) -> None:
    """Refuse an operator that cannot work, when the policy is loaded instead of when the first value comes.

    Raises: GuardrailError, naming the option.
    """
    if spec.use == "token":
        _known(spec, ())
        return
    known = _OPTIONS.get(spec.use)
    if known is None:
        raise GuardrailError(f"operator '{spec.use}' is not known; known: token, {', '.join(_OPERATORS)}")
    _known(spec, known)
    apply(spec, "ENTITY", "a value", b"secret")


def _known(spec: Spec, known: tuple[str, ...]) -> None:
    for key in spec.options:
        if key not in known:
            raise GuardrailError(f"operator {spec.use}: unknown option '{key}'; known: {', '.join(known) or 'none'}")


def _replace(options: Mapping[str, object], entity: str, _value: str, _secret: bytes) -> str:
    new = options.get("new_value")
    if new is None:
        return f"<{entity}>"
    if not isinstance(new, str):
        raise _wrong("replace", "new_value", "a text")
    return new


def _redact(_options: Mapping[str, object], _entity: str, _value: str, _secret: bytes) -> str:
    return ""


def _mask(options: Mapping[str, object], _entity: str, value: str, _secret: bytes) -> str:
    character = options.get("masking_char", "*")
    if not isinstance(character, str) or len(character) != 1:
        raise _wrong("mask", "masking_char", "one character")
    from_end = options.get("from_end", False)
    if not isinstance(from_end, bool):
        raise _wrong("mask", "from_end", "true or false")
    hidden_count = _count(options, "chars_to_mask")
    if hidden_count is not None:
        if options.get("keep") is not None:
            raise _wrong("mask", "keep", "left out where 'chars_to_mask' is given")
        hidden = min(hidden_count, len(value))
        # Presidio's `from_end` says at which end it hides.
        return value[: len(value) - hidden] + character * hidden if from_end else character * hidden + value[hidden:]
    kept = _count(options, "keep") or 0
    # A value as short as what is kept would be shown whole, which is the one thing masking must not do.
    kept = kept if kept < len(value) else 0
    hidden = len(value) - kept
    return character * hidden + value[hidden:] if from_end else value[:kept] + character * hidden


def _hash(options: Mapping[str, object], entity: str, value: str, secret: bytes) -> str:
    kind = options.get("hash_type", "sha256")
    if kind not in ("sha256", "sha512"):
        raise _wrong("hash", "hash_type", "sha256 or sha512")
    return hmac.new(secret, f"hash\0{entity}\0{value}".encode(), str(kind)).hexdigest()


def _encrypt(options: Mapping[str, object], _entity: str, value: str, secret: bytes) -> str:
    # Imported here: only policies that encrypt pay for it.
    from presidio_anonymizer.operators import Encrypt

    encrypted: str = Encrypt().operate(value, {"key": _encryption_key(options, secret)})
    return encrypted


def _encryption_key(options: Mapping[str, object], secret: bytes) -> bytes:
    name = options.get("key_env")
    if name is None:
        return hmac.digest(secret, _ENCRYPTION_KEY, "sha256")
    if not isinstance(name, str) or not name:
        raise _wrong("encrypt", "key_env", "the name of an environment variable")
    key = os.environ.get(name, "").encode()
    if len(key) not in AES_KEY_BYTES:
        raise GuardrailError(
            f"operator encrypt: the environment variable '{name}' (option 'key_env') must hold 16, 24 or 32 characters"
        )
    return key


def _count(options: Mapping[str, object], key: str) -> int | None:
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong("mask", key, "a whole number, 0 or more")
    return value


def _wrong(operator: str, key: str, expected: str) -> GuardrailError:
    return GuardrailError(f"operator {operator}: option '{key}' must be {expected}")


_OPERATORS: Mapping[str, Callable[[Mapping[str, object], str, str, bytes], str]] = {
    "replace": _replace,
    "redact": _redact,
    "mask": _mask,
    "hash": _hash,
    "encrypt": _encrypt,
}
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "replace": ("new_value",),
    "redact": (),
    "mask": ("masking_char", "keep", "chars_to_mask", "from_end"),
    "hash": ("hash_type",),
    "encrypt": ("key_env",),
}
