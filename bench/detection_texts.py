"""The texts detection is measured on, made from a seed: the same on every machine.

`clean` is prose with a few small numbers, `mixed` chat with a personal datum in every other sentence, `dense` a table
of nothing but personal data, `code` a Python file and `log` the lines of a web server. Growing one repeats the
generator, not the text; another seed makes another text of the same kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

PROSE = """The meeting moved to the large room because the small one was taken again.
We agreed that the second draft reads better, although nobody liked the new title.
Could you summarise what the customer said about the delivery and the broken lid?
Nothing in the report explains why the numbers of the last quarter went down.
I would rather wait for the review than merge something that nobody has tried.
It rained for 3 days, so the team stayed inside and wrote the documentation.
Please translate the paragraph below into French and keep the tone friendly.
After lunch they walked along the river, past the mill, and talked about work.
The library is small (about 40 functions), well tested, and easy to read.
What is the difference between a process and a thread, and when does it matter?
She answered at once: the parcel had been left with a neighbour on floor 2.
In chapter 7 the author compares the two methods; the older one wins.
""".splitlines()

PERSONAL: tuple[Callable[[random.Random], str], ...] = (
    lambda d: f"Please write to {_name(d)}@example.com before Friday.",
    lambda d: f"My phone number is ({d.randint(201, 989)}) 555-{d.randint(100, 199):04d}, call me.",
    lambda d: f"Her social security number is 536-{d.randint(10, 99)}-{d.randint(1000, 9999)}.",
    lambda d: f"Charge the card {_card(d)} for it.",
    lambda d: f"The server at 10.{d.randint(0, 255)}.{d.randint(0, 255)}.{d.randint(1, 254)} is down.",
    lambda d: f"See https://www.example.com/orders/{d.randint(100, 999)} for the details.",
    lambda d: f"He was born on {d.randint(1, 12)}/{d.randint(1, 28)}/{d.randint(1950, 2005)}.",
    lambda d: "Transfer it to DE89370400440532013000, my bank account.",
)

ROW = (
    lambda d: f"{_name(d)}.{_name(d)}@example.com",
    lambda d: f"+1 {d.randint(201, 989)} 555 {d.randint(100, 199):04d}",
    lambda d: f"({d.randint(201, 989)}) 555-{d.randint(100, 199):04d}",
    lambda d: f"+44 20 7946 {d.randint(100, 999):04d}",
    lambda d: f"536-{d.randint(10, 99)}-{d.randint(1000, 9999)}",
    lambda d: _card(d),
    lambda d: "DE89370400440532013000",
    lambda d: f"192.168.{d.randint(0, 255)}.{d.randint(1, 254)}",
    lambda d: f"{d.randint(1, 12)}/{d.randint(1, 28)}/{d.randint(1950, 2005)}",
    lambda d: f"{d.choice('ABCDEFG')}{d.randint(10**7, 10**8 - 1)}",
    lambda d: f"https://example.com/u/{_name(d)}",
    lambda d: _uuid(d),
    lambda d: str(d.randint(10**8, 10**9 - 1)),
)

LABELS = ("email", "phone", "tel", "uk", "ssn", "card", "iban", "ip", "born", "licence", "url", "id", "account")

CODE = '''class {Name}Store:
    """Keeps the {name} records of one tenant."""

    def __init__(self, path: Path, *, limit: int = {n}) -> None:
        self._path = path
        self._limit = limit
        self._items: dict[str, {Name}] = {{}}

    def load_{name}(self, key: str) -> {Name} | None:
        """Return the {name} under `key`, see https://docs.python.org/3/library/shelve.html."""
        found = self._items.get(key)
        if found is None or found.version < {v}:
            logger.debug("no %s in %s", key, self._path.name)
            return None
        return replace(found, seen=found.seen + 1, ratio={v}.{n})

    @property
    def {name}_size(self) -> int:
        return sum(len(item.body) for item in self._items.values() if item.id != 0x{hex})


