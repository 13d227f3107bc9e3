"""The protocol as the installed `openai` package has it: its types as plain shapes, and examples built from them.

A shape says which fields an object has and what stands in them. `examples()` builds JSON with every field filled and
every alternative of every union present at least once, so a test that puts something into each leaf reaches every place
the package knows of.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import openai.types.beta as beta
import openai.types.responses as responses
import typing_extensions
from openai.types.beta.beta_response_inject_created_event import BetaResponseInjectCreatedEvent
from openai.types.beta.beta_response_inject_event import BetaResponseInjectEvent
from openai.types.beta.beta_response_inject_failed_event import BetaResponseInjectFailedEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from openai.types.responses.responses_client_event import ResponsesClientEvent
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import BaseModel

from gateway.wire.frame import Json

Model: TypeAlias = Any
"""A class of the package: a pydantic model or a TypedDict."""


@dataclass(frozen=True, slots=True)
class Words:
    """One of a closed set of words."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A string, number or truth value; `any` is whatever JSON there is."""

    kind: Literal["str", "int", "float", "bool", "any"]


@dataclass(frozen=True, slots=True)
class Many:
    """An array."""

    element: Shape


@dataclass(frozen=True, slots=True)
class Free:
    """An object with keys of the user's own."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Record:
    """An object with the fields of a class."""

    model: Model

    @property
    def fields(self) -> dict[str, Shape]:
        """The fields by the names they have on the wire."""
        return _fields(self.model)


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    options: tuple[Shape, ...]


Shape: TypeAlias = Words | Leaf | Many | Free | Record | Either

_LEAVES: Final[dict[object, Leaf]] = {
    str: Leaf("str"),
    int: Leaf("int"),
    float: Leaf("float"),
    bool: Leaf("bool"),
    object: Leaf("any"),
    Any: Leaf("any"),
}
_WRAPPERS: Final = (typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired)
_MANY: Final = 12
"""A union of more is one of the protocol's big ones (items, tools); `lean` takes only its first alternative."""


@cache
def shape(annotation: Any) -> Shape:
    """The shape of a type of the package."""
    if annotation in _LEAVES:
        return _LEAVES[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in _WRAPPERS:
        return shape(args[0])
    if origin is Literal:
        return Leaf("bool") if True in args else Words(tuple(map(str, args)))
    if origin is Union or origin is types.UnionType:
        options = tuple(shape(one) for one in args if one is not type(None))
        return options[0] if len(options) == 1 else Either(options)
    if origin is dict or (origin is not None and "Mapping" in str(origin)):
        return Free(shape(args[1]))
    if origin is not None and args:
        return Many(shape(args[0]))
    if isinstance(annotation, type):
        return Record(annotation)
    raise AssertionError(f"a type nobody thought of: {annotation!r}")


@cache
def _fields(model: Model) -> dict[str, Shape]:
    if issubclass(model, BaseModel):
        return {
            field.serialization_alias or field.alias or name: shape(field.annotation)
            for name, field in model.model_fields.items()
        }
    return {name: shape(hint) for name, hint in typing_extensions.get_type_hints(model, include_extras=True).items()}


def alternatives(annotation: Any) -> list[Model]:
    """The classes of a union, nested unions included."""
    return [one.model for one in _options(shape(annotation)) if isinstance(one, Record)]


def _options(of: Shape) -> Iterator[Shape]:
    if isinstance(of, Either):
        for option in of.options:
            yield from _options(option)
    else:
        yield of


def type_of(model: Model) -> str:
    """The `type` of a class's objects; empty when it has none."""
    kind = _fields(model).get("type")
    return kind.values[0] if isinstance(kind, Words) else ""


CLIENT_EVENTS: Final[list[Model]] = [*alternatives(ResponsesClientEvent), BetaResponseInjectEvent]
SERVER_EVENTS: Final[list[Model]] = [
    *alternatives(ResponsesServerEvent),
    *alternatives(responses.ResponseStreamEvent),
    BetaResponseInjectCreatedEvent,
    BetaResponseInjectFailedEvent,
]
INPUT_ITEMS: Final[list[Model]] = alternatives(responses.ResponseInputItem)
OUTPUT_ITEMS: Final[list[Model]] = alternatives(responses.ResponseOutputItem)
ITEMS: Final[list[Model]] = alternatives(responses.ResponseItem)
TOOLS: Final[list[Model]] = alternatives(responses.Tool)
CREATE_PARAMS: Final[Model] = ResponseCreateParamsStreaming
BETA_EVENTS: Final[list[Model]] = [
    *alternatives(beta.BetaResponsesClientEvent),
    *alternatives(beta.BetaResponsesServerEvent),
]
"""Ahead of the stable types; what they add is tested too."""


def examples(of: Shape, *, lean: bool = False, text: str = "some text") -> list[Json]:
    """Examples of a shape with every field filled; together they hold every alternative.

    `lean` takes of the big unions (items, tools) below the top only the first alternative; `text` stands in every
    string that is not one of the protocol's words.
    """
    return _Builder(lean=lean, text=text).build(of, ())


class _Builder:
    def __init__(self, *, lean: bool, text: str) -> None:
        self._lean = lean
        self._leaves: dict[str, Json] = {
            "str": text,
            "int": 7,
            "float": 0.5,
            "bool": True,
            "any": {"own_key": text, "number": 7, "list": [text, {"deeper": text}]},
        }

    def build(self, of: Shape, above: tuple[Model, ...]) -> list[Json]:
        match of:
            case Words(values):
                return [values[0]]
            case Leaf(kind):
                return [self._leaves[kind]]
            case Many(element):
                return [self.build(element, above)]
            case Free(value):
                return [{"own_key": one} for one in self.build(value, above)]
            case Either(options):
                if self._lean and above and len(list(_options(of))) > _MANY:
                    options = options[:1]
                return [one for option in options for one in self.build(option, above)]
            case Record(model):
                return self._record(of, model, above)

    def _record(self, of: Record, model: Model, above: tuple[Model, ...]) -> list[Json]:
        if above.count(model) > 0:
            return []  # a type that holds itself ends at its second level
        built = {name: self.build(field, (*above, model)) for name, field in of.fields.items()}
        filled = {name: _NAMED.get(name, choices) for name, choices in built.items() if choices}
        count = max(map(len, filled.values()), default=1)
        return [{name: choices[index % len(choices)] for name, choices in filled.items()} for index in range(count)]


LANE: Final = "lane_1"
_NAMED: Final[dict[str, list[Json]]] = {"stream_id": [LANE]}
