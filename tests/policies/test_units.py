"""Durations and sizes: what is accepted, in which unit, and that refusals repeat nothing."""

from __future__ import annotations

import pytest

from policies.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("24h", 86400.0),
        ("7d", 604800.0),
        ("2 s", 2.0),
        (" 2s ", 2.0),
        (3, 3.0),
        (0.25, 0.25),
        (0, 0.0),
    ],
)
def test_a_duration_is_read_as_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *("", "2", "s", "2 parsecs", "-2s", "2S", "2s2s", "٢s", "1e3s", "9" * 5000 + "s"),
        *(-1, True, None, [], {}, float("nan"), float("inf")),
    ],
)
def test_what_is_no_duration_is_refused_and_not_repeated(written: object) -> None:
    with pytest.raises(ValueError, match="must be a duration") as refusal:
        parse_duration(written)
    assert str(refusal.value) == "must be a duration such as 500ms, 2s, 5m, 24h or 7d"


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("4096", 4096),
        ("10B", 10),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("8MiB", 8 * 1024**2),
        ("1GiB", 1024**3),
        ("1kB", 1000),
        ("1.5MB", 1_500_000),
        ("1 GB", 10**9),
        (1, 1),
        (0, 0),
    ],
)
def test_a_size_is_read_as_bytes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MiB", "-1", "8 potatoes", "8iB", "9" * 5000, -1, 1.5, True, None, [], {}])
def test_what_is_no_size_is_refused_and_not_repeated(written: object) -> None:
    with pytest.raises(ValueError, match="must be a size") as refusal:
        parse_size(written)
    assert str(refusal.value) == "must be a size such as 4096, 64KiB, 8MiB or 1GB"
