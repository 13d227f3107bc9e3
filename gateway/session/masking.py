"""Mask a client's frame: what was found in its texts becomes tokens, or the frame is refused."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Final

from gateway.audit.record import Found
from gateway.errors import Refused
from gateway.session.refusals import not_examined
from gateway.session.states import WOULD, Findings, Frame, Setup, Turn
from gateway.wire.neighbours import neighbours
from gateway.wire.origins import origin
from gateway.wire.schema import Kind
from gateway.wire.texts import Text, Walk
from guardrails.again import again
from guardrails.errors import DetectionError
from guardrails.joining import Question
from guardrails.redact import Outcome
from guardrails.vault import Restorable

BARE: Final = frozenset({Kind.NAME, Kind.ID})
"""Kinds of text that must keep to [A-Za-z0-9_-], so their tokens stand without brackets."""


def masked_texts(setup: Setup, walk: Walk) -> Sequence[Text]:
    """The texts of a client's frame that are examined. The model is not where the session itself has written it."""
    return [text for text in walk.texts if text.kind is not Kind.MODEL or text.is_key or not setup.models]


def question(setup: Setup, frame: Frame, texts: Sequence[Text], *, items_apart: bool = False) -> Question:
    """What to ask detection about some texts of a frame: the texts, and their ends together with their neighbours'."""
    groups = neighbours(frame, texts, items_apart=items_apart)
    return Question([text.text for text in texts], groups, words=setup.finds_words)


def mask_turn(setup: Setup, turn: Turn) -> Restorable:
    """Mask a turn's frame in place, note what was found, and give what its response can restore.

    Raises:
        Refused: the policy blocks something that was found, or an attachment, or the lane's name holds a finding.
        NotExamined: there is too much to look for in too much text.

    """
    policy = setup.policy
    observe = policy.mode == "observe"
    inherited = turn.inherited
    if turn.findings is None or inherited is None:
        raise AssertionError("a turn is masked only when it is ready")
    own: dict[str, str] = {}
    findings = _everywhere(setup, turn, turn.findings, inherited)
    outcomes = dict(_outcomes(setup, turn, findings, inherited, own))
    keep_content = policy.audit.content == "masked"
    for text in turn.texts:
        outcome = outcomes[id(text)]
        place = text.place if outcome.applied or keep_content else ""
        if outcome.applied:
            turn.found.append(Found(outcome.applied, place))
        if keep_content:
            turn.content.setdefault(place, []).append(outcome.masked)
    if observe:
        try:
            _check(setup, turn, outcomes)
        except Refused as exc:
            turn.observed = f"{WOULD}{exc}"
        return inherited
    _check(setup, turn, outcomes)
    turn.walk.rewrite(lambda text: outcomes[id(text)].text if id(text) in outcomes else text.text)
    turn.walk.drop_repeats()
    return inherited.with_values(own)


def _everywhere(setup: Setup, turn: Turn, findings: Findings, inherited: Restorable) -> Findings:
    """The findings, with those of values that were found elsewhere in the frame, or are its conversation's."""
    try:
        return again([text.text for text in turn.texts], findings, inherited.looked_for, setup.masker.acts)
    except DetectionError as exc:
        error = not_examined(exc)
    if setup.policy.mode != "observe":
        raise error
    turn.observed = f"{WOULD}{error}"
    return findings


def _outcomes(
    setup: Setup, turn: Turn, findings: Findings, inherited: Restorable, own: dict[str, str]
) -> Iterator[tuple[int, Outcome]]:
    """What becomes of each text. The values that can be restored are added to `own`, with their tokens."""
    source = setup.policy.output.restore_from
    everybody = source.everybody
    apart: dict[str, str] = {}
    # Only the first map of each chain is written to; the others are there so that no token stands for two values.
    before: list[MutableMapping[str, str]] = [inherited.values] if inherited else []  # type: ignore[list-item]
    # Most conversations send everything again and inherit nothing: then there is nothing to chain.
    back = ChainMap(own, *before, apart) if before or not everybody else own
    never = ChainMap(apart, own, *before)
    for text, found in zip(turn.texts, findings, strict=True):
        values = back if everybody or not found or source.allows(origin(turn.frame, text)) else never
        yield id(text), setup.masker.input(text.text, found, values, bare=text.kind in BARE)
    if apart:
        # One value may have several tokens, such as one without brackets in a name: all of them or none come back.
        said = frozenset(own.values())
        own.update(pair for pair in apart.items() if pair[1] in said or inherited.is_value(pair[1]))


def _check(setup: Setup, turn: Turn, outcomes: dict[int, Outcome]) -> None:
    for text in turn.texts:
        if text.path is not None and text.path[0] is None and text.key == "stream_id" and outcomes[id(text)].applied:
            raise Refused("The stream_id holds data that may not be sent.", code="invalid_stream_id", param="stream_id")
    blocked = sorted({one.entity for found in turn.found for one in found.applied if one.action == "block"})
    if blocked:
        raise Refused(f"Policy {setup.policy.name} does not allow sending {', '.join(blocked)}.")
    if turn.walk.attachments and setup.policy.input.attachments == "block":
        raise Refused(
            f"Policy {setup.policy.name} does not allow images, files or sound: they cannot be examined.",
            param=turn.walk.attachments[0].place,
        )
