"""Mask a provider's events before the client sees them: `delivery: replay`, `suppress`, and what is not live.

The raw pieces of a text are dropped. When an item is complete it is masked once, and the client gets the sequence of
events that would have brought the masked item; `suppress` leaves even that out and sends the final event only. An event
nobody listed is masked like any text. Where nothing can be examined (sound, pictures), nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from gateway.audit.record import Found
from gateway.errors import Refused
from gateway.session.masking import BARE, question
from gateway.session.restoring import Restoring, is_json
from gateway.session.states import WOULD, Frame, Outgoing, Response, Setup
from gateway.wire.events import Class, Event
from gateway.wire.frame import Json, encode
from gateway.wire.schema import Kind
from gateway.wire.synth import item_events
from gateway.wire.texts import Text, Walk, walk
from guardrails.joining import Question
from guardrails.redact import Outcome

_DROPPED: Final = frozenset({Class.DELTA, Class.DONE, Class.PART, Class.ANNOTATION, Class.ITEM_ADDED, Class.BLOB})
_RECORDED: Final = frozenset({Class.ITEM_DONE, Class.TERMINAL})
_ANSWER: Final = ("response.output", "response.error")
_OUTPUT: Final = re.compile(r"response\.output\[([0-9]+)\]")
_MAX_INDEX: Final = 10_000
"""No response has so many items; a larger number could be somebody's, and is not recorded."""
_MAX_ASIDES: Final = 32
"""Lifecycle events kept for one item until it is complete; real items have at most four."""


