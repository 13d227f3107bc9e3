"""Values whose way of writing, or the word before them, leaves no doubt: telephone numbers, addresses and more.

Presidio scores by pattern and by seven or so words before it, so with its scores alone a policy has to choose: mask
order numbers and versions too, or let `(212) 555-0199` and `203.0.113.7` through. This module reports what is written
as nobody writes anything else, at 0.8, and adds to what Presidio reports.

* PHONE_NUMBER: a valid number with plus sign and country code; a valid North American number grouped as such; a valid
  number right after a label such as `tel` or `WhatsApp`.
* IP_ADDRESS: a public address; a private one only where it is called an IP. Never loopback, masks and what looks like
  a version or a section number (`1.2.3.4`), and never `a::b`.
* EMAIL_ADDRESS: addresses in a URL or a path and at internal domains; see mailboxes.py.
* CREDIT_CARD: every brand's ranges, in any grouping; see cards.py.
* US_SSN: numbers that stick to a word; see socials.py.
* DATE_OF_BIRTH: a date right after what says so; see births.py.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from guardrails.findings import Finding, made
from guardrails.modules import births, cards, mailboxes, phone_words, socials
from guardrails.modules.builtin import BuiltIn
from guardrails.modules.contents import Contents
from guardrails.modules.islands import Text
from guardrails.modules.options import Options

ENTITIES = ("PHONE_NUMBER", "IP_ADDRESS", "EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "DATE_OF_BIRTH")
SCORE = 0.8
FEWEST_DIGITS_OF_A_PHONE = 7
LONGEST_PHONE = 40
"""Characters a number may have, with all its punctuation."""
BEFORE_AN_IP = 32
"""Characters before an address that may say what it is."""
VERSION_PART = 32
"""An address of four numbers all below this is more likely a version or a section, unless something says it is none."""

# a+12125550199 is an expression.
_PLUS = re.compile(r"(?<![\w)\]+])[+\uff0b](?=[ (]?\d(?:[^\w+\uff0b]{0,4}\d){6})")
_NATIONAL = re.compile(
    r"(?<![\w.+/\\#-])(?:1[-. ])?"
    r"(?:\([2-9]\d{2}\)[-. ]?[2-9]\d{2}[-. ]|[2-9]\d{2}([-.])[2-9]\d{2}\1)\d{4}(?![\w/\\-]|\.\d)"
)
# What a text's shadow must hold for the latter, and for an IPv4 address: to look for these is many times faster.
_NATIONAL_GROUPS = re.compile(rb"000(?:\)[-. ]?|[-.])000[-. ]0000")
_IPV4_GROUPS = re.compile(rb"0\.0{1,3}\.0{1,3}\.0")
_LABELS = r"tel|fax|whatsapp|signal|sms|mob|ph|dial|(?:reach|text|ring) (?:me|us|him|her|them)(?: (?:at|on))?"
LONGEST_LABEL = 26
"""Characters a label may have, with what stands between it and its number."""
# Where in a text's shadow a number may begin that has a label; labels are looked for only before those.
_LABELLED = re.compile(rb"[+(0](?<=[^a-z0_+(\n][+(0])")
_PART = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.+-])(?<![^/]/){_PART}(?:\.{_PART}){{3}}(?![\w-]|\.\w)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f]{1,4}[0-9A-Fa-f:]{3,36}[0-9A-Fa-f](?![\w:.])"
)
_TELLING_GROUP = re.compile(r"(?<![0-9A-Fa-f])(?=[A-Fa-f]*\d)[0-9A-Fa-f]{3,4}(?![0-9A-Fa-f])")
_CALLED_IP = re.compile(r"(?<![A-Za-z])(?:ip|ipv4|ipv6|ips|ip[ _-]?addr(?:ess)?)(?![A-Za-z])", re.IGNORECASE)
_CALLED_VERSION = re.compile(
    r"(?:version|release|ver|rev|revision|build|firmware|driver|section|chapter|clause|oid|v|[=~^<>]=?)[\"':\s=(]{0,4}$",
    re.IGNORECASE,
)
_CALLED_OID = re.compile(r"(?<![A-Za-z])oids?(?![A-Za-z])", re.IGNORECASE)

Spans: TypeAlias = Iterable[tuple[int, int]]


class Shapes(BuiltIn):
    """The module `shapes`; made by `build`."""

    def __init__(self, entities: Sequence[str], regions: Sequence[str], language: str) -> None:
        """Take the entities to report, the regions whose national numbers are known after a label, and its language."""
        made: dict[str, Callable[[], Callable[[Contents], Spans]]] = {
            "PHONE_NUMBER": lambda: _Phones(regions, language).spans,
            "IP_ADDRESS": lambda: _addresses,
            "EMAIL_ADDRESS": mailboxes.finder,
            "CREDIT_CARD": lambda: cards.spans,
            "US_SSN": lambda: socials.spans,
            "DATE_OF_BIRTH": lambda: births.spans,
        }
        self._finders = [(entity, made[entity]()) for entity in entities]

    def look(self, contents: Text) -> list[Finding]:
        """Report what a text contains."""
        return [
            made((start, end, entity, SCORE, "shapes"))
            for entity, spans in self._finders
            for start, end in dict.fromkeys(spans(contents))
        ]


def build(options: Mapping[str, object], language: str) -> Shapes:
    """Make the module for `entities` (all of `ENTITIES` if absent) and `regions` (two-letter codes).

    Raises: GuardrailError for a wrong option.
    """
    read = Options("shapes", options)
    entities, regions = read.texts("entities", ENTITIES), read.texts("regions", phone_words.regions(language))
    read.done()
    if not entities or not set(entities) <= set(ENTITIES):
        raise read.wrong("entities", f"a list of some of {', '.join(ENTITIES)}")
    if not regions or not all(re.fullmatch(r"[A-Z]{2}", region) for region in regions):
        raise read.wrong("regions", "a list of two-letter country codes")
    return Shapes(entities, regions, language)


class _Phones:
    def __init__(self, regions: Sequence[str], language: str) -> None:
        # Imported here: phonenumbers takes a moment, and only policies that look for numbers pay for it.
        from guardrails.modules.phone_scan import PhoneScan

        self._international = PhoneScan(("ZZ",), 1)
        self._american = PhoneScan(("US",), 1)
        self._labelled = PhoneScan(regions, 1)
        called = "|".join((_LABELS, *map(re.escape, phone_words.labels(language))))
        self._label = re.compile(rf"(?<![^\W\d_])(?:{called})(?![^\W\d_])[^\w+(\n]{{1,6}}\Z", re.IGNORECASE)

    def spans(self, contents: Contents) -> Iterator[tuple[int, int]]:
        text = contents.text
        if contents.digits < FEWEST_DIGITS_OF_A_PHONE:
            return
        for plus in _PLUS.finditer(text) if "+" in text or "\uff0b" in text else ():
            at = plus.start()
            for start, end in self._international.spans(*_piece(contents, at)):
                if start == 0:
                    yield at, at + end
        for match in _NATIONAL.finditer(text) if _NATIONAL_GROUPS.search(contents.shadow) else ():
            if self._american.spans(match.group(), contents.shadow[match.start() : match.end()]):
                yield match.span()
        yield from self._after_labels(contents)

    def _after_labels(self, contents: Contents) -> Iterator[tuple[int, int]]:
        text, shadow = contents.text, contents.shadow
        if not contents.outlined(self._labelled.outline):
            return
        for number in _LABELLED.finditer(shadow):
            at = number.start()
            if shadow.count(b"0", at, at + LONGEST_PHONE) < FEWEST_DIGITS_OF_A_PHONE:
                continue
            if self._label.search(text, max(at - LONGEST_LABEL, 0), at) is None:
                continue
            for start, end in self._labelled.spans(*_piece(contents, at)):
                if start <= 1:
                    yield at + start, at + end


def _piece(contents: Contents, at: int) -> tuple[str, bytes]:
    return contents.text[at : at + LONGEST_PHONE], contents.shadow[at : at + LONGEST_PHONE]


def _addresses(contents: Contents) -> Iterator[tuple[int, int]]:
    text = contents.text
    if contents.count(".") >= 3 and _IPV4_GROUPS.search(contents.shadow):
        for match in _IPV4.finditer(text):
            if _is_ipv4(match.group(), text[max(match.start() - BEFORE_AN_IP, 0) : match.start()]):
                yield match.span()
    if contents.count(":") >= 2:
        for match in _IPV6.finditer(text):
            if _is_ipv6(match.group()):
                yield match.span()


def _is_ipv4(value: str, before: str) -> bool:
    address = ipaddress.IPv4Address(value)
    if address.is_loopback or address.is_unspecified or address.is_multicast or value.startswith(("0.", "255.")):
        return False
    if _CALLED_IP.search(before):
        return True
    if _CALLED_VERSION.search(before) or _CALLED_OID.search(before) or max(address.packed) < VERSION_PART:
        return False
    return not any(address in network for network in _NOBODYS)


_NOBODYS = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))


def _is_ipv6(value: str) -> bool:
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    groups = value.count(":") + 1
    return groups == 8 or (groups >= 4 and _TELLING_GROUP.search(value) is not None)
