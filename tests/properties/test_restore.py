"""Restoring is exact: however a stream is cut, its pieces joined are the `.done`, the item and the final event.

The expectation is written down apart from the code under test: one pass of a regular expression over the whole text.
Each property is shown failing on a deliberate mutant, so none of them holds for want of trying.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.session import restoring
from guardrails import restore, stream
from guardrails.restore import Restorer
from guardrails.stream import RestoreStream
from guardrails.vault import Restorable
from tests.kit import Wire
from tests.properties.streams import (
    JSON,
    KINDS,
    PARTED,
    PLAIN,
    Source,
    chunks,
    conversation,
    cut,
    one,
    received,
    sequence,
    tokens,
)

EMAIL: Final = "ada.lovelace@example.com"
OTHER: Final = "grace.hopper@example.com"
STRANGER: Final = "alan.turing@example.com"
NOTE: Final = 'Q«a "quoted" \\ back\\nslash\nand a line\ttab\x01 é 😀 <b>»Q'

_fast = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


class Talk:
    """A conversation that has sent three values; each run sends one response through it."""

    def __init__(self, *, urls: bool = True, mask: str = "off", values: Iterable[str] = (EMAIL, OTHER, NOTE)) -> None:
        self.wire = conversation(*values, urls=urls, mask=mask)
        self.names = dict(zip(tokens(self.wire, *values), values, strict=True))
        self.email, self.other, self.note, *_ = self.names

    def run(self, sources: list[Source], *, random: Random | None = None) -> list[list[str]]:
        """Send a response; what its texts became, wherever the client reads them."""
        before = len(self.wire.sent_down)
        for event in sequence(sources, random=random):
            self.wire.provider(event)
        got = received(self.wire.sent_down[before:], sources)
        self.wire.create("again", previous_response_id="resp_main")
        self.wire.begin("resp_main")
        return [[text.agreed() for text in texts] for texts in got]

    def text(self, kind: str, pieces: Iterable[str]) -> str:
        """What one text became."""
        return self.run([one(kind, pieces)])[0][0]


def expected(text: str, names: Mapping[str, str]) -> str:
    """A text with every token replaced, in one pass."""
    return re.sub("|".join(map(re.escape, names)), lambda match: names[match[0]], text)


def expected_json(value: Any, names: Mapping[str, str]) -> Any:
    """The same for every string and key of a value."""
    if isinstance(value, dict):
        return {expected(key, names): expected_json(child, names) for key, child in value.items()}
    if isinstance(value, list):
        return [expected_json(child, names) for child in value]
    return expected(value, names) if isinstance(value, str) else value


# ---------------------------------------------------------------------------------------------------------------- cuts


def adversarial(talk: Talk) -> str:
    """A text with every beginning of a token in it, whole ones, and what only looks like one."""
    half = len(talk.email) // 2
    return (
        f"<{talk.email}>< <EMAIL_ {talk.email[:half]}{talk.other}{talk.email[:-1]} \\{talk.note}\\\\{talk.email}\n"
        f'"{talk.other}" <EMAIL_ADDRESS_zzzzzzzz> 😀{talk.email}{talk.email}<<{talk.other[:-2]}'
    )


def check_every_offset(kind: str) -> None:
    """The property: a cut at any offset changes nothing."""
    talk = Talk()
    text = adversarial(talk)
    for offset in range(len(text) + 1):
        assert talk.text(kind, cut(text, offset)) == expected(text, talk.names)


def check_every_size(kind: str) -> None:
    """The property: chunks of any size change nothing."""
    talk = Talk()
    text = adversarial(talk)
    for size in range(1, 51):
        assert talk.text(kind, chunks(text, size)) == expected(text, talk.names)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_cut_at_any_offset_changes_nothing(kind: str) -> None:
    check_every_offset(kind)


@pytest.mark.parametrize("kind", PLAIN)
def test_chunks_of_any_size_change_nothing(kind: str) -> None:
    check_every_size(kind)


_PIECES: Final = st.sampled_from(
    ["<", "<EMAIL_", "ADDRESS_", "EMAIL", "_", ">", "A", "B", "C", "A[:-4]", "B[6:]", "A[:9]", "\\u003c", "\\u003e"]
    + ["\\", '"', "\n", " ", "://", "https://", "](", "é", "😀", "<EMAIL_ADDRESS_zzzzzzzz>", "]", "{", "x", "\\\\"]
)


def spelled(pieces: list[str], talk: Talk) -> str:
    """Pieces in which A, B and C stand for the conversation's tokens, and A[:9] for a part of one."""
    names = {"A": talk.email, "B": talk.other, "C": talk.note}
    names |= {"A[:-4]": talk.email[:-4], "B[6:]": talk.other[6:], "A[:9]": talk.email[:9]}
    return "".join(names.get(piece, piece) for piece in pieces)


