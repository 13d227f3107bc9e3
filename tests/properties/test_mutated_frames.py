"""Ten thousand broken frames: none leaks, none raises, and each refusal has the form that clients know.

Frames of the package's types are damaged as text (flips, cuts, repetitions, escapes) and as trees (types swapped, nests,
huge numbers, keys moved), and events come in any order, on any lane, with answers of detection late or failed. The
seeds are fixed, so a failure is found again by its number.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any, Final

import pytest

from gateway.errors import AuditError, Refused, UpstreamError
from gateway.session import inbound, masking, outbound
from gateway.session.refusals import STATUS
from gateway.session.replay import Replay
from gateway.wire.frame import Json, encode, loads
from guardrails.findings import Finding
from guardrails.vault import Recalled, Restorable
from policies.model import Policy
from tests.kit import LIVE, REPLAY, REPLAY_ALL, RESTORE, SUPPRESS, Wire, policy
from tests.properties.mutations import DOWN, UP, Frame, mutated
from tests.properties.planting import EMAIL

EACH_WAY: Final = 5_000
BATCHES: Final = 20
OPEN: Final = policy("input: {attachments: allow}\n")
OBSERVE: Final = policy("mode: observe\noutput: {mask: new}\n")

_WHOLE: Final = re.compile(r"zq\.canary@example\.com|(?<!\d)4111111111111111(?!\d)")


# ------------------------------------------------------------------------------------------------------------ properties


def visible(raw: str) -> bool:
    """Whether a whole canary can be read in a frame: in a string, a key, a number, or JSON within a string."""
    return _readable(loads(raw), 3)


def _readable(value: Json, opened: int) -> bool:
    if isinstance(value, dict):
        return any(_readable(key, 0) or _readable(child, opened) for key, child in value.items())
    if isinstance(value, list):
        return any(_readable(child, opened) for child in value)
    if isinstance(value, str):
        if _WHOLE.search(value):
            return True
        if opened and value[:1] in '{["':
            try:
                return _readable(loads(value), opened - 1)
            except Exception:  # noqa: BLE001  # no JSON
                return False
        return False
    return not isinstance(value, bool) and value is not None and _WHOLE.search(encode(value)) is not None


def check_refusals(wire: Wire) -> None:
    """The property: what the gateway itself says is a well-formed error of status 400."""
    for frame in wire.sent_down:
        if frame.get("type") == "error":
            error = frame["error"]
            assert isinstance(error, dict)
            assert {"type", "code", "message", "param"} <= set(error)
            assert isinstance(frame["status"], int)


def check_rows(wire: Wire) -> None:
    """The property: no row holds a canary."""
    for row in wire.rows:
        assert not _readable(row.as_json(), 1)  # type: ignore[arg-type]


def check_client(seed: int, count: int, of: Policy = OPEN) -> None:
    """The property, from the client to the provider."""
    random = Random(seed)
    wire = Wire(of, asked="gpt-5.1")
    for number in range(count):
        if number % 25 == 0:
            check_alive(wire)
            wire = Wire(of, asked="gpt-5.1", mismatch=random.choice(("overwrite", "reject")))
        before = len(wire.sent_down), len(wire.raw_up)
        wire.client(mutated(random.choice(UP), random))
        assert not any(visible(raw) for raw in wire.raw_up[before[1] :]), number
        for frame in wire.sent_down[before[0] :]:
            assert (frame["type"], frame["status"]) == ("error", STATUS), number
        assert len(wire.raw_up) + len(wire.sent_down) > sum(before) or wire.questions
    check_refusals(wire)
    check_rows(wire)


def check_alive(wire: Wire) -> None:
    """The property: after all that, a good frame still goes through."""
    check_refusals(wire)
    check_rows(wire)
    for lane in list(wire.session._lanes):
        lane.turns.clear()
        lane.waiting.clear()
        lane.active = None
    (sent,) = wire.create(f"mail {EMAIL}")
    assert "mail <EMAIL_ADDRESS_" in str(sent["input"])


def check_provider(seed: int, count: int, of: Policy) -> None:
    """The property, from the provider to the client: in any order, on any lane, with anything going wrong meanwhile."""
    random = Random(seed)
    wire = Wire(of)
    for number in range(count):
        if number % 50 == 0:
            wire.hold = False
            while wire.questions:
                wire.answer()
            check_provider_end(wire, of)
            wire = Wire(of, asked="gpt-5.1", hold=random.random() < 0.5)
        if random.random() < 0.3:
            meanwhile(wire, random)
        wire.provider(mutated(random.choice(DOWN), random))
    check_provider_end(wire, of)


def check_provider_end(wire: Wire, of: Policy) -> None:
    """What has to hold of all that the client got."""
    check_rows(wire)
    if of.output.mask != "off" and of.mode == "enforce":
        check_refusals(wire)
        assert not any(visible(raw) for raw in wire.raw_down)


def meanwhile(wire: Wire, random: Random) -> None:
    """Something else happens: a frame of the client, a timer, detection answers or fails, the provider leaves …"""
    lane: Frame = random.choice(({}, {"stream_id": "a"}, {"stream_id": "lane_1"}))
    what = random.randrange(9)
    if what <= 2:
        wire.create("hello", **lane)
        while wire.questions and random.random() < 0.7:
            wire.answer(random.randrange(len(wire.questions)))
    elif what == 3:
        wire.begin("resp_1", **lane)
    elif what == 4:
        wire.ring()
    elif what == 5 and wire.questions:
        wire.answer(random.randrange(len(wire.questions)))
    elif what == 6 and wire.questions:
        wire.fail()
    elif what == 7:
        wire.perform(wire.session.upstream_closed(UpstreamError("The provider left."), wire.now))
    else:
        late = random.randrange(10**6, 10**7)
        wire.perform(wire.session.detected(late, [[Finding(0, 1, "X", 1.0, "x")]], 0.0, wire.now))
        wire.perform(wire.session.recalled(random.randrange(1000), Recalled(Restorable({})), wire.now))
        wire.perform(wire.session.failed(random.randrange(1000), AuditError("No row."), wire.now))


@pytest.mark.parametrize("seed", range(BATCHES))
def test_no_broken_frame_of_a_client_leaks_or_raises(seed: int) -> None:
    check_client(seed, EACH_WAY // BATCHES)


DOWNWARD: Final = (REPLAY, LIVE, SUPPRESS, REPLAY_ALL, RESTORE, OBSERVE)


@pytest.mark.parametrize("seed", range(BATCHES))
def test_no_broken_event_of_a_provider_leaks_or_raises(seed: int) -> None:
    check_provider(seed, EACH_WAY // BATCHES, DOWNWARD[seed % len(DOWNWARD)])


def test_enough_of_the_broken_frames_get_through_to_be_a_test() -> None:
    """A third of them at least is still a frame that is examined, masked and sent."""
    random = Random(0)
    sent = sum(bool(Wire(OPEN, asked="gpt-5.1").client(mutated(random.choice(UP), random))) for _ in range(300))
    assert sent >= 100


# --------------------------------------------------------------------------------------------------------------- mutants


def test_frames_sent_as_they_came_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: nothing is masked."""
    monkeypatch.setattr(masking, "_outcomes", lambda *_: ())
    with pytest.raises((AssertionError, KeyError)):
        check_client(1, 50)


