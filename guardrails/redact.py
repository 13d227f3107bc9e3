"""Mask a text and restore a text, one pass each.

One pass matters: a loop of replacements would look again at what a value brought in, and rewrite a person's own data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias

from guardrails import operators, persons
from guardrails.findings import Finding, resolve
from guardrails.keyed import Keyed
from guardrails.links import LOOK_BACK
from guardrails.restore import Restorer
from guardrails.tokens import REMEMBERED, Tokens, free, grammar
from guardrails.variants import found, unfinished
from guardrails.vault import Restorable
from policies.model import EntityRule, OperatorSpec, Policy

Action: TypeAlias = Literal["mask", "block", "allow", "late"]

_TOKEN: Final = "token"
_FIRST: Final = 2.0
"""More than any score."""


class Direction(Enum):
    """Which way a text goes: from the client to the provider, or back."""

    INPUT = "input"
    OUTPUT = "output"


class Masked:
    """A text after masking. Only this module makes one, so a field of this type cannot hold a raw text."""

    __slots__ = ("text",)

    def __init__(self, text: str, *, made_by: object) -> None:
        """Not for callers: `Masker` makes these."""
        if made_by is not _MAKER:
            raise TypeError("only a Masker makes masked text")
        self.text: Final = text

    def __repr__(self) -> str:
        return f"Masked({len(self.text)} characters)"


_MAKER: Final = object()


class Applied(NamedTuple):
    """One finding and what was done about it; the value itself only as its fingerprint."""

    entity: str
    module: str
    action: Action
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What masking made of one text: the text to send on, the same for the record, and what was found.

    With an `Applied` whose action is `block`, the caller must not send the frame at all.
    """

    text: str
    masked: Masked
    applied: tuple[Applied, ...]
    spans: tuple[tuple[int, int], ...] = ()
    """Where in the text as it was something was found, whatever became of it."""