@pytest.mark.parametrize("kind", PLAIN)
def test_random_cuts_of_random_texts_change_nothing(kind: str) -> None:
    talk = Talk()

    @_fast
    @given(pieces=st.lists(_PIECES, max_size=25), data=st.data())
    def check(pieces: list[str], data: st.DataObject) -> None:
        text = spelled(pieces, talk)
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        assert talk.text(kind, cut(text, *offsets)) == expected(text, talk.names)

    check()


# ---------------------------------------------------------------------------------------------------------------- JSON

ENCODERS: Final[dict[str, Callable[[object], str]]] = {
    "plain": lambda value: json.dumps(value, ensure_ascii=False),
    "ascii": json.dumps,
    "html": lambda value: json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    "half": lambda value: json.dumps(value).replace("<", "\\u003C"),
    "indented": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
}


def check_json(kind: str, encoder: str, *, sizes: Iterable[int] = range(1, 51)) -> None:
    """The property: arguments stay JSON, and mean what they meant with every token replaced."""
    talk = Talk()
    value = {"to": [talk.email, f"<{talk.other}>", f"a {talk.note} b"], "n": 1, talk.email: {"deep": talk.note}}
    value |= {"almost": talk.email[:-1], "not": "\\" + "u003c" + talk.email[1:], "back": "\\" + talk.email, "é😀": None}
    text = ENCODERS[encoder](value)
    for size in sizes:
        assert json.loads(talk.text(kind, chunks(text, size))) == expected_json(value, talk.names)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", JSON)
def test_arguments_stay_json_with_their_values_escaped(kind: str, encoder: str) -> None:
    check_json(kind, encoder)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_random_arguments_stay_json_however_they_are_cut(encoder: str) -> None:
    talk = Talk()

    @_fast
    @given(pieces=st.lists(st.lists(_PIECES, max_size=8), min_size=1, max_size=4), data=st.data())
    def check(pieces: list[list[str]], data: st.DataObject) -> None:
        value = {str(number): spelled(some, talk) for number, some in enumerate(pieces)}
        text = ENCODERS[encoder](value)
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        given_back = talk.text("arguments", cut(text, *offsets))
        assert json.loads(given_back) == expected_json(value, talk.names)

    check()


def test_structured_output_is_json_too() -> None:
    """With a JSON format asked for, the answer's text is JSON source."""
    talk = Talk()
    text = json.dumps({"to": talk.note, "and": talk.email})
    talk.wire.provider({"type": "response.completed", "response": {"id": "resp_main", "output": []}})
    schema = {"format": {"type": "json_schema", "name": "x", "schema": {}}}
    talk.wire.client({"type": "response.create", "input": "x", "previous_response_id": "resp_main", "text": schema})
    talk.wire.begin("resp_main")
    assert json.loads(talk.text("text", chunks(text, 3))) == {"to": NOTE, "and": EMAIL}


def test_arguments_that_are_no_json_still_agree() -> None:
    """A model may stop in the middle of its arguments; all four places still say the same."""
    talk = Talk()
    for text in ('{"to": "' + talk.email, '{"to": "\\', talk.email[:-1], '"\\u003', "\\u003cEMAIL_ADDRESS_", "\\\\\\"):
        for size in (1, 2, 7, 50):
            talk.text("arguments", chunks(text, size))


# ---------------------------------------------------------------------------------------------- items, parts and lanes


def check_interleaved(seed: int) -> None:
    """The property: texts of items and parts that arrive mixed come out as if each had come alone."""
    random = Random(seed)
    talk = Talk()
    sources = []
    for _ in range(random.randint(2, 5)):
        kind = random.choice(list(KINDS))
        count = random.randint(1, 3) if kind in PARTED else 1
        texts = [f"{random.choice('abc')}{random.choice(list(talk.names))}{random.choice('xyz')}" for _ in range(count)]
        texts = [json.dumps({"a": text}) if kind in JSON else text for text in texts]
        sources.append(Source(kind, tuple(chunks(text, random.randint(1, 9)) for text in texts)))
    got = talk.run(sources, random=random)
    for source, results in zip(sources, got, strict=True):
        for text, result in zip(source.whole, results, strict=True):
            if source.kind in JSON:
                assert json.loads(result) == expected_json(json.loads(text), talk.names)
            else:
                assert result == expected(text, talk.names)


