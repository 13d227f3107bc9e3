"""Restore a provider's events when the policy only restores: nothing waits, and only what changes is written anew."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from gateway.errors import FrameError
from gateway.session.masking import BARE
from gateway.session.states import Frame, Response, Setup, Streaming
from gateway.wire.events import EVENTS, Class, Event
from gateway.wire.frame import Json, encode
from gateway.wire.schema import Kind
from gateway.wire.texts import Text, position, walk
from guardrails.restore import Restorer
from guardrails.stream import RestoreStream
from guardrails.vault import Restorable

_TOOL_KEYS: Final = frozenset({"arguments", "input", "code", "command", "commands", "action", "actions", "operation"})
_OUTPUT_TEXT: Final = frozenset({"output_text", "response.output_text.done", "response.output_text.delta"})
_ITEM: Final = ("output_index",)
_PLACE: Final = ("output_index", "content_index", "summary_index", "command_index")
_ENDS: Final = frozenset({Class.DONE, Class.PART, Class.ITEM_DONE})
_TEXT: Final = "text"
_TEXT_AS: Final = '"text":'
_LOGPROBS: Final = ('"logprobs":[{', '"logprobs": [')
_MAX_TOOLS: Final = 10_000
"""Calls of one response whose tools are remembered; more get tokens."""
_REPEATS: Final = 64
"""Texts of one response that are remembered: to look for each in each event must stay cheap."""
_REPEATED: Final = 100_000
"""Characters of one of them; a longer one is looked through each time it comes."""
_OUTPUT_TEXT_DELTA: Final = "response.output_text.delta"


class Restoring:
    """Restores the events of one session."""

    __slots__ = ("_by_name", "_escaped", "_plain", "_restorer", "_token", "_where")

    def __init__(self, setup: Setup) -> None:
        self._restorer: Final[Restorer] = setup.masker.restorer
        self._where: Final = setup.policy.output.restore_in
        self._by_name: Final = bool(self._where.tools.allow or self._where.tools.deny)
        self._plain: Final = self._where.text and self._where.tool_arguments and not self._by_name
        grammar = self._restorer.grammar
        self._token: Final = grammar.pattern
        self._escaped: Final = (f"\\u{ord(grammar.opening):04x}", f"\\u{ord(grammar.opening):04X}")

    def learn(self, response: Response, row: Event, frame: Frame) -> None:
        """Note the tool that an item calls: the pieces of its arguments do not name it."""
        if self._by_name and (row.cls is Class.ITEM_ADDED or row.cls is Class.ITEM_DONE):
            index, name = frame.get("output_index"), tool_of(frame.get("item"))
            if isinstance(index, int) and name is not None and len(response.tools) < _MAX_TOOLS:
                response.tools.setdefault(index, name)

    def frames(self, response: Response, row: Event, frame: Frame, data: str) -> list[str]:
        """The frames to send for one event of a response."""
        if not response.known:
            return [data]
        if row.cls is Class.DELTA:
            piece = frame.get(row.text)
            if isinstance(piece, str):
                return self._delta(response, row, frame, piece, data)
            if isinstance(piece, dict):
                return [self._deltas(response, row, frame, piece)]
        held = self._flush(response, row, frame) if response.streams else []
        if row.cls is Class.DONE and response.streams and self._repeats(response):
            self._streamed(response, frame)
        new = self._again(response, data) if response.repeats else None
        return [*held, new if new is not None else self._once(response, row, frame, data)]

    def _once(self, response: Response, row: Event, frame: Frame, data: str) -> str:
        """An event restored for the first time; what its text became is kept for the events that repeat it."""
        text = frame.get(_TEXT) if row.cls is Class.DONE and self._repeats(response) else None
        new = self.whole(response.known, frame, data, json_text=response.json_text, tools=response.tools)
        if isinstance(text, str) and len(text) <= _REPEATED and new is not data:
            response.repeats[_TEXT_AS + encode(text)] = _TEXT_AS + encode(frame[_TEXT])
        return new

    def _repeats(self, response: Response) -> bool:
        """Whether to remember what one more whole text of a response became."""
        return self._plain and not response.json_text and len(response.repeats) < _REPEATS

    def _streamed(self, response: Response, frame: Frame) -> None:
        """Remember what a whole text became while it came in pieces."""
        text, at = frame.get(_TEXT), (*position(frame), _text_of(str(frame["type"])))
        if not isinstance(text, str) or not all(isinstance(step, str | int | None) for step in at):
            return
        streaming = response.streams.get(at)
        new = streaming.stream.became(text) if streaming is not None else None
        if new is not None and new != text:
            response.repeats[_TEXT_AS + encode(text)] = _TEXT_AS + encode(new)

    def _again(self, response: Response, data: str) -> str | None:
        """An event whose tokens all stand in texts that were restored before; None when it has to be looked through.

        Whole texts come four times: by themselves, in their part, in their item and at the end of the response.
        """
        # A token may have escapes anywhere, and what `logprobs` repeat is not restored.
        if response.known.has_bare or "\\u00" in data or any(some in data for some in _LOGPROBS):
            return None
        new = rest = data
        for old, restored in response.repeats.items():
            new, rest = new.replace(old, restored), rest.replace(old, "")
        return None if response.known.mentioned(rest) else new

    def whole(
        self,
        known: Restorable,
        frame: Frame,
        data: str,
        *,
        json_text: bool = False,
        tools: Mapping[int, str] = MappingProxyType({}),
    ) -> str:
        """An event that carries whole texts, restored; the very same text when it holds no token."""
        # JSON may write a bracket as an escape, and names carry tokens without any.
        anywhere = known.has_bare or self._may_be_escaped(data)
        if not known or not (anywhere or self._token.search(data) or known.mentioned(data)):
            return data
        # Nearly always all tokens are as they were made: then only texts with a bracket have to be looked at.
        exact = not anywhere and not known.mentioned(self._token.sub("", data))
        try:
            found = walk(frame, open_json=False, having=self._restorer.grammar.opening if exact else None)
        except FrameError:
            return data  # too many values to look at: its tokens stay tokens
        allowed = [text for text in found.texts if self.allows(text, frame, tools)]
        restored = {id(text): self._text(text, known, json_text=json_text) for text in allowed}
        changed = found.rewrite(lambda text: restored.get(id(text), text.text))
        return encode(frame) if changed else data

    def _may_be_escaped(self, data: str) -> bool:
        return "\\u00" in data and any(mark in data for mark in self._escaped)

    def _text(self, text: Text, known: Restorable, *, json_text: bool) -> str:
        """One whole text of an event, restored as its place asks for."""
        if text.kind in BARE:
            return self._restorer.bare(text.text, known)
        return self._restorer.whole(text.text, known, escape=is_json(text, json_text=json_text))

    def allows(self, text: Text, frame: Frame, tools: Mapping[int, str]) -> bool:
        """Whether the policy restores at the place of a text of an event; `tools` are the calls of its response."""
        tool = text.under(_TOOL_KEYS)
        name = _called(text, frame, tools) if tool and self._by_name else None
        return self.allowed(tool=tool, name=name)

    def allowed(self, *, tool: bool, name: str | None = None) -> bool:
        """Whether the policy restores in texts, or in the arguments of tools, of the one with a name."""
        if not tool:
            return self._where.text
        return self._where.tool_arguments and (not self._by_name or (name is not None and self._gets(name)))

    def _gets(self, name: str) -> bool:
        allow, deny = self._where.tools.allow, self._where.tools.deny
        listed = not allow or any(fnmatchcase(name, entry) for entry in allow)
        return listed and not any(fnmatchcase(name, entry) for entry in deny)

    def _delta(self, response: Response, row: Event, frame: Frame, piece: str, data: str) -> list[str]:
        named = _indexed(frame, response.tools) if self._by_name else None
        if not (self._plain or self.allowed(tool=row.tool, name=named)):
            return [data]
        name = str(frame["type"])
        at = (*position(frame), _TEXT_OF.get(name) or _text_of(name))
        new = self._stream(response, row, frame, row.text, at).feed(piece)
        if new == piece:
            return [data]
        return [encode(_with_piece(frame, row.text, new))] if new else []

    def _deltas(self, response: Response, row: Event, frame: Frame, pieces: Frame) -> str:
        """A delta with several texts (`stdout`, `stderr`), each a stream of its own."""
        at = position(frame)
        new: Frame = dict(pieces)
        for key, piece in pieces.items():
            if isinstance(piece, str) and self.allowed(tool=row.tool, name=_indexed(frame, response.tools)):
                event: Frame = {**frame, row.text: {key: piece}}
                new[key] = self._stream(response, row, event, key, (*at, key)).feed(piece)
        return encode({**frame, row.text: new})

    def _stream(self, response: Response, row: Event, frame: Frame, key: str, at: tuple[Json, ...]) -> RestoreStream:
        """The stream of the text that a piece belongs to, made with its first piece."""
        try:
            streaming = response.streams.get(at)
        except TypeError:  # a position that is a list or an object: wrong, but somebody's text all the same
            at = tuple(map(str, at))
            streaming = response.streams.get(at)
        if streaming is None:
            escape = row.json or (response.json_text and frame.get("type") == _OUTPUT_TEXT_DELTA)
            stream = RestoreStream(self._restorer, response.known, escape=escape)
            streaming = response.streams[at] = Streaming(stream, row, key, frame)
        streaming.last, streaming.row, streaming.key = frame, row, key
        return streaming.stream

    def _flush(self, response: Response, row: Event, frame: Frame) -> list[str]:
        """Give what is held back of the texts that this event ends: an item's own, or all at the response's end."""
        if row.cls is Class.TERMINAL or row.cls is Class.ERROR:
            ended = list(response.streams)
        elif row.cls in _ENDS:
            keys = _ITEM if row.cls is Class.ITEM_DONE else _PLACE
            ended = [at for at, one in response.streams.items() if all(one.last.get(k) == frame.get(k) for k in keys)]
        else:
            return []
        rest = [encode(_last_delta(one)) for at in ended if (one := response.streams[at]).stream.holding]
        if row.cls is not Class.DONE and row.cls is not Class.PART:
            for at in ended:
                del response.streams[at]
        return rest


def tool_of(item: Json) -> str | None:
    """The tool that an item calls: its name, or its type where it has none."""
    if not isinstance(item, dict):
        return None
    name, kind = item.get("name"), item.get("type")
    if isinstance(name, str):
        return name
    return kind.removesuffix("_call") if isinstance(kind, str) else None


def _called(text: Text, frame: Frame, tools: Mapping[int, str]) -> str | None:
    """The tool whose arguments a text is in: its item's, or that of the item its event is about."""
    steps = text.steps()
    if steps[:1] == ["item"]:
        return tool_of(frame.get("item"))
    if steps[:2] == ["response", "output"]:
        whole, place = frame.get("response"), steps[2] if len(steps) > 2 else None
        output = whole.get("output") if isinstance(whole, dict) else None
        known = isinstance(output, list) and isinstance(place, int) and place < len(output)
        return tool_of(output[place]) if known and isinstance(output, list) and isinstance(place, int) else None
    return _indexed(frame, tools)


def _indexed(frame: Frame, tools: Mapping[int, str]) -> str | None:
    index = frame.get("output_index")
    return tools.get(index) if isinstance(index, int) else None


def _text_of(name: str) -> str:
    """To which text of its position an event belongs: `added` and `delta` bring pieces of one."""
    return name.rpartition(".")[0]


_TEXT_OF: Final = {name: _text_of(name) for name, row in EVENTS.items() if row.cls is Class.DELTA}


def is_json(text: Text, *, json_text: bool) -> bool:
    """Whether a text is JSON source, so that what is put into it must be escaped."""
    return text.kind is Kind.JSON or (json_text and text.key == "text" and text.holder in _OUTPUT_TEXT)


def _with_piece(frame: Frame, key: str, piece: str) -> Frame:
    new = {**frame, key: piece}
    if new.get("logprobs"):
        new["logprobs"] = []
    return new


def _last_delta(streaming: Streaming) -> Frame:
    rest = streaming.stream.flush()
    if streaming.key == streaming.row.text:
        return _with_piece(streaming.last, streaming.key, rest)
    return {**streaming.last, streaming.row.text: {streaming.key: rest}}