class Replay:
    """Masks the events of one session."""

    __slots__ = ("_restoring", "_setup", "_suppress")

    def __init__(self, setup: Setup, restoring: Restoring) -> None:
        self._setup = setup
        self._restoring = restoring
        self._suppress: Final = setup.policy.output.delivery == "suppress"

    def drops(self, response: Response | None, row: Event, frame: Frame) -> bool:
        """Whether an event is not sent; what is known of its item is kept for when the item is complete."""
        if row.cls in _DROPPED:
            return not (row.cls is Class.BLOB and self._setup.policy.input.attachments == "allow")
        if row.cls is Class.LIFECYCLE:
            index = frame.get("output_index")
            if not self._suppress and response is not None and isinstance(index, int):
                aside = response.asides.setdefault(index, [])
                if len(aside) < _MAX_ASIDES:
                    aside.append(str(frame["type"]))  # one of the table; nothing else of it was examined
            return True
        return row.cls is Class.ITEM_DONE and self._suppress

    def complete(self, response: Response | None, row: Event, frame: Frame) -> None:
        """With `suppress` the last event is all that a client gets: put into it the items that it leaves out.

        Some providers end every response with an empty output.
        """
        if not self._suppress or response is None:
            return
        index, whole = frame.get("output_index"), frame.get("response")
        if row.cls is Class.ITEM_DONE and isinstance(index, int) and len(response.items) < _MAX_INDEX:
            response.items[index] = frame.get("item")
        elif row.cls is Class.TERMINAL and isinstance(whole, dict) and whole.get("output") == []:
            whole["output"] = [item for _, item in sorted(response.items.items())]

    def texts(self, frame: Frame) -> tuple[Walk, Sequence[Text]]:
        """The texts of an event to be examined, and the walk that found them."""
        found = walk(frame, secrets=True)
        return found, [text for text in found.texts if text.text]

    def question(self, frame: Frame, texts: Sequence[Text]) -> Question:
        """What to ask detection about them. An item that went out by itself must look the same at the end."""
        return question(self._setup, frame, texts, items_apart=not self._suppress)

    def note(self, waiting: Outgoing) -> None:
        """Note what masking would find in an event, or why nobody can say, and leave it as it is."""
        if waiting.failure is not None:
            if waiting.response is not None:
                waiting.response.observed = f"{WOULD}{waiting.failure}"
            return
        try:
            self._outcomes(waiting)
        except Refused:
            return

    def frames(self, waiting: Outgoing) -> Iterator[str]:
        """The frames to send for an event whose texts were examined.

        Raises:
            Refused: the policy blocks something that was found.

        """
        self._mask(waiting)
        frame, response = waiting.frame, waiting.response
        if response is None:
            yield encode(frame)
            return
        events: Iterable[Frame] = (frame,)
        if waiting.row.cls is Class.ITEM_DONE:
            events = self._item(response, frame, frame.get("item"), frame.get("output_index"))
        elif waiting.row.cls is Class.TERMINAL and not (self._suppress or response.recorded):
            events = chain(self._undelivered(response, frame), events)
        for one in events:
            yield encode(numbered(response, one))
        if waiting.row.cls is Class.RESPONSE:
            response.heartbeat = {**frame, "type": "response.in_progress"}

    def beat(self, response: Response) -> str | None:
        """A frame that says the response is still on its way; None before its first event."""
        return None if response.heartbeat is None else encode(numbered(response, response.heartbeat))

    def hide(self, waiting: Outgoing) -> None:
        """Mask an event in place for who may see neither what it holds nor what its tokens stand for.

        Raises:
            Refused: the policy blocks something that was found.

        """
        self._mask(waiting, restore=False)

    def _mask(self, waiting: Outgoing, *, restore: bool = True) -> None:
        """Mask an event in place, and restore what `restore` and the policy allow."""
        new = self._outcomes(waiting, restore=restore)
        new.update((at, text.shown) for at, text in waiting.live.items())
        unread = "" if self._setup.policy.input.attachments == "block" else None
        waiting.walk.rewrite(
            lambda text: new.get(id(text), text.text),
            attachment=lambda blob: new.get(id(blob), unread),
        )
        for item, text in waiting.fields:
            item[text.source.field] = text.shown
        waiting.walk.drop_repeats()
        waiting.frame.pop("obfuscation", None)

    def _outcomes(self, waiting: Outgoing, *, restore: bool = True) -> dict[int, str]:
        """What becomes of each text; what was found in them is noted.

        Raises:
            Refused: the policy blocks something that was found.

        """
        response = waiting.response
        known = waiting.known
        json_text = response is not None and response.json_text
        tools = response.tools if response is not None else {}
        new: dict[int, str] = {}
        blocked: set[str] = set()
        for text, spans in zip(waiting.texts, waiting.findings or (), strict=True):
            if id(text) in waiting.live:
                late = waiting.live[id(text)].late(text.text, spans)
                if response is not None and late:
                    response.found.append(Found(late, _place(waiting, text)))
                continue
            back = restore and self._restoring.allows(text, waiting.frame, tools)
            escape = is_json(text, json_text=json_text)
            bare = text.kind in BARE
            outcome = self._setup.masker.output(text.text, spans, known, escape=escape, restore=back, bare=bare)
            new[id(text)] = outcome.text
            blocks = [applied.entity for applied in outcome.applied if applied.action == "block"]
            blocked.update(blocks)
            if response is not None and (blocks or waiting.row.cls in _RECORDED):
                self._note(waiting, response, text, outcome)
        if blocked:
            entities = ", ".join(sorted(blocked))
            raise Refused(f"Policy {self._setup.policy.name} does not let {entities} through in an answer.")
        return new

    def _note(self, waiting: Outgoing, response: Response, text: Text, outcome: Outcome) -> None:
        """Keep for the record what the client gets: the items and the final event, not the same ones twice."""
        keeps = self._setup.policy.audit.content == "masked"
        if not (keeps or outcome.applied):
            return
        place = _place(waiting, text)
        if (
            waiting.row.cls is not Class.ITEM_DONE
            and (item := _OUTPUT.match(place)) is not None
            and int(item[1]) in response.delivered
        ):
            return
        if outcome.applied:
            response.found.append(Found(outcome.applied, place))
        if keeps and place.startswith(_ANSWER) and text.kind is not Kind.SECRET:
            response.content.setdefault(place, []).append(outcome.masked)

    def _item(self, response: Response, frame: Frame, item: Json, index: Json) -> Iterator[Frame]:
        """The events that bring a whole item; what was said of it meanwhile comes after it is announced."""
        if not isinstance(item, dict) or not isinstance(index, int):
            yield frame
            return
        response.delivered.add(index)
        lane: Frame = {"stream_id": frame["stream_id"]} if "stream_id" in frame else {}
        at: Frame = {"output_index": index}
        if "id" in item:
            at["item_id"] = item["id"]
        live = response.live.get(index)
        events = list(item_events(item, index, begun=None if live is None else live.begun))
        meanwhile: list[Frame] = [{"type": name, **at} for name in response.asides.pop(index, ())]
        after = 1 if live is None else 0
        for event in (*events[:after], *meanwhile, *events[after:]):
            yield {**event, "sequence_number": 0, **lane}

    def _undelivered(self, response: Response, frame: Frame) -> Iterator[Frame]:
        """Bring the items that only the final event holds, as when a response breaks off."""
        whole = frame.get("response")
        output = whole.get("output") if isinstance(whole, dict) else None
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if index not in response.delivered:
                yield from self._item(response, frame, item, index)


def _place(waiting: Outgoing, text: Text) -> str:
    """Where a text stands in the response."""
    place, index = text.place, waiting.frame.get("output_index")
    if waiting.row.cls is Class.ITEM_DONE and isinstance(index, int) and 0 <= index < _MAX_INDEX:
        return f"response.output[{index}]{place.removeprefix('item')}"
    return place


def numbered(response: Response, event: Frame) -> Frame:
    """An event with the next number of its response: the provider's own have gaps and repetitions by now."""
    if "sequence_number" not in event:
        return event
    response.sequence += 1
    return {**event, "sequence_number": response.sequence - 1}