@pytest.mark.parametrize("seed", range(0, 100, 20))
def test_interleaved_items_and_parts_never_mix(seed: int) -> None:
    for each in range(seed, seed + 20):
        check_interleaved(each)


def check_lanes(seed: int) -> None:
    """The property: two lanes whose events alternate never see each other's values, with the same ids throughout."""
    random = Random(seed)
    lanes = {"a": (EMAIL, OTHER), "b": (STRANGER, NOTE)}
    wire = Wire(Talk().wire.policy)
    for lane, values in lanes.items():
        conversation(*values, wire=wire, stream_id=lane)
    names = {lane: dict(zip(tokens(wire, *values), values, strict=True)) for lane, values in lanes.items()}
    every = [name for some in names.values() for name in some]
    sources, queues = {}, {}
    for lane in lanes:
        text = "".join(random.choice([*every, "<", "<EMAIL_", " "]) for _ in range(8))
        sources[lane] = [one(random.choice(PLAIN), chunks(text, random.randint(1, 12)))]
        queues[lane] = sequence(sources[lane], stream_id=lane)
    start = len(wire.sent_down)
    while any(queues.values()):
        lane = random.choice([name for name, queue in queues.items() if queue])
        wire.provider(queues[lane].pop(0))
    for lane in lanes:
        ((result,),) = received(wire.sent_down[start:], sources[lane], lane)
        assert result.agreed() == expected(sources[lane][0].whole[0], names[lane])


@pytest.mark.parametrize("seed", range(0, 100, 20))
def test_two_lanes_never_mix(seed: int) -> None:
    for each in range(seed, seed + 20):
        check_lanes(each)


def test_a_delta_without_any_index_restores() -> None:
    """Spoken text belongs to no item; its end comes with the response's."""
    talk = Talk()
    before = len(talk.wire.sent_down)
    for piece in chunks(f"so {talk.email} and {talk.email[:-3]}", 4):
        talk.wire.provider({"type": "response.audio.transcript.delta", "delta": piece})
    talk.wire.provider({"type": "response.completed", "response": {"id": "resp_main", "output": []}})
    pieces = [str(frame["delta"]) for frame in talk.wire.sent_down[before:-1]]
    assert "".join(pieces) == f"so {EMAIL} and {talk.email[:-3]}"


@pytest.mark.parametrize("end", ["response.incomplete", "response.failed", "error"])
def test_what_is_held_back_comes_when_a_response_breaks_off(end: str) -> None:
    talk = Talk()
    before = len(talk.wire.sent_down)
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    talk.wire.provider({"type": "response.output_text.delta", **at, "delta": f"{talk.email} {talk.other[:-2]}"})
    over = {"type": end, "response": {"id": "resp_main", "output": []}, "error": {"message": "x", "type": "y"}}
    talk.wire.provider(over)
    pieces = [str(frame["delta"]) for frame in talk.wire.sent_down[before:] if "delta" in frame]
    assert "".join(pieces) == f"{EMAIL} {talk.other[:-2]}"
    assert talk.wire.sent_down[-1]["type"] == end


# -------------------------------------------------------------------------------------------------- whose values these are


def check_strangers() -> None:
    """The property: a token of another conversation, of another tenant, or of nobody stays what it is."""
    talk = Talk()
    same_tenant = conversation(STRANGER, wire=Wire(talk.wire.policy))
    other_tenant = conversation(EMAIL, STRANGER, wire=Wire(talk.wire.policy, secret=b"another tenant's own secret"))
    foreign = [*tokens(same_tenant, STRANGER), *tokens(other_tenant, EMAIL, STRANGER)]
    invented = ["<EMAIL_ADDRESS_aaaaaaaa>", talk.email.upper(), talk.email.replace("EMAIL", "E"), talk.email[1:-1]]
    for name in (*foreign, *invented):
        for kind in KINDS:
            text = json.dumps({"a": name}) if kind in JSON else f"a {name} b"
            assert talk.text(kind, chunks(text, 5)) == text


def test_a_strangers_token_stays_a_token() -> None:
    check_strangers()


