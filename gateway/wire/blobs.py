"""Binary data in base64, bare or as a `data:` URL: what nobody can examine as text.

It is such data only as a whole: with words behind it, it is a text. Of one that arrives in pieces `Opening` keeps what
could still be a `data:` URL.
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
_BEGINS: Final = "data:"
_HEAD: Final = re.compile(r"data:[a-z0-9.+/;-]{0,128}", re.IGNORECASE)
"""What may become the beginning of one."""
# One line, or lines as MIME wraps them: anything else with spaces in it is words.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,76}\r?\n)*[A-Za-z0-9+/]*={0,2}\s*|[A-Za-z0-9_-]*={0,2}")
_PDF: Final = b"%PDF-"
_BARE_BLOB: Final = 64
_SAMPLE: Final = 1024
_READABLE: Final = 0.8
"""So much of a text can be read even where its encoding is guessed wrong; of compressed data it is under a half."""

_AGAIN: Final = 8
"""What is kept is looked at again when an eighth more is there, so that its cost is linear."""


def is_blob(value: str) -> bool:
    """Whether a string is binary data in base64, bare or as a data: URL, rather than something to read."""
    head = _DATA_URL.match(value)
    body = value[head.end() :] if head else value
    if _BASE64.fullmatch(body) is None:
        return False
    return not is_readable(body) if head is not None or len(body) >= _BARE_BLOB else False


def is_data_url(value: str) -> bool:
    """Whether a text is binary data as a data: URL. That may stand anywhere, so it has to say what it is."""
    return value[: len(_BEGINS)].lower() == _BEGINS and is_blob(value)


def _may_become_data_url(value: str) -> bool:
    """Whether a text is, or may become when it goes on, such a URL.

    Each beginning of what `_BASE64` takes is taken by it as well, and only the first `_SAMPLE` characters say more.
    """
    head = _DATA_URL.match(value)
    if head is None:
        return _BEGINS.startswith(value.lower()) or _HEAD.fullmatch(value) is not None
    body = value[head.end() :]
    return _BASE64.fullmatch(body) is not None and (len(body) < _SAMPLE or not is_readable(body))


class Opening:
    """The beginning of a text in pieces, kept for as long as the text may be a `data:` URL of binary data.

    `feed()` each piece; what that gives is surely text. Then `flush()`.
    """

    __slots__ = ("_again", "_kept", "_over", "size")

    def __init__(self) -> None:
        self._kept: list[str] = []
        self.size = 0
        self._again = 0
        self._over = False

    @property
    def kept(self) -> str:
        """What has arrived and was not given."""
        self._kept = ["".join(self._kept)]
        return self._kept[0]

    def feed(self, piece: str) -> str:
        """Take the next piece; give what is text by now."""
        if self._over:
            return piece
        self._kept.append(piece)
        self.size += len(piece)
        if self.size < self._again:
            return ""
        if _may_become_data_url(self.kept):
            self._again = self.size + self.size // _AGAIN
            return ""
        return self._give()

    def flush(self) -> tuple[str, str]:
        """The text is at its end: give what of it is text, or else, as the second, the whole of it: it is a URL."""
        if is_data_url(self.kept):
            return "", self._give()
        return self._give(), ""

    def _give(self) -> str:
        given, self._kept, self._over = self.kept, [], True
        return given


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
