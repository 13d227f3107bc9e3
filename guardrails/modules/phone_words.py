"""Where a language's telephone numbers come from, and what they are called in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

COMMON: Final = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")
"""The regions whose national numbers Presidio knows."""


@dataclass(frozen=True, slots=True)
class PhoneWords:
    """What is known of one language."""

    regions: tuple[str, ...]
    """Countries where it is spoken."""
    labels: tuple[str, ...]
    """Words that a number directly follows, in small letters."""


_BY_LANGUAGE: Final[Mapping[str, PhoneWords]] = {
    "de": PhoneWords(
        ("DE", "AT", "CH"),
        ("telefon", "telefonnummer", "tel", "handy", "handynummer", "mobil", "mobilnummer", "rufnummer", "festnetz"),
    ),
    "fr": PhoneWords(
        ("FR", "BE", "CH", "LU"),
        ("téléphone", "telephone", "tél", "tel", "portable", "mobile", "numéro de téléphone", "fixe"),
    ),
    "es": PhoneWords(
        ("ES", "MX", "AR", "CO", "CL"),
        ("teléfono", "telefono", "tel", "tfno", "tlf", "móvil", "movil", "celular", "número de teléfono"),
    ),
    "it": PhoneWords(
        ("IT", "CH"),
        ("telefono", "tel", "cellulare", "cell", "numero di telefono", "fisso"),
    ),
}


def regions(language: str) -> tuple[str, ...]:
    """The regions to look for where a policy names none: Presidio's, after those of the language."""
    known = _BY_LANGUAGE.get(language)
    return COMMON if known is None else tuple(dict.fromkeys((*known.regions, *COMMON)))


def labels(language: str) -> tuple[str, ...]:
    """What a number is called in a language besides the English words; empty for one that is not known here."""
    known = _BY_LANGUAGE.get(language)
    return () if known is None else known.labels