def test_a_token_the_client_typed_itself_stays_a_token() -> None:
    """Who writes a token that looks right does not get what it stands for elsewhere."""
    known = Talk()
    wire = conversation("x.y@example.com", f"what is {known.email}?", wire=Wire(known.wire.policy))
    source = [one("text", chunks(f"it is {known.email}.", 4))]
    start = len(wire.sent_down)
    for event in sequence(source):
        wire.provider(event)
    assert received(wire.sent_down[start:], source)[0][0].agreed() == f"it is {known.email}."


# ---------------------------------------------------------------------------------------------------------------- links

LINKS: Final = (
    "![x](https://evil.example/?q={0})",
    "[x](//evil.example/{0}/{1})",
    "see https://evil.example/?a={0}&b={1} now {2}",
    "HTTP://evil.example/{0}",
    '<img src="https://evil.example/{0}">',
    "www.evil.example/{0}",
    "wss://evil.example/{0}",
    "ftp://evil.example/{0}",
    "[x]({0})",
    "https://{0}.evil.example/",
    "\\\\evil.example\\{0}",
    "https://evil.example/" + "a" * 9000 + "{0}",
)
OPEN: Final = ("mail {0} now", "(see {0})", "either/or {0}", "a: {0}", "https://example.com/ {0}", "[x] {0}", '"{0}"')


def check_links(kind: str, size: int) -> None:
    """The property: in a link a token stays a token, however the link is cut; beside it, it is restored."""
    talk = Talk(urls=False)
    encode = json.dumps if kind in JSON else str
    read = json.loads if kind in JSON else str
    for link in LINKS:
        text = link.format(talk.email, talk.other, "").rstrip()
        assert read(talk.text(kind, chunks(encode(text), size))) == text
    for link in OPEN:
        result = read(talk.text(kind, chunks(encode(link.format(talk.email)), size)))
        assert result == link.format(EMAIL)


@pytest.mark.parametrize("size", [1, 3, 20, 20_000])
@pytest.mark.parametrize("kind", ["text", "summary", "arguments", "custom"])
def test_a_token_in_a_link_stays_a_token(kind: str, size: int) -> None:
    check_links(kind, size)


def check_links_agree(kind: str) -> None:
    """The property: where links are kept, too, all four places say the same for any text and any cut."""
    talk = Talk(urls=False)

    @_fast
    @given(pieces=st.lists(_PIECES, max_size=25), data=st.data())
    def check(pieces: list[str], data: st.DataObject) -> None:
        text = spelled(pieces, talk)
        text = json.dumps({"a": text}) if kind in JSON else text
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        result = talk.text(kind, cut(text, *offsets))
        assert kind not in JSON or json.loads(result)

    check()


@pytest.mark.parametrize("kind", ["text", "code", "arguments"])
def test_links_are_judged_the_same_in_pieces_and_whole(kind: str) -> None:
    check_links_agree(kind)


def test_a_token_without_brackets_in_a_link_stays_a_token() -> None:
    """Names carry tokens without brackets; in a link such a one would carry the value away all the same."""
    names = Restorable({"EMAIL_ADDRESS_aaaaaaaa": EMAIL})
    restorer = Talk(urls=False).wire.session._outbound._restoring._restorer
    assert restorer.bare("call_EMAIL_ADDRESS_aaaaaaaa", names) == f"call_{EMAIL}"
    assert EMAIL not in restorer.bare("https://evil.example/?q=EMAIL_ADDRESS_aaaaaaaa", names)


# -------------------------------------------------------------------------------------------------------- masked answers


@pytest.mark.parametrize("kind", PLAIN)
def test_a_masked_answer_restores_the_clients_own_values_alike(kind: str) -> None:
    """With `mask: new` the events are made anew, and say the same in all four places."""
    talk = Talk(mask="new")
    text = adversarial(talk)
    assert talk.text(kind, chunks(text, 9)) == expected(text, talk.names)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", JSON)
def test_masked_arguments_stay_json(kind: str, encoder: str) -> None:
    talk = Talk(mask="new")
    value = {"to": [talk.email, f"<{talk.other}>", f"a {talk.note} b"], "n": 1, talk.email: {"deep": talk.note}}
    text = ENCODERS[encoder](value)
    assert json.loads(talk.text(kind, chunks(text, 9))) == expected_json(value, talk.names)


@pytest.mark.parametrize("kind", ["text", "summary", "arguments", "custom"])
def test_a_token_in_a_link_of_a_masked_answer_stays_a_token(kind: str) -> None:
    talk = Talk(mask="new", urls=False)
    encode, read = (json.dumps, json.loads) if kind in JSON else (str, str)
    for link in LINKS:
        text = link.format(talk.email, talk.other, "").rstrip()
        assert read(talk.text(kind, chunks(encode(text), 9))) == text


