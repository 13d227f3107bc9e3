"""Encoded text is seen decoded, at its place in the original, at a bounded and linear cost."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.decode import View, list_breaks, readings, views
from guardrails.errors import DetectionError

ALL = ("base64", "percent", "html", "json")
EMAIL, CARD, SSN = "john@example.com", "4111 1111 1111 1111", "536-22-1234"
LETTER = "Dear Ms Doe,\nplease write to john@example.com about card 4111 1111 1111 1111 (536-22-1234).\nThank you."


def b64(text: str, *, codec: str = "utf-8") -> str:
    return base64.b64encode(text.encode(codec)).decode()


def bare(text: str) -> str:
    return b64(text).rstrip("=")


def url_safe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def wrapped(text: str, width: int, line_break: str) -> str:
    encoded = b64(text)
    return line_break.join(encoded[i : i + width] for i in range(0, len(encoded), width))


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def entities(text: str, pattern: str) -> str:
    return "".join(pattern.format(ord(character)) for character in text)


def hidden_tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(character)) for character in text)


def hidden_selectors(text: str) -> str:
    return "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode())


def seen(text: str, value: str, find: Callable[[str, Sequence[str]], Iterator[View]] = views) -> list[str]:
    """Return the parts of `text` in which a view shows `value`."""
    found = []
    for view in find(text, ALL):
        at = view.text.find(value)
        if at >= 0:
            start, end = view.span(at, at + len(value))
            assert view.start <= start < end <= view.end <= len(text)
            found.append(text[start:end])
    return found


OPAQUE = [
    pytest.param(b64(EMAIL), EMAIL, id="base64-of-an-email"),
    pytest.param(b64(SSN), SSN, id="base64-of-an-ssn"),
    pytest.param(bare(SSN), SSN, id="base64-of-an-ssn-without-padding"),
    pytest.param(bare(LETTER), EMAIL, id="base64-without-padding"),
    pytest.param(url_safe("who? ~~~ >>> ÿ¿ " + LETTER), EMAIL, id="base64-url-safe"),
    pytest.param(b64("who? ~~~ >>> ÿ¿ " + LETTER), EMAIL, id="base64-with-plus-and-slash"),
    pytest.param(wrapped(LETTER * 3, 76, "\n"), EMAIL, id="base64-wrapped-at-76"),
    pytest.param(wrapped(LETTER * 3, 64, "\r\n"), EMAIL, id="base64-wrapped-at-64-crlf"),
    pytest.param(wrapped(LETTER, 7, "\n"), EMAIL, id="base64-wrapped-at-7"),
    pytest.param(wrapped(LETTER * 2, 60, "\n    "), EMAIL, id="base64-wrapped-and-indented"),
    pytest.param(b64("Пётр Иванов, Санкт-Петербург, john@example.com"), EMAIL, id="base64-of-russian"),
    pytest.param(b64(LETTER, codec="utf-16-le"), EMAIL, id="base64-of-utf-16-little-endian"),
    pytest.param(b64(LETTER, codec="utf-16-be"), EMAIL, id="base64-of-utf-16-big-endian"),
    pytest.param(b64("Пётр " + EMAIL + " é")[:-4] + "w", EMAIL, id="base64-cut-off-in-the-middle"),
    pytest.param(bare(json.dumps({"sub": EMAIL, "iat": 1})), EMAIL, id="base64-of-json"),
    pytest.param(b64(b64(LETTER)), EMAIL, id="base64-of-base64"),
    pytest.param(b64(b64(b64(LETTER))), EMAIL, id="base64-of-base64-of-base64"),
    pytest.param(b64(percent(EMAIL)), EMAIL, id="base64-of-percent"),
    pytest.param(b64(quote(escape(LETTER, quote=True).replace("@", "&#64;"))), EMAIL, id="base64-of-percent-of-html"),
    pytest.param(b64(json.dumps(LETTER).replace("@", "\\u0040")), EMAIL, id="base64-of-json-escapes"),
]


@pytest.mark.parametrize(("run", "value"), OPAQUE)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "", id="alone"),
        pytest.param("see ", " please", id="in-a-sentence"),
        pytest.param('{"data":"', '"}', id="in-json"),
        pytest.param("data:text/plain;charset=utf-8;base64,", ")", id="in-a-data-url"),
        pytest.param("Authorization: Basic ", "\n\nHost: x", id="in-a-header"),
        pytest.param("https://x.example.com/?token=", "&b=c", id="in-a-query"),
        pytest.param("é “", "”", id="between-other-than-ascii"),
    ],
)
def test_a_value_inside_a_base64_run_stands_for_the_whole_run(run: str, value: str, before: str, after: str) -> None:
    assert run in seen(before + run + after, value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"https://x.example.com/users/{url_safe(EMAIL)}/edit", id="a-part-of-a-path"),
        pytest.param(f"{b64('x' * 16)}{b64(LETTER)}", id="after-padding"),
        pytest.param(f"prefix_{url_safe(LETTER)}", id="after-a-prefix-that-shifts-it"),
        pytest.param(f"token\n{wrapped(LETTER * 2, 76, chr(10))}\nThanks", id="between-lines-of-words"),
        pytest.param("\n".join(f"word{i}" * 3 for i in range(40)) + f"\n{bare(EMAIL)}", id="a-line-in-a-list"),
        pytest.param(
            ".".join(map(url_safe, ['{"alg":"HS256"}', json.dumps({"sub": EMAIL}), "x" * 40])), id="json-web-token"
        ),
        pytest.param(f"data:image/svg+xml;base64,{b64(f'<svg><text>{EMAIL}</text></svg>')}", id="svg-image"),
    ],
)
def test_base64_is_found_in_surroundings_of_the_same_alphabet(text: str) -> None:
    assert seen(text, EMAIL)


LOCAL = [
    pytest.param("john%40example.com", EMAIL, id="percent-at-sign"),
    pytest.param("john%40example%2ecom", EMAIL, id="percent-lower-case"),
    pytest.param(percent(EMAIL), EMAIL, id="percent-every-character"),
    pytest.param("4111%201111%201111%201111", CARD, id="percent-spaces"),
    pytest.param("J%C3%B6rg@example.com", "Jörg@example.com", id="percent-utf-8"),
    pytest.param("J%F6rg@example.com", "Jörg@example.com", id="percent-latin-1"),
    pytest.param("john%2540example.com", EMAIL, id="percent-twice"),
    pytest.param("john%252540example.com", EMAIL, id="percent-three-times"),
    pytest.param("john%u0040example.com", EMAIL, id="percent-u"),
    pytest.param("john&#64;example.com", EMAIL, id="html-decimal"),
    pytest.param("john&#0000064;example.com", EMAIL, id="html-decimal-with-zeros"),
    pytest.param("john&#64example.com", EMAIL, id="html-decimal-without-semicolon"),
    pytest.param("john&#x40;example.com", EMAIL, id="html-hexadecimal"),
    pytest.param("john&#X40;example&#X2E;com", EMAIL, id="html-hexadecimal-capital"),
    pytest.param("john&commat;example&period;com", EMAIL, id="html-names"),
    pytest.param("4111&nbsp;1111&nbsp;1111&nbsp;1111", CARD.replace(" ", "\xa0"), id="html-no-break-space"),
    pytest.param("john&amp;#64;example.com", EMAIL, id="html-twice"),
    pytest.param(entities(EMAIL, "&#{};"), EMAIL, id="html-every-character"),
    pytest.param(entities(EMAIL, "&#x{:x}"), EMAIL, id="html-every-character-hexadecimal-without-semicolon"),
    pytest.param("john\\u0040example.com", EMAIL, id="json-u"),
    pytest.param(entities(EMAIL, "\\u{:04x}"), EMAIL, id="json-every-character"),
    pytest.param("john\\\\u0040example.com", EMAIL, id="json-twice"),
    pytest.param("john\\x40example.com", EMAIL, id="json-x"),
    pytest.param("john\\u{40}example.com", EMAIL, id="json-u-in-braces"),
    pytest.param("john\\U00000040example.com", EMAIL, id="json-capital-u"),
    pytest.param("12\\/31\\/1999", "12/31/1999", id="json-slash"),
    pytest.param("x\\ud83d\\ude00@example.com", "x😀@example.com", id="json-surrogates"),
    pytest.param("john%26%2364%3Bexample.com", EMAIL, id="html-in-percent"),
    pytest.param("john&#37;40example.com", EMAIL, id="percent-in-html"),
    pytest.param("john\\u002540example.com", EMAIL, id="percent-in-json"),
    pytest.param("j%6Fhn&#64;ex\\u0061mple.com", EMAIL, id="all-three-side-by-side"),
]


@pytest.mark.parametrize(("written", "value"), LOCAL)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "", id="alone"),
        pytest.param("please write to ", " today", id="in-a-sentence"),
        pytest.param("https://x.example.com/?q=a&e=", "&b=c", id="in-a-url"),
        pytest.param('{"a": "', '", "b": 1}', id="in-json"),
        pytest.param("é😀 " * 80, " end" * 80, id="far-inside"),
    ],
)
def test_a_value_written_with_escapes_is_found_at_exactly_its_own_characters(
    written: str, value: str, before: str, after: str
) -> None:
    assert written in seen(before + written + after, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("card 4111 1111&nbsp;1111 1111 ok", "4111 1111\xa01111 1111", id="html"),
        pytest.param("card 4111 1111%201111 1111 ok", CARD, id="percent"),
        pytest.param("card 4111 1111\\u00201111 1111 ok", CARD, id="json"),
    ],
)
def test_a_value_only_partly_inside_the_escaped_word_is_seen_whole(text: str, value: str) -> None:
    assert seen(text, value) == [text[5:-3]]


def test_base64_beside_an_escape_is_shown_once() -> None:
    assert seen(f"https://x.example.com/?a=%2F&token={b64(LETTER)}&b=%252F", EMAIL) == [b64(LETTER)]


def test_an_escaped_new_line_before_a_value_is_not_part_of_it() -> None:
    assert seen('{"note": "call\\njohn@example.com\\tnow"}', EMAIL) == [EMAIL]


def test_json_inside_json_inside_json_is_peeled() -> None:
    text = json.dumps({"a": json.dumps({"b": json.dumps({"c": 'John "J" Doe\tjohn@example.com'})})})
    assert any('John "J" Doe\tjohn@example.com' in view.text for view in views(text, ALL))


@pytest.mark.parametrize("write", [hidden_tags, hidden_selectors], ids=["tag-characters", "variation-selectors"])
def test_text_in_invisible_characters_is_seen_whatever_the_decoders(write: Callable[[str], str]) -> None:
    text = f"hello 😀{write(EMAIL)} there"
    shown = [view for view in views(text, ()) if view.text == EMAIL]
    assert [text[slice(*view.span(0, len(EMAIL)))] for view in shown] == [write(EMAIL)]


def test_flags_and_emoji_hide_no_text() -> None:
    assert list(views("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ❤️❤️❤️ 4️⃣", ALL)) == []


@pytest.mark.parametrize(
    ("decoder", "text"),
    [("base64", b64(LETTER)), ("percent", "john%40x"), ("html", "john&#64;x"), ("json", "john\\u0040x")],
)
def test_only_the_named_decoders_run(decoder: str, text: str) -> None:
    assert list(views(text, (decoder,)))
    assert list(views(text, tuple(set(ALL) - {decoder}))) == []


RANDOM = random.Random(7)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "Internationalization of responsibilities, notwithstanding counterrevolutionaries.", id="long-words"
        ),
        pytest.param("src/components/Button/internationalization.tsx and /usr/local/share/applications/x", id="paths"),
        pytest.param("get_user_account_by_identifier(HttpServletRequestWrapperFactory)", id="identifiers"),
        pytest.param(" ".join(f"{RANDOM.getrandbits(160):040x}" for _ in range(200)), id="hexadecimal"),
        pytest.param(" ".join(f"{RANDOM.getrandbits(53):018d}" for _ in range(200)), id="numbers"),
        pytest.param(" ".join(url_safe(chr(0)) + bare(chr(0)) for _ in range(9)), id="zeros"),
        pytest.param(
            " ".join("sk-" + base64.urlsafe_b64encode(RANDOM.randbytes(30)).decode() for _ in range(400)),
            id="random-ids",
        ),
        pytest.param(base64.b64encode(b"\x89PNG\r\n\x1a\n" + RANDOM.randbytes(60_000)).decode(), id="image"),
        pytest.param(base64.encodebytes(RANDOM.randbytes(30_000)).decode(), id="wrapped-image"),
        pytest.param("=" * 60 + "-" * 60 + "_" * 60 + "+" * 60 + "/" * 60 + "A" * 60, id="rulers"),
        pytest.param("AT&T, R&D, 100% & 5 %, a&b=c&d=e, C:\\dir\\Gone, \\d+\\s*, &nosuch; %zz \\q", id="lone-signs"),
        pytest.param("", id="empty"),
    ],
)
def test_what_is_not_encoded_text_gives_no_view(text: str) -> None:
    assert [view.text for view in views(text, ALL)] == []


def test_a_text_that_decodes_to_more_than_its_allowance_is_refused() -> None:
    text = b64(b64(b64("all work and no play " * 3000))) + "%41%2541%252541"
    with pytest.raises(DetectionError) as refused:
        list(views(text, ALL))
    assert "work" not in str(refused.value)


def test_a_text_encoded_three_times_over_is_not_refused() -> None:
    nested = LETTER * 200
    for _ in range(3):
        nested = json.dumps(nested)
    assert seen(nested, EMAIL)
    assert any(EMAIL in view.text for view in views(b64(b64(b64(LETTER * 200))), ALL))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("john\u200b&#64;example.com", id="invisible-beside-an-escape"),
        pytest.param("john&#6\u200b4;example.com", id="invisible-inside-an-escape"),
        pytest.param("john&#8203;@example.com", id="invisible-written-as-an-escape"),
        pytest.param("ｊｏｈｎ％４０ｅｘａｍｐｌｅ．ｃｏｍ", id="percent-in-full-width"),
        pytest.param("am9obkBl\u200beGFtcGxlLmNvbQ==", id="invisible-inside-base64"),
        pytest.param(b64("jo\u200bhn@example.com"), id="invisible-written-in-base64"),
        pytest.param("jo\u200bhn@example.com", id="invisible-alone"),
    ],
)
def test_readings_combine_folding_and_decoding_in_any_order(text: str) -> None:
    assert set(seen(f"to {text} now", EMAIL, readings)) == {text}


def test_readings_without_folding_are_the_views() -> None:
    text = "jo\u200bhn%40example.com"
    (reading,), (view,) = readings(text, ALL, folding=False), views(text, ALL)
    assert reading.text == view.text == "jo\u200bhn@example.com"


def test_a_text_that_neither_decodes_nor_folds_has_no_readings() -> None:
    assert list(readings("Plain text — with “typography” and ünïcödé.", ALL)) == []


def test_a_reading_shows_the_surroundings_of_a_change_and_not_the_whole_text() -> None:
    text = "word " * 2000 + "jo\u200bhn@example.com" + " word" * 2000
    (reading,) = readings(text, ALL)
    assert len(reading.text) < 400


def test_no_text_appears_in_the_repr_of_a_view() -> None:
    assert "john" not in repr(list(views("john%40example.com", ALL)))


ESCAPED = ["%", "%4", "%40", "%25", "&", "&#", "&#64", ";", "&amp;", "&lt", "\\", "\\u", "0040", "\\n", "\\ud800"]
BETWEEN = [" ", "\n", "\r\n", "=", "a", "é", "\u200b", "４", "/", "-", "x" * 20, " word" * 30]
PARTS = st.sampled_from([*ESCAPED, *BETWEEN, EMAIL, b64(EMAIL), bare(LETTER), hidden_tags(EMAIL)])


@settings(max_examples=50)
@given(st.lists(PARTS, max_size=25).map("".join))
def test_views_stay_inside_the_text_and_spans_are_monotone(text: str) -> None:
    total = 0
    for view in readings(text, ALL):
        total += len(view.text)
        assert 0 <= view.start < view.end <= len(text)
        spans = [view.span(i, i + 1) for i in range(0, len(view.text), 7)]
        assert all(view.start <= start < end <= view.end for start, end in spans)
        assert spans == sorted(spans)
    assert total <= 12 * len(text) + 4 * 65_536


@settings(max_examples=50)
@given(
    st.text("ab 1&%\\é@", max_size=40), st.lists(st.sampled_from([quote, escape, "json", b64]), min_size=1, max_size=3)
)
def test_any_text_encoded_up_to_three_times_is_shown(text: str, encoders: list[Callable[[str], str] | str]) -> None:
    value = f"<{EMAIL}> {text} end"
    written = value
    for encode in encoders:
        written = json.dumps(written)[1:-1] if isinstance(encode, str) else encode(written)
    assert written == value or any(EMAIL in view.text for view in views(written, ALL))


SIGNS = ["&", "%", "\\", "&a", "%40", "%25", "&#64;", "&#", "&#0", "&amp;lt;", "&" + "a" * 31, "\\u0040", "\\n", "\\\\"]
RUNS = ["a", "-", "\n", "abcdefghijklmnop\n", "a/a/a/a/a/a/a/a/ ", "aaaaaaaaaaaaaaaa=", "a\n   ", "Zm9v", "IDAw"]
MIXED = ["\ufe00", "\U000e0041", "%40" + "b" * 300, "%40 " + "b" * 90 + "\t", "Zm9vZm9v-", "a" * 14 + "\n "]


@pytest.mark.parametrize(
    "unit", [*SIGNS, *RUNS, *MIXED], ids=lambda unit: str(unit[:20].encode("unicode_escape").decode())
)
def test_decoding_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        started = time.perf_counter()
        for _ in readings(text, ALL):
            pass
        return time.perf_counter() - started

    short = min(seconds(2_500) for _ in range(3))
    assert min(seconds(20_000) for _ in range(2)) < 8 * 4 * short + 0.005


@pytest.mark.parametrize("between", ["\n\n", "\r\r", "\n \n", "\r\n\r\n", "\n\nsome/word\n\n"])
def test_what_stands_before_an_empty_line_does_not_hide_the_run_after_it(between: str) -> None:
    encoded = base64.b64encode(b"mail grace.hopper@example.com now").decode()
    assert "mail grace.hopper@example.com now" in [view.text for view in views(f"hello{between}{encoded}", ["base64"])]


# --- lists of words --------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.binary(min_size=1, max_size=300), st.integers(1, 80), st.sampled_from(["", "see: ", "a word\n", "base64,QUJ"])
)
def test_what_was_wrapped_to_one_width_is_never_divided(raw: bytes, width: int, before: str) -> None:
    run = base64.b64encode(raw).decode()
    text = before + "\n".join(run[at : at + width] for at in range(0, len(run), width)) + " after"
    assert list(list_breaks(text, 0, len(text))) == []


def test_lines_of_letters_alone_are_not_divided_where_they_have_one_width() -> None:
    text = "\n".join(["abcd"] * 30 + ["ab"])
    assert list(list_breaks(text, 0, len(text))) == []


def test_a_list_of_words_is_divided_where_one_is_longer_than_the_one_before() -> None:
    text = "fig\napple\nbanana\n  pear\ncherry\nplum"
    assert [text[high:] for _, high in list_breaks(text, 0, len(text))] == [
        "banana\n  pear\ncherry\nplum",
        "cherry\nplum",
    ]


@pytest.mark.parametrize(
    "text", ["fig\napple\nbananas2", "fig\nap\nbanana", "Fig\napPle\nbanana", "a b\napple\nbanana"]
)
def test_what_may_not_be_a_list_is_not_divided(text: str) -> None:
    assert list(list_breaks(text, 0, len(text))) == []


def test_base64_behind_a_list_of_words_is_read() -> None:
    listed = "\n".join(["fig", "apple", "banana", "pear", "cherry"] * 40)
    run = base64.b64encode(b"Write to ada.lovelace@example.com about it, please.").decode()
    text = f"{listed}\n" + "\n".join(run[at : at + 16] for at in range(0, len(run), 16))
    assert any("ada.lovelace@example.com" in view.text for view in views(text, ["base64"]))
