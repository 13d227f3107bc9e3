"""Mask a provider's answers as they come: `delivery: live`.

An item is announced when the provider announces it, with nothing in it. The pieces of each of its texts go into a
`MaskStream`, and what that lets go is sent as pieces of the gateway's own. The events that repeat a text (`.done`, the
part, the item, the last event) get exactly what was sent. All else, and every text that cannot be live, waits for its
item as under `delivery: replay`.

Parts of one kind are a `Row`: the next one is announced when the one before it has gone out to its end, which waits
for the beginning of the next.

Here is what is asked and when; live_places.py knows where a text stands, outbound.py keeps the order of a lane.
"""

from __future__ import annotations

from typing import Final

from gateway.audit.record import Found
from gateway.errors import NotExamined, Refused
from gateway.session.effects import Detect, Effect, ToClient
from gateway.session.lanes import Lanes
from gateway.session.live_json import JsonStream
from gateway.session.live_places import (
    LARGEST,
    Spot,
    announces_part,
    before,
    ending,
    fields,
    item_of,
    name_of,
    named,
    number_of,
    part_source,
    place_of,
    repeated,
    spot_of,
    text_of,
)
from gateway.session.replay import numbered
from gateway.session.restoring import Restoring, is_json
from gateway.session.states import (
    Findings,
    Frame,
    Lane,
    LiveItem,
    LiveRow,
    LiveText,
    Outgoing,
    Piece,
    Response,
    Setup,
)
from gateway.wire.blobs import Opening
from gateway.wire.events import Class, Event
from gateway.wire.frame import encode
from gateway.wire.schema import Context, Kind, rule
from gateway.wire.synth import FIELDS, Place, Source, emptied, emptied_part
from gateway.wire.texts import Text
from guardrails.horizon import Horizon, horizon
from guardrails.live import MaskStream
from guardrails.live_row import Row
from guardrails.redact import Outcome

_CHARACTERS: Final = 16 * 1024 * 1024
"""Of one text; a provider that sends more has its response refused. Its last event could not hold it either."""
_JSON: Final = "arguments"
_FLUSHES: Final = frozenset({Class.DONE, Class.PART})


