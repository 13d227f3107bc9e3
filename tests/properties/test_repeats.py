"""Whole texts come four times, and are looked through once: the events that repeat one read as if they had been too."""

from __future__ import annotations

import pytest

from gateway.session import restoring
from gateway.wire.frame import Json
from tests.kit import EMAIL, RESTORE, Wire, policy, token
from tests.properties.answers import MODELS, RESPONSE, events
from tests.properties.sdk import LANE

APART = policy("output: {restore_in: {tool_arguments: false}}\n")


def talk(text: str, *, knows: bool, of: object = RESTORE) -> tuple[Wire, str]:
    """A response whose text was restored before, or not; and the text with the value's token in it."""
    wire = Wire(policy=of, asked="gpt-5.1")  # type: ignore[arg-type]  # a policy
    wire.client({"type": "response.create", "input": f"mail {EMAIL}", "stream_id": LANE})
    wire.provider({"type": "response.created", "sequence_number": 0, "response": RESPONSE, "stream_id": LANE})
    said = text.replace(EMAIL, token(wire, EMAIL))
    if knows:
        done = {"type": "response.output_text.done", "item_id": "other", "output_index": 90, "content_index": 0}
        wire.provider({**done, "text": said, "logprobs": [], "stream_id": LANE})
    return wire, said


@pytest.mark.parametrize(
    "text",
    [f"x {EMAIL} y", f'a "quoted" \\ {EMAIL}\né', f"[see](https://a.example/?q={EMAIL}) {EMAIL}", f'","text":"{EMAIL}'],
)
@pytest.mark.parametrize("of", [RESTORE, APART], ids=["everywhere", "not in tools"])
def test_an_event_reads_the_same_whether_its_text_was_restored_before_or_not(text: str, of: object) -> None:
    count = 0
    for name, event in cases(text):
        looked, again = (send(event, text, knows=knows, of=of) for knows in (False, True))
        assert looked == again, name
        count += 1
    assert count >= len(MODELS)


def test_most_of_them_are_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[object] = []
    walk = restoring.walk
    monkeypatch.setattr(restoring, "walk", lambda *a, **b: walks.append(a) or walk(*a, **b))
    wire, said = talk(f"x {EMAIL} y", knows=True)
    part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    for event in (
        {"type": "response.content_part.done", "item_id": "m", "output_index": 0, "content_index": 0, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**RESPONSE, "output": [item]}},
    ):
        (down,) = wire.provider({**event, "stream_id": LANE, "sequence_number": 1})
        assert EMAIL in str(down)
    assert len(walks) == 1


@pytest.mark.parametrize(("length", "kept"), [(50_000, True), (150_000, False)])
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
def test_what_is_remembered_of_a_response_is_bounded(length: int, kept: bool, streams: bool) -> None:
    wire, said = talk(f"{EMAIL} ", knows=False)
    (response,) = [lane.active for lane in wire.session._outbound._lanes if lane.active is not None]
    text = said * (length // len(said))
    at = {"item_id": "m", "output_index": 0, "content_index": 0, "stream_id": LANE}
    if streams:
        wire.provider({"type": "response.output_text.delta", **at, "delta": text})
    (*_, down) = wire.provider({"type": "response.output_text.done", **at, "text": text})
    assert down["text"] == f"{EMAIL} " * (length // len(said))
    assert bool(response.repeats) == kept


def cases(text: str) -> list[tuple[str, Json]]:
    """Every event and item of the package, with the text wherever there may be one."""
    return list(events(text, RESPONSE))


def send(event: Json, text: str, *, knows: bool, of: object) -> list[dict[str, Json]]:
    wire, said = talk(text, knows=knows, of=of)
    return wire.provider(_put(event, text, said))  # type: ignore[arg-type]  # an event is an object


def _put(value: Json, old: str, new: str) -> Json:
    if isinstance(value, dict):
        return {key: _put(child, old, new) for key, child in value.items()}
    if isinstance(value, list):
        return [_put(child, old, new) for child in value]
    return value.replace(old, new) if isinstance(value, str) else value
