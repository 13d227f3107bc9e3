"""Did the provider see it? Looks for secrets in received bytes the way a curious reader would.

A secret counts as seen when it stands in what was received or in anything that a reader would undo: JSON escapes,
JSON inside strings, percent and HTML encoding, base64; upper and lower case alike; numbers with or without separators.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from gateway.errors import FrameError
from gateway.wire.frame import Json, loads

_LAYERS: Final = 5
"""How many encodings inside each other are undone: JSON in a string in JSON, percent-encoded, in base64 is four."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_SEPARATORS: Final = re.compile(r"(?<=\d)[\s.\-_/]+(?=\d)")


def leaked(secrets: Iterable[str], received: Iterable[str]) -> list[str]:
    """Return those of `secrets` that anything in `received` gives away, in their order."""
    wanted = {secret: _plain(secret) for secret in secrets}
    found: set[str] = set()
    for raw in received:
        for reading in _readings(raw):
            plain = _plain(reading)
            found |= {secret for secret, form in wanted.items() if form in plain}
    return [secret for secret in wanted if secret in found]


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()


def _readings(raw: str) -> set[str]:
    """Everything that `raw` says once encodings are undone, layer by layer."""
    readings, layer = {raw}, {raw}
    for _ in range(_LAYERS):
        layer = {reading for text in layer for reading in _undone(text)} - readings
        readings |= layer
    return readings


def _undone(text: str) -> Iterator[str]:
    if text[:1] in '{["':
        try:
            yield from _strings(loads(text))
        except FrameError:
            pass
        else:
            return
    yield unquote(text)
    yield html.unescape(text)
    yield _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    for run in _BASE64.findall(text):
        body = run.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            yield base64.b64decode(body + "=" * (-len(body) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def _strings(value: Json) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield key
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
        case str():
            yield value
        case _:
            yield str(value)