class Live:
    """The texts of one session that go out as they come."""

    __slots__ = ("_asked", "_bounds", "_lanes", "_lets_in", "_restoring", "_setup")

    def __init__(self, setup: Setup, lanes: Lanes, restoring: Restoring, bounds: Horizon) -> None:
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._restoring: Final = restoring
        self._bounds: Final = bounds
        self._lets_in: Final = setup.policy.input.attachments == "allow"
        self._asked: dict[int, LiveText | LiveRow] = {}

    def takes(self, lane: Lane, response: Response, row: Event, frame: Frame) -> Frame | list[Effect] | None:
        """What to send of an event; or what to do now, where it only carries a text on, or ends one.

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

    def _carries(self, response: Response, row: Event, frame: Frame) -> list[Effect] | None:
        """What to do after an event that carries a text on, or ends one; None for any other."""
        if row.cls is Class.DELTA:
            text = text_of(response, frame)
            piece = frame.get(row.text)
            if text is None or text.ending or not isinstance(piece, str):
                return []  # it waits for its item
            text.feed(piece)
            if text.size > _CHARACTERS:
                raise NotExamined("A text of the answer is too long to be examined.")
            return list(self._ask(text))
        if row.cls is Class.ANNOTATION:
            return []
        if row.cls in _FLUSHES and not announces_part(row, frame):
            text = text_of(response, frame)
            if text is None:
                return []
            whole = frame.get(text.source.field)
            return self._end(text, whole if isinstance(whole, str) else None)
        return None

    def _opens(self, lane: Lane, response: Response, row: Event, frame: Frame) -> bool:
        """Whether an event announces an item or part that goes live; it is emptied, and to be sent."""
        index = number_of(frame.get("output_index"))
        if index is None:
            return False
        if row.cls is Class.ITEM_ADDED:
            item = frame.get("item")
            if not isinstance(item, dict) or index in response.live:
                return False
            live = response.live[index] = LiveItem(index, lane, name_of(item))
            response.named.setdefault(live.name, live)
            kind = item.get("type")
            if isinstance(kind, str) and kind in FIELDS:
                self._open(response, live, FIELDS[kind], ("", 0))
            frame["item"] = emptied(item)
            return True
        part, item_live = frame.get("part"), response.live.get(index)
        if row.cls is not Class.PART or not isinstance(part, dict) or item_live is None:
            return False
        source = part_source(frame)
        place = place_of(frame, source) if source is not None else None
        if source is None or place is None or place[1] != item_live.parts.get(place[0], 0):
            return False  # who does not see all parts in their order cannot say what is joined to what
        item_live.parts[place[0]] = place[1] + 1
        self._open(response, item_live, source, place)
        frame["part"] = emptied_part(part)
        return True

    def _passes(self, response: Response, frame: Frame) -> Frame | None:
        """What to send of an event that only says how far an announced item is; None when it was not announced."""
        if item_of(response, frame.get("output_index")) is None:
            return None
        kept = ("type", "output_index", "item_id", "sequence_number", "stream_id")
        return {key: frame[key] for key in kept if key in frame}

    def ends(self, waiting: Outgoing) -> list[Effect]:
        """Have an event wait for the texts that end with it, and take out of it what repeats texts that went out.

        Gives what to do about their ends. Without bounds, a whole item is examined all the same, to say what was seen
        too late.
        """
        response = waiting.response
        if response is None:
            return []
        if announces_part(waiting.row, waiting.frame):
            waiting.awaits = before(response, waiting.frame)
            return []
        wholes = self._repeated(response, waiting)
        items = ending(response, waiting.row, waiting.frame)
        waiting.awaits = [text for item in items for text in item.texts.values() if not text.ended]
        effects = [effect for text in waiting.awaits for effect in self._end(text, wholes.get(id(text)))]
        for row in (row for item in items for row in item.rows.values()):
            row.row.close()
            effects += self._ask_row(row)
        waiting.awaits = [text for text in waiting.awaits if not text.ended]
        return effects

    def _repeated(self, response: Response, waiting: Outgoing) -> dict[int, str]:
        """Take out of an event what repeats texts that went out; give what it says of each, by the `id` of the text."""
        rest: list[Text] = []
        waiting.fields = list(fields(response, waiting))
        wholes = {id(live): str(item[live.source.field]) for item, live in waiting.fields}
        for text in waiting.texts:
            spot = spot_of(response, waiting, text)
            live = (repeated(spot) or self._joins(response, waiting, text, spot)) if spot is not None else None
            if live is not None and isinstance(live.stream, JsonStream):
                continue
            if live is not None:
                waiting.live[id(text)] = live
                wholes[id(live)] = text.text
            if live is None or (self._bounds.sentences and waiting.row.cls is Class.ITEM_DONE):
                rest.append(text)
        waiting.texts = rest
        for picture in waiting.walk.attachments:
            spot = spot_of(response, waiting, picture)
            live = repeated(spot) if spot is not None else None
            if live is not None and not isinstance(live.stream, JsonStream):
                waiting.live[id(picture)] = live
                wholes[id(live)] = str(picture.node[picture.key])  # type: ignore[index]  # a key of that node
        return wholes

    def answered(self, ticket: int) -> LiveText | LiveRow | None:
        """The text, or the neighbours, that a question was about."""
        return self._asked.pop(ticket, None)

    def release(self, of: LiveText | LiveRow, findings: Findings) -> tuple[list[Piece], list[Detect]]:
        """Let go what may go of texts that were examined, and ask about what came since.

        Raises:
            Refused: the policy blocks something that was found.

        """
        if isinstance(of, LiveText):
            stream = of.stream
            outcome = stream.answer(findings) if isinstance(stream, JsonStream) else stream.answer(findings[0])
            return self._released(of, outcome), self._ask(of)
        of.row.answer(findings)
        left = [text for text in of.texts if not text.ended]
        pieces = [piece for text in left for piece in self._released(text, text.resume())]
        return pieces, [ask for text in left for ask in self._ask(text)]

    def _released(self, text: LiveText, outcome: Outcome | None) -> list[Piece]:
        if outcome is None:
            return []
        blocked = sorted({one.entity for one in outcome.applied if one.action == "block"})
        text.found += outcome.applied
        if blocked:
            names = ", ".join(blocked)
            raise Refused(f"Policy {self._setup.policy.name} does not let {names} through in an answer.")
        return [Piece(text, outcome.text)] if outcome.text and text.announced else []

    def place(self, of: LiveText | LiveRow, pieces: list[Piece]) -> list[ToClient]:
        """Put pieces where they belong among the events that wait: before the first one that waits for their text.

        Gives what is to be sent, where nothing waits.
        """
        texts = [of] if isinstance(of, LiveText) else of.texts
        out = texts[0].item.lane.out
        awaiting = [one for one in out if isinstance(one, Outgoing) and one.awaits]
        first = {id(piece.of): next((one for one in awaiting if piece.of in one.awaits), None) for piece in pieces}
        for one in awaiting:
            one.awaits = [text for text in one.awaits if not text.ended]
        sent: list[ToClient] = []
        for piece in pieces:
            event = first[id(piece.of)]
            if event is not None:
                event.ahead.append(piece)
            elif out:
                out.append(piece)
            else:
                sent.append(self.send(piece))
        return sent

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
        item, live = frame.get("item"), item_of(response, frame.get("output_index"))
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
                place = named(text)
                if text.found:
                    response.found.append(Found(tuple(text.found), place))
                if keeps:
                    masked = text.stream.masked
                    response.content[place] = masked if isinstance(masked, list) else [masked]
        response.live.clear()
        response.named.clear()

    def _open(self, response: Response, item: LiveItem, source: Source, place: Place) -> None:
        if len(item.texts) >= LARGEST:
            return
        restore = self._restoring.allowed(tool=not source.array, name=response.tools.get(item.index))
        if source.field == _JSON:
            words = self._setup.finds_words
            values = JsonStream(
                self._setup.masker, response.known, restore=restore, words=words, attachments=self._lets_in
            )
            item.texts[place] = LiveText(response, item, source, place, values)
            return
        escape = response.json_text and source.events == "response.output_text"
        stream = self._made(response, item, source, restore=restore, escape=escape)
        opening = Opening() if rule(Context.TYPED, None, source.field).kind is Kind.TEXT else None
        self._begin(LiveText(response, item, source, place, stream, opening=opening))

    def _joins(self, response: Response, waiting: Outgoing, text: Text, spot: Spot) -> LiveText | None:
        """A text that nobody announced, and that a whole item has after texts which are live: it is joined to those."""
        row = spot.item.rows.get((spot.place[0], spot.field))
        if row is None or row.row.closed or text.is_number or spot.place[1] <= row.texts[-1].place[1]:
            return None
        source = row.texts[-1].source
        restore = self._restoring.allows(text, waiting.frame, response.tools)
        escape = is_json(text, json_text=response.json_text)
        stream = self._made(response, spot.item, source, restore=restore, escape=escape)
        live = LiveText(response, spot.item, source, spot.place, stream, announced=False)
        self._begin(live)
        return live

    def _made(self, response: Response, item: LiveItem, source: Source, *, restore: bool, escape: bool) -> MaskStream:
        return MaskStream(
            self._setup.masker,
            self._bounds,
            response.known,
            restore=restore,
            escape=escape,
            before=(source.array, source.field) in item.rows,
            after=bool(source.array),
        )

    def _begin(self, text: LiveText) -> None:
        """A text begins: after its neighbours, if it is a part."""
        item, source, stream = text.item, text.source, text.stream
        item.texts[text.place] = text
        if not source.array or not isinstance(stream, MaskStream):
            return
        name = (source.array, source.field)
        if name not in item.rows:
            item.rows[name] = LiveRow(Row(words=self._setup.finds_words))
        text.row = item.rows[name]
        text.row.row.add(stream)
        text.row.texts.append(text)

    def _ask(self, text: LiveText) -> list[Detect]:
        question = text.stream.question(final=text.ending)
        asks: list[Detect] = []
        if question is not None:
            texts = (question,) if isinstance(question, str) else question
            asks.append(Detect(self._ticket(text), texts, patient=not text.ending))
        elif text.ending and text.stream.idle:
            text.ended = True
        return asks if text.row is None else [*asks, *self._ask_row(text.row)]

    def _ask_row(self, row: LiveRow) -> list[Detect]:
        question = row.row.question()
        return [] if question is None else [Detect(self._ticket(row), question)]

    def _ticket(self, of: LiveText | LiveRow) -> int:
        ticket = self._lanes.ticket()
        self._asked[ticket] = of
        return ticket

    def _end(self, text: LiveText, whole: str | None) -> list[Effect]:
        """No piece is to come. What the whole has more than the pieces is the last one."""
        if text.ending:
            return []
        text.ending = True
        raw = text.raw
        if whole is not None and len(whole) > len(raw) and whole.startswith(raw):
            text.feed(whole[len(raw) :])
        picture = text.flush()
        text.unread = picture if self._lets_in else ""
        pieces = [Piece(text, text.unread)] if text.unread else []
        return [*self.place(text, pieces), *self._ask(text)]


def live_texts(setup: Setup, lanes: Lanes, restoring: Restoring) -> Live | None:
    """What goes out as it comes under a policy; nothing does where somebody wants to see its answers whole.

    A module with `on_event` is shown whole items, and may change or drop them: nothing of one may be out by then.
    """
    output = setup.policy.output
    if output.delivery != "live" or setup.shows:
        return None
    bounds = horizon(setup.policy)
    return None if bounds.sentences and output.unbounded == "replay" else Live(setup, lanes, restoring, bounds)
