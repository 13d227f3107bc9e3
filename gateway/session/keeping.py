"""Keep an answer for whoever asks the same again, once it is certain that nothing in it would have to be masked."""

from __future__ import annotations

from typing import Final

from gateway.errors import FrameError
from gateway.session.answers import Kept, may_be_kept
from gateway.session.effects import Detect, Effect
from gateway.session.lanes import Lanes
from gateway.session.masking import question
from gateway.session.states import Findings, Frame, Response, Setup
from gateway.wire.events import Class, Event
from gateway.wire.frame import encode, loads
from gateway.wire.texts import walk


class Keeping:
    """The answers of one session that may be given again."""

    def __init__(self, setup: Setup, lanes: Lanes) -> None:
        self._setup: Final = setup
        self._answers: Final = setup.answers
        self._lanes: Final = lanes
        self._asked: dict[int, tuple[bytes, Kept]] = {}

    def keep(self, response: Response, row: Event, data: str, *, examined: bool) -> list[Effect]:
        """Keep an answer that is over, as the provider sent it.

        `examined` says that all of it was, and `response.found` what was found; else detection is asked first.
        """
        answers = self._answers
        if answers is None or row.cls is not Class.TERMINAL or response.key is None or response.kept is not None:
            return []
        frame = loads(data)
        whole = frame.get("response") if isinstance(frame, dict) else None
        if not may_be_kept(whole) or (examined and response.found):
            return []
        kept = Kept(encode(whole), response.deployment, response.id)
        if examined:
            answers.put(response.key, kept)
            return []
        shown: Frame = {"response": whole}
        try:
            texts = [text for text in walk(shown, secrets=True).texts if text.text]
        except FrameError:
            return []
        ticket = self._lanes.ticket()
        self._asked[ticket] = (response.key, kept)
        return [Detect(ticket, question(self._setup, shown, texts).asked)]

    def detected(self, ticket: int, findings: Findings) -> None:
        """Detection answered: what holds nothing is kept."""
        asked = self._asked.pop(ticket, None)
        if asked is not None and self._answers is not None and not any(findings):
            self._answers.put(*asked)

    def detection_failed(self, ticket: int) -> None:
        """Nobody can say what it holds: it is not kept."""
        self._asked.pop(ticket, None)
