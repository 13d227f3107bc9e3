"""However a text is cut, what comes out joined is the whole text restored, and nothing waits longer than it must."""

from __future__ import annotations

import json
import tracemalloc
from random import Random

import pytest

from guardrails.links import LOOK_BACK
from guardrails.restore import Restorer
from guardrails.stream import RestoreStream
from guardrails.tokens import MAX_ENTITY, grammar
from guardrails.vault import EMPTY, Restorable

EMAIL = "ada.lovelace@example.com"
TOKEN, NEAR, OTHER = "<EMAIL_ADDRESS_k7x2m5qa>", "<EMAIL_ADDRESS_k7x2m5qab>", "<PERSON_aaaaaaaa>"
KNOWN = Restorable({TOKEN: EMAIL, NEAR: "grace.hopper@example.com", OTHER: 'Ada "A." L\\'})
RESTORER = Restorer(grammar("angle"), urls=False)

TEXTS = {
    "a token": f"Write to {TOKEN}.",
    "tokens side by side": f"{TOKEN}{OTHER}{NEAR}{TOKEN}",
    "a token at the end": f"to {TOKEN}",
    "a token cut short at the end": f"to {TOKEN[:-1]}",
    "beginnings of tokens": "<EMAIL_ <EMAIL_ADDRESS_k7x2 <<EMAIL_ADDRESS_k7x2m5qb> <PERS",
    "a token within a beginning": f"<EMAIL_ADDRESS_{TOKEN}",
    "an invented token": "to <EMAIL_ADDRESS_zzzzzzzz> and <b>bold</b> a < b",
    "a link": f"see https://evil.example/?q={TOKEN} or {TOKEN}",
    "a link around two tokens": f"[x](https://evil.example/{OTHER}/{TOKEN}) {TOKEN}",
    "JSON": f'{{"to": "{TOKEN}", "who": ["{OTHER}"], "url": "https:\\/\\/e.example\\/{TOKEN}\\n{TOKEN}"}}',
}


def stream(known: Restorable = KNOWN, *, escape: bool = False) -> RestoreStream:
    return RestoreStream(RESTORER, known, escape=escape)


def joined(pieces: list[str], *, escape: bool = False) -> str:
    one = stream(escape=escape)
    return "".join([*map(one.feed, pieces), one.flush()])


@pytest.mark.parametrize("escape", [False, True], ids=["text", "JSON source"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_for_every_cut_the_pieces_joined_are_the_whole_restored(text: str, escape: bool) -> None:
    expected = RESTORER.whole(text, KNOWN, escape=escape)
    for cut in range(len(text) + 1):
        assert joined([text[:cut], text[cut:]], escape=escape) == expected
    for size in (1, 2, 3, 5, 7, 11, 50):
        assert joined([text[at : at + size] for at in range(0, len(text), size)], escape=escape) == expected


@pytest.mark.parametrize("seed", range(300))
def test_so_it_is_for_whatever_models_make_of_tokens(seed: int) -> None:
    """Names after emphasis, letters and `_`, and brackets that open and close nothing, however these follow."""
    random = Random(seed)
    text = "".join(random.choice([_variant, _sign])(random) for _ in range(random.randint(1, 12)))
    expected = RESTORER.whole(text, KNOWN)
    for size in (1, 2, 5, 20):
        assert joined([text[at : at + size] for at in range(0, len(text), size)]) == expected


def _variant(random: Random) -> str:
    token = random.choice([TOKEN, NEAR, OTHER])
    name, _, identity = token[1:-1].rpartition("_")
    between = random.choice(["_", " ", "*", "\\_", "\\*"])
    name = random.choice([str.lower, str.upper, str.title])(name).replace("_", between)
    opened, closed = random.choice(["<", "", "&lt;", "\\u003C"]), random.choice([">", "", "&gt;", "\\>"])
    inside = [random.choice(["", " ", "*", "**", "`", "***", "****"]) for _ in range(2)]
    whole = f"{opened}{inside[0]}{name}{between}{identity}{inside[1]}{closed}"
    return whole[: random.randint(1, len(whole))] if random.random() < 0.3 else whole


def _sign(random: Random) -> str:
    return random.choice(
        ["*", "**", "_", "__", "\\", "\\u", "&", "&l", "<", ">", " ", "\n", "a", "a_", "email_", "x*", "``"]
    )


def test_the_texts_above_can_show_a_mistake() -> None:
    changed = [name for name, text in TEXTS.items() if RESTORER.whole(text, KNOWN) != text]
    assert len(changed) == len(TEXTS) - 2
    assert json.loads(joined(list(TEXTS["JSON"]), escape=True))["who"] == ['Ada "A." L\\']


def test_text_without_a_beginning_of_a_token_is_never_held_back() -> None:
    one = stream()
    for piece in ["Hello", " a < b", " <b>", "<EMAIL_ADDRESS_k7x2m5qz", "", "x" * 1000, "<" + "E" * MAX_ENTITY]:
        assert one.feed(piece) == piece
        assert not one.holding
    assert one.flush() == ""


def test_only_what_may_still_become_a_token_is_held_back() -> None:
    one = stream()
    assert one.feed("to <EMAIL_ADD") == "to "
    assert one.holding
    assert one.feed("RESS_k7x2m5qa") == ""
    assert one.feed("> and") == f"{EMAIL} and"
    assert not one.holding
    assert one.feed("<PER") == ""
    assert one.feed("FECT>") == "<PERFECT>", "it was none after all"


def test_a_token_that_begins_another_waits_for_nothing_more_once_it_is_closed() -> None:
    one = stream()
    assert one.feed(TOKEN) == EMAIL
    assert one.feed(TOKEN[:-1]) == ""
    assert one.feed("b>") == "grace.hopper@example.com"


def test_what_is_held_back_comes_with_the_end() -> None:
    one = stream()
    assert one.feed("x <") == "x "
    assert one.flush() == "<"
    assert not one.holding
    assert one.flush() == ""


def test_a_conversation_without_values_holds_nothing_back() -> None:
    one = stream(EMPTY)
    assert one.feed("<EMAIL_ADDRESS_k7x2") == "<EMAIL_ADDRESS_k7x2"
    assert one.feed("m5qa>") == "m5qa>"


def test_a_link_that_began_in_an_earlier_piece_is_still_a_link() -> None:
    one = stream()
    given = [one.feed(piece) for piece in ("https://evil", ".example", "/?q=", TOKEN[:9], TOKEN[9:], " ", TOKEN)]
    assert "".join(given) == f"https://evil.example/?q={TOKEN} {EMAIL}"


def test_a_very_long_link_is_still_a_link_in_small_pieces() -> None:
    text = "https://evil.example/" + "x" * (2 * LOOK_BACK) + TOKEN
    assert joined([text[at : at + 7] for at in range(0, len(text), 7)]) == text
    text = "https://evil.example/ " + "x y" * LOOK_BACK + " " + TOKEN
    assert joined([text[at : at + 7] for at in range(0, len(text), 7)]).endswith(EMAIL)


def test_a_stream_may_learn_new_values_while_it_runs() -> None:
    one = stream(EMPTY)
    assert one.feed(f"{TOKEN} ") == f"{TOKEN} "
    one.known = KNOWN
    assert one.feed(TOKEN[:5]) + one.feed(TOKEN[5:]) == EMAIL


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_what_went_by_is_not_kept_however_long_its_pieces_are(size: int) -> None:
    one = stream()
    tracemalloc.start()
    try:
        for number in range(1_000 if size else 100_000):
            one.feed(str(number) + " " * size if size else "")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000
