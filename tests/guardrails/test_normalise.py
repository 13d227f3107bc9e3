"""An obfuscated text folds to the plain one, and every place in it maps back to the original."""

from __future__ import annotations

import random
import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.normalise import CONTEXT, OffsetMap, fold, suspects, windows

EMAIL, CARD, SSN = "john@example.com", "4111 1111 1111 1111", "536-22-1234"


def shifted(text: str, **starts: int) -> str:
    """Write letters and digits of `text` with the alphabets that begin at `upper`, `lower` and `digit`."""
    firsts = {"upper": "A", "lower": "a", "digit": "0"}
    for kind, start in starts.items():
        count = 10 if kind == "digit" else 26
        text = text.translate({ord(firsts[kind]) + i: start + i for i in range(count)})
    return text


TECHNIQUES = [
    # invisible characters inside
    pytest.param("jo\u200bhn@exam\u200bple.com", EMAIL, id="zero-width-space"),
    pytest.param("jo\u200chn@exam\u200dple.com", EMAIL, id="zero-width-joiners"),
    pytest.param("4111 11\ufeff11 1111 1111", CARD, id="byte-order-mark"),
    pytest.param("536-22\u2060-1234", SSN, id="word-joiner"),
    pytest.param("jo\u00adhn@exam\u00adple.com", EMAIL, id="soft-hyphen"),
    pytest.param("j\ufe0fohn@ex\U000e0101ample.com", EMAIL, id="variation-selector"),
    pytest.param("\u202ejohn@example\u202c.com", EMAIL, id="bidi-override"),
    pytest.param("john\u200e@example\u200f.com\u2069", EMAIL, id="bidi-mark"),
    pytest.param("jo\U000e0068\U000e0069hn@example.com", EMAIL, id="tag-characters"),
    pytest.param("jo\u034fhn@example\u180e.com", EMAIL, id="grapheme-joiner-and-mongolian-separator"),
    pytest.param("jo\u3164hn@example\uffa0.com", EMAIL, id="hangul-filler"),
    pytest.param("536\x00-22-12\x0834", SSN, id="control-characters"),
    pytest.param("536-22-\u00801234", SSN, id="c1-control-characters"),
    pytest.param("john\x1b[1m@exam\x1b[0;31mple.com", EMAIL, id="ansi-colours"),
    # marks on top
    pytest.param("5\u03363\u03366-22-1234", SSN, id="struck-through"),
    pytest.param("j\u0301o\u0302\u0303hn@example.com", EMAIL, id="stacked-accents"),
    pytest.param("5\ufe0f\u20e336-22-1234", SSN, id="keycap-emoji"),
    # other forms of the same letter or digit
    pytest.param("".join(chr(ord(c) + 0xFEE0) for c in EMAIL), EMAIL, id="full-width-letters-at-and-dot"),
    pytest.param("".join(chr(ord(c) + 0xFEE0) for c in SSN), SSN, id="full-width-digits-and-hyphen"),
    pytest.param(shifted(EMAIL, lower=0x1D41A), EMAIL, id="mathematical-bold"),
    pytest.param(shifted(EMAIL, lower=0x1D68A), EMAIL, id="mathematical-monospace"),
    pytest.param(shifted("JOHN@EXAMPLE.COM", upper=0x1D4D0), "JOHN@EXAMPLE.COM", id="mathematical-script"),
    pytest.param(shifted(SSN, digit=0x1D7D8), SSN, id="mathematical-digits"),
    pytest.param(shifted(EMAIL, lower=0x24D0), EMAIL, id="circled-letters"),
    pytest.param(
        shifted("JOHN", upper=0x1F150) + shifted("DOE", upper=0x1F170), "JOHNDOE", id="black-circles-and-squares"
    ),
    pytest.param(shifted("JOHN", upper=0x1F130), "JOHN", id="squared-letters"),
    pytest.param("ᴊᴏʜɴ@ᴇxᴀᴍᴘʟᴇ.com", "JOHN@ExAMPLE.com", id="small-capitals"),
    pytest.param("ʲᵒʰⁿ@example.com", EMAIL, id="superscript-letters"),
    pytest.param("⁵³⁶-₂₂-¹²³⁴", SSN, id="superscript-and-subscript-digits"),
    pytest.param("①②③④❶❷➀➊", "12341211", id="circled-digits"),
    pytest.param("ﬁn@example.com", "fin@example.com", id="ligature"),
    pytest.param("ⅰⅴⅽⅾ@example.com", "ivcd@example.com", id="roman-numerals"),
    pytest.param("½", "1/2", id="fraction"),
    # digits of other scripts
    pytest.param(shifted(SSN, digit=0x660), SSN, id="arabic-indic-digits"),
    pytest.param(shifted(SSN, digit=0x6F0), SSN, id="persian-digits"),
    pytest.param(shifted(CARD, digit=0x966), CARD, id="devanagari-digits"),
    pytest.param(shifted(CARD, digit=0x9E6), CARD, id="bengali-digits"),
    pytest.param(shifted(CARD, digit=0xE50), CARD, id="thai-digits"),
    pytest.param(shifted(CARD, digit=0x1E950), CARD, id="adlam-digits"),
    # spaces
    *(
        pytest.param(
            CARD.replace(" ", chr(code)), CARD, id=f"space-{unicodedata.name(chr(code)).lower().replace(' ', '-')}"
        )
        for code in (0xA0, 0x1680, 0x2002, 0x2003, 0x2007, 0x2009, 0x200A, 0x202F, 0x205F, 0x3000, 0x2800)
    ),
    # dashes
    *(
        pytest.param(
            SSN.replace("-", chr(code)), SSN, id=f"dash-{unicodedata.name(chr(code)).lower().replace(' ', '-')}"
        )
        for code in (
            0x2010,
            0x2011,
            0x2012,
            0x2013,
            0x2014,
            0x2015,
            0x2043,
            0x2212,
            0x207B,
            0x58A,
            0xFE58,
            0xFE63,
            0x30FC,
            0x2796,
        )
    ),
    pytest.param("anne–marie@example.com", "anne-marie@example.com", id="en-dash-between-letters"),
    # dots, at signs, slashes
    pytest.param("john﹫example﹒com", EMAIL, id="small-at-and-dot"),
    pytest.param("john@example。com", EMAIL, id="ideographic-full-stop"),
    pytest.param("john@example｡com", EMAIL, id="half-width-ideographic-full-stop"),
    pytest.param("john@example․com", EMAIL, id="one-dot-leader"),
    pytest.param("john@example·com", EMAIL, id="middle-dot"),
    pytest.param("192•168•0•1", "192.168.0.1", id="bullet"),
    pytest.param("12⁄31∕1999", "12/31/1999", id="fraction-and-division-slash"),
    # look-alikes
    pytest.param("jоhn@ехаmрlе.соm", EMAIL, id="cyrillic-inside-latin-words"),
    pytest.param("јоһn@example.com", EMAIL, id="cyrillic-word-before-the-at-sign"),
    pytest.param("jοhn@exαmple.cοm", EMAIL, id="greek"),
    pytest.param("jօhn@example.cօm", EMAIL, id="armenian"),
    pytest.param("ᎪᏟᎷᎬ@example.com", "ACME@example.com", id="cherokee"),
    pytest.param("𝛂dmin@example.com", "admin@example.com", id="mathematical-greek"),
    pytest.param("ɑdmin@ɡmail.com", "admin@gmail.com", id="latin-extensions"),
    pytest.param("j\u0301о\u0301h\u0301n@example.com", EMAIL, id="accents-on-cyrillic"),
    pytest.param("jо\u200bһn@example。соm", EMAIL, id="several-at-once"),
]


