"""Streets and postal addresses in the ways that countries write them."""

from __future__ import annotations

import random
from collections.abc import Callable

from training import sources

_UNITS = (
    "Apt. {}",
    "Apt {}",
    "Suite {}",
    "Unit {}",
    "#{}",
    "Floor {}",
    "Flat {}",
    "Room {}",
    "Bldg. {}",
    "Ste. {}",
    "apt. {}",
)
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"
    " RI SC SD TN TX UT VT VA WA WV WI WY".split()
)
_SIDES = ("North", "South", "East", "West", "N.", "S.", "E.", "W.", "NW", "SE")
_GLUED = ("straße", "strasse", "weg", "gasse", "platz", "allee", "straat", "laan", "gatan", "vägen", "gade", "vej", "vei",
          "gata", "katu", "tie", "kuja")  # fmt: skip
_FRONT = ("Rue", "Rue de", "Rue de la", "Avenue", "Boulevard", "Place", "Chemin de", "Via", "Viale", "Piazza", "Corso",
          "Calle", "C/", "Avenida", "Av.", "Plaza", "Paseo de", "Rua", "Travessa", "ul.", "ulica", "ul", "aleja", "os.",
          "náměstí", "Strada", "Jalan", "Jl.", "Rruga", "улица")  # fmt: skip
_BACK = ("Street", "St", "St.", "Avenue", "Ave", "Ave.", "Road", "Rd", "Rd.", "Lane", "Ln", "Drive", "Dr", "Boulevard",
         "Blvd", "Court", "Ct", "Place", "Terrace", "Way", "Highway", "Parkway", "Square", "Close", "Crescent", "Trail",
         "utca", "út", "tér", "Caddesi", "Sokak", "tänav", "iela", "gatvė", "ulica", "cesta", "Marg", "Nagar")  # fmt: skip


class Addresses:
    """Draws addresses."""

    def __init__(self, draw: random.Random, city: Callable[[], str], surname: Callable[[], str]) -> None:
        """`draw` decides; cities and surnames come from the generator."""
        self._random, self._city, self._surname = draw, city, surname
        before, after = sources.street_affixes()
        self._before, self._after = list(before.values()), list(after.values())
        self._streets, self._countries = sources.streets(), sources.countries()
        self._first = [name for names in sources.given_names().values() for name in names]

    def street(self) -> str:
        """A street, mostly with a number."""
        name = self._name()
        chance = self._random.random()
        if chance < 0.15:
            return name
        number = self._number()
        return (
            f"{number} {name}"
            if chance < 0.65
            else f"{name} {number}"
            if chance < 0.9
            else f"{number} {name} {self._number()}"
        )

    def postcode(self) -> str:
        """A postal code."""
        draw = self._random
        digits = "".join(draw.choice("0123456789") for _ in range(9))
        letters = "".join(draw.choice("ABCDEFGHJKLMNPRSTUVWXY") for _ in range(4))
        return draw.choice(
            (digits[:5], digits[:5], digits[:5], f"{digits[:5]}-{digits[5:]}", digits[:4], f"{digits[:2]}-{digits[2:5]}",
             f"{digits[:3]} {digits[3:5]}", f"{letters[:2]}{digits[0]} {digits[1]}{letters[2:]}", f"{digits[:4]} {letters[:2]}",
             f"{letters[0]}{digits[0]}{letters[1]} {digits[1]}{letters[2]}{digits[2]}")
        )  # fmt: skip

    def address(self) -> str:
        """A whole address, in one line or several."""
        draw = self._random
        if draw.random() < 0.03:
            return self._military()
        glue = draw.choice((", ", ", ", ", ", "\n", "\n ", " ", "\n, ", ",\n"))
        parts = [self.street()]
        if draw.random() < 0.35:
            parts.append(draw.choice(_UNITS).format(draw.randint(1, 999)))
            if draw.random() < 0.5:
                parts[:] = [" ".join(parts)]
        parts += self._town()
        if draw.random() < 0.4:
            country = draw.choice(self._countries)
            parts.append(country if draw.random() < 0.7 else f"{country} {self.postcode()}")
        return glue.join(parts)

    def _town(self) -> list[str]:
        city, code, state = self._city(), self.postcode(), self._random.choice(_STATES)
        return self._random.choice(
            ([f"{city}, {state} {code}"], [f"{city} {state} {code}"], [f"{code} {city}"], [city, code], [city], [city],
             [city, f"{state} {code}"], [f"{city} {code}"], [f"{city} {state}"], [city, state, code])
        )  # fmt: skip

    def _military(self) -> str:
        draw = self._random
        unit = draw.choice(("PSC", "Unit", "CMR", "USNS", "USS"))
        name = (
            f"{unit} {draw.randint(1, 9999)}, Box {draw.randint(1, 9999)}"
            if unit[1:].islower() or unit in ("PSC", "CMR")
            else f"{unit} {self._surname()}"
        )
        return f"{name}{draw.choice((', ', chr(10)))}{draw.choice(('APO', 'FPO', 'DPO'))} {draw.choice(('AA', 'AE', 'AP'))} {draw.randint(10000, 99999)}"

    def _number(self) -> str:
        draw = self._random
        number = str(draw.randint(1, 10 ** draw.randint(1, 5)))
        chance = draw.random()
        if chance < 0.06:
            return number + draw.choice("abcABC")
        if chance < 0.10:
            return f"{number}{draw.choice('-/')}{draw.randint(1, 99)}"
        return f"0{number}" if chance < 0.14 else number

    def _name(self) -> str:
        draw = self._random
        chance = draw.random()
        if chance < 0.12 and self._streets:
            return draw.choice(self._streets)
        name = self._surname() if draw.random() < 0.5 else draw.choice((self._city, lambda: draw.choice(self._first)))()
        if draw.random() < 0.2:
            name = f"{draw.choice(self._first)} {name}"
        if chance < 0.30:
            return f"{draw.choice(draw.choice(self._before))} {name}"
        if chance < 0.45:
            return f"{draw.choice(_FRONT)} {name}"
        if chance < 0.57:
            glued = draw.choice(_GLUED)
            return name.split(" ")[-1] + glued
        side = f"{draw.choice(_SIDES)} " if draw.random() < 0.1 else ""
        if chance < 0.67:
            ordinal = draw.choice(
                (
                    f"{draw.randint(1, 120)}th",
                    f"{draw.randint(1, 9)}1st",
                    "Main",
                    "Oak",
                    "Park",
                    "High",
                    "Church",
                    "Mill",
                    "Station",
                )
            )
            return f"{side}{ordinal} {draw.choice(_BACK[:22])}"
        suffix = draw.choice(_BACK) if chance < 0.9 else draw.choice(draw.choice(self._after)).strip()
        return f"{side}{name} {suffix}"
