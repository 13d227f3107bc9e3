"""Under `delivery: live` masked texts stream, and every place that repeats a text has what was streamed."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import NotExamined
from gateway.session.live_json import JsonStream
from guardrails.findings import Finding
from guardrails.redact import Masker
from guardrails.vault import EMPTY
from policies.model import Policy
from tests.kit import CARD, EMAIL, LIVE, LIVE_ALL, REPLAY, REPLAY_ALL, SSN, Wire, noted, policy, token
from tests.properties.streams import KINDS, Source, chunks, cut, item_of, one, received, sequence

GRACE = "grace.hopper@example.com"
LIVING = ["text", "refusal", "reasoning", "summary", "custom", "code"]
ARGUMENTS = ["arguments", "mcp"]
WHOLE = [kind for kind in KINDS if kind not in (*LIVING, *ARGUMENTS)]
TEXT = f"Ask {GRACE} for the card {CARD} or the number {SSN} and then write to us again, please; thank you."
REPLAYED = {LIVE.digest: REPLAY, LIVE_ALL.digest: REPLAY_ALL}


def talk(of: Policy = LIVE, **more: Any) -> Wire:
    wire = Wire(of)
    wire.create(f"mail {EMAIL}", **more)
    wire.begin("resp_main")
    return wire


def texts(wire: Wire, sources: list[Source], random: Random | None = None) -> list[list[str]]:
    """What the texts of a response became, wherever a client reads them."""
    before = len(wire.sent_down)
    for event in sequence(sources, random=random):
        wire.provider(event)
    return [[text.agreed() for text in item] for item in received(wire.sent_down[before:], sources)]


def pieces(wire: Wire) -> list[str]:
    return [event["delta"] for event in wire.sent_down if str(event["type"]).endswith(".delta")]  # type: ignore[misc]


def names(frames: Iterable[Any]) -> list[str]:
    return [frame["type"].removeprefix("response.") for frame in frames]


@pytest.mark.parametrize("kind", LIVING)
@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_text_streams_masked_and_every_repetition_of_it_agrees(kind: str, size: int) -> None:
    wire = talk()
    ((text,),) = texts(wire, [one(kind, chunks(TEXT, size))])
    assert text.startswith("Ask <EMAIL_ADDRESS_")
    assert not any(value in text for value in (GRACE, CARD, SSN))
    assert len(pieces(wire)) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", [LIVE, LIVE_ALL], ids=["new", "all"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_streams_is_what_replay_delivers(kind: str, of: Policy, data: st.DataObject) -> None:
    """For every cut. Fails where hold-back is switched off: see the mutants in tests/properties/test_live.py."""
    words = st.sampled_from(
        [GRACE, EMAIL, CARD, SSN, "4111", "536-22", "-1234", "grace@", "example.com", "and", "the", "TOKEN"]
    )
    listed = data.draw(st.lists(words, min_size=1, max_size=25))
    wires = [talk(of), talk(REPLAYED[of.digest])]
    text = " ".join(listed).replace("TOKEN", token(wires[0], EMAIL))
    text = f'{{"to": "{text}"}}' if KINDS[kind].json else text
    offsets = data.draw(st.lists(st.integers(1, max(len(text) - 1, 1)), max_size=10))
    (live,), (replayed,) = (texts(wire, [one(kind, cut(text, *offsets))]) for wire in wires)
    if KINDS[kind].json:  # replay writes it anew where anything in it changes
        assert list(map(json.loads, live)) == list(map(json.loads, replayed))
    else:
        assert live == replayed


@pytest.mark.parametrize("seed", range(20))
def test_texts_and_items_may_interleave(seed: int) -> None:
    random = Random(seed)
    sources = [
        Source(kind, tuple(chunks(f"{number} {TEXT}", random.randint(1, 30)) for number in range(random.randint(1, 3))))
        for kind in random.sample(["text", "reasoning", "summary", "refusal"], 3)
    ]
    live, replayed = (texts(talk(of), sources, Random(seed)) for of in (LIVE, REPLAY))
    assert live == replayed


# Parts

PARTS = ["text", "refusal", "reasoning", "summary"]
BROKEN = [
    GRACE,
    EMAIL,
    CARD,
    SSN,
    "4111 1111",
    "1111 1111",
    "536-22",
    "-1234",
    "grace.hopper@",
    "example.com",
    "and",
    "the",
]


def parts_of(random: Random, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(chunks(text, random.randint(1, 40)) for text in texts)


def broken(random: Random) -> list[str]:
    """A text of values and pieces of values, cut into parts anywhere."""
    text = " ".join(random.choice(BROKEN) for _ in range(random.randint(5, 60)))
    places = sorted(random.randint(0, len(text)) for _ in range(random.choice([1, 2, 8])))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_what_is_split_over_two_parts_goes_out_of_neither(kind: str, size: int) -> None:
    wire = talk()
    source = Source(kind, (chunks("Write to grace.hopper@", size), chunks("example.com about it, please.", size)))
    ((first, second),) = texts(wire, [source])
    assert first.startswith("Write to <EMAIL_ADDRESS_")
    assert second.startswith("<EMAIL_ADDRESS_")
    assert "hopper" not in str(wire.sent_down)
    assert "example" not in str(wire.sent_down)


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("of", [LIVE, LIVE_ALL], ids=["new", "all"])
@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_parts_stream_as_replay_delivers_them(kind: str, of: Policy, random: Random) -> None:
    """For every cut into parts and pieces. Fails without joining: see the mutants in tests/properties."""
    source = Source(kind, parts_of(random, broken(random)))
    live, replayed = (texts(talk(one_of), [source]) for one_of in (of, REPLAYED[of.digest]))
    assert live == replayed


@pytest.mark.parametrize("seed", range(40))
def test_so_do_parts_of_which_some_are_not_announced(seed: int) -> None:
    """Those wait for the item, and are joined to the parts before them that did not."""
    random = Random(seed)
    source = Source("text", parts_of(random, broken(random)))
    told = set(random.sample(range(len(source.texts)), len(source.texts) // 2))
    events = [
        event
        for event in sequence([source])
        if event["type"] != "response.content_part.added" or event["content_index"] in told
    ]
    got = []
    for of in (LIVE, REPLAY):
        wire = talk(of)
        for event in events:
            wire.provider(event)
        got.append([[text.agreed() for text in item] for item in received(wire.sent_down, [source])])
    assert got[0] == got[1]


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("seed", range(10))
def test_a_part_is_announced_when_the_one_before_it_has_gone_out(kind: str, seed: int) -> None:
    """A client that reads the pieces as they come, whatever they say of their part, reads the parts in order."""
    random = Random(seed)
    wire = talk()
    source = Source(kind, parts_of(random, broken(random)))
    got = texts(wire, [source])
    assert "".join(pieces(wire)) == "".join(got[0])
    index = 0
    for event in wire.sent_down:
        at = event.get("content_index", event.get("summary_index"))
        if str(event["type"]).endswith((".delta", "_part.added")) and isinstance(at, int):
            assert at >= index
            index = at


def test_a_long_part_streams_though_the_next_one_is_still_to_come() -> None:
    wire = talk()
    for event in sequence([Source("summary", (chunks(TEXT * 4, 20), chunks(TEXT, 20)))])[:24]:
        wire.provider(event)
    assert len("".join(pieces(wire))) > 2 * len(TEXT)


def test_detection_that_fails_over_a_boundary_ends_the_response() -> None:
    wire = talk()
    source = Source("text", (("Write to grace.hopper@",), ("example.com about it, please.",)))
    for event in sequence([source]):
        wire.hold = event["type"] == "response.output_item.done"
        wire.provider(event)
        if wire.hold:
            while "grace.hopper@example.com" not in wire.questions[0].texts[0]:
                wire.answer()
            wire.fail()
    while wire.questions:
        wire.answer()
    assert names(wire.sent_down)[-1] == "error"
    assert "hopper" not in str(wire.sent_down)
    assert wire.session.idle


def test_what_the_policy_blocks_over_a_boundary_ends_the_response() -> None:
    of = policy("output: {mask: new, delivery: live}\nactions: {US_SSN: {output: block}}\n")
    wire = talk(of)
    for event in sequence([Source("text", (("Their number is 536-22",), ("-1234, keep it.",)))]):
        wire.provider(event)
    assert "1234" not in str(wire.sent_down)
    assert wire.rows[-1].decision == "blocked"


def test_the_row_has_what_was_found_over_a_boundary_at_both_parts() -> None:
    wire = talk()
    texts(wire, [Source("text", (("Their number is 536-22",), ("-1234, keep it.",)))])
    assert [(one.action, place) for one, place in noted(wire.rows[-1])] == [
        ("mask", "response.output[0].content[0].text"),
        ("mask", "response.output[0].content[1].text"),
    ]


@pytest.mark.parametrize("kind", WHOLE)
def test_what_cannot_be_live_comes_whole_with_its_item(kind: str) -> None:
    wire = talk()
    source = one(kind, chunks(TEXT, 7))
    *events, end = sequence([source])[:-1]
    for event in events:
        wire.provider(event)
    assert names(wire.sent_down) == ["created", "output_item.added"]
    wire.provider(end)
    assert GRACE not in str(wire.sent_down)
    assert names(wire.sent_down)[-1] == "output_item.done"


@pytest.mark.parametrize("kind", ARGUMENTS)
@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_arguments_go_out_in_whole_values_and_stay_json(kind: str, size: int) -> None:
    value = {"to": GRACE, "n": 5, "card": 4111111111111111, "say": [f'"{EMAIL}"\n', True, None, SSN], GRACE: {}}
    wire = talk()
    text = json.dumps(value, indent=1).replace(EMAIL, token(wire, EMAIL))
    ((arguments,),) = texts(wire, [one(kind, chunks(text, size))])
    read = json.loads(arguments)
    assert (read["n"], read["say"][0]) == (5, f'"{EMAIL}"\n')
    assert read["to"] in read  # the key is masked like the value
    assert read["to"].startswith("<EMAIL_ADDRESS_")
    assert read["card"].startswith("<CREDIT_CARD_")
    assert read["say"][1:3] == [True, None]
    assert not any(told in str(wire.sent_down) for told in (GRACE, SSN, "4111"))
    if size < 50:
        assert len(pieces(wire)) > 3
    for sent in pieces(wire):
        assert sent.count('"') % 2 == 0 or "\\" in sent


@pytest.mark.parametrize("kind", ARGUMENTS)
@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_arrays_stream_as_replay_delivers_them(kind: str, random: Random) -> None:
    """For every cut into strings and pieces. Fails without joining, and where names of keys are not kept."""
    words = iter(broken(random) + broken(random))
    nested: Any = {"n": [1, 22, CARD], random.choice(["content", "say", "tools", GRACE]): []}
    for word in words:
        place = random.choice(list(nested))
        if isinstance(nested[place], list):
            nested[place].append(random.choice([word, word, {"text": word}, {"a": [word, next(words, "")]}, [word], 5]))
        nested.setdefault(word[:5], word)
    text = json.dumps(random.choice([nested, [nested], {"a": nested}]), indent=random.choice([None, 1]))
    (live,), (replayed,) = (
        texts(talk(of), [one(kind, chunks(text, random.choice([1, 9, 200])))]) for of in (LIVE, REPLAY)
    )
    assert list(map(json.loads, live)) == list(map(json.loads, replayed))


def test_what_is_split_over_two_strings_of_an_array_goes_out_of_neither() -> None:
    wire = talk()
    ((arguments,),) = texts(wire, [one("arguments", chunks('{"to": ["grace.hopper@", "example.com"], "n": 1}', 5))])
    first, second = json.loads(arguments)["to"]
    assert first.startswith("<EMAIL_ADDRESS_")
    assert second.startswith("<EMAIL_ADDRESS_")


def test_an_array_is_kept_as_it_is_where_nothing_in_it_changes() -> None:
    text = '{"a": [1.50, "\\u0041", [ ] ],"b":[{"c":null}]}'
    assert texts(talk(), [one("arguments", chunks(text, 3))]) == [[text]]


@pytest.mark.parametrize(
    "text",
    [
        "hello GRACE",
        '["GRACE", {"a": 1, "a": 2}, "GRACE"]',
        '["GRACE", "x"',
        '{"a": ["GRACE", }}',
        '{"a": GRACE}',
        '{"a": "GRACE',
        "[\"x\", 'GRACE']",
        '{"a": "\\ud800GRACE"}',
    ],
)
@pytest.mark.parametrize("size", [1, 7])
def test_arguments_that_are_no_json_are_a_text(text: str, size: int) -> None:
    wire = talk()
    ((arguments,),) = texts(wire, [one("arguments", chunks(text.replace("GRACE", GRACE), size))])
    assert "<EMAIL_ADDRESS_" in arguments
    assert "grace" not in str(wire.sent_down)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"card": {CARD}}}',
        f'{{"a": 5, "b": [1, {CARD}], "c": "x"}}',
        "[4.111111111111111e15]",
        f'{{"a": "{EMAIL}", "b": {SSN}}}',
        f'{{"a": {GRACE}, "b": "{SSN}"}} and {CARD}',
        f'{{"a": "{SSN}", "b": "{GRACE}',
        f'{{"a": "x"}} {CARD}',
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_is_nearly_json_is_masked_as_under_replay(text: str, size: int) -> None:
    (live,), (replayed,) = (texts(talk(of), [one("arguments", chunks(text, size))]) for of in (LIVE, REPLAY))
    assert "4111 1111" not in live[0]
    assert live == replayed


def test_the_punctuation_of_json_is_looked_at_once() -> None:
    """Models may write white space without end."""
    masker = Masker(LIVE, tenant_secret=b"a" * 32, audit_secret=b"b" * 32)
    stream = JsonStream(masker, EMPTY, restore=True, words=False, attachments=False)
    start = time.perf_counter()
    for _ in range(50_000):
        stream.feed(" ")
        assert stream.question(final=False) is None
    assert time.perf_counter() - start < 5


def test_an_item_is_announced_once_and_its_events_are_in_order() -> None:
    wire = talk()
    texts(wire, [one("text", chunks(TEXT, 20))])
    deltas = [name for name in names(wire.sent_down) if name == "output_text.delta"]
    assert names(wire.sent_down) == [
        *("created", "output_item.added", "content_part.added", *deltas),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    numbers = [event["sequence_number"] for event in wire.sent_down if "sequence_number" in event]
    assert numbers == sorted(numbers)


def test_the_first_words_come_before_the_item_is_complete() -> None:
    wire = talk()
    for event in sequence([one("text", chunks(TEXT, 10))])[:12]:
        wire.provider(event)
    assert "".join(pieces(wire)).startswith("Ask <EMAIL_ADDRESS_")


def test_the_clients_own_value_comes_back() -> None:
    wire = talk()
    ((text,),) = texts(wire, [one("text", chunks(f"Write to {token(wire, EMAIL)} and to {GRACE} soon.", 5))])
    assert text.startswith(f"Write to {EMAIL} and to <EMAIL_ADDRESS_")


def test_a_value_is_not_put_into_a_link_that_began_pieces_ago() -> None:
    wire = talk()
    link = f"![see]( https://evil.example/?q= and more words follow here so that it is cut {token(wire, EMAIL)} )"
    ((text,),) = texts(wire, [one("text", chunks(link, 5))])
    assert EMAIL not in text


# What nobody can examine

PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8).decode()
URL = f"data:image/png;base64,{PNG}"
LINES = "data:image/png;base64," + "\r\n".join(PNG[at : at + 76] for at in range(0, len(PNG), 76))
LETTER = "data:application/pdf;base64," + b64encode(f"Dear {GRACE}, this is for you. ".encode() * 50).decode()
READ = [f"data: {TEXT}", "data:image/png;base64,", "data", f"{URL} and {GRACE} and more", f"{LINES}.", LETTER]
PICTURES = [URL, LINES, URL[:40]]


def with_attachments(how: str, delivery: str) -> Policy:
    return policy(f"output: {{mask: new, delivery: {delivery}}}\ninput: {{attachments: {how}}}\n")


@pytest.mark.parametrize("kind", ["text", "refusal", "summary", "custom", "code"])
@pytest.mark.parametrize("text", range(len(PICTURES + READ)))
@pytest.mark.parametrize("how", ["block", "allow"])
@pytest.mark.parametrize("size", [3, 5000])
def test_a_picture_as_a_text_is_what_replay_makes_of_it(kind: str, text: int, how: str, size: int) -> None:
    said = (PICTURES + READ)[text]
    live, replayed = (
        texts(talk(with_attachments(how, delivery)), [one(kind, chunks(said, size))]) for delivery in ("live", "replay")
    )
    assert live == replayed
    if kind != "code":
        assert (live == [[""]]) is (how == "block" and said in PICTURES)


@pytest.mark.parametrize("how", ["block", "allow"])
@pytest.mark.parametrize("size", [7, 5000])
def test_a_picture_between_two_parts_is_no_neighbour_and_keeps_its_place(how: str, size: int) -> None:
    """What is split over the texts around it is found."""
    said = ("Write to grace.hopper@", URL, "example.com about it, please.")
    got = []
    for delivery in ("live", "replay"):
        wire = talk(with_attachments(how, delivery))
        got += texts(wire, [Source("text", tuple(chunks(text, size) for text in said))])
        assert "".join(pieces(wire)) == "".join(got[-1])
    assert got[0] == got[1]
    assert got[0][1] == (URL if how == "allow" else "")
    assert "hopper" not in str(got)


def test_a_text_that_may_be_a_picture_goes_on_when_it_is_none() -> None:
    wire = talk()
    for event in sequence([one("text", chunks(f"data: {TEXT}", 10))])[:14]:
        wire.provider(event)
    assert "".join(pieces(wire)).startswith("data: Ask <EMAIL")


@pytest.mark.parametrize(
    ("said", "repeated"), [(TEXT, URL), (URL, TEXT), ("", URL)], ids=["the end", "pieces", "alone"]
)
@pytest.mark.parametrize("how", ["block", "allow"])
def test_where_only_the_repetition_is_a_picture_or_only_the_pieces_are_they_still_agree(
    said: str, repeated: str, how: str
) -> None:
    wire = talk(with_attachments(how, "live"))
    for event in sequence([one("text", chunks(said, 10))]):
        wire.provider(_said(event, repeated) if event["type"].endswith((".done", ".completed")) else event)
    ((text,),) = received(wire.sent_down, [one("text", [TEXT])])
    assert (PNG in text.agreed()) is (how == "allow" and said != TEXT)
    assert GRACE not in str(wire.sent_down)


@pytest.mark.parametrize("kind", ARGUMENTS)
@pytest.mark.parametrize("how", ["block", "allow"])
@pytest.mark.parametrize("size", [9, 5000])
@pytest.mark.parametrize(
    "value",
    [
        URL,
        {"picture": URL, "n": 1},
        {"a": ["grace.hopper@", URL, "example.com"], "b": {"c": [[LINES]]}},
        {"a": LETTER, URL: "a key"},
        {"type": "input_image", "image_url": URL, "to": [{"type": "input_file", "file_data": PNG}]},
    ],
    ids=["alone", "value", "array", "key", "typed"],
)
def test_a_picture_in_arguments_is_what_replay_makes_of_it(kind: str, how: str, size: int, value: Any) -> None:
    (live,), (replayed,) = (
        texts(talk(with_attachments(how, delivery)), [one(kind, chunks(json.dumps(value), size))])
        for delivery in ("live", "replay")
    )
    assert list(map(json.loads, live)) == list(map(json.loads, replayed))
    if URL not in value:
        assert (PNG in live[0]) is (how == "allow" or (isinstance(value, dict) and "type" in value))


# Keys that get the same name

SAME = """
operators:
  EMAIL_ADDRESS: {use: replace, new_value: mail}
  US_SSN: {use: redact}
  CREDIT_CARD: {use: mask, keep: 4, from_end: true}