@pytest.mark.parametrize(("obfuscated", "plain"), TECHNIQUES)
def test_an_obfuscated_text_folds_to_the_plain_one_wherever_it_stands(obfuscated: str, plain: str) -> None:
    assert fold(obfuscated).text == plain
    framed = fold(f"é: {obfuscated}, ok")
    assert framed.text == f"é: {plain}, ok"
    start, end = framed.span(3, 3 + len(plain))
    covered = f"é: {obfuscated}, ok"[start:end]
    assert fold(covered).text == plain
    assert covered.strip("\u202e\u2069") == obfuscated.strip("\u202e\u2069")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Plain ASCII, 4111 1111 1111 1111,\n\tand tabs.\r\n", id="ascii"),
        pytest.param("Là où l’été déjà passé, le garçon préfère manger à côté.", id="french"),
        pytest.param("Ünïcödé straße Škoda Łódź ığdır", id="latin-with-accents"),
        pytest.param("Быстрая лиса прыгнула через собаку, 2024 год. Ежёвый чай и йод.", id="russian"),
        pytest.param("Η γρήγορη αλεπού πήδηξε πάνω από το σκυλί.", id="greek"),
        pytest.param("и\u0306од и Việt Na\u0302m".replace("a\u0302", "â"), id="decomposed-cyrillic"),
        pytest.param("Հայերեն լեզու", id="armenian"),
        pytest.param("敏捷的棕色狐狸。跳过了懒狗", id="chinese"),
        pytest.param("コーヒーとケーキ", id="japanese-long-vowels"),
        pytest.param("한국어 문장", id="korean"),
        pytest.param("well — that is – to say… “quoted” ’tis", id="typography"),
        pytest.param("Windows™ • intel·ligència", id="trade-mark-bullet-and-catalan"),
        pytest.param("thumbs 👍 and 😀", id="emoji"),
        pytest.param("", id="empty"),
    ],
)
def test_a_plain_text_comes_back_as_the_same_object_with_the_same_offsets(text: str) -> None:
    folded = fold(text)
    assert folded.text is text
    assert folded.span(0, len(text)) == (0, len(text))


