"""Binary data in base64, bare or as a `data:` URL: what nobody can examine as text.

It is such data only as a whole: with words behind it, it is a text.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_DATA_URL: Final = re.compile(
    r"data:(?:image/(?!svg)[a-z0-9.+-]{1,64}|audio/[a-z0-9.+-]{1,64}|video/[a-z0-9.+-]{1,64}|"
    r"application/(?:pdf|zip|gzip|octet-stream|msword|vnd[a-z0-9.+-]{1,96}));base64,",
    re.IGNORECASE,
)
# One line, or lines as MIME wraps them: anything else with spaces in it is words.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,76}\r?\n)*[A-Za-z0-9+/]*={0,2}\s*|[A-Za-z0-9_-]*={0,2}")
_PDF: Final = b"%PDF-"
_BARE_BLOB: Final = 64
_SAMPLE: Final = 1024
_READABLE: Final = 0.8
"""So much of a text can be read even where its encoding is guessed wrong; of compressed data it is under a half."""


def is_blob(value: str) -> bool:
    """Whether a string is binary data in base64, bare or as a data: URL, rather than something to read."""
    head = _DATA_URL.match(value)
    body = value[head.end() :] if head else value
    if _BASE64.fullmatch(body) is None:
        return False
    return not is_readable(body) if head is not None or len(body) >= _BARE_BLOB else False


def is_readable(body: str) -> bool:
    """Whether base64 holds text at its beginning: then it is decoded and scanned like text."""
    sample = "".join(body[:_SAMPLE].split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(sample[: len(sample) // 4 * 4])
    except binascii.Error:
        return True
    if data.startswith(_PDF):
        return False
    text = data.decode("utf-8", "replace").replace("\ufffd", "\0")
    return sum(c.isprintable() or c.isspace() for c in text) >= _READABLE * len(text)
