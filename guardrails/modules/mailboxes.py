"""E-mail addresses that Presidio does not report, because of where they stand or because their domain is not public.

Presidio takes `/`, `?`, `=` and `&` for letters of an address, as RFC 5322 does, and then drops the whole of
`evil.example/?q=ada@example.com` since that is no address. Here a local part is what people have: letters, digits and
`. _ % + -`. The domain ends in a label of the public suffix list, in one that companies use inside (`.internal`,
`.corp`), or is `localhost`.

No addresses are the user of a URL (`ssh://git@host.example`), a prompt of a shell (`root@localhost:~#`), and accounts
that every machine has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import regex

from guardrails.modules.contents import Contents

LONGEST_LOCAL = 64
"""Characters before the `@` (RFC 5321, 4.5.3.1.1)."""
LONGEST_DOMAIN = 255

_INSIDE = frozenset(
    {"internal", "intranet", "intra", "local", "localdomain", "lan", "corp", "home", "private"}
    | {"test", "example", "invalid"}
)
_ACCOUNTS = frozenset(
    {"root", "admin", "administrator", "user", "username", "guest", "test", "nobody", "daemon", "www", "www-data"}
    | {"postgres", "mysql", "redis", "rabbit", "rabbitmq", "mongo", "ubuntu", "debian", "ec2-user", "vagrant", "git"}
    | {"svn", "app", "service", "system", "ssh", "ftp", "me", "you", "somebody", "someone", "name", "celery", "sa"}
)
_LOCAL = regex.compile(r"(?r)[\w.%+-]+")
_DOMAIN = re.compile(r"[^\W_](?:[\w-]{0,62}[^\W_])?(?:\.[^\W_](?:[\w-]{0,62}[^\W_])?)*(?![\w-])")
_USER_OF_URL = re.compile(r"//[^\s/@]*\Z")
_PROMPT = re.compile(r"[:/](?:[~/\d$]|\Z)")


def finder() -> Callable[[Contents], Iterable[tuple[int, int]]]:
    """Make what gives the spans of addresses in a text; takes a moment the first time."""
    public = _public()

    def spans(contents: Contents) -> Iterator[tuple[int, int]]:
        text = contents.text
        mail: dict[str, bool] = {}
        for at, start, end in _addresses(text, contents.addresses):
            domain = text[at:end]
            if start >= 0 and domain in contents.reported:
                continue
            if domain not in mail:
                mail[domain] = _takes_mail(domain[1:].lower(), public)
            if mail[domain]:
                begin = _start(text, at, end) if start < 0 else start
                if begin is not None and not _is_user_of_url(text, begin):
                    yield begin, end

    return spans


def _takes_mail(domain: str, public: frozenset[str]) -> bool:
    _, dot, last = domain.rpartition(".")
    return last in public or last in _INSIDE if dot else last == "localhost"


def _addresses(text: str, plain: Mapping[int, tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Each `@`, where its local part begins if it is plain, and where its domain ends."""
    at = text.find("@")
    while at >= 0:
        start, end = plain.get(at) or (-1, _end(text, at))
        yield at, start, end
        at = text.find("@", at + 1)


def _end(text: str, at: int) -> int:
    """Where the domain after an `@` ends."""
    domain = _DOMAIN.match(text, at + 1, at + 1 + LONGEST_DOMAIN)
    return at + 1 if domain is None else domain.end()


def _start(text: str, at: int, end: int) -> int | None:
    """Where the local part before an `@` begins; None if there is none, or if it is nobody's."""
    local = _LOCAL.match(text, max(at - LONGEST_LOCAL, 0), at)
    if local is None:
        return None
    start = local.start() + len(local.group()) - len(local.group().lstrip("._%+-"))
    if start == at or text[at - 1] == ".":
        return None
    if "." in text[at:end]:
        return start
    return None if text[start:at].lower() in _ACCOUNTS or _PROMPT.match(text, end) else start


def _is_user_of_url(text: str, start: int) -> bool:
    """Whether a URL begins before a place, without a blank between."""
    if start == 0 or text[start - 1] == " ":
        return False
    return _USER_OF_URL.search(text, max(start - LONGEST_LOCAL, 0), start) is not None


@cache
def _public() -> frozenset[str]:
    """The last labels of all public suffixes, from the list that comes with `tldextract`; nothing is fetched."""
    # Imported here: it takes a moment, and only policies that look for addresses pay for it.
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return frozenset(suffix.rsplit(".", 1)[-1] for suffix in extract.tlds)
