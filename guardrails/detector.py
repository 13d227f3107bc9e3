"""Runs the modules a policy names over texts, and fails closed: any doubt is a `DetectionError`.

A text is looked at as it is written and in every other reading of it: folded (zero-width and look-alike characters
undone) and decoded. What is found in any of these is found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import regex

from guardrails.decode import View, readings
from guardrails.entities import check_rules, reported
from guardrails.errors import DetectionError, DetectionTimeout
from guardrails.findings import Finding, apart, resolve
from guardrails.modules import Module, create
from guardrails.modules.builtin import BuiltIn
from guardrails.modules.islands import Text
from guardrails.modules.patterns import Patterns
from guardrails.operators import check
from guardrails.tokens import entity_of
from policies.model import Policy

ALLOW_SECONDS = 0.1
"""How long one expression of the allow list may take on one finding; longer, and the text is refused."""

FEW_VALUES = 4
"""Values that are asked about one by one."""

_BY_LINES = re.compile(
    r"""
    \^?
    (?:
        [\w@%&/:;,=<>~!'"\ -]                        # a character that means itself,
      | \\[dDwWsSb.@/+*?|()\[\]{}-] | \.             # one of a class,
      | \[\^? (?: [\w@%/:;,.=<>!'"+*?()$ -] | \\[dDwWsS.-] )+ \]
      | \( (?:\?:)? (?![?*+]) | \) | \|              # groups and alternatives,
      | (?: [*+?] | \{\d*,?\d*\} )\??(?!\+)          # repeats that can be taken back.
    )*
    \$?
    """,
    re.VERBOSE | re.ASCII,
)
"""Expressions that match some of the lines of a text if they match one of them by itself."""

_BODY = r"[A-Z](?:[A-Z_]|[0-9](?![0-9]{4})){0,63}_(?=[2-7]*[a-z])[a-z2-7]{8,16}"
OWN_TOKEN = re.compile(rf"<{_BODY}>|\[{_BODY}\]|\{{{_BODY}\}}")
"""The gateway's own tokens, in each style. An id without a letter, or a name with a long number, could be a value."""


class Detector(Protocol):
    """Finds personal data in texts."""

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """One list of findings for each text, sorted. Raises: DetectionError, and then no text may go on."""
        ...


@dataclass(frozen=True, slots=True)
class _Denied:
    """A text that is always found, whatever its case and however its words are spaced."""

    entity: str
    pattern: re.Pattern[str]


class Allowed:
    """An expression of the allow list."""

    __slots__ = ("_lines", "expression")

    def __init__(self, expression: str) -> None:
        self.expression: Final = regex.compile(expression)
        self._lines = regex.compile(expression, regex.MULTILINE) if _BY_LINES.fullmatch(expression) else None

    def may_match(self, values: Collection[str], seconds: float) -> bool:
        """Whether any of some values can match: asked of all at once, which is many times faster."""
        if self._lines is None or len(values) < FEW_VALUES:
            return True
        try:
            return self._lines.search("\n".join(values), timeout=seconds) is not None
        except TimeoutError:
            return True


class Read(NamedTuple):
    """A text, and every other reading of it as a text of its own."""

    contents: Text
    views: Sequence[tuple[View, Text]]

    @property
    def hidden(self) -> list[Text]:
        """What nobody sees who looks at the text: decoded from a run that is masked as a whole."""
        return [shown for view, shown in self.views if view.offsets is None]


class PolicyDetector:
    """Everything one policy says about detection, ready to run; made by `build`. Not safe for several threads."""

    def __init__(self, policy: Policy, modules: Sequence[tuple[str, Module]]) -> None:
        """Take the policy and the modules it names, with their names."""
        detect = policy.detect
        self._policy = policy
        self._modules = tuple(modules)
        self._allowed = frozenset(entry for entry in detect.allow if not entry.startswith("re:"))
        self._allowed_patterns = [
            Allowed(entry.removeprefix("re:")) for entry in detect.allow if entry.startswith("re:")
        ]
        self._denied = [_Denied(entry.entity, _deny_pattern(entry.text)) for entry in detect.deny]
        self._allow_seconds = ALLOW_SECONDS
        self._fold = detect.fold
        self._entities = reported(policy)
        self._decoders = detect.decode

    def hurry(self, seconds: float) -> None:
        """Let expressions of the policy's own take only so long, then raise DetectionTimeout: for use inline."""
        self._allow_seconds = seconds
        for _, module in self._modules:
            if isinstance(module, Patterns):
                module.seconds = seconds

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find what the policy looks for, one list for each text, sorted.

        Findings overlap only where one of them is of an entity the policy allows through in a direction and the other
        is not: there an allowed finding must not hide the other. The masker resolves again after its own choice.
        Raises: DetectionError, and then no text may go on.
        """
        return [self.examine(self.read(Text(text))) for text in texts]

    def read(self, contents: Text) -> Read:
        """A text with its other readings. Raises: DetectionError, where it decodes to more than is allowed."""
        if not contents.text or not (self._fold or self._decoders):
            return Read(contents, ())
        views = readings(contents.text, self._decoders, folding=self._fold)
        return Read(contents, [(view, Text(view.text)) for view in views])

    def examine(self, text: Read) -> list[Finding]:
        """What is found in one text, as `detect`."""
        return self._one(*text) if text.contents.text else []

    def _one(self, contents: Text, views: Sequence[tuple[View, Text]]) -> list[Finding]:
        text = contents.text
        found = self._look(contents)
        for view, shown in views:
            for finding in self._look(shown):
                start, end = view.span(finding.start, finding.end)
                found.append(Finding(start, end, finding.entity, finding.score, finding.module))
        return self._resolved(_outside_tokens(found, text, self._entities), text) if found else found

    def _look(self, contents: Text) -> list[Finding]:
        found: list[Finding] = []
        text = contents.text
        for name, module in self._modules:
            found += _run(name, module, contents)
        if found and (self._allowed or self._allowed_patterns):
            # Modules often agree, and texts repeat themselves: each value is asked about once.
            values = [text[finding.start : finding.end] for finding in found]
            allowed = self._allowed_of(set(values))
            if allowed:
                found = [finding for finding, value in zip(found, values, strict=True) if value not in allowed]
        for denied in self._denied:
            found += [Finding(*match.span(), denied.entity, 1.0, "deny") for match in denied.pattern.finditer(text)]
        return found

    def _allowed_of(self, values: set[str]) -> set[str]:
        allowed = values & self._allowed
        seconds = self._allow_seconds
        try:
            for pattern in self._allowed_patterns:
                left = values - allowed
                if pattern.may_match(left, seconds):
                    allowed |= {value for value in left if pattern.expression.search(value, timeout=seconds)}
        except TimeoutError:
            pass
        else:
            return allowed
        raise DetectionTimeout(f"an expression of the allow list took longer than {self._allow_seconds} s")

    def _resolved(self, found: list[Finding], text: str) -> list[Finding]:
        ordered = sorted(found)
        if apart(ordered):
            return ordered
        found = _distinct(found)
        rules = {entity: self._policy.rule(entity) for entity in {finding.entity for finding in found}}
        if len({(rule.input, rule.output) for rule in rules.values()}) == 1:
            return resolve(found, text)
        groups: dict[tuple[str, str], list[Finding]] = {}
        for finding in found:
            rule = rules[finding.entity]
            groups.setdefault((rule.input, rule.output), []).append(finding)
        resolved = [finding for group in groups.values() for finding in resolve(group, text)]
        return sorted(resolved, key=lambda f: (f.start, f.end))


def build(policy: Policy) -> PolicyDetector:
    """Make the detector of a policy; takes seconds the first time, when Presidio is imported.

    Raises: ModuleNotAvailable for a module or model that is not installed; GuardrailError for options that are wrong.
    """
    check_rules(policy)
    for operator in policy.operators.values():
        check(operator)
    modules = [(spec.use, create(spec.use, spec.options, policy.detect.language)) for spec in policy.detect.modules]
    return PolicyDetector(policy, modules)


def _run(name: str, module: Module, contents: Text) -> list[Finding]:
    try:
        found = module.look(contents) if isinstance(module, BuiltIn) else list(map(_taken, module.find(contents.text)))
        length = len(contents.text)
        if all(0 <= f.start < f.end <= length for f in found):
            return found
        reason = "it reported a place outside the text"
    except DetectionTimeout:
        raise DetectionTimeout(f"module {name} took too long") from None
    except Exception as exc:  # noqa: BLE001 - whatever a module does wrong, the text must not go on
        reason = type(exc).__name__
    # Raised outside the handler: the exception of the module may hold the text, and chained it would be kept.
    raise DetectionError(f"module {name} failed: {reason}")


def _taken(finding: Finding) -> Finding:
    """A finding of a module that is not built in, which may be made of anything with the fields of one."""
    if not isinstance(finding.entity, str) or not isinstance(finding.module, str):
        raise TypeError
    return Finding(int(finding.start), int(finding.end), finding.entity, float(finding.score), finding.module)


def _distinct(found: Iterable[Finding]) -> list[Finding]:
    """One finding for each entity and place, the one with the highest score: modules often agree."""
    best: dict[tuple[int, int, str], Finding] = {}
    for finding in found:
        key = (finding.start, finding.end, finding.entity)
        before = best.get(key)
        if before is None or finding.score > before.score:
            best[key] = finding
    return list(best.values())


def _outside_tokens(found: list[Finding], text: str, entities: frozenset[str] | None) -> list[Finding]:
    """Findings without those that lie wholly inside one of the gateway's own tokens: those that name its entities."""
    if "<" not in text and "[" not in text and "{" not in text:
        return found
    tokens = [match.span() for match in OWN_TOKEN.finditer(text) if entities is None or entity_of(match[0]) in entities]
    if not tokens:
        return found
    starts = [start for start, _ in tokens]
    outside: list[Finding] = []
    for finding in found:
        token = bisect_right(starts, finding.start) - 1
        if token < 0 or finding.end > tokens[token][1]:
            outside.append(finding)
    return outside


def _deny_pattern(entry: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, entry.split()))
    before = r"(?<!\w)" if re.match(r"\w", words) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", words) else ""
    return re.compile(f"{before}{words}{after}", re.IGNORECASE)