def test_a_span_covers_ignorables_inside_it_and_none_outside() -> None:
    folded = fold("\u200b\u200bjo\u200bhn\u200b")
    assert folded.text == "john"
    assert folded.span(0, 4) == (2, 7)
    assert folded.span(0, 2) == (2, 4)
    assert folded.span(2, 4) == (5, 7)


def test_a_span_that_touches_part_of_an_expanded_character_covers_all_of_it() -> None:
    folded = fold("a½b")
    assert [folded.span(start, start + 1) for start in range(5)] == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]


def test_a_combining_mark_belongs_to_the_character_before_it() -> None:
    folded = fold("4\u0336\u200b x")
    assert folded.span(0, 1) == (0, 2)


def test_an_empty_span_is_empty_in_the_original_too() -> None:
    folded = fold("a\u200bb")
    assert folded.span(1, 1) == (2, 2)
    assert fold("\u200b").span(0, 0) == (0, 0)
    assert OffsetMap().span(0, 0) == (0, 0)


def test_neither_text_appears_in_the_repr() -> None:
    assert "john" not in repr(fold("jo\u200bhn"))


PIECES = st.sampled_from([EMAIL, SSN, CARD, "a", "7", " ", ".", "-", "ab 12 "])
NOISE = ["\u200b", "\u00ad", "\ufe0f", "\U000e0041", "\u202e", "\ufeff", "\u0336", "\u0301\u0302", "\x00"]


@settings(max_examples=50)
@given(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.integers(0, 2**32))
def test_noise_between_any_characters_folds_away_and_every_span_maps_to_what_it_came_from(
    plain: str, seed: int
) -> None:
    chance = random.Random(seed)
    noisy: list[str] = []
    at: list[int] = []  # where each plain character stands in the noisy text
    length = 0
    for character in plain:
        extra = chance.choice(["", "", *NOISE]) if character != " " else ""
        variants = [character, chr(ord(character) + 0xFEE0)] if character > " " else [" ", "\u00a0", "\u3000"]
        noisy.append(chance.choice(variants) + extra)
        at.append(length)
        length += len(noisy[-1])
    folded = fold("".join(noisy))
    assert folded.text == plain
    start = chance.randrange(len(plain))
    end = chance.randint(start + 1, len(plain))
    low, high = folded.span(start, end)
    assert low == at[start]
    assert at[end - 1] < high <= at[end - 1] + len(noisy[end - 1])


HURTS = st.sampled_from(
    [*"aé@.1и½аο—–。·", "\u200b", "\u0301", "\u0336", "ﬁ", "\x1b[", "m", "\x1b", "４", "𝟒", "\U000e0041"]
)


@settings(max_examples=60)
@given(st.lists(HURTS, max_size=30).map("".join))
def test_spans_are_monotone_within_bounds_and_cover_what_folds_to_the_same_text(text: str) -> None:
    folded = fold(text)
    spans = [folded.span(i, i + 1) for i in range(len(folded.text))]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(left[0] <= right[0] and left[1] <= right[1] for left, right in pairwise(spans))
    if spans:
        assert folded.span(0, len(spans)) == (spans[0][0], spans[-1][1])
    if not set(text) & set("\x1b½ﬁ"):  # what they leave behind is read anew, together with its neighbours
        assert fold(folded.text).text == folded.text


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["ab", " ", "\n", "\t", "é", "x" * 40, " yz" * 40, "\u200b"]), max_size=40).map("".join)
)
def test_windows_are_ordered_disjoint_and_hold_the_whole_words_of_their_spans(text: str) -> None:
    spans = [(i, i + 1) for i, character in enumerate(text) if character == "\u200b"]
    found = list(windows(text, spans))
    assert [span for _, _, group in found for span in group] == spans
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    for low, high, group in found:
        assert low <= group[0][0] < group[-1][1] <= high
        assert low == 0 or text[low - 1] in " \n\t"
        assert high == len(text) or text[high] in " \n\t"


def test_a_window_shows_context_on_either_side() -> None:
    text = "word " * 100 + "\u200b" + " word" * 100
    ((low, high, _),) = windows(text, [(500, 501)])
    assert CONTEXT - 5 <= 500 - low <= CONTEXT
    assert CONTEXT - 5 <= high - 501 <= CONTEXT


@given(st.lists(HURTS, max_size=20).map("".join))
def test_a_text_that_folds_has_suspects(text: str) -> None:
    assert fold(text).text == text or list(suspects(text))


@pytest.mark.parametrize(
    "unit",
    [
        "4\u200b1",
        "а",
        "аa",
        "a.",
        "e\u0301",
        "\x1b[",
        "\x1b[1",
        "½",
        "𐤀",
        "a·",
        "٤",
        "\u0301",
        "é\u0301\u200b",
        "\u200b\u0301",
    ],
    ids=lambda unit: unit.encode("unicode_escape").decode(),
)
def test_folding_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = "é" + (unit * length)[:length]
        started = time.perf_counter()
        fold(text)
        return time.perf_counter() - started

    short = min(seconds(4_000) for _ in range(3))
    assert min(seconds(32_000) for _ in range(2)) < 8 * 4 * short + 0.005
