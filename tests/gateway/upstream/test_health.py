"""A deployment that fails is asked last for a while, and longer each time."""

from __future__ import annotations

from gateway.upstream.health import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, Health


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deployment_that_failed_is_left_out_until_its_pause_is_over() -> None:
    clock = Clock()
    health = Health(clock)
    assert health.good(["east", "west"]) == ["east", "west"]
    health.failed("east")
    assert health.good(["east", "west"]) == ["west"]
    clock.now += PAUSE_SECONDS
    assert health.good(["east", "west"]) == ["east", "west"]


def test_where_all_have_failed_all_are_asked() -> None:
    health = Health(Clock())
    health.failed("east")
    health.failed("west")
    assert health.good(["east", "west"]) == ["east", "west"]


def test_each_failure_in_a_row_doubles_the_pause_up_to_a_bound() -> None:
    clock = Clock()
    health = Health(clock)
    pauses = []
    for _ in range(8):
        health.failed("east")
        start = clock.now
        while health.good(["east", "west"]) == ["west"]:
            clock.now += 0.5
        pauses.append(clock.now - start)
    assert pauses == [PAUSE_SECONDS * 2**n for n in range(5)] + [LONGEST_PAUSE_SECONDS] * 3


def test_failures_at_the_same_time_count_once() -> None:
    clock = Clock()
    health = Health(clock)
    for _ in range(50):
        health.failed("east")
    clock.now += PAUSE_SECONDS
    assert health.good(["east", "west"]) == ["east", "west"]


def test_a_failure_long_after_the_last_begins_anew() -> None:
    clock = Clock()
    health = Health(clock)
    health.failed("east")
    clock.now += 10 * PAUSE_SECONDS
    health.failed("east")
    clock.now += PAUSE_SECONDS
    assert health.good(["east", "west"]) == ["east", "west"]