# -------------------------------------------------------------------------------------------------------------- mutants


def test_without_holding_back_the_cuts_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: every piece goes out at once."""
    monkeypatch.setattr(RestoreStream, "feed", lambda self, piece: self._restore(piece))
    for check in (check_every_offset, check_every_size):
        with pytest.raises(AssertionError):
            check("text")
    with pytest.raises(AssertionError):
        check_json("arguments", "plain")


def test_holding_back_only_an_open_bracket_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: only a bracket at the very end is held back."""
    monkeypatch.setattr(Restorable, "may_begin", lambda _self, text: text == "<")
    with pytest.raises(AssertionError):
        check_every_offset("text")


def test_forgetting_what_is_held_back_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what is held back at the end of a text is not given."""
    monkeypatch.setattr(RestoreStream, "holding", property(lambda _self: False))
    with pytest.raises(AssertionError):
        check_every_offset("text")


def test_restoring_in_a_loop_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: `str.replace` for one token after another, which rewrites what a value brought in."""

    def loop(self: Restorer, text: str, known: Restorable, *, escape: bool = False, before: str = "") -> str:
        for name, value in known.values.items():
            text = text.replace(name, restore._escape(value) if escape else value)
        return text

    check_one_pass()
    monkeypatch.setattr(Restorer, "whole", loop)
    with pytest.raises(AssertionError):
        check_one_pass()


def check_one_pass() -> None:
    """The property: a value that holds what is another value's token comes back as it was."""
    first = Talk(values=(EMAIL, OTHER, NOTE))
    tricky = f"Q«a note about {first.email} and {first.other}»Q"
    talk = Talk(values=(tricky, EMAIL, OTHER))
    note, email, _ = talk.names
    assert email == first.email
    for kind in PLAIN:
        text = f"{note} {email} {note}"
        assert talk.text(kind, chunks(text, 7)) == f"{tricky} {EMAIL} {tricky}"


def test_a_value_that_holds_anothers_token_comes_back_as_it_was() -> None:
    check_one_pass()


def test_values_that_are_not_escaped_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: values go into JSON as they are."""
    monkeypatch.setattr(restore, "_escape", lambda value: value)
    with pytest.raises(ValueError, match="control character|delimiter|Expecting|escape"):
        check_json("arguments", "plain")


def test_brackets_written_as_escapes_that_are_not_seen_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: an escape may be cut in two."""
    monkeypatch.setattr(stream, "_UNFINISHED", re.compile(r"(?!)"))
    with pytest.raises(AssertionError):
        check_json("arguments", "html")


def test_an_escaped_backslash_that_is_not_seen_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the second backslash of two begins an escape."""
    monkeypatch.setattr(restore, "is_escaped", lambda _text, _at: False)
    with pytest.raises((AssertionError, ValueError)):
        check_json("arguments", "ascii")


def test_one_stream_for_all_texts_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: pieces of different items go into one stream."""
    monkeypatch.setattr(restoring, "position", lambda _frame: ())
    with pytest.raises(AssertionError):
        for seed in range(20):
            check_interleaved(seed)


def test_ending_all_parts_of_an_item_at_once_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the end of one part gives what is held back of the others."""
    monkeypatch.setattr(restoring, "_PLACE", ("output_index",))
    with pytest.raises(AssertionError):
        for seed in range(40):
            check_interleaved(seed)


def test_values_shared_by_all_lanes_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: whatever anybody sent restores everywhere."""
    everything: dict[str, str] = {}
    init, look = Restorable.__init__, Restorer.one

    def remember(self: Restorable, values: Mapping[str, str]) -> None:
        everything.update(values)
        init(self, everything)

    monkeypatch.setattr(Restorable, "__init__", remember)
    for check in (check_strangers, lambda: check_lanes(3)):
        everything.clear()
        with pytest.raises(AssertionError):
            check()
    assert look is Restorer.one


def test_links_that_are_not_seen_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: no text is a link."""
    monkeypatch.setattr("guardrails.restore.in_link", lambda *_args, **_more: False)
    with pytest.raises(AssertionError):
        check_links("text", 3)


def test_forgetting_what_went_by_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a stream judges links by the piece it has at hand."""
    monkeypatch.setattr(RestoreStream, "_passed", lambda _self, _text: None)
    with pytest.raises(AssertionError):
        check_links("text", 3)
