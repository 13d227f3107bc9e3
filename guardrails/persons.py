"""Who is meant by a part of a name: "Smith" in a text that also says "John Smith", and nobody else of that name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

ENTITY: Final = "PERSON"


def wholes(values: Iterable[str]) -> Mapping[str, str]:
    """Each value that is the first word or the end of exactly one longer one, and that longer one.

    `values` are the persons found in one text. Where two longer names fit, as "Smith" does to "John Smith" and to "Jane
    Smith", the text does not make clear who is meant, and the value is left out.
    """
    found = dict.fromkeys(values)
    longer: dict[str, set[str]] = {}
    for value in found:
        words = value.split()
        for part in {words[0], *(" ".join(words[at:]) for at in range(1, len(words)))} if len(words) > 1 else ():
            longer.setdefault(part, set()).add(value)
    # "Smith" ends "Michael Smith", too, but that is itself a part of "John Michael Smith".
    longest = {value: {whole for whole in longer.get(value, ()) if whole not in longer} for value in found}
    return {value: next(iter(fitting)) for value, fitting in longest.items() if len(fitting) == 1}
