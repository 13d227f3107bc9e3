"""Of a text in pieces nothing is given while it may be a picture, and all of it when it is none."""

from __future__ import annotations

import base64
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.blobs import Opening, is_data_url

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8).decode()
WORDS = base64.b64encode(b"Dear Ada, this is a letter in plain text, and it is long enough. " * 40).decode()
PIECES = (
    *(
        "data:",
        "dat",
        "image/png",
        "image/svg+xml",
        ";base64,",
        "data:image/png;base64,",
        "data:application/pdf;base64,",
    ),
    *(
        PNG,
        PNG[:76],
        PNG[76:152],
        PNG[:61],
        PNG[:59],
        WORDS,
        WORDS[:76],
        "\r\n",
        "\n",
        "=",
        "==",
        " ",
        "-_",
        "words.",
        ",",
    ),
)


def cut(random: Random, text: str) -> list[str]:
    step = random.choice([1, 9, 300, 4000])
    return [text[at : at + step] for at in range(0, len(text), step)]


def read(pieces: list[str]) -> tuple[str, str, str]:
    """What is given of a text before its end, then at its end, and what is a picture."""
    opening = Opening()
    before = "".join(map(opening.feed, pieces))
    assert before + opening.kept == "".join(pieces)
    return before, *opening.flush()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.randoms(use_true_random=False))
def test_a_text_is_a_picture_or_all_of_it_is_given(text: str, random: Random) -> None:
    before, rest, picture = read(cut(random, text))
    assert (before, rest, picture) == ("", "", text) if is_data_url(text) else before + rest == text


@pytest.mark.parametrize("body", [PNG, "\n".join(PNG[at : at + 64] for at in range(0, len(PNG), 64)) + "\r\n  "])
def test_each_beginning_of_a_picture_is_kept(body: str) -> None:
    """So that none of it has gone out when it is one."""
    url = f"data:image/png;base64,{body}"
    for end in range(len(url)):
        assert Opening().feed(url[:end]) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("data of today", "data: this", "data:,x", "data:image/svg+xml;base64,", "Date"),
        *(f"data:image/png;base64,{PNG[:100]} and", "data:" + "x" * 130, f"data:application/pdf;base64,{WORDS[:1024]}"),
    ],
)
def test_what_can_be_no_picture_any_more_is_given_at_once(text: str) -> None:
    assert Opening().feed(text) == text


def test_what_follows_is_given_as_it_comes() -> None:
    opening = Opening()
    assert [opening.feed(piece) for piece in ("da", "ta", " and", " data:")] == ["", "", "data and", " data:"]
    assert opening.flush() == ("", "")


def test_a_picture_costs_no_more_than_its_length() -> None:
    start = time.perf_counter()
    read(["data:image/png;base64,", *(PNG for _ in range(3000))])
    assert time.perf_counter() - start < 10