'''


def clean(size: int, seed: int = 0) -> str:
    """Prose without personal data."""
    return _grow(size, seed, lambda d: d.choice(PROSE) + d.choice((" ", " ", " ", "\n\n")))


def mixed(size: int, seed: int = 0) -> str:
    """Chat, a personal datum in every other sentence."""
    return _grow(size, seed, lambda d: d.choice(PROSE) + " " + d.choice(PERSONAL)(d) + " ")


def dense(size: int, seed: int = 0) -> str:
    """A table of personal data only."""
    return _grow(size, seed, lambda d: ", ".join(f"{k}: {v(d)}" for k, v in zip(LABELS, ROW, strict=True)) + "\n")


def code(size: int, seed: int = 0) -> str:
    """A Python file."""
    return _grow(size, seed, _class)


def log(size: int, seed: int = 0) -> str:
    """Lines of a web server's log."""
    return _grow(size, seed, _line)


TEXTS: Mapping[str, tuple[Callable[[int], str], int]] = {
    "mixed 200 B": (mixed, 200),
    "clean 2 KB": (clean, 2_000),
    "dense 2 KB": (dense, 2_000),
    "clean 20 KB": (clean, 20_000),
    "mixed 20 KB": (mixed, 20_000),
    "dense 20 KB": (dense, 20_000),
    "code 50 KB": (code, 50_000),
    "log 50 KB": (log, 50_000),
}

HOSTILE: Mapping[str, Callable[[int], str]] = {
    "base64 and an @": lambda n: ("QUJD" * n)[: n - 1] + "@",
    "a.b-": lambda n: ("a.b-" * n)[:n],
    "dots": lambda n: "." * n,
    "contents": lambda n: ("Chapter " + "." * 60 + " 12\n") * (n // 73),
    "1/1/1/": lambda n: ("1/" * n)[:n],
    "@": lambda n: "@" * n,
    "1::1": lambda n: ("1::1 " * n)[:n],
    "a:a:a:": lambda n: ("a:" * n)[:n],
    "digits": lambda n: "1" * n,
    "digits and spaces": lambda n: ("1 " * n)[:n],
    "hyphens": lambda n: ("1-" * n)[:n],
    "www.": lambda n: ("www." * n)[:n],
    "a@a.": lambda n: ("a@a." * n)[:n],
    "https://": lambda n: ("https://" * n)[:n],
    "(((": lambda n: "(" * n,
    "+1(": lambda n: ("+1(" * n)[:n],
    "1bc": lambda n: "bc1" + ("A" * n)[: n - 3],
    "spaces": lambda n: " " * n,
    "punctuation word": lambda n: "a" + "'" * (n - 1),
}


def _grow(size: int, seed: int, piece: Callable[[random.Random], str]) -> str:
    dice = random.Random(seed)
    pieces: list[str] = []
    length = 0
    while length < size:
        pieces.append(piece(dice))
        length += len(pieces[-1])
    return "".join(pieces)[:size]


def _name(dice: random.Random) -> str:
    return "".join(dice.choice("abcdefghijklmnoprstuvw") for _ in range(dice.randint(3, 8)))


def _card(dice: random.Random) -> str:
    digits = [4, *(dice.randint(0, 9) for _ in range(14))]
    doubled = (d if i % 2 else d * 2 - 9 * (d > 4) for i, d in enumerate(digits))
    number = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return dice.choice((" ", "-", "")).join(number[i : i + 4] for i in range(0, 16, 4))


def _uuid(dice: random.Random) -> str:
    return "-".join(f"{dice.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12))


def _class(dice: random.Random) -> str:
    name = _name(dice)
    return CODE.format(
        name=name,
        Name=name.capitalize(),
        n=dice.randint(10, 9999),
        v=dice.randint(0, 9),
        hex=f"{dice.getrandbits(32):08x}",
    )


def _line(dice: random.Random) -> str:
    return (
        f"2025-03-{dice.randint(1, 28):02d}T{dice.randint(0, 23):02d}:{dice.randint(0, 59):02d}:"
        f"{dice.randint(0, 59):02d}.{dice.randint(0, 999):03d}Z INFO web[{dice.randint(100, 9999)}] "
        f"10.0.{dice.randint(0, 255)}.{dice.randint(1, 254)} "
        f'"GET /api/v1/orders/{dice.randint(10**5, 10**8)} HTTP/1.1" '
        f"{dice.choice((200, 200, 204, 404))} {dice.randint(100, 99999)} request_id={_uuid(dice)} "
        f"user={_name(dice)}@example.com took={dice.randint(1, 900)}ms\n"
    )
