"""What only one deployment has: the names under which the vault knows which.

Encrypted reasoning is encrypted with one account's key; containers and conversations are where they were made. A client
that sends its whole history each time names no earlier response, but it sends these, and they say where it has to go.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from gateway.wire.frame import Json

_BEGINNINGS: Final = {
    "container_id": "cntr_",
    "container": "cntr_",
    "conversation": "conv_",
    "conversation_id": "conv_",
    "encrypted_content": "",
}
"""Where such a thing stands, and how its name begins: the same words are also keys of anybody's own data."""
_SHORTEST: Final = {"encrypted_content": 64}
_MOST: Final = 8
"""Of one message: a response has a few; a history has many, and its latest are what counts."""


def marks(value: Json, tenant: str) -> tuple[str, ...]:
    """The names of what a message holds that only one deployment has, each once, the latest last.

    A tenant's own: what somebody else holds, too, is nobody's business, and no reason to refuse anything.
    """
    key = blake2b(tenant.encode(), digest_size=32).digest()
    found = dict.fromkeys(blake2b(held.encode(), digest_size=16, key=key).hexdigest() for held in _held(value))
    return tuple(f"held_{name}" for name in list(found)[-_MOST:])


def conversation_name(identity: str) -> str:
    """The name under which the vault knows the provider's conversation: the same for every tenant, so that one that is
    somebody else's is noticed, and none that a response can have.
    """
    return f"conversation {blake2b(identity.encode(), digest_size=16).hexdigest()}"


def _held(value: Json) -> Iterator[str]:
    """The values themselves, in the order of the message."""
    waiting: list[Json] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(reversed(node))
        elif isinstance(node, dict):
            for key in _BEGINNINGS.keys() & node.keys():
                child = node[key]
                name = child.get("id") if isinstance(child, dict) else child
                if isinstance(name, str) and name.startswith(_BEGINNINGS[key]) and len(name) >= _SHORTEST.get(key, 6):
                    yield name
            waiting.extend(reversed([child for key, child in node.items() if key != "metadata"]))