def test_a_lenient_reader_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a client's frame of any depth is read."""
    monkeypatch.setattr(inbound, "decode", lambda data, depth, limit: loads(data))
    with pytest.raises((AssertionError, RecursionError)):
        check_deep()


def test_an_error_without_a_status_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: refusals in a form after which clients hang."""
    monkeypatch.setattr(inbound, "error_frame", lambda error, lane, **_: '{"type": "error", "message": "no"}')
    with pytest.raises((AssertionError, KeyError)):
        check_client(1, 50)


def test_an_event_sent_as_it_came_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: an event nobody listed is not masked."""
    queue = outbound.Outbound._queue

    def pass_on(self: Any, lane: Any, response: Any, row: Any, frame: Frame, data: str, now: float) -> Any:
        return [] if "zz" in frame else queue(self, lane, response, row, frame, data, now)

    monkeypatch.setattr(outbound.Outbound, "_queue", pass_on)
    check_provider(0, 100, REPLAY)  # dropping is no leak
    monkeypatch.setattr(Replay, "_mask", lambda _self, _waiting: None)
    with pytest.raises(AssertionError):
        check_provider(0, 100, REPLAY)


def check_deep() -> None:
    """The property: nests of any depth are refused in both directions, and nothing raises."""
    for depth in (65, 129, 500, 1000, 100_000):
        for opening, closing in (("[", "]"), ('{"x":', "}")):
            nest = opening * depth + f'"{EMAIL}"' + closing * depth
            wire = Wire(REPLAY, asked="gpt-5.1")
            wire.client(f'{{"type": "response.create", "input": {nest}}}')
            assert not wire.raw_up
            assert wire.sent_down[-1]["status"] == STATUS
            wire.create()
            wire.begin()
            wire.provider(f'{{"type": "response.shiny", "x": {nest}}}')
            assert not any(visible(raw) for raw in wire.raw_down)


def test_nests_of_any_depth_are_refused() -> None:
    check_deep()


@pytest.mark.timeout(5)
def test_a_time_with_a_fraction_is_read_at_once() -> None:
    """Some providers write times so. Looking such a number up in a range looks at every number of the range."""
    for created_at in (1_741_476_542.0, 1_741_476_542.25, 20_000_000.5):
        wire = Wire(REPLAY, asked="gpt-5.1")
        wire.client({"type": "response.create", "input": "x", "created_at": created_at})
        (sent,) = wire.provider({"type": "response.created", "response": {"id": "r", "created_at": created_at}})
        assert sent["response"]["created_at"] == created_at  # type: ignore[index, call-overload]


def test_no_refusal_repeats_what_was_refused() -> None:
    """The sentence of an error reaches the user word for word; it is one of the gateway's own."""
    for data in (
        f'{{"{EMAIL}": ',
        f'"{EMAIL}"',
        f'{{"type": "{EMAIL}"}}',
        f'{{"type": "response.create", "model": "{EMAIL}"}}',
    ):
        wire = Wire(policy("actions: {default: {input: block}}\n"))
        wire.client(data)
        assert wire.sent_down[-1]["type"] == "error"
        assert not visible(wire.raw_down[-1])


def test_a_refusal_is_a_refused_error() -> None:
    """What is blocked is told apart from what is broken, and both in the same form."""
    wire = Wire(policy("actions: {default: {input: block}}\n"))
    wire.create(EMAIL)
    assert wire.rows[-1].decision == "blocked"
    assert wire.sent_down[-1]["error"]["code"] == Refused("x").code  # type: ignore[index, call-overload]
