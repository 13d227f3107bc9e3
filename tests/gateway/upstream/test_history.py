"""What only the gateway knows of a conversation is said again, from where the provider knows it on."""

from __future__ import annotations

from gateway.upstream import history
from gateway.upstream.history import History


def test_what_was_said_is_said_again_in_order() -> None:
    kept = History()
    kept.keep("b", "a", ["2"], 1)
    kept.keep("c", "b", ["3", "4"], 1)
    kept.keep("x", None, ["9"], 1)
    assert kept.before("c") == ("a", ["2", "3", "4"])
    assert kept.before("b") == ("a", ["2"])
    assert kept.before("x") == (None, ["9"])
    assert kept.before("unknown") == ("unknown", [])
    assert kept.before(None) == (None, [])


def test_a_provider_that_gives_an_id_twice_makes_no_circle() -> None:
    kept = History()
    for number in range(5):
        kept.keep("same", "same", [number], 1)
    assert kept.before("same") == ("same", [0, 1, 2, 3, 4])
    kept = History()
    kept.keep("a", None, ["1"], 1)
    kept.keep("b", "a", ["2"], 1)
    kept.keep("a", "b", ["3"], 1)
    assert kept.before("a") == (None, ["1", "2", "3"])
    assert kept.before("b")[1][-1] == "2"


def test_forks_do_not_see_each_other() -> None:
    kept = History()
    kept.keep("a", None, ["1"], 1)
    kept.keep("b", "a", ["2"], 1)
    kept.keep("c", "a", ["3"], 1)
    assert (kept.before("b")[1], kept.before("c")[1]) == (["1", "2"], ["1", "3"])


def test_the_oldest_are_forgotten_first() -> None:
    kept = History()
    for number in range(history.MAX_RESPONSES + 1):
        kept.keep(f"r{number}", None, [number], 1)
    assert kept.before("r0") == ("r0", [])
    assert kept.before("r1") == (None, [1])
    kept.keep("large", None, ["a"], history.MAX_BYTES)
    assert kept.before("r256") == ("r256", [])
    assert kept.before("large") == (None, ["a"])
    kept.keep("large", None, ["b"], 1)
    kept.keep("small", None, ["c"], 1)
    assert kept.before("large") == (None, ["b"])
