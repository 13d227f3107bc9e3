"""Writes texts with names in them, from templates.txt: prompts, forms, e-mails, tickets, chat, code, JSON and logs.

Names are of many origins, each as likely as another. A part of them is put together of two halves, so that the model
learns what surrounds a name and how one is spelt, and not only which names are on a list.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from training import lexicon, sources, words
from training.addresses import Addresses
from training.corpus import Row, Span
from training.organisations import Organisations

INVENTED = 0.25
"""How many names are put together of two."""
FLATTENED = 0.15
"""How many texts have their lines joined."""
_HOLE = re.compile(r"\{\{|\}\}|\\n|\\t|\{([^{}]*)\}")
_CHOICE = re.compile(r"(?<!\{)\{((?:[^{}|]|\{\w+\})*\|(?:[^{}]|\{\w+\})*)\}(?!\})")
_KINDS = {
    "person": "PERSON", "given": "PERSON", "surname": "PERSON", "initial": "PERSON",
    "city": "LOCATION", "country": "LOCATION", "state": "LOCATION", "place": "LOCATION", "placeword": "LOCATION",
    "street": "LOCATION", "address": "LOCATION", "zip": "LOCATION",
    "org": "ORGANIZATION", "university": "ORGANIZATION", "hospital": "ORGANIZATION",
}  # fmt: skip
_TITLES = "Mr. Mr Mrs. Mrs Ms. Ms Miss Dr. Dr Prof. Professor Doctor".split()
_MONTHS = "January February March April May June July August September October November December".split()
_PARTICLES = ("van der", "van den", "van", "von", "de", "de la", "del", "da", "dos", "di", "el", "al", "bin", "ben")


class Generator:
    """Draws texts; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        """Read the templates."""
        self._random = random.Random(seed)
        lines = (Path(__file__).parent / "templates.txt").read_text("utf-8").splitlines()
        self._templates = [line for line in lines if line and not line.startswith("# ")]
        self._given = list(sources.given_names().values())
        self._surnames = list(sources.surnames().values())
        self._census = sources.census_names()
        self._cities = sources.cities()
        self._large = [city for city in self._cities if city[1] >= 100_000]
        self._countries, self._states = sources.countries(), sources.states()
        self._jobs = sources.jobs()
        self._words = lexicon.plain_words()
        self._addresses = Addresses(self._random, self.city, self.surname)
        self._organisations = Organisations(self._random, self.city, self.surname)
        self._values: dict[str, Callable[[], str]] = {
            "person": self.person, "given": self.given, "surname": self.surname, "initial": self._initial,
            "city": self.city, "country": self._country, "state": lambda: self._random.choice(self._states),
            "place": self._place, "placeword": lambda: self.city().replace(" ", ""),
            "street": self._addresses.street, "address": self._addresses.address, "zip": self._addresses.postcode,
            "org": self._organisations.organisation, "university": self._organisations.university,
            "hospital": self._organisations.hospital, "title": lambda: self._random.choice(_TITLES),
            "job": self._job, "nation": lambda: self._random.choice(words.NATIONS[:180]).title(),
            "date": self._date, "time": lambda: f"{self._digits(2)}:{self._digits(2)}:{self._digits(2)}",
            "month": lambda: self._random.choice(_MONTHS), "year": lambda: str(self._random.randint(1940, 2029)),
            "number": lambda: str(self._random.randint(1, 10 ** self._random.randint(1, 8))),
            "age": lambda: str(self._random.randint(1, 99)), "phone": self._phone, "email": self._email,
            "card": self._card, "iban": self._iban, "ssn": lambda: f"{self._digits(3)}-{self._digits(2)}-{self._digits(4)}",
            "ip": lambda: ".".join(str(self._random.randint(1, 254)) for _ in range(4)),
            "word": self._word, "Word": lambda: self._word().title(), "WORD": lambda: self._word().upper(),
            "short": self._organisations.short, "byte": lambda: f"{self._random.randrange(256):02x}",
            "hex": lambda: f"{self._random.randrange(16 ** 12):x}", "sha": lambda: f"{self._random.randrange(16**64):064x}",
            "uuid": lambda: "-".join(f"{self._random.randrange(16**n):0{n}x}" for n in (8, 4, 4, 4, 12)),
            "handle": lambda: f"{self.given()}_{self.surname()}".lower().replace(" ", ""),
        }  # fmt: skip

    def rows(self, count: int) -> Iterator[Row]:
        """Draw texts."""
        for _ in range(count):
            template = self._random.choice(self._templates)
            if template.startswith("-") and template[1:2] != " ":
                template = template[1:]
            yield self._cased(self._row(_CHOICE.sub(lambda found: self._random.choice(found[1].split("|")), template)))

    def _row(self, template: str) -> Row:
        parts: list[str] = []
        spans: list[Span] = []
        done = length = 0
        for hole in _HOLE.finditer(template):
            before = template[done : hole.start()]
            value = self._value(hole)
            parts += (before, value)
            length += len(before)
            kind = _KINDS.get(hole[1] or "")
            if kind:
                spans.append(Span(length, length + len(value), kind))
            length += len(value)
            done = hole.end()
        return Row("".join((*parts, template[done:])), tuple(spans))

    def _value(self, hole: re.Match[str]) -> str:
        name = hole[1]
        if name is None:
            return {"{{": "{", "}}": "}", "\\n": "\n", "\\t": "\t"}[hole[0]]
        value = self._values.get(name)
        return value() if value else name

    def _cased(self, row: Row) -> Row:
        # Mails and tables lose their lines when they are pasted.
        if self._random.random() < FLATTENED:
            row = Row(row.text.replace("\n", " "), row.spans)
        chance = self._random.random()
        if chance < 0.12:
            lower = row.text.lower()
            return Row(lower, row.spans) if len(lower) == len(row.text) else row
        if chance < 0.15:
            upper = row.text.upper()
            return Row(upper, row.spans) if len(upper) == len(row.text) else row
        return row

    def _name(self, lists: list[list[str]], census: list[str]) -> str:
        draw = self._random
        # Of the census's the frequent ones come first.
        often = draw.random() < 0.2
        name = census[int(len(census) * draw.random() ** 3)] if often else draw.choice(draw.choice(lists))
        if draw.random() < INVENTED:
            other = draw.choice(draw.choice(lists))
            if len(name) > 3 and len(other) > 3:
                name = name[: draw.randint(2, len(name) - 1)] + other[draw.randint(1, len(other) - 2) :].lower()
        return name

    def given(self) -> str:
        """A given name."""
        return self._name(self._given, self._census[0])

    def surname(self) -> str:
        """A surname, at times with a particle or a second one."""
        draw = self._random
        name = self._name(self._surnames, self._census[1])
        chance = draw.random()
        if chance < 0.03:
            return f"{draw.choice(_PARTICLES)} {name}"
        if chance < 0.06:
            return f"{name}-{self._name(self._surnames, self._census[1])}"
        if chance < 0.07:
            return draw.choice(("Mc", "Mac", "O\u2019", "O'", "De", "Fitz")) + name
        return name

    def person(self) -> str:
        """A whole name."""
        draw = self._random
        chance = draw.random()
        given, surname = self.given(), self.surname()
        if chance < 0.70:
            return f"{given} {surname}"
        if chance < 0.76:
            return f"{given} {self._initial()} {surname}"
        if chance < 0.80:
            return f"{given} {self.given()} {surname}"
        if chance < 0.83:
            return f"{given} {surname} {self.surname()}"
        if chance < 0.86:
            return f"{self._initial()} {surname}"
        if chance < 0.88:
            return f"{surname}, {given}"
        if chance < 0.90:
            return f"{given}-{self.given()} {surname}"
        return given if chance < 0.96 else surname

    def _initial(self) -> str:
        letter = self._random.choice("ABCDEFGHIJKLMNOPRSTVWZ")
        return f"{letter}." if self._random.random() < 0.8 else letter

    def city(self) -> str:
        """A city, as often a large one as any."""
        draw = self._random
        name = draw.choice(self._large if draw.random() < 0.5 else self._cities)[0]
        if draw.random() < INVENTED / 2:
            other = draw.choice(self._cities)[0]
            if len(name) > 4 and len(other) > 4 and " " not in name + other:
                name = name[: draw.randint(2, len(name) - 1)] + other[draw.randint(1, len(other) - 2) :].lower()
        return name.upper() if draw.random() < 0.03 else name

    def _country(self) -> str:
        return self._random.choice(self._countries)

    def _place(self) -> str:
        return self._random.choice((self.city, self._country, lambda: self._random.choice(self._states)))()

    def _job(self) -> str:
        job = self._random.choice(self._jobs)
        return job.split(",")[0] if self._random.random() < 0.7 else job

    def _digits(self, count: int) -> str:
        return f"{self._random.randrange(10**count):0{count}d}"

    def _phone(self) -> str:
        return self._random.choice(("({}) {}-{}", "+1 {} {} {}", "{}-{}-{}", "0{} {} {}")).format(
            self._digits(3), self._digits(3), self._digits(4)
        )

    def _word(self) -> str:
        # Frequent ones come first.
        return self._words[int(len(self._words) * self._random.random() ** 1.5)]

    def _card(self) -> str:
        form = self._random.choice(("{}{}{}{}", "{} {} {} {}", "{}-{}-{}-{}"))
        return form.format(*(self._digits(4) for _ in range(4)))

    def _iban(self) -> str:
        letters = "".join(self._random.choice("ABDEFGHINPRST") for _ in range(6))
        return f"{letters[:2]}{self._digits(2)}{letters[2:]}{self._digits(14)}"

    def _date(self) -> str:
        draw = self._random
        day, month, year = draw.randint(1, 28), draw.randint(1, 12), draw.randint(1940, 2029)
        name = _MONTHS[month - 1]
        return draw.choice(
            (f"{year}-{month:02d}-{day:02d}", f"{day}/{month}/{year}", f"{name} {day}, {year}", f"{day} {name} {year}",
             f"{day}.{month}.{year}", f"{name} {year}", f"{name[:3]} {day}")
        )  # fmt: skip

    def _email(self) -> str:
        return f"{self.given()}.{self.surname()}@example.com".lower().replace(" ", "")
