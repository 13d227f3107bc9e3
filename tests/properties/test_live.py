"""What goes out as it comes is what masking the whole text gives, however the text is cut (decision 0022).

Each property was shown failing: the mutants are at the end.
"""

from __future__ import annotations

import statistics
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails import cuts as rule
from guardrails import live
from guardrails.findings import Finding
from guardrails.horizon import Horizon
from guardrails.live import MaskStream
from guardrails.tokens import Tokens
from guardrails.vault import Restorable
from tests.kit import policy
from tests.properties.living import PIECES, SPACES, VALUES, Living, bound, check, cuts, hurting, prose, strict

LIVING = strict()
PLAIN = Living(policy())
ENCODED = b64encode(b"They say that you can write to whom you want. " * 20 + b"To grace.hopper@example.com").decode()
WRAPPED = "See this:\n" + "\n".join(ENCODED[at : at + 10] for at in range(0, len(ENCODED), 10)) + " and the rest. " * 20
WORDS = "so we go on with other words now " * 40
TEXTS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(SPACES)), max_size=40).map(
    lambda pairs: "".join(piece + space for piece, space in pairs)
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_the_pieces_joined_are_the_whole_text_masked(text: str, random: Random) -> None:
    """Also: nothing that was sent at any time has a part of a masked value in it."""
    check(LIVING, text, cuts(random, text))


@pytest.mark.parametrize("seed", range(30))
def test_so_they_are_for_texts_of_pieces_that_hurt(seed: int) -> None:
    random = Random(seed)
    text = hurting(random)
    check(LIVING, text, cuts(random, text))


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_the_client_had_sent_comes_back_and_the_rest_is_masked(random: Random) -> None:
    values: dict[str, str] = {}
    for value in VALUES[:2]:
        values[Tokens(b"a" * 32, "angle").make("EMAIL_ADDRESS", value, values)] = value
    spaced = [f"< {token[1:-1].replace('_', ' ').lower()} >" for token in values]  # as models write them
    words = [*values, *spaced, *VALUES, "see", "https://x.example/?q=", "the", "end."]
    text = " ".join(random.choice(words) for _ in range(40))
    check(LIVING, text, cuts(random, text), Restorable(values))


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_more_is_held_than_the_bound(random: Random) -> None:
    text = prose(random)
    places = cuts(random, text)
    assert max(LIVING.stream(text, places).held) <= bound(LIVING, text, places)


@pytest.mark.parametrize("step", [1, 4, 20])
def test_half_of_the_time_no_more_than_128_characters_are_held(step: int) -> None:
    text = prose(Random(1), 400)
    assert statistics.median(LIVING.stream(text, range(step, len(text), step)).held) <= 128


@pytest.mark.parametrize(
    "run", ["x" * 20_000, "QUJD" * 5_000, "12 " * 3_000, "\\n " * 3_000, "-----BEGIN PRIVATE KEY-----\n" * 300]
)
def test_a_run_that_cannot_be_cut_costs_no_more_than_its_length(run: str) -> None:
    """However long it is, it is examined a bounded number of times: an eighth more has to come first."""
    streamed = check(LIVING, f"before {run} after", range(20, len(run), 20))
    assert streamed.asked < 30 * len(run) + 60 * 2_000


@pytest.mark.parametrize("run", ["12 " * 3_000, "word\n" * 2_000, " " * 5_000, "\\n " * 3_000])
def test_a_run_that_cannot_be_cut_is_not_looked_at_with_every_piece(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of words, one on a line, is one of these: to look for a cut in all of it each time would be quadratic."""
    looked = 0

    def counting(text: str, base: int, findings: Sequence[Finding] | None, bounds: Horizon) -> int:
        nonlocal looked
        looked += len(text) - base
        return rule.cut(text, base, findings, bounds)

    monkeypatch.setattr(live, "cut", counting)
    check(LIVING, f"before {run} after", range(3, len(run), 3))
    assert looked < 40 * len(run)


def test_the_cost_of_a_long_text_grows_with_its_length() -> None:
    text = prose(Random(2), 300)
    once, twice = (LIVING.stream(many, range(20, len(many), 20)).asked for many in (text * 2, text * 4))
    assert twice < 2.2 * once


def test_lines_of_base64_are_one_run() -> None:
    check(LIVING, WRAPPED, range(20, len(WRAPPED), 20))


BREAKS = ("\n", "\r\n", "\u2028", "\u2029", "\x85", "\\n", "\\r\\n", "&#10;", "%0A", "%0D%0A", "\\u000a")
BLANKS = (
    *("", " ", "\t", "\u00a0", "\u3000", "\x1c", "\x1f", "\u200b", "\u00ad", "\ufeff", "\u0301", "\u2800"),
    *("&#32;", "&nbsp;", "%20", "\\t", "&#x200b;"),
)
"""What ends a line, and what stands at its ends, as they are or in another reading: spaces, and what folding drops."""
WORDS_OF_A_LIST = ("apple", "Banana", "fig", "pear", "Nectarine", "plum", "watermelon", "kiwi", "as", "raspberry")


def lines_of(random: Random, *, mixed: bool) -> str:
    """base64 in lines, with anything between them that reads as the end of a line; `mixed`: another one each time."""
    width = random.choice([4, 10, 16, 20, 30])
    lines = [ENCODED[at : at + width] for at in range(len(ENCODED) - 40 * random.randint(2, 20), len(ENCODED), width)]
    text, between = "", ""
    for line in lines:
        if mixed or not between:
            around = [random.choice(BLANKS) for _ in range(random.randint(0, 3))]
            between = random.choice(["", "", "\u200b", " "]) + random.choice(BREAKS) + "".join(around)
        text += between + line
    return text


@pytest.mark.parametrize("separator", ["{}", "{}\u200b", "\u200b{}", "{} ", "{}\u00a0 ", "{}\t\u00ad", "{}&#32; "])
@pytest.mark.parametrize("ends", BREAKS)
def test_they_are_one_run_whatever_reads_as_the_end_of_a_line(ends: str, separator: str) -> None:
    lines = (ENCODED[-400:][at : at + 20] for at in range(0, 400, 20))
    text = f"See this:\n{separator.format(ends).join(lines)} {WORDS}"
    check(LIVING, text, range(7, len(text), 7))


@pytest.mark.parametrize("mixed", [False, True])
@settings(max_examples=12, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_so_they_are_with_anything_around_them(mixed: bool, random: Random) -> None:
    listed = "\n".join(random.choice(WORDS_OF_A_LIST) for _ in range(random.randint(0, 40)))
    parts = [lines_of(random, mixed=mixed), listed, prose(random, random.randint(1, 40))]
    random.shuffle(parts)
    text = f"{random.choice(['', ' ', chr(10)]).join(parts)} {WORDS}"
    check(LIVING, text, cuts(random, text))


@pytest.mark.parametrize("seed", range(3))
def test_a_list_of_words_one_on_a_line_streams(seed: int) -> None:
    """It could be base64 by its letters. Words of one length in a row wait for the next that is longer."""
    random = Random(seed)
    text = "\n".join(random.choice(WORDS_OF_A_LIST) for _ in range(400))
    streamed = check(LIVING, text, range(4, len(text), 4))
    assert statistics.median(streamed.held) < 160


NEAR = r"""
    - use: secrets
    - use: patterns
      patterns: [{entity: EMPLOYEE_ID, regex: 'EMP-\d{6}', score: 0.2, context: [employee]}]
"""
HIDING = Living(policy(detect="  fold: true\n  decode: [percent, html, json]\n", modules=NEAR))
SAID = "employee and then that was all for us to see it in here now"


def spread(text: str) -> str:
    """A text whose letters take eleven characters each."""
    return "".join(letter + "\u200b" * 10 if letter != " " else " " for letter in text)


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" if letter != " " else " " for letter in text)


@pytest.mark.parametrize("write", [spread, escaped])
@pytest.mark.parametrize("size", [1, 23])
def test_words_of_context_count_however_long_they_are_written(write: Callable[[str], str], size: int) -> None:
    """What looks 80 characters around sees 80 of the text as it reads."""
    for text in (
        f"{WORDS}{write(SAID)} EMP-123456 {WORDS}",
        f"{WORDS}EMP-123456 {write(' '.join(SAID.split()[::-1]))} {WORDS}",
    ):
        assert "EMP" not in HIDING.whole(text).replace("EMPLOYEE_ID", "")
        check(HIDING, text, range(size, len(text), size))


@pytest.mark.parametrize("dash", ["\\u002d", "%2d", "\uff0d"])
def test_a_private_key_in_another_reading_is_held_to_its_end(dash: str) -> None:
    lines = "MIIEvQIBADANBgkqhkiG9w0B\\/AQ\uff21\n" * 40
    text = f"{WORDS}{dash}----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n{WORDS}"
    assert "MII" not in HIDING.whole(text)
    check(HIDING, text, range(7, len(text), 7))


@pytest.mark.parametrize(
    "entity", ["EMAIL_ADDRESS", "OUR_OWN_LONG_CUSTOMER_ID_OF_A_BANK", "_".join("ABCDEFGHIJKLMNOPQRST")]
)
@pytest.mark.parametrize("size", [1, 23])
def test_a_token_with_spaces_is_held_to_its_end_however_many_it_has(entity: str, size: int) -> None:
    token = Tokens(b"a" * 32, "angle").make(entity, "x17", {})
    spaced = f"<   {entity.replace('_', ' ').lower()} {token.rpartition('_')[2][:-1]}   >"
    text = f"{WORDS}{spaced} {WORDS}"
    known = Restorable({token: "x17"})
    assert "x17" in PLAIN.whole(text, known)
    check(PLAIN, text, range(size, len(text), size), known)


# The mutants


def differs(living: Living, seeds: range = range(150)) -> bool:
    """Whether any of some texts does not come out as the whole text masked."""
    for seed in seeds:
        random = Random(seed)
        text = hurting(random)
        try:
            check(living, text, cuts(random, text))
        except AssertionError:
            return True
    return False


def test_without_words_to_follow_the_cuts_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a cut needs nothing after it."""
    monkeypatch.setattr(LIVING, "bounds", _with(words=0, after=0))
    assert differs(LIVING)


def test_cutting_what_was_found_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what is found over a cut does not matter."""
    monkeypatch.setattr(rule, "_crossed", lambda _findings: ())
    assert differs(LIVING)


def test_cutting_runs_of_numbers_and_lines_of_base64_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a cut may be at any white space."""
    monkeypatch.setattr(rule, "_together", lambda _text, _gap, _bounds: False)
    with pytest.raises(AssertionError):
        check(LIVING, WRAPPED, range(20, len(WRAPPED), 20))


def test_cutting_runs_that_only_another_reading_shows_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: only the text as it is written has runs."""
    real = rule._views
    monkeypatch.setattr(rule, "_views", lambda text, bounds: real(text, replace(bounds, base64=False)))
    with pytest.raises(AssertionError):
        test_they_are_one_run_whatever_reads_as_the_end_of_a_line("\u2028", "{} ")


def test_cutting_a_list_where_the_decoder_does_not_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: every line break divides."""
    monkeypatch.setattr(rule, "list_breaks", lambda _text, start, end: [(start, end)])
    with pytest.raises(AssertionError):
        check(LIVING, WRAPPED, range(20, len(WRAPPED), 20))


def test_forgetting_private_keys_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the beginning of a private key holds nothing back."""
    monkeypatch.setattr(rule, "_keys", lambda _text, _base, _bounds: ())
    assert differs(LIVING)


def test_beginning_in_the_middle_of_what_went_before_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what went by is not looked at again, so context words are missing."""
    monkeypatch.setattr(live, "beginning", lambda _text, base, _bounds: base)
    assert differs(LIVING)


def test_sending_what_is_held_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: everything goes out with every question."""
    monkeypatch.setattr(live, "cut", lambda text, _base, _findings, _bounds: len(text))
    assert differs(LIVING)


def test_holding_everything_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: nothing goes out before the end."""
    monkeypatch.setattr(MaskStream, "question", _only_at_the_end(MaskStream.question))
    text = prose(Random(3))
    assert max(LIVING.stream(text, range(20, len(text), 20)).held) > bound(LIVING, text, range(20, len(text), 20))


def _only_at_the_end(real: object) -> object:
    def question(self: MaskStream, *, final: bool) -> str | None:
        return real(self, final=True) if final else None  # type: ignore[operator]

    return question


def _with(**changed: int) -> object:
    return replace(LIVING.bounds, **changed)  # type: ignore[arg-type]
