"""Names of companies, universities, hospitals and other organisations."""

from __future__ import annotations

import random
from collections.abc import Callable

from training import sources

_TRADES = (
    "Systems Technologies Solutions Partners Consulting Capital Media Foods Motors Airlines Energy Pharma Logistics"
    " Insurance Records Studios Software Networks Holdings Industries Analytics Robotics Labs Bank Hotel Restaurant"
    " Group Health Dental Properties Construction Electric Financial Brewery Bakery Books Travel".split()
)
_COINED = (
    "data cloud bright blue solar net link power green share trust smart open fast health food market pay auto bio nano"
    " vision wave stone bridge lake fire star loop spark snap zen meta ever north true liquid lending wealth code".split()
)
_ENDS = (
    "ify ly io hub base works ware soft tech bit logic nova ex on is able list guard map ster zone point wise".split()
)
_NOUNS = (
    "Health Education Justice Defence Finance Agriculture Transport Labor Energy Science Research Culture Trade".split()
)
_BODIES = ("Ministry of {}", "Department of {}", "National Institute of {}", "Institute for {}", "Council on {}",
           "Office of {}", "Academy of {}", "Society for {}", "Committee on {}", "International {} Association")  # fmt: skip
_CLUBS = ("{} United", "{} FC", "FC {}", "{} City", "Real {}", "{} Rovers", "{} Bulls", "{} Tigers", "{} Red Sox")


class Organisations:
    """Draws organisations."""

    def __init__(self, draw: random.Random, city: Callable[[], str], surname: Callable[[], str]) -> None:
        """`draw` decides; cities and surnames come from the generator."""
        self._random, self._city, self._surname = draw, city, surname
        self._companies = sources.companies()
        self._suffixes = [*sources.company_suffixes(), "Inc", "Inc.", "LLC", "Ltd", "Ltd.", "GmbH", "Corp.", "& Co."]
        self._makers = (
            self._company, self._company, self._company, self._real, self._real, self._coined, self._coined, self.short,
            self._body, self._club, self.university, self._trade, self._trade,
        )  # fmt: skip

    def organisation(self) -> str:
        """Any organisation."""
        return self._random.choice(self._makers)()

    def university(self) -> str:
        """A university or school."""
        form = self._random.choice(
            ("University of {}", "{} University", "{} College", "{} Institute of Technology", "{} High School",
             "Technical University of {}", "{} State University", "Universidad de {}", "Universität {}")
        )  # fmt: skip
        return form.format(self._city())

    def hospital(self) -> str:
        """A hospital."""
        form = self._random.choice(("{} General Hospital", "St. {} Hospital", "{} Medical Center", "{} Clinic"))
        return form.format(self._random.choice((self._city, self._surname))())

    def _company(self) -> str:
        a, b, c = self._surname(), self._surname(), self._surname()
        suffix = self._random.choice(self._suffixes)
        return self._random.choice(
            (f"{a} {suffix}", f"{a} {suffix}", f"{a}-{b}", f"{a}, {b} and {c}", f"{a} & {b}", f"{a} and Sons", f"{a}, {suffix}",
             f"{a} {b} {suffix}", f"{a} Group", f"{a} PLC")
        )  # fmt: skip

    def _real(self) -> str:
        return self._random.choice(self._companies)

    def _trade(self) -> str:
        draw = self._random
        first = draw.choice((self._city, self._surname, lambda: draw.choice(_COINED).title()))()
        trade = draw.choice(_TRADES)
        return f"{first} {trade} {draw.choice(self._suffixes)}" if draw.random() < 0.3 else f"{first} {trade}"

    def _coined(self) -> str:
        draw = self._random
        first, second = draw.choice(_COINED).title(), draw.choice((*_COINED, *_ENDS))
        return draw.choice((first + second, f"{first} {second.title()}", first + second, first))

    def short(self) -> str:
        """A name of two to four capitals."""
        return "".join(self._random.choice("ABCDEFGHIKLMNOPRSTUW") for _ in range(self._random.randint(2, 4)))

    def _body(self) -> str:
        return self._random.choice(_BODIES).format(self._random.choice(_NOUNS))

    def _club(self) -> str:
        return self._random.choice(_CLUBS).format(self._city())
