"""Objects of a provider's SDK: what they look like on the wire, and back.

The SDK itself is not needed: its events and answers are pydantic models, or plain dictionaries. What comes back has the
class that came in. Where the session makes an event that the provider did not send, as it does for masked answers, its
class is the one that such an event had before, or the one that the same package of the SDK has for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from gateway.errors import FrameError, Refused
from gateway.wire.frame import DEFAULT_DEPTH, Json, encode, loads

Frame: TypeAlias = dict[str, Json]

_ABSENT: Final = frozenset({"NotGiven", "Omit"})
"""What SDKs have for an argument that is not given."""


def is_absent(value: object) -> bool:
    """Whether a value stands for an argument that is not given."""
    return type(value).__name__ in _ABSENT


def plain(value: object, depth: int = DEFAULT_DEPTH) -> Json:
    """What a part of a request looks like on the wire: SDK objects, tuples and iterables are taken apart.

    Raises:
        Refused: it holds what JSON has no form for, or is nested too deeply.

    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth == 0:
        raise Refused("The request is nested too deeply.")
    if isinstance(value, BaseModel):
        return loads(_dumped(value))
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Refused("The request holds a key that is not a text.")
        return {str(key): plain(child, depth - 1) for key, child in value.items() if not is_absent(child)}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(child, depth - 1) for child in value]
    raise Refused(f"The request holds a value that JSON has no form for ({type(value).__name__}).")


def written(event: object) -> str:
    """An event or an answer of the SDK as it came over the wire.

    Raises:
        FrameError: it cannot be written as JSON.
        TypeError: it is neither a pydantic model nor a dictionary.

    """
    if isinstance(event, BaseModel):
        return _dumped(event)
    if isinstance(event, Mapping):
        return encode(plain(event, 2 * DEFAULT_DEPTH))
    raise TypeError(f"an event or an answer of an SDK is a pydantic model or a dictionary, not {type(event).__name__}")


def made(frame: Frame, kind: type[BaseModel]) -> BaseModel:
    """An object of an SDK's class, made the way the SDK reads an answer: leniently, with all that it does not know."""
    if kind.model_construct.__func__ is not BaseModel.model_construct.__func__:  # type: ignore[attr-defined]
        return kind.model_construct(None, **frame)  # its own, which also makes what is within
    try:
        return kind.model_validate(frame)
    except ValidationError:
        return kind.model_construct(None, **frame)


_MAX_KINDS: Final = 1_000
"""Kinds of events of one answer that are remembered; the protocol has some sixty."""


class Kinds:
    """Which class an event has, by its `type`."""

    def __init__(self) -> None:
        self._seen: dict[str, type[BaseModel]] = {}

    def learn(self, event: object) -> None:
        """Remember the class of an event that the provider sent."""
        if isinstance(event, BaseModel):
            name = getattr(event, "type", None)
            if isinstance(name, str) and len(self._seen) < _MAX_KINDS:
                self._seen.setdefault(name, type(event))

    def object_of(self, frame: Frame, like: object) -> object:
        """An event as the SDK would give it; a dictionary where `like`, the one that brought it, is one."""
        if not isinstance(like, BaseModel):
            return frame
        name = str(frame.get("type"))
        return made(frame, self._seen.get(name) or _events_beside(type(like)).get(name) or type(like))


@lru_cache(maxsize=256)
def _events_beside(kind: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """The events of the package that a class is from."""
    package = sys.modules.get(kind.__module__.rpartition(".")[0])
    found: dict[str, type[BaseModel]] = {}
    for name, one in vars(package).items() if package is not None else ():
        if name.endswith("Event") and isinstance(one, type) and issubclass(one, BaseModel):
            field = one.model_fields.get("type")
            found.update((str(word), one) for word in (get_args(field.annotation) if field is not None else ()))
    return found


def _dumped(value: BaseModel) -> str:
    # What is not the API's, such as what the SDK has parsed out of an answer, is not sent.
    exclude = getattr(value, "__api_exclude__", None)
    try:
        return value.model_dump_json(by_alias=True, exclude_unset=True, exclude=exclude, warnings=False)
    except (PydanticSerializationError, UnicodeEncodeError):
        pass
    raise FrameError("An object of the SDK cannot be written as JSON.")