class Masker:
    """Masks the texts of one tenant under one policy."""

    def __init__(self, policy: Policy, *, tenant_secret: bytes, audit_secret: bytes) -> None:
        """`tenant_secret` keys the tokens, `audit_secret` the fingerprints; they must differ."""
        self._policy = policy
        self._rules: dict[str, EntityRule] = {}
        self._operators: dict[str, OperatorSpec] = {}
        self._seen: dict[tuple[str, str, str, str], tuple[Applied, str]] = {}
        self._secret = tenant_secret
        self._fingerprints = Keyed(audit_secret)
        self._tokens = Tokens(tenant_secret, policy.tokens.style)
        self._grammar = grammar(policy.tokens.style)
        where = policy.output.restore_in
        self.restorer = Restorer(self._grammar, urls=where.urls, restores=self._restores)

    def input(
        self, text: str, findings: Iterable[Finding], values: MutableMapping[str, str], *, bare: bool = False
    ) -> Outcome:
        """Mask a text on its way to the provider; the pairs of token and value made for it are added to `values`.

        `bare` leaves out the brackets, for places where only [A-Za-z0-9_-] may stand.
        """
        pieces: list[str] = []
        applied: list[Applied] = []
        done = 0
        resolved = self._resolved(text, findings, Direction.INPUT, ())
        wholes = self._wholes(text, resolved)
        seen = self._seen
        for start, end, entity, _, module in resolved:
            value = text[start:end]
            action: Action = "block" if self._rules[entity].input == "block" else "mask"
            one, token = seen.get((entity, module, action, value)) or self._noted(entity, module, action, value)
            applied.append(one)
            whole = wholes.get(value) if wholes and entity == persons.ENTITY else None
            if token and not bare and whole is None and free(token, value, values):
                values[token] = value
            else:
                token = self._replacement(entity, value, values, bare=bare, whole=whole)
            pieces += (text[done:start], token)
            done = end
        return self._outcome(text, pieces, done, applied)

    def _restores(self, entity: str) -> bool:
        """Whether the client gets values of an entity back; otherwise their tokens stay tokens."""
        return self._rule(entity).output in ("restore", "allow")

    def _rule(self, entity: str) -> EntityRule:
        rule = self._rules.get(entity)
        if rule is None:
            rule = self._rules[entity] = self._policy.rule(entity)
        return rule

    def acts(self, entity: str) -> bool:
        """Whether values of an entity are kept from the provider, masked or refused."""
        return self._rule(entity).input != "allow"

    def acting(self, text: str, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that this policy acts on in a client's text, without overlaps."""
        return self._resolved(text, findings, Direction.INPUT, ())

    def output(  # noqa: PLR0913 - each says one thing about the place of the text
        self,
        text: str,
        findings: Iterable[Finding],
        known: Restorable,
        *,
        escape: bool,
        restore: bool,
        bare: bool = False,
        before: str = "",
    ) -> Outcome:
        """Mask a text on its way to the client, restoring the client's own values where `restore` allows it.

        `escape` when the text is JSON source; `bare` when it is a name or an id, whose tokens have no brackets;
        `before` is what of the text went ahead.
        """
        restore = restore and self._policy.output.mask != "all"
        tokens = {start: (end, token) for start, end, token in self.tokens(text, known, before=before)}
        spans = [(start, end) for start, (end, _) in tokens.items()]
        pieces: list[str] = []
        kept: list[str] = []
        applied: list[Applied] = []
        acting = self._resolved(text, findings, Direction.OUTPUT, spans)
        done = 0
        for finding in acting:
            value, between = text[finding.start : finding.end], text[done : finding.start]
            if finding.module == _TOKEN:
                shown = hidden = value
                token = tokens[finding.start][1]
                if restore:
                    ahead = text[max(0, finding.start - LOOK_BACK) : finding.start]
                    ahead = ahead if len(ahead) == LOOK_BACK else before + ahead
                    shown = self.restorer.one(token, ahead, known, escape=escape)
                    shown = value if shown == token else shown
            else:
                rule = self._rule(finding.entity).output
                action: Action = "block" if rule == "block" else "mask"
                one, hidden = self._noted(finding.entity, finding.module, action, value)
                shown = hidden = hidden or self._replacement(finding.entity, value, {}, bare=False)
                if restore and rule == "restore" and known.is_value(value):
                    shown = value  # the client's own, written out by the provider
                else:
                    applied.append(one)
            pieces += (between, shown)
            kept += (between, hidden)
            done = finding.end
        rest = text[done:]
        new = "".join((*pieces, rest))
        if bare and restore and not applied:
            new = self.restorer.bare(new, known)
        masked = Masked("".join((*kept, rest)), made_by=_MAKER)
        return Outcome(new, masked, tuple(applied), tuple((finding.start, finding.end) for finding in acting))

    def tokens(self, text: str, known: Restorable, *, before: str = "") -> Iterator[tuple[int, int, str]]:
        """Where the conversation's own tokens stand in a text."""
        return found(text, known, self._grammar.opening, before=before)

    def unfinished(self, text: str, known: Restorable) -> int:
        """From where on a text could still become one of those; its length when nothing of it can."""
        return unfinished(text, known, self._grammar.opening)

    def late(
        self, text: str, findings: Iterable[Finding], known: Restorable, covered: Sequence[tuple[int, int]]
    ) -> tuple[Applied, ...]:
        """What should have been masked in an answer's text and was not, as only a look at the whole of it shows.

        `covered` is where something was found while the text went by, in order.
        """
        acting = self._resolved(text, findings, Direction.OUTPUT, ())
        open_ = [finding for finding in acting if _uncovered(text, finding, covered)]
        return tuple(
            self._noted(finding.entity, finding.module, "late", value)[0]
            for finding in open_
            if not known.is_value(value := text[finding.start : finding.end])
        )

    def _resolved(
        self, text: str, findings: Iterable[Finding], way: Direction, tokens: Sequence[tuple[int, int]]
    ) -> list[Finding]:
        """Findings that this policy acts on, without overlaps; the conversation's own tokens stay whole.

        What a policy allows is dropped before overlaps are resolved: an allowed finding must not hide another one. What
        it blocks outranks the rest: a finding that is only masked must not hide one that may not be sent at all.
        """
        acting = [Finding(start, end, "", _FIRST, _TOKEN) for start, end in tokens]
        blocks = False
        actions: dict[str, str] = {}
        for finding in findings:
            action = actions.get(finding.entity)
            if action is None:
                rule = self._rule(finding.entity)
                action = actions[finding.entity] = rule.input if way is Direction.INPUT else rule.output
            if action == "block":
                blocks = True
                acting.append(finding._replace(score=finding.score + _FIRST))
            elif action != "allow":
                acting.append(finding)
        resolved = resolve(acting, text)
        if not blocks:
            return resolved
        return [f._replace(score=f.score - _FIRST) if f.score > _FIRST else f for f in resolved]

    def _wholes(self, text: str, findings: Iterable[Finding]) -> Mapping[str, str]:
        """The whole names of the persons that are found in a text by a part of it, if the policy asks for that."""
        if self._policy.tokens.persons == "apart":
            return {}
        return persons.wholes(text[f.start : f.end] for f in findings if f.entity == persons.ENTITY)

    def _replacement(
        self, entity: str, value: str, values: MutableMapping[str, str], *, bare: bool, whole: str | None = None
    ) -> str:
        operator = self._operator(entity)
        if operator.use != _TOKEN:
            return operators.apply(operator, entity, value, self._secret)
        if whole is not None and self._policy.tokens.persons == "related":
            token = self._tokens.related(entity, value, whole, values)
        else:
            value = value if whole is None else whole
            token = self._tokens.make(entity, value, values)
        if bare:
            token = token[1:-1]
        values[token] = value
        return token

    def _operator(self, entity: str) -> OperatorSpec:
        operator = self._operators.get(entity)
        if operator is None:
            operator = self._operators[entity] = self._policy.operator(entity)
        return operator

    def _noted(self, entity: str, module: str, action: Action, value: str) -> tuple[Applied, str]:
        """What is noted of a value, and its token with the shortest id, if tokens stand for its kind."""
        key = (entity, module, action, value)
        noted = self._seen.get(key)
        if noted is None:
            mark = _fingerprint(self._fingerprints, entity, value)
            token = self._tokens.shortest(entity, value) if self._operator(entity).use == _TOKEN else ""
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            noted = self._seen[key] = Applied(entity, module, action, mark), token
        return noted

    def _outcome(self, text: str, pieces: list[str], done: int, applied: list[Applied]) -> Outcome:
        new = "".join((*pieces, text[done:])) if pieces else text
        return Outcome(new, Masked(new, made_by=_MAKER), tuple(applied))


def joined(pieces: Iterable[Masked]) -> Masked:
    """The masked pieces of one text as one."""
    return Masked("".join(piece.text for piece in pieces), made_by=_MAKER)


def _uncovered(text: str, finding: Finding, covered: Sequence[tuple[int, int]]) -> bool:
    """Whether a letter or digit of a finding lies in none of some spans."""
    first = bisect_right(covered, finding.start, key=lambda span: span[1])
    open_ = set(range(finding.start, finding.end))
    for start, end in covered[first:]:
        if start >= finding.end:
            break
        open_.difference_update(range(start, end))
    return any(text[at].isalnum() for at in open_)


def fingerprint(secret: bytes, entity: str, value: str) -> str:
    """The fingerprint under which a value stands in the audit: who knows the secret and the value can find its rows."""
    return _fingerprint(Keyed(secret), entity, value)


def _fingerprint(keyed: Keyed, entity: str, value: str) -> str:
    return keyed.of(entity, value).hex()[:16]
