"""Mask a provider's answers as they come: `delivery: live`.

An item is announced when the provider announces it, with nothing in it. The pieces of each of its texts go into a
`MaskStream`, and what that lets go is sent as pieces of the gateway's own. The events that repeat a text (`.done`, the
part, the item, the last event) get exactly what was sent. All else, and every text that cannot be live, waits for its
item as under `delivery: replay`.

Here is what is asked and when; outbound.py keeps the order of a lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.record import Found
from gateway.errors import NotExamined, Refused
from gateway.session.effects import Detect, ToClient
from gateway.session.lanes import Lanes
from gateway.session.live_json import JsonStream
from gateway.session.replay import numbered
from gateway.session.restoring import Restoring
from gateway.session.states import Findings, Frame, Lane, LiveItem, LiveText, Outgoing, Piece, Response, Setup
from gateway.wire.events import Class, Event
from gateway.wire.frame import Json, encode
from gateway.wire.synth import FIELDS, PARTS, Place, Source, emptied, emptied_part
from gateway.wire.texts import Text
from guardrails.horizon import Horizon, horizon
from guardrails.live import MaskStream

_LARGEST: Final = 10_000
"""No response has so many items, no item so many parts; of more, nothing is live."""
_CHARACTERS: Final = 16 * 1024 * 1024
"""Of one text; a provider that sends more has its response refused. Its last event could not hold it either."""
_SOURCES: Final = {source.events: source for source in (*PARTS.values(), *FIELDS.values())}
_JSON: Final = "arguments"
_FLUSHES: Final = frozenset({Class.DONE, Class.PART})
_ENDS_ALL: Final = frozenset({Class.TERMINAL, Class.ERROR})


class Live:
    """The texts of one session that go out as they come."""

    __slots__ = ("_asked", "_bounds", "_lanes", "_restoring", "_setup")

    def __init__(self, setup: Setup, lanes: Lanes, restoring: Restoring, bounds: Horizon) -> None:
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._restoring: Final = restoring
        self._bounds: Final = bounds
        self._asked: dict[int, LiveText] = {}

    def takes(self, lane: Lane, response: Response, row: Event, frame: Frame) -> Frame | list[Detect] | None:
        """What to send of an event; or what to ask now, where it only carries a text on, or ends one.

        None when it is not about anything live.

        Raises:
            NotExamined: a text is too long.

        """
        asks = self._carries(response, row, frame)
        if asks is not None:
            return asks
        if row.cls is Class.LIFECYCLE:
            return self._passes(response, frame)
        return frame if self._opens(lane, response, row, frame) else None

    def _carries(self, response: Response, row: Event, frame: Frame) -> list[Detect] | None:
        """What to ask after an event that carries a text on, or ends one; None for any other."""
        if row.cls is Class.DELTA:
            text = self._text(response, frame)
            piece = frame.get(row.text)
            if text is None or text.ending or not isinstance(piece, str):
                return []  # it waits for its item
            text.stream.feed(piece)
            if text.stream.size > _CHARACTERS:
                raise NotExamined("A text of the answer is too long to be examined.")
            return self._ask(text)
        if row.cls is Class.ANNOTATION:
            return []
        if row.cls in _FLUSHES and not str(frame["type"]).endswith(".added"):
            text = self._text(response, frame)
            if text is None:
                return []
            whole = frame.get(text.source.field)
            return self._end(text, whole if isinstance(whole, str) else None)
        return None

    def _opens(self, lane: Lane, response: Response, row: Event, frame: Frame) -> bool:
        """Whether an event announces an item or part that goes live; it is emptied, and to be sent."""
        index = _number(frame.get("output_index"))
        if index is None:
            return False
        if row.cls is Class.ITEM_ADDED:
            item = frame.get("item")
            if not isinstance(item, dict) or index in response.live:
                return False
            live = response.live[index] = LiveItem(index, lane)
            kind = item.get("type")
            if isinstance(kind, str) and kind in FIELDS:
                self._open(response, live, FIELDS[kind], ("", 0))
            frame["item"] = emptied(item)
            return True
        part, item_live = frame.get("part"), response.live.get(index)
        if row.cls is not Class.PART or not isinstance(part, dict) or item_live is None:
            return False
        source = PARTS.get(str(part.get("type")))
        place = _place(frame, source) if source is not None else None
        if source is None or place is None or place in item_live.texts:
            return False
        self._open(response, item_live, source, place)
        frame["part"] = emptied_part(part)
        return True

    def _passes(self, response: Response, frame: Frame) -> Frame | None:
        """What to send of an event that only says how far an announced item is; None when it was not announced."""
        if self._item(response, frame.get("output_index")) is None:
            return None
        kept = ("type", "output_index", "item_id", "sequence_number", "stream_id")
        return {key: frame[key] for key in kept if key in frame}

    def ends(self, waiting: Outgoing) -> list[Detect]:
        """Have an event wait for the texts that end with it, and take out of it what repeats texts that went out.

        Gives what to ask about their ends. Without bounds, a whole item is examined all the same, to say what was seen
        too late.
        """
        response = waiting.response
        if response is None:
            return []
        waiting.awaits = self._ending(response, waiting.row, waiting.frame)
        rest: list[Text] = []
        waiting.fields = list(self._fields(response, waiting))
        wholes = {id(live): str(item[live.source.field]) for item, live in waiting.fields}
        for text in waiting.texts:
            live = self._same(response, waiting, text)
            if live is not None and isinstance(live.stream, JsonStream):
                continue
            if live is not None:
                waiting.live[id(text)] = live
                wholes[id(live)] = text.text
            if live is None or (self._bounds.sentences and waiting.row.cls is Class.ITEM_DONE):
                rest.append(text)
        waiting.texts = rest
        asks = [ask for text in waiting.awaits for ask in self._end(text, wholes.get(id(text)))]
        waiting.awaits = [text for text in waiting.awaits if not text.ended]
        return asks

    def answered(self, ticket: int) -> LiveText | None:
        """The text that a question was about."""
        return self._asked.pop(ticket, None)

    def release(self, text: LiveText, findings: Findings) -> tuple[Piece | None, list[Detect]]:
        """Let go what may go of a text that was examined, and ask about what came since.

        Raises:
            Refused: the policy blocks something that was found.

        """
        stream = text.stream
        outcome = stream.answer(findings) if isinstance(stream, JsonStream) else stream.answer(findings[0])
        piece: Piece | None = None
        if outcome is not None:
            blocked = sorted({one.entity for one in outcome.applied if one.action == "block"})
            text.found += outcome.applied
            if blocked:
                names = ", ".join(blocked)
                raise Refused(f"Policy {self._setup.policy.name} does not let {names} through in an answer.")
            piece = Piece(text, outcome.text) if outcome.text else None
        return piece, self._ask(text)

    def place(self, text: LiveText, piece: Piece | None) -> ToClient | None:
        """Put a piece where it belongs among the events that wait: before the first one that waits for its text.

        Gives what is to be sent, where nothing waits.
        """
        out = text.item.lane.out
        awaiting = [one for one in out if isinstance(one, Outgoing) and text in one.awaits]
        if text.ended:
            for one in awaiting:
                one.awaits.remove(text)
        if piece is None:
            return None
        if not out:
            return self.send(piece)
        if awaiting:
            awaiting[0].ahead.append(piece)
        else:
            out.append(piece)
        return None

    def send(self, piece: Piece) -> ToClient:
        """The event that brings a piece of a text."""
        piece.of.response.quiet = False
        return ToClient(encode(numbered(piece.of.response, self._frame(piece))))

    def _frame(self, piece: Piece) -> Frame:
        text = piece.of
        new: Frame = {"type": f"{text.source.events}.delta", **text.item.at, "delta": piece.text, "sequence_number": 0}
        if text.source.number:
            new[text.source.number] = text.place[1]
        if text.source.events == "response.output_text":
            new["logprobs"] = []
        return new

    def announced(self, response: Response, frame: Frame) -> None:
        """An item was announced, masked: from now on its events name it as that did."""
        item, live = frame.get("item"), self._item(response, frame.get("output_index"))
        if live is None or not isinstance(item, dict):
            return
        live.at = {"output_index": live.index}
        if "id" in item:
            live.at["item_id"] = item["id"]
        if "stream_id" in frame:
            live.at["stream_id"] = frame["stream_id"]

    def note(self, response: Response) -> None:
        """Put what was found in a response's texts, and what of them went out, where its row takes it from."""
        keeps = self._setup.policy.audit.content == "masked"
        for item in response.live.values():
            for text in item.texts.values():
                place = _named(text)
                response.found += (Found(applied, place) for applied in text.found)
                if keeps:
                    masked = text.stream.masked
                    response.content[place] = masked if isinstance(masked, list) else [masked]
        response.live.clear()

    def _ending(self, response: Response, row: Event, frame: Frame) -> list[LiveText]:
        """The texts that end with an event."""
        if row.cls in _ENDS_ALL:
            items = list(response.live.values())
        else:
            item = self._item(response, frame.get("output_index")) if row.cls is Class.ITEM_DONE else None
            items = [] if item is None else [item]
        return [text for item in items for text in item.texts.values() if not text.ended]

    def _item(self, response: Response, index: Json) -> LiveItem | None:
        number = _number(index)
        return None if number is None else response.live.get(number)

    def _open(self, response: Response, item: LiveItem, source: Source, place: Place) -> None:
        if len(item.texts) >= _LARGEST:
            return
        restore = self._restoring.allowed(tool=not source.array, name=response.tools.get(item.index))
        stream: MaskStream | JsonStream
        if source.field == _JSON:
            stream = JsonStream(self._setup.masker, response.known, restore=restore)
        else:
            escape = response.json_text and source.events == "response.output_text"
            stream = MaskStream(self._setup.masker, self._bounds, response.known, restore=restore, escape=escape)
        item.texts[place] = LiveText(response, item, source, place, stream)

    def _text(self, response: Response, frame: Frame) -> LiveText | None:
        """The text that an event is about."""
        item = self._item(response, frame.get("output_index"))
        if item is None:
            return None
        source = _SOURCES.get(str(frame["type"]).rpartition(".")[0])
        if source is None:
            part = frame.get("part")
            source = PARTS.get(str(part.get("type"))) if isinstance(part, dict) else None
        place = _place(frame, source) if source is not None else None
        return item.texts.get(place) if place is not None else None

    def _ask(self, text: LiveText) -> list[Detect]:
        question = text.stream.question(final=text.ending)
        if question is None:
            text.ended = text.ending and not text.stream.asking
            return []
        ticket = self._lanes.ticket()
        self._asked[ticket] = text
        texts = (question,) if isinstance(question, str) else question
        return [Detect(ticket, texts, patient=not text.ending)]

    def _end(self, text: LiveText, whole: str | None) -> list[Detect]:
        """No piece is to come. What the whole has more than the pieces is the last one."""
        if text.ending:
            return []
        text.ending = True
        raw = text.stream.raw
        if whole is not None and len(whole) > len(raw) and whole.startswith(raw):
            text.stream.feed(whole[len(raw) :])
        return self._ask(text)

    def _fields(self, response: Response, waiting: Outgoing) -> Iterator[tuple[Frame, LiveText]]:
        """The whole items of an event of which a field has gone out, with that field."""
        if waiting.row.cls is Class.ITEM_DONE:
            items: list[tuple[Json, Json]] = [(waiting.frame.get("output_index"), waiting.frame.get("item"))]
        else:
            whole = waiting.frame.get("response") if waiting.row.cls is Class.TERMINAL else None
            output = whole.get("output") if isinstance(whole, dict) else None
            items = list(enumerate(output)) if isinstance(output, list) else []
        for index, item in items:
            live = self._item(response, index)
            text = live.texts.get(("", 0)) if live is not None else None
            if text is not None and isinstance(item, dict) and isinstance(item.get(text.source.field), str):
                yield item, text

    def _same(self, response: Response, waiting: Outgoing, text: Text) -> LiveText | None:
        """The live text that a text of a whole item or response repeats."""
        if text.is_key or not response.live:
            return None
        steps = text.steps()
        index: Json = None
        if waiting.row.cls is Class.ITEM_DONE and steps[:1] == ["item"]:
            index, steps = waiting.frame.get("output_index"), steps[1:]
        elif waiting.row.cls is Class.TERMINAL and steps[:2] == ["response", "output"] and len(steps) > 3:
            index, steps = steps[2], steps[3:]
        item = self._item(response, index)
        if item is None:
            return None
        match steps:
            case [str(array), int(part), str(name)]:
                live = item.texts.get((array, part))
            case [str(name), *below]:
                live = item.texts.get(("", 0))
                if below and live is not None and not isinstance(live.stream, JsonStream):
                    return None
            case _:
                return None
        return live if live is not None and live.source.field == name else None


def live_texts(setup: Setup, lanes: Lanes, restoring: Restoring) -> Live | None:
    """What goes out as it comes under a policy; nothing does where it wants to see its answers whole."""
    output = setup.policy.output
    if output.delivery != "live":
        return None
    bounds = horizon(setup.policy)
    return None if bounds.sentences and output.unbounded == "replay" else Live(setup, lanes, restoring, bounds)


def _number(value: Json) -> int | None:
    """An index of an item or part, if it is one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST:
        return value
    return None


def _place(frame: Frame, source: Source) -> Place | None:
    if not source.number:
        return ("", 0)
    number = _number(frame.get(source.number))
    return None if number is None else (source.array, number)


def _named(text: LiveText) -> str:
    array, number = text.place
    part = f".{array}[{number}]" if array else ""
    return f"response.output[{text.item.index}]{part}.{text.source.field}"
