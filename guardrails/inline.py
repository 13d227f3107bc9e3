"""What is examined in the event loop: what is certain to cost less there than the way to a worker and back.

A round trip to a worker takes half a millisecond and more, for its caches are cold; 20 KB of prose with a hundred plain
addresses take one. What makes a text dear is anything but words: digits, which may be telephone numbers, and signs,
with which encoded, folded and assigned text is written. So these are counted, and the longer a text, the fewer it may
have.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Final

from guardrails.detector import PolicyDetector
from guardrails.findings import Finding
from guardrails.modules import births
from guardrails.modules.islands import Text
from policies.model import ModuleSpec, Policy

CHARACTERS: Final = 2_000
"""Texts up to this long together are examined inline: 2 KB of clean text cost about 0.1 ms."""
DIGITS: Final = 60
"""More digits than this go to a worker: phone numbers cost up to 3 ms a dozen. A card, a phone and an SSN have 35."""
WORDS: Final = 32_000
"""Characters of nothing but words, in longer texts: about a millisecond."""
ADDRESSES: Final = 300
"""Addresses that everybody reads alike, in longer texts: about a millisecond."""
SIGNS: Final = 60
"""Digits and signs outside of them, in longer texts: a millisecond at worst, encoded or assigned."""
NAMED: Final = 200
"""Words by which secrets and births are called, in longer texts: a millisecond at worst."""
RUNS: Final = 60
"""Times fifteen characters in words as long as keys and encoded text, in longer texts: a millisecond at worst."""
MOST_DIGITS: Final = 4
"""Digits of an address that is nothing but one; numbers may be written as addresses."""

_WORDS = (string.ascii_letters + " \n.,;-/'\"!?()").encode()
_RUNS = bytes(97 if chr(code) in string.ascii_letters + string.digits + "+/_-=:." else 32 for code in range(256))
_RUN = b"a" * 15
_NO_DIGITS = bytes(code for code in range(256) if chr(code) not in string.digits + "\n")
_NAMES = ("pass", "pwd", "bearer", "-----begin")

ENTITIES: Final = frozenset(
    {"EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "US_ITIN", "US_BANK_NUMBER", "US_PASSPORT", "PHONE_NUMBER", "IP_ADDRESS"}
    | {"IBAN_CODE", "CRYPTO", "UK_NHS", "MAC_ADDRESS", "UUID", "MEDICAL_LICENSE"}
)
"""Presidio's entities whose recognisers are linear; not URL, for one, which costs 2 ms for every dot."""


def inline_safe(policy: Policy) -> bool:
    """Whether all of a policy's modules are of known, linear cost, or can be stopped."""
    return all(map(_known, policy.detect.modules))


def _known(spec: ModuleSpec) -> bool:
    if spec.use in {"secrets", "shapes", "patterns"}:
        return True
    entities = spec.options.get("entities")
    listed = isinstance(entities, list | tuple) and ENTITIES.issuperset(entities)
    return spec.use == "presidio" and listed and spec.options.get("model") is None


def room(policy: Policy) -> int:
    """Characters of nothing but words that are cheap under a policy: its own expressions look at all of them, too."""
    detect = policy.detect
    patterns = [spec.options.get("patterns") for spec in detect.modules if spec.use == "patterns"]
    own = len(detect.deny) + sum([len(some) for some in patterns if isinstance(some, list | tuple)])
    return WORDS // (1 + own)


def examined(detector: PolicyDetector, texts: Sequence[str], room: int) -> list[list[Finding]] | None:
    """What is in texts that are certain to be cheap under an `inline_safe` policy; None where one is not.

    Raises: DetectionTimeout, DetectionError: the texts must not go on.
    """
    contents = [Text(text) for text in texts]
    if not cheap(contents, room):
        return None
    read = [detector.read(text) for text in contents]
    hidden = [shown for one in read for shown in one.hidden]
    if hidden and not cheap([*contents, *hidden], room):
        return None
    return [detector.examine(one) for one in read]


def cheap(texts: Sequence[Text], room: int) -> bool:
    """Whether texts are certain to be cheap for modules that are `inline_safe`; `room` is the policy's."""
    length = sum([len(contents.text) for contents in texts])
    if length <= CHARACTERS:
        return sum([contents.digits for contents in texts]) <= DIGITS
    share = length / room
    for contents in texts:
        if share > 1:
            return False
        share += _share(contents)
    return share <= 1


def _share(contents: Text) -> float:
    """What a text takes, besides its length, of all that may be examined inline."""
    names = (*_NAMES, *births.WORDS) if births.dated(contents) else _NAMES
    share = sum([contents.lower.count(name) for name in names if contents.has(name)]) / NAMED
    text = contents.text
    if "@" in text and contents.addresses:
        share += len(contents.addresses) / ADDRESSES
        text = _without_addresses(contents)
    raw = text.encode("utf-8", "surrogatepass")
    return share + raw.translate(_RUNS).count(_RUN) / RUNS + len(raw.translate(None, _WORDS)) / SIGNS


def _without_addresses(contents: Text) -> str:
    """A text without its plain addresses; all of it, if one of them has many digits."""
    text, spans = contents.text, contents.addresses.values()
    addresses = "\n".join([text[start:end] for start, end in spans])
    if max(map(len, addresses.encode().translate(None, _NO_DIGITS).split(b"\n"))) > MOST_DIGITS:
        return text
    done, pieces = 0, []
    for start, end in spans:
        pieces.append(text[done:start])
        done = end
    return "".join((*pieces, text[done:]))
