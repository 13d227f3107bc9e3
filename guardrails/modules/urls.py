"""The matches of Presidio's URL patterns in linear time.

The patterns as they stand try 675 top-level domains one after the other at every dot, for every place up to 253
characters before it: 2 KB of dots take 4 seconds. Here the domains are one trie, a match is looked for only around dots
that a domain follows, and where it begins is computed instead of tried. It is the same match, because

* a match is a run of host characters up to a dot with a domain behind it, and the rest of it always succeeds: so the
  leftmost match begins as far before the first such dot as run and limit allow, or at a `www.` up to 7 farther;
* of several domains that fit, the pattern takes the one it lists first. One that begins with another listed earlier is
  never taken; of what is left, the longest that fits is the one listed first;
* between quotes the domain has to end where the run of host characters does: only one can fit, however it is listed.

Everything works on one byte for each character, so that the limits and places stay those of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import regex


class Contents(Protocol):
    """A text and its `hosts`."""

    @property
    def host(self) -> bytes: ...


Matches = Callable[[Contents], Iterator[tuple[int, int]]]

_BEFORE = r"((www\d{0,3}[.])?[a-z0-9.\-]{1,253}[.](?:"
_AFTER = r")(?:/[^\s()<>\"']*)?)"
_SHAPES = {
    "(?i)(?:https?://)" + _BEFORE: ("http", _AFTER),
    "(?i)" + _BEFORE: ("bare", _AFTER),
    r'(?i)["\'](https?://' + _BEFORE: ("quoted http", _AFTER + r")[\"']"),
    r'(?i)["\'](' + _BEFORE: ("quoted", _AFTER + r")[\"']"),
}
_DOMAINS = re.compile(r"\(\?:[a-z]+\)(?:\|\(\?:[a-z]+\))*")

_FOREIGN = re.compile("[^\0-\x7f]+")
_DIGIT, _SPACE = regex.compile(r"\d"), regex.compile(r"\s")
# What `regex` takes for an ASCII letter, in `[a-z]` as well as alone, when it ignores case.
_LETTERS = {"\u0130": "i", "\u017f": "s", "\u212a": "k"}
_HOST = b"abcdefghijklmnopqrstuvwxyz0123456789.-"
_HOSTS = rb"(?:www[0-9\x01]{0,3}\.)?[a-z0-9.\-]{1,253}\."
_PATH = b"(?:/[^%b()<>\"']*)?" % b"".join(b"\\x%02x" % n for n in range(128) if _SPACE.match(chr(n)))
_REACH = 260
"""Characters a match has at most before its last dot: `www`, three digits, a dot and 253."""


def understood(pattern: str) -> Matches | None:
    """What finds the matches of `pattern` if it is one of Presidio's for URLs, else None."""
    for before, (kind, after) in _SHAPES.items():
        for end in (after, after.replace('\\"', '"'), after.replace("[\\\"']", "[\"\\']")):
            domains = pattern[len(before) : len(pattern) - len(end)]
            if pattern == before + domains + end and _DOMAINS.fullmatch(domains):
                return _matches(kind, tuple(domains[3:-1].split(")|(?:")))
    return None


@lru_cache(maxsize=16)
def _matches(kind: str, domains: Sequence[str]) -> Matches:
    taken = trie(_taken(domains))
    dots = re.compile(rb"\." + taken)
    if kind == "bare":
        return _bare(dots, re.compile(_HOSTS + taken + _PATH))
    if kind == "http":
        return _plain(re.compile(rb"https?://" + _HOSTS + taken + _PATH), dots, b"://")
    scheme = b"https?://" if kind == "quoted http" else b""
    return _plain(re.compile(b"[\"']" + scheme + _HOSTS + trie(domains) + _PATH + b"[\"']"), dots, scheme[-3:])


def _plain(compiled: re.Pattern[bytes], dots: re.Pattern[bytes], needed: bytes) -> Matches:
    # A run of host characters is entered from one place only, its scheme or quote: at most 253 steps, once.
    def matches(contents: Contents) -> Iterator[tuple[int, int]]:
        host = contents.host
        if needed in host and dots.search(host) is not None:
            for match in compiled.finditer(host):
                yield match.span()

    return matches


def _bare(dots: re.Pattern[bytes], whole: re.Pattern[bytes]) -> Matches:
    def matches(contents: Contents) -> Iterator[tuple[int, int]]:
        host = contents.host
        done = 0
        for dot in dots.finditer(host):
            at = dot.start()
            if at < done:
                continue
            for start in _beginnings(host, done, at):
                match = whole.match(host, start)
                if match is not None:
                    done = match.end()
                    yield match.span()
                    break

    return matches


def _beginnings(host: bytes, done: int, dot: int) -> Iterator[int]:
    """Where the leftmost match that holds this dot, or one after it, may begin."""
    earliest = max(done, dot - _REACH)
    run = dot - len(host[earliest:dot]) + len(host[earliest:dot].rstrip(_HOST))
    plain = max(run, dot - 253)
    if run > earliest and host[run : run + 1] == b".":
        # Digits of other scripts are no host characters, but may follow `www`.
        www = _WWW_BEFORE.search(host, max(done, run - 6), run)
        if www is not None:
            yield www.start()
    if run < plain:
        www = _WWW.search(host, run, plain + 7)
        while www is not None and www.start() < plain:
            if www.end() >= dot - 253:
                yield www.start()
            www = _WWW.search(host, www.start() + 1, plain + 7)
    if plain < dot:
        yield plain


_WWW = re.compile(rb"www[0-9\x01]{0,3}\.")
_WWW_BEFORE = re.compile(rb"www[0-9\x01]{1,3}\Z")


def hosts(text: str) -> bytes:
    """The text in lower case with one byte for each character; digits of other scripts become 1."""
    if not text.isascii():
        text = _FOREIGN.sub(lambda match: "".join(map(_role, match.group())), text)
    return text.encode("ascii").lower()


@lru_cache(maxsize=4096)
def _role(character: str) -> str:
    if character in _LETTERS:
        return _LETTERS[character]
    if _DIGIT.match(character):
        return "\1"
    return " " if _SPACE.match(character) else "\2"


def _taken(domains: Sequence[str]) -> list[str]:
    """The domains that do not begin with one listed before them."""
    place = {domain: index for index, domain in reversed(list(enumerate(domains)))}
    return [
        domain
        for domain, index in place.items()
        if not any(place.get(domain[:n], index) < index for n in range(1, len(domain)))
    ]


def trie(words: Sequence[str]) -> bytes:
    """A regular expression for the longest of the words that fits."""
    by_first: dict[str, list[str]] = {}
    for word in words:
        if word:
            by_first.setdefault(word[0], []).append(word[1:])
    branches = [first.encode("ascii") + (trie(rest) if any(rest) else b"") for first, rest in sorted(by_first.items())]
    joined = b"(?:" + b"|".join(branches) + b")"
    return joined + b"?" if "" in words else joined
