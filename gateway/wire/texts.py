"""The one walk over the texts of a frame, in both directions (decision 0007).

`walk()` finds every place that holds text: strings, numbers and keys, in known and unknown positions alike. The caller
decides what becomes of each and gives the new texts to `Walk.rewrite()`. Because masking, restoring, scanning and the
audit all use this walk, they cannot disagree about what a frame holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gateway.errors import FrameError
from gateway.wire.blobs import is_data_url
from gateway.wire.frame import Json, decode, encode, number_text
from gateway.wire.keys import renamed
from gateway.wire.schema import (
    ATTACHMENT_TYPES,
    FREE,
    KNOWN,
    Context,
    Kind,
    Rule,
    is_count,
    is_structural,
    place_name,
    rule,
)

Path: TypeAlias = "tuple[Path, str | int] | None"
Node: TypeAlias = "dict[str, Json] | list[Json]"

At: TypeAlias = tuple[str, str, Path]

MAX_TEXTS: Final = 50_000
"""Strings, numbers and unknown keys of one frame. An agent's largest have two thousand; more is an attack."""
_POINTS: Final = "type"
"""What is noted of a part that is an attachment by its type, with a link or an id perhaps."""
_MAX_PLACE: Final = 12
"""Steps of a path that are written out; deeper ones only say that there are more."""


@dataclass(slots=True)
class Text:
    """One text of a frame: where it stands, what it is, and whether it is a key rather than a value.

    `holder` is the type of the object it stands in, or the key that object hangs on; `is_number` says that the protocol
    has a number there.
    """

    node: Node
    key: str | int
    text: str
    kind: Kind
    path: Path
    holder: str = ""
    is_key: bool = False
    is_number: bool = False

    def under(self, keys: frozenset[str]) -> bool:
        """Whether one of some keys is on the way to it."""
        path = self.path
        while path is not None:
            path, step = path
            if step in keys:
                return True
        return False

    def steps(self) -> list[str | int]:
        """The keys and indexes that lead to it."""
        steps: list[str | int] = []
        path = self.path
        while path is not None:
            path, step = path
            steps.append(step)
        steps.reverse()
        return steps

    @property
    def place(self) -> str:
        """Where it stands, in the protocol's own names only: `input[0].content[1].text`. Safe to log."""
        steps = self.steps()
        named = "".join(f"[{s}]" if isinstance(s, int) else f".{place_name(s)}" for s in steps[:_MAX_PLACE])
        end = ".…" if len(steps) > _MAX_PLACE else ""
        return named.lstrip(".") + end + ("{key}" if self.is_key else "")


@dataclass(slots=True)
class _Inner:
    """JSON that stood in a string: where the string is, and what it held."""

    node: Node
    key: str | int
    value: list[Json]
    texts: slice
    attachments: slice


def _kept(_: Text) -> None:
    """What becomes of an attachment that stays."""


@dataclass(slots=True)
class Walk:
    """What a walk found.

    `attachments` are the places of parts that cannot be read. `repeats` are objects whose `logprobs` repeat their text
    in pieces and as bytes, where nothing could be found: who masks the text empties them with `drop_repeats()`.
    """

    texts: list[Text] = field(default_factory=list)
    attachments: list[Text] = field(default_factory=list)
    repeats: list[dict[str, Json]] = field(default_factory=list)
    inner: list[_Inner] = field(default_factory=list)

    def drop_repeats(self) -> None:
        """Empty every `logprobs`."""
        for node in self.repeats:
            node["logprobs"] = []

    def rewrite(self, new: Callable[[Text], str], *, attachment: Callable[[Text], str | None] = _kept) -> bool:
        """Replace every text by what `new` makes of it, in place; say whether anything changed.

        An attachment that stands in a string becomes what `attachment` says; with None it stays.

        A number that changes becomes a string, and 0 where the protocol has a number of its own: clients drop an item
        or a usage that does not keep its types. JSON within a string stays JSON. Keys of one object stay distinct.
        """
        # Before any key gets another name: written later, the old one would be back.
        replaced = [_replaced(one, attachment) for one in self.attachments]
        changed = [False] * len(self.texts)
        renamed: dict[int, tuple[dict[str, Json], dict[str, str]]] = {}
        for index, text in enumerate(self.texts):
            value = new(text)
            if value == text.text:
                continue
            changed[index] = True
            if text.is_key and isinstance(text.node, dict):
                renamed.setdefault(id(text.node), (text.node, {}))[1][text.text] = value
            else:
                text.node[text.key] = 0 if text.is_number else value  # type: ignore[index]  # a key of that node
        for node, names in renamed.values():
            _rename(node, names)
        for inner in reversed(self.inner):
            if any(changed[inner.texts]) or any(replaced[inner.attachments]):
                inner.node[inner.key] = encode(inner.value[0])  # type: ignore[index]  # as above
        return any(changed) or any(replaced)


