"""Durations and sizes as people write them in a YAML file: `2s`, `500ms`, `24h`; `8MiB`, `1.5GB`, `4096`.

Both parsers take any value, because they stand in front of unvalidated input, and neither repeats that value
in its error: a file that is not ours may hold anything.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
# At most 12 digits: no float or int conversion can overflow or become slow, and no sensible value is longer.
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([kmg]i?b|b|)", re.ASCII | re.IGNORECASE)

DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(ms|s|m|h|d)$"
"""What a written duration looks like, for editors (JSON Schema)."""


def parse_duration(value: object) -> float:
    """Return a duration in seconds. A bare number is already seconds.

    Raises:
        ValueError: it is no duration, or not a finite one; the message says how to write one.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return float(found[1]) * _SECONDS[found[2]]
    raise ValueError("must be a duration such as 500ms, 2s, 5m, 24h or 7d")


def parse_size(value: object) -> int:
    """Return a size in bytes, fractions rounded down. A bare whole number is already bytes.

    Raises:
        ValueError: it is no size; the message says how to write one.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        return int(float(found[1]) * _BYTES[found[2].lower()])
    raise ValueError("must be a size such as 4096, 64KiB, 8MiB or 1GB")
