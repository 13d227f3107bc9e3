"""A request that was masked, and the way back of its answer. See `gateway.inprocess.Guard`."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Final, TypeVar, cast, overload

from pydantic import BaseModel

from gateway.errors import FrameError, UpstreamError
from gateway.exchange import Answers, Exchange, refused
from gateway.sdk import Frame, Kinds, made, written
from gateway.wire.events import Class, event
from gateway.wire.frame import encode, loads

_CUT: Final = "The provider's answer ended before it was complete."
_NO_EVENT: Final = "The provider sent something that is not an event."
_ENDINGS: Final = frozenset({"completed", "incomplete", "failed"})
_T = TypeVar("_T")


class Request:
    """A masked request. Send `body`, and give its one answer to `events()`, `response()` or `aresponse()`."""

    def __init__(self, exchange: Exchange, answers: Answers, body: dict[str, Any]) -> None:
        """Made by `Guard.request()`."""
        self.body: Final[dict[str, Any]] = body
        """The arguments for `responses.create()`: `client.responses.create(**request.body)`."""
        self._exchange: Final = exchange
        self._answers: Final = answers
        self._answered = False

    @overload
    def events(self, stream: AsyncIterable[_T]) -> AsyncIterator[_T]: ...

    @overload
    def events(self, stream: Iterable[_T]) -> Iterator[_T]: ...

    def events(self, stream: Iterable[_T] | AsyncIterable[_T]) -> Iterator[_T] | AsyncIterator[_T]:
        """The events of a stream as the policy lets them go, of the same classes: `for` and `async for` alike.

        One event may become none or several. Exceptions of the stream itself go through as they are. Raises, while it
        is read:
            Refused: the policy does not let the answer through, or it could not be examined, or it was cut short.
        """
        self._once()
        return self._later(stream) if isinstance(stream, AsyncIterable) else self._now(stream)

    def response(self, answer: _T) -> _T:
        """A whole answer as the policy lets it go, of the same class.

        Raises:
            Refused: the policy does not let the answer through, or it could not be examined.

        """
        self._once()
        try:
            for data in _events(answer):
                self._exchange.feed(data)
                self._answers.settle(self._exchange)
            return self._whole(answer)
        finally:
            self._exchange.leave()

    async def aresponse(self, answer: _T) -> _T:
        """The same for programs with an event loop, which is not held up while texts are examined."""
        self._once()
        try:
            for data in _events(answer):
                self._exchange.feed(data)
                await self._answers.asettle(self._exchange)
            return self._whole(answer)
        finally:
            self._exchange.leave()

    def _once(self) -> None:
        if self._answered:
            raise RuntimeError("a request has one answer: make another one with request()")
        self._answered = True

    def _now(self, stream: Iterable[_T]) -> Iterator[_T]:
        turned = _Turned(self._exchange)
        try:
            for one in stream:
                turned.feed(one)
                self._answers.settle(self._exchange)
                yield from turned.given(one)
            turned.end()
        finally:
            self._exchange.leave()

    async def _later(self, stream: AsyncIterable[_T]) -> AsyncIterator[_T]:
        turned = _Turned(self._exchange)
        try:
            async for one in stream:
                turned.feed(one)
                await self._answers.asettle(self._exchange)
                for given in turned.given(one):
                    yield given
            turned.end()
        finally:
            self._exchange.leave()

    def _whole(self, answer: _T) -> _T:
        for data in self._exchange.frames():
            frame = loads(data)
            if isinstance(frame, dict) and event(str(frame.get("type"))).cls is Class.TERMINAL:
                whole = frame.get("response")
                new = whole if isinstance(whole, dict) else {}
                return cast("_T", made(new, type(answer)) if isinstance(answer, BaseModel) else new)
        raise refused(UpstreamError(_NO_EVENT))


class _Turned:
    """The events of one stream on their way through an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange: Final = exchange
        self._kinds: Final = Kinds()
        self._came = ""

    def feed(self, one: object) -> None:
        """Take an event of the SDK."""
        self._kinds.learn(one)
        self._came = _written(one)
        self._exchange.feed(self._came)

    def given(self, one: _T) -> Iterator[_T]:
        """What the client gets because of it: the very same object where nothing changed."""
        for data in self._exchange.frames():
            yield one if data == self._came else cast("_T", self._kinds.object_of(_like(data, self._came), one))

    def end(self) -> None:
        """The stream has ended.

        Raises:
            Refused: the answer has not.

        """
        if not self._exchange.over:
            self._exchange.lose(UpstreamError(_CUT))
            list(self._exchange.frames())


def _events(answer: object) -> tuple[str, str]:
    """A whole answer as the beginning and the end of a stream.

    Raises:
        Refused: it is no answer.

    """
    whole = loads(_written(answer))
    if not isinstance(whole, dict):
        raise refused(UpstreamError(_NO_EVENT))
    begun: Frame = {"type": "response.created", "response": {"id": whole.get("id"), "output": []}}
    status = whole.get("status")
    ending = status if isinstance(status, str) and status in _ENDINGS else "completed"
    return encode(begun), encode({"type": f"response.{ending}", "response": whole})


def _written(one: object) -> str:
    try:
        return written(one)
    except FrameError:
        pass
    raise refused(UpstreamError(_NO_EVENT))


def _like(data: str, came: str) -> Frame:
    """A frame of the session; an error in the form in which the provider's came: flat among streamed events."""
    frame = loads(data)
    if not isinstance(frame, dict):
        raise AssertionError("the session sends objects")
    error = frame.get("error")
    if frame.get("type") != "error" or not isinstance(error, dict):
        return frame
    before = loads(came)
    if not isinstance(before, dict) or isinstance(before.get("error"), dict):
        return frame
    kept = {key: value for key, value in frame.items() if key not in ("error", "status")}
    return {**kept, **{key: error.get(key) for key in ("code", "message", "param")}}