def walk(
    frame: Json,
    *,
    context: Context = Context.TYPED,
    holder: str | None = None,
    open_json: bool = True,
    having: str | None = None,
    secrets: bool = False,
) -> Walk:
    """Find every text of a frame or of a part of one.

    `holder` names what a bare item or part stands in. With `open_json`, JSON within a string is opened and its own
    texts are found; without, the string itself is found, with `Kind.JSON`: then what replaces a part of it has to be
    escaped for JSON. With `having`, only strings and keys that hold it are looked at: that is several times faster.
    With `secrets`, these are found too: only the provider gets them unread.

    Raises:
        FrameError: there are more than `MAX_TEXTS` texts.

    """
    found = Walk()
    root: list[Json] = [frame]
    _Walker(found, open_json=open_json, having=having, secrets=secrets).value(
        root, 0, frame, Rule(Kind.TEXT, context), (holder or "", "", None)
    )
    return found


class _Walker:
    """The recursion; depth is bounded by the frame's own limit, the number of texts by `MAX_TEXTS`."""

    __slots__ = ("_found", "_having", "_open_json", "_secrets", "_texts")

    def __init__(self, found: Walk, *, open_json: bool, having: str | None, secrets: bool) -> None:
        self._secrets = secrets
        self._having = having
        self._found = found
        self._texts = found.texts
        self._open_json = open_json

    def value(self, node: Node, key: str | int, value: Json, how: Rule, at: At) -> None:
        """Walk one value. `at` is the key it hangs on (for a list's elements, the list's), its holder and its path."""
        if isinstance(value, str):
            self._string(node, key, value, how, at)
        elif isinstance(value, dict):
            self._object(value, how, at)
        elif isinstance(value, list):
            name, holder, path = at
            if how.kind is Kind.SECRET or (isinstance(key, int) and path is not None):
                how = FREE  # a secret is a string, and no array of the protocol holds arrays
            if len(value) > MAX_TEXTS:
                raise FrameError("The message holds too many values to examine.")
            for index, child in enumerate(value):
                self.value(value, index, child, how, (name, holder, (path, index)))
        elif value is None or isinstance(value, bool):
            return
        elif not is_count(how.kind, at[0], value):
            own = how.kind is Kind.NUMBER or how.kind is Kind.WORD
            self._texts.append(Text(node, key, number_text(value), Kind.TEXT, at[2], at[1], is_number=own))

    def _string(self, node: Node, key: str | int, value: str, how: Rule, at: At) -> None:
        kind, (name, holder, path) = how.kind, at
        if kind is Kind.JSON and self._open_json and self._inside(node, key, value, at):
            return
        if is_structural(kind, name, value) and not (self._secrets and kind is Kind.SECRET):
            if kind is Kind.BLOB:
                self._found.attachments.append(Text(node, key, "", kind, path))
            return
        if kind is Kind.TEXT and is_data_url(value):
            self._found.attachments.append(Text(node, key, "", Kind.BLOB, path))
            return
        self._texts.append(Text(node, key, value, kind, path, holder))

    def _object(self, value: dict[str, Json], how: Rule, at: At) -> None:
        if len(self._texts) > MAX_TEXTS:
            raise FrameError("The message holds too many values to examine.")
        name, _, path = at
        type_ = value.get("type")
        holder = type_ if isinstance(type_, str) else name
        if isinstance(type_, str) and type_ in ATTACHMENT_TYPES:
            self._found.attachments.append(Text(value, _POINTS, "", Kind.BLOB, path))
        having = self._having
        for key, child in value.items():
            if having is not None:
                lacks = having not in child if isinstance(child, str) else not isinstance(child, dict | list)
                if lacks and having not in key:
                    continue
            step = (path, key)
            below = rule(how.below, holder, key, hung=name)
            if key not in KNOWN:
                self._texts.append(Text(value, key, key, Kind.TEXT, step, holder, is_key=True))
            elif key == "logprobs" and below.below is Context.TYPED and isinstance(child, list):
                self._found.repeats.append(value)
                continue
            self.value(value, key, child, below, (key, holder, step))

    def _inside(self, node: Node, key: str | int, value: str, at: At) -> bool:
        """Walk the JSON that a string holds; say whether it held any."""
        try:
            inside = decode(value)
        except FrameError:
            return False
        root: list[Json] = [inside]
        texts, attachments = len(self._texts), len(self._found.attachments)
        self.value(root, 0, inside, Rule(Kind.TEXT, Context.CONTENT), at)
        within = slice(texts, len(self._texts)), slice(attachments, len(self._found.attachments))
        self._found.inner.append(_Inner(node, key, root, *within))
        return True


def _replaced(one: Text, attachment: Callable[[Text], str | None]) -> bool:
    """Replace an attachment; say whether it was. A part that only points at one has nothing to be replaced."""
    new = attachment(one) if one.key != _POINTS else None
    if new is not None:
        one.node[one.key] = new  # type: ignore[index]  # a key of the node it was found in
    return new is not None


def _rename(node: dict[str, Json], names: dict[str, str]) -> None:
    pairs = list(zip(renamed(node, names), node.values(), strict=True))
    node.clear()
    node.update(pairs)


def position(frame: dict[str, Json]) -> tuple[Json, ...]:
    """To which text of a lane an event belongs."""
    get = frame.get
    return (get("item_id"), get("output_index"), get("content_index"), get("summary_index"), get("command_index"))
