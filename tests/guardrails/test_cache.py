"""What a text was found to hold is remembered, for its tenant and policy only, within bounds, without the text."""

from __future__ import annotations

import pytest

from guardrails.cache import FindingsCache
from guardrails.findings import Finding

FOUND = (Finding(0, 16, "EMAIL_ADDRESS", 1.0, "presidio"),)
TEXT = "john@example.com is the address"


def test_a_text_that_was_put_is_found_again() -> None:
    cache = FindingsCache(4)
    cache.put(cache.key("p", "acme", TEXT), FOUND)
    assert cache.get(cache.key("p", "acme", TEXT)) == FOUND
    assert (cache.hits, cache.misses) == (1, 0)


def test_a_text_without_findings_is_remembered_as_such_and_differs_from_an_unknown_one() -> None:
    cache = FindingsCache(4)
    cache.put(cache.key("p", "acme", TEXT), ())
    assert cache.get(cache.key("p", "acme", TEXT)) == ()
    assert cache.get(cache.key("p", "acme", "unknown")) is None
    assert (cache.hits, cache.misses) == (1, 1)


@pytest.mark.parametrize(
    ("policy", "tenant", "text"),
    [
        pytest.param("q", "acme", TEXT, id="another-policy"),
        pytest.param("p", "other", TEXT, id="another-tenant"),
        pytest.param("p", "acme", TEXT + ".", id="another-text"),
        pytest.param("pa", "cme", TEXT, id="the-same-letters-divided-otherwise-before-the-tenant"),
        pytest.param("p", "acmej", TEXT[1:], id="the-same-letters-divided-otherwise-before-the-text"),
    ],
)
def test_an_entry_answers_for_its_own_policy_tenant_and_text_only(policy: str, tenant: str, text: str) -> None:
    cache = FindingsCache(4)
    cache.put(cache.key("p", "acme", TEXT), FOUND)
    assert cache.get(cache.key(policy, tenant, text)) is None


def test_the_entry_used_longest_ago_goes_first() -> None:
    cache = FindingsCache(2)
    for text in "ab":
        cache.put(cache.key("p", "t", text), ())
    cache.get(cache.key("p", "t", "a"))
    cache.put(cache.key("p", "t", "c"), ())
    assert [cache.get(cache.key("p", "t", text)) is not None for text in "abc"] == [True, False, True]
    assert len(cache) == 2


def test_putting_a_text_twice_counts_its_findings_once() -> None:
    cache = FindingsCache(4, max_findings=2)
    cache.put(cache.key("p", "t", "a"), FOUND)
    for _ in range(5):
        cache.put(cache.key("p", "t", "b"), FOUND)
    assert len(cache) == 2


def test_the_number_of_findings_is_bounded_too_and_one_text_over_the_bound_is_not_kept() -> None:
    cache = FindingsCache(10, max_findings=3)
    for text in "abcd":
        cache.put(cache.key("p", "t", text), FOUND)
    assert len(cache) == 3
    cache.put(cache.key("p", "t", "e"), FOUND * 4)
    assert len(cache) == 0
    cache.put(cache.key("p", "t", "f"), FOUND * 3)
    assert cache.get(cache.key("p", "t", "f")) == FOUND * 3


def test_a_cache_of_no_entries_remembers_nothing() -> None:
    cache = FindingsCache(0)
    cache.put(cache.key("p", "t", TEXT), FOUND)
    assert cache.get(cache.key("p", "t", TEXT)) is None


def test_clearing_forgets_everything_and_frees_the_bounds() -> None:
    cache = FindingsCache(4, max_findings=1)
    cache.put(cache.key("p", "t", TEXT), FOUND)
    cache.clear()
    assert cache.get(cache.key("p", "t", TEXT)) is None
    cache.put(cache.key("p", "t", "a"), FOUND)
    assert len(cache) == 1


def test_neither_the_text_nor_an_unkeyed_hash_of_it_is_kept() -> None:
    one, other = FindingsCache(4), FindingsCache(4)
    for cache in (one, other):
        cache.put(cache.key("p", "t", "536-22-1234"), FOUND)
    assert "536" not in repr(one._entries)
    assert set(one._entries).isdisjoint(other._entries)


def test_a_text_with_a_lone_surrogate_has_a_key() -> None:
    cache = FindingsCache(4)
    cache.put(cache.key("p", "t", "\ud800"), FOUND)
    assert cache.get(cache.key("p", "t", "\ud800")) == FOUND
    assert cache.get(cache.key("p", "t", "\ud801")) is None
