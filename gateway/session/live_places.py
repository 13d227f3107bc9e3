"""Where the texts of an answer that go out as they come stand: in the events that bring them, and in those that repeat
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.session.live_json import JsonStream
from gateway.session.states import Frame, LiveItem, LiveText, Outgoing, Response
from gateway.wire.events import Class, Event
from gateway.wire.frame import Json
from gateway.wire.synth import FIELDS, PARTS, Place, Source
from gateway.wire.texts import Text

LARGEST: Final = 10_000
"""No response has so many items, no item so many parts; of more, nothing is live."""
_ENDS_ALL: Final = frozenset({Class.TERMINAL, Class.ERROR})
_SOURCES: Final = {source.events: source for source in (*PARTS.values(), *FIELDS.values())}


class Spot(NamedTuple):
    """Where a text stands within a whole item: the item, the place in it, and its field there. `below`: the text is
    only a part of that field.
    """

    item: LiveItem
    place: Place
    field: str
    below: bool


def number_of(value: Json) -> int | None:
    """An index of an item or part, if it is one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST:
        return value
    return None


def place_of(frame: Frame, source: Source) -> Place | None:
    """The place in its item that an event of a text is about."""
    if not source.number:
        return ("", 0)
    number = number_of(frame.get(source.number))
    return None if number is None else (source.array, number)


def item_of(response: Response, index: Json) -> LiveItem | None:
    """The item with an index, where it was announced."""
    number = number_of(index)
    return None if number is None else response.live.get(number)


def name_of(item: Frame) -> tuple[str, str]:
    """The type and id of an item."""
    return str(item.get("type")), str(item.get("id"))


def whole_of(response: Response, item: Json, index: Json) -> LiveItem | None:
    """The item that the last event has whole at an index. It may leave items out, so the index says not all."""
    if not isinstance(item, dict):
        return None
    live = item_of(response, index)
    return live if live is not None and live.name == name_of(item) else response.named.get(name_of(item))


def part_source(frame: Frame) -> Source | None:
    """How the part of an event streams."""
    part = frame.get("part")
    return PARTS.get(str(part.get("type"))) if isinstance(part, dict) else None


def text_of(response: Response, frame: Frame) -> LiveText | None:
    """The live text that an event is about."""
    item = item_of(response, frame.get("output_index"))
    if item is None:
        return None
    source = _SOURCES.get(str(frame["type"]).rpartition(".")[0]) or part_source(frame)
    place = place_of(frame, source) if source is not None else None
    return item.texts.get(place) if place is not None else None


def spot_of(response: Response, waiting: Outgoing, text: Text) -> Spot | None:
    """Where a text of a whole item or response stands; None where that is not announced."""
    if text.is_key or not response.live:
        return None
    steps = text.steps()
    item: LiveItem | None = None
    if waiting.row.cls is Class.ITEM_DONE and steps[:1] == ["item"]:
        item, steps = item_of(response, waiting.frame.get("output_index")), steps[1:]
    elif waiting.row.cls is Class.TERMINAL and steps[:2] == ["response", "output"] and len(steps) > 3:
        index, steps = steps[2], steps[3:]
        output = _output(waiting)
        item = whole_of(response, output[index], index) if isinstance(index, int) and output else None
    if item is None:
        return None
    match steps:
        case [str(array), int(part), str(name)]:
            return Spot(item, (array, part), name, below=False)
        case [str(name), *below]:
            return Spot(item, ("", 0), name, below=bool(below))
    return None


def repeated(spot: Spot) -> LiveText | None:
    """The live text that stands at a place of a whole item."""
    live = spot.item.texts.get(spot.place)
    if live is None or live.source.field != spot.field:
        return None
    return live if not spot.below or isinstance(live.stream, JsonStream) else None


def fields(response: Response, waiting: Outgoing) -> Iterator[tuple[Frame, LiveText]]:
    """The whole items of an event of which a field has gone out, with that field."""
    if waiting.row.cls is Class.ITEM_DONE:
        items = [(item_of(response, waiting.frame.get("output_index")), waiting.frame.get("item"))]
    else:
        items = [(whole_of(response, item, index), item) for index, item in enumerate(_output(waiting))]
    for live, item in items:
        text = live.texts.get(("", 0)) if live is not None else None
        if text is not None and isinstance(item, dict) and isinstance(item.get(text.source.field), str):
            yield item, text


def _output(waiting: Outgoing) -> list[Json]:
    """The items that the last event of a response has."""
    whole = waiting.frame.get("response") if waiting.row.cls is Class.TERMINAL else None
    output = whole.get("output") if isinstance(whole, dict) else None
    return output if isinstance(output, list) else []


def named(text: LiveText) -> str:
    """Where a text stands in its response, for the record."""
    array, number = text.place
    part = f".{array}[{number}]" if array else ""
    return f"response.output[{text.item.index}]{part}.{text.source.field}"


def announces_part(row: Event, frame: Frame) -> bool:
    """Whether an event announces a part."""
    return row.cls is Class.PART and str(frame["type"]).endswith(".added")


def before(response: Response, frame: Frame) -> list[LiveText]:
    """The texts that have to go out before the part that an event announces."""
    text = text_of(response, frame)
    if text is None or text.row is None:
        return []
    return [one for one in text.row.texts if one.place < text.place and not one.ended]


def ending(response: Response, row: Event, frame: Frame) -> list[LiveItem]:
    """The items that end with an event."""
    if row.cls in _ENDS_ALL:
        return list(response.live.values())
    item = item_of(response, frame.get("output_index")) if row.cls is Class.ITEM_DONE else None
    return [] if item is None else [item]