"""
NAMED = [GRACE, "ada@example.com", SSN, "536-22-4321", CARD, "5555 5555 5555 1111", "mail", "mail_2", "", "n", "name"]


@pytest.mark.parametrize("kind", ARGUMENTS)
@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_keys_that_get_the_same_name_stay_apart_as_under_replay(kind: str, random: Random) -> None:
    """Also where the name is that of a key which is still to come. Fails where nothing waits for the object's end."""

    def value(deep: int) -> Any:
        keys = random.sample(NAMED, random.randint(0, 6))
        below = [lambda: 1, lambda: random.choice(NAMED), lambda: [value(deep - 1)], lambda: value(deep - 1)]
        return {key: random.choice(below if deep else below[:2])() for key in keys}

    text = json.dumps(value(3), indent=random.choice([None, 1]))
    size = random.choice([1, 9, 200])
    wires = [talk(policy(f"output: {{mask: new, delivery: {delivery}}}{SAME}")) for delivery in ("live", "replay")]
    (live,), (replayed,) = (texts(wire, [one(kind, chunks(text, size))]) for wire in wires)
    pairs = [json.loads(said[0], object_pairs_hook=list) for said in (live, replayed)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("end", ["", ",", ", 5", '"b": 1}', ', "grace.hopper@example.com": 3}'])
def test_keys_of_what_is_no_object_go_out_as_under_replay(end: str) -> None:
    """It is a text, in which a key may stand twice."""
    text = '{"grace.hopper@example.com": 1, "ada@example.com": 2' + end
    wires = [talk(policy(f"output: {{mask: new, delivery: {delivery}}}{SAME}")) for delivery in ("live", "replay")]
    live, replayed = (texts(wire, [one("arguments", chunks(text, 9))]) for wire in wires)
    assert live == replayed
    assert live[0][0].count('"mail"') >= 2


def test_only_the_object_of_a_key_that_is_renamed_is_held() -> None:
    wire = talk(LIVE_ALL)
    source = {"a": {GRACE: 1, "n": 2}, "b": "x", "c": "y"}
    for event in sequence([one("arguments", chunks(json.dumps(source), 1))])[:58]:
        wire.provider(event)
    before, within, *after = pieces(wire)[-4:]
    assert before.endswith("{")
    assert within.startswith('"<EMAIL_ADDRESS_')
    assert within.endswith('"n": 2}')
    assert "".join(after).startswith(', "b": "x"')


# Detection that takes its time


def begun(wire: Wire, kind: str = "text", size: int = 10) -> list[Any]:
    """The events of a text, of which those before its pieces were sent."""
    before, part, *rest = sequence([one(kind, chunks(TEXT, size))])
    wire.provider(before)
    wire.provider(part)
    while wire.questions:
        wire.answer()
    return rest


def test_pieces_that_come_while_one_is_examined_are_examined_together() -> None:
    wire = talk()
    wire.hold = True
    rest = begun(wire)
    for event in rest[:-4]:
        wire.provider(event)
    assert len(wire.questions) == 1
    assert wire.questions[0].patient
    wire.answer()
    assert len(wire.questions) == 1
    assert "536-22" in wire.questions[0].texts[0]


def test_an_item_waits_for_the_end_of_its_texts_and_then_comes_at_once() -> None:
    wire = talk()
    wire.hold = True
    for event in begun(wire):
        wire.provider(event)
    assert "completed" not in names(wire.sent_down)
    while wire.questions:
        wire.answer()
    ((text,),) = received(wire.sent_down, [one("text", chunks(TEXT, 10))])
    assert text.agreed().startswith("Ask <EMAIL_ADDRESS_")


def test_answers_in_any_order_give_the_same() -> None:
    expected = texts(talk(), [one("text", chunks(TEXT, 10))])
    for seed in range(10):
        random, wire = Random(seed), talk()
        wire.hold = True
        for event in sequence([one("text", chunks(TEXT, 10))]):
            wire.provider(event)
            while wire.questions and random.random() < 0.3:
                wire.answer(random.randrange(len(wire.questions)))
        while wire.questions:
            wire.answer(random.randrange(len(wire.questions)))
        assert [
            [text.agreed() for text in item] for item in received(wire.sent_down, [one("text", [TEXT])])
        ] == expected


def test_one_lanes_slow_detection_holds_no_other_lane() -> None:
    wire = Wire(LIVE)
    for lane in ("a", "b"):
        wire.create("hello", stream_id=lane)
        wire.begin(f"resp_{lane}", stream_id=lane)
    wire.hold = True
    for event in sequence([one("text", chunks(TEXT, 10))], stream_id="a"):
        wire.provider(event)
    wire.hold = False
    for event in sequence([one("text", chunks(TEXT, 10))], stream_id="b"):
        wire.provider(event)
    ((text,),) = received(wire.sent_down, [one("text", [TEXT])], lane="b")
    assert text.agreed().startswith("Ask <EMAIL")
    assert not [event for event in wire.sent_down if event.get("stream_id") == "a" and "delta" in event]


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_when_detection_fails_the_response_ends_with_a_refusal(answered: int) -> None:
    wire = talk()
    rest = begun(wire)
    for number, event in enumerate(rest):
        wire.hold = number >= answered * 4
        wire.provider(event)
        if wire.questions:
            break
    wire.fail(NotExamined("The message could not be examined, so it was not sent."))
    for event in rest:
        wire.provider(event)
    assert names(wire.sent_down)[-1] == "error"
    assert names(wire.sent_down).count("error") == 1
    assert not any(value in str(wire.sent_down) for value in (GRACE, CARD, SSN))
    assert wire.rows[-1].decision == "failed"
    assert wire.session.idle
    wire.hold = False
    wire.create("again")
    wire.begin("resp_main")
    assert texts(wire, [one("text", [TEXT])])


def test_what_the_policy_blocks_ends_the_response_where_it_stands() -> None:
    of = policy("output: {mask: new, delivery: live}\nactions: {US_SSN: {output: block}}\n")
    wire = talk(of)
    for event in sequence([one("text", chunks(TEXT, 10))]):
        wire.provider(event)
    assert "".join(pieces(wire)).startswith("Ask <EMAIL")
    assert SSN not in str(wire.sent_down)
    assert names(wire.sent_down)[-1] == "error"
    assert wire.rows[-1].decision == "blocked"
    assert wire.session.idle


# What the provider does wrong


def test_the_rest_of_a_text_that_only_its_end_holds_is_sent() -> None:
    wire = talk()
    source = one("text", chunks(TEXT, 10))
    events = sequence([source])
    del events[5:8]  # not the beginning of the text any more: what was streamed stays
    short = [event for event in events if not event["type"].endswith("output_text.delta")]
    for event in short:
        wire.provider(event)
    ((text,),) = received(wire.sent_down, [source])
    assert text.agreed().startswith("Ask <EMAIL")
    assert text.agreed().endswith("thank you.")


def test_where_the_repetition_differs_what_was_streamed_counts() -> None:
    wire = talk()
    for event in sequence([one("text", chunks(TEXT, 10))]):
        if event["type"].endswith((".done", ".completed")):
            event = _said(event, f"something else about {GRACE}")
        wire.provider(event)
    ((text,),) = received(wire.sent_down, [one("text", [TEXT])])
    assert text.agreed().startswith("Ask <EMAIL_ADDRESS_")
    assert GRACE not in str(wire.sent_down)


def _said(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: text if key == "text" else _said(child, text) for key, child in value.items()}
    return [_said(child, text) for child in value] if isinstance(value, list) else value


@pytest.mark.parametrize("field", ["text", "arguments"])
def test_an_item_that_the_last_event_leaves_out_gives_its_text_to_no_other(field: str) -> None:
    """The items after it have other places there than in the stream."""
    wire = talk()
    said = ['{"a": "first"}', f'{{"a": "{GRACE}"}}']
    *events, last = sequence([one(field, [text]) for text in said])
    del last["response"]["output"][0]
    for event in (*events, last):
        wire.provider(event)
    (item,) = wire.sent_down[-1]["response"]["output"]  # type: ignore[index,call-overload]
    shown = item["arguments"] if field == "arguments" else item["content"][0]["text"]
    assert item["id"] == "item_1"
    assert shown.startswith('{"a": "<EMAIL_ADDRESS_')
    assert GRACE not in str(wire.sent_down)


def test_a_response_that_breaks_off_ends_with_what_it_had() -> None:
    wire = talk()
    events = sequence([one("text", chunks(TEXT, 10))])
    for event in events[:7]:
        wire.provider(event)
    half = TEXT[:50]
    item = {**item_of(one("text", [half]), 0), "status": "incomplete"}
    wire.provider({"type": "response.incomplete", "response": {"id": "resp_main", "output": [item]}})
    last = wire.sent_down[-1]
    assert last["type"] == "response.incomplete"
    shown = last["response"]["output"][0]["content"][0]["text"]  # type: ignore[index,call-overload]
    assert shown == "".join(pieces(wire))
    assert GRACE not in shown
    assert names(wire.sent_down)[-2] == "output_item.done"


def test_pieces_of_an_item_that_was_not_announced_wait_for_it() -> None:
    wire = talk()
    _, _, *rest = sequence([one("text", chunks(TEXT, 10))])
    for event in rest[:-2]:
        wire.provider(event)
    assert names(wire.sent_down) == ["created"]
    for event in rest[-2:]:
        wire.provider(event)
    ((text,),) = received(wire.sent_down, [one("text", [TEXT])])
    assert text.agreed().startswith("Ask <EMAIL")


@pytest.mark.parametrize("index", [-1, 10_000, True, "0", None, [0]])
def test_a_place_that_is_none_is_not_live(index: Any) -> None:
    wire = talk()
    for event in sequence([one("text", chunks(TEXT, 10))]):
        wire.provider({**event, "output_index": index} if "output_index" in event else event)
    assert not any(value in str(wire.sent_down) for value in (GRACE, CARD, SSN))


# The record


def test_the_row_has_what_was_found_and_the_text_once() -> None:
    wire = talk()
    ((text,),) = texts(wire, [one("text", chunks(TEXT, 10))])
    row = wire.rows[-1]
    assert row.decision == "masked"
    assert [one.entity for one, _ in noted(row)] == ["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN"]
    assert {place for one, place in noted(row)} == {"response.output[0].content[0].text"}
    assert [masked.text for masked in row.content["response.output[0].content[0].text"]] == [text]


def test_a_client_that_leaves_leaves_a_row_with_what_it_got() -> None:
    wire = talk()
    for event in sequence([one("text", chunks(TEXT, 10))])[:12]:
        wire.provider(event)
    (row,) = wire.session.client_left(1.0)
    assert [one.entity for one, _ in noted(row)] == ["EMAIL_ADDRESS"]


# Modules without a bound


class Later:
    """Finds a name once another word stands behind it, however far: no text is certain before its end."""

    def find(self, text: str) -> list[Finding]:
        """Find the name."""
        at = text.find("Ada")
        known = "Lovelace" in text
        return [Finding(at, at + 3, "PERSON", 0.9, "later")] if at >= 0 and known else []


MODULE = "\n    - {use: 'tests.gateway.session.test_live:Later'}\n"


def test_a_module_without_a_bound_is_decided_by_sentences_and_what_comes_late_is_recorded() -> None:
    of = policy("output: {mask: new, delivery: live}\n", modules=MODULE)
    wire = talk(of)
    said = "Ask Ada. She knows. " + "More words follow here, many of them. " * 3 + "It was Lovelace. Bye."
    ((text,),) = texts(wire, [one("text", chunks(said, 5))])
    assert text == said
    assert [(one.action, place) for one, place in noted(wire.rows[-1])] == [
        ("late", "response.output[0].content[0].text")
    ]
    assert all(piece.rstrip().endswith((".", ",")) for piece in pieces(wire))


class Across:
    """Finds everything from one word to another, however far: over a boundary it reaches back over any cut."""

    def find(self, text: str) -> list[Finding]:
        """Find all between the words."""
        at, end = text.find("BEGIN"), text.find("END")
        return [Finding(at, end + 3, "CODE", 0.9, "across")] if 0 <= at < end else []


def test_what_such_a_module_finds_over_a_boundary_is_masked_where_it_is_held_and_recorded_where_not() -> None:
    of = policy("output: {mask: new, delivery: live}\n", modules=MODULE.replace("Later", "Across"))
    wire = talk(of)
    first = "BEGIN of it. And a lot of words that follow here, one after the other, so that it is cut."
    ((before, after),) = texts(wire, [Source("text", (chunks(first, 5), ("END of it.",)))])
    assert before.startswith("BEGIN of it. <CODE_")
    assert after.startswith("<CODE_")
    assert [one.action for one, _ in noted(wire.rows[-1])] == ["late", "mask", "mask"]


def test_such_a_policy_may_demand_replay() -> None:
    of = policy("output: {mask: new, delivery: live, unbounded: replay}\n", modules=MODULE)
    wire = talk(of)
    ((text,),) = texts(wire, [one("text", chunks("Ask Ada. She knows. It was Lovelace.", 5))])
    assert "Ada" not in text
    assert len(pieces(wire)) == 1


# How long text is held


def test_a_client_whose_text_is_held_hears_that_it_lives_and_gets_nothing_undecided() -> None:
    wire = talk()
    for event in sequence([one("text", ["Write to grace.hopper@example.com"])])[:3]:
        wire.provider(event)
    (timer,) = [ticket for ticket, seconds in wire.timers.items() if seconds == wire.policy.output.heartbeat]
    for _ in range(3):
        before = len(wire.sent_down)
        wire.perform(wire.session.timer(timer, wire.now))
        timer = max(wire.timers)
    assert names(wire.sent_down[before:]) == ["in_progress"]
    assert "hopper" not in str(wire.sent_down)
    assert pieces(wire) == []


def test_the_longest_hold_is_that_of_the_response_and_what_is_held_is_dropped() -> None:
    wire = talk()
    for event in sequence([one("text", ["Write to grace.hopper@example.com"])])[:3]:
        wire.provider(event)
    wire.ring()
    assert names(wire.sent_down)[-1] == "error"
    assert wire.rows[-1].outcome == "overdue"
    assert pieces(wire) == []
    assert "hopper" not in str(wire.sent_down)
