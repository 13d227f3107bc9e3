"""Regular expressions a policy brings itself, with context words as Presidio counts them, and a time limit.

An expression that runs wild raises, so the text is refused: what could not be examined must not go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex

from guardrails.errors import DetectionTimeout, GuardrailError
from guardrails.findings import Finding
from guardrails.modules.builtin import BuiltIn
from guardrails.modules.contents import Contents
from guardrails.modules.context import boosted
from guardrails.modules.gates import Gate, gate
from guardrails.modules.islands import Text
from guardrails.modules.options import Options

SECONDS = 1.0
"""How long one expression may take on one text; longer, and the text is refused."""
WINDOW_CHARACTERS = 80
"""How far before and after a match its context words are looked for: about ten words each way."""
THRESHOLD = 0.4
SCORE = 0.8

_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One expression, ready to run."""

    entity: str
    pattern: regex.Pattern[str]
    gate: Gate
    score: float
    context: tuple[str, ...]
    """In lower case. With one of these near it a match scores higher; without them it keeps its score."""


class Patterns(BuiltIn):
    """The module `patterns`; made by `build`. `seconds` is what one expression may take on one text."""

    def __init__(self, rules: Sequence[Rule], threshold: float) -> None:
        """Take the expressions and the lowest score reported."""
        self._rules = tuple(rules)
        self._threshold = threshold
        self.seconds = SECONDS

    def look(self, contents: Text) -> list[Finding]:
        """Report every match that scores enough. Raises: DetectionTimeout if an expression runs wild."""
        found: list[Finding] = []
        try:
            for rule in self._rules:
                if rule.gate.open(contents):
                    found += self._matches(rule, contents)
        except TimeoutError:
            pass
        else:
            return found
        raise DetectionTimeout(f"a pattern took longer than {self.seconds} s")

    def _matches(self, rule: Rule, contents: Contents) -> Iterator[Finding]:
        for match in rule.pattern.finditer(contents.text, timeout=self.seconds):
            start, end = match.span()
            if start == end:
                continue
            score = rule.score
            if rule.context and score < 1.0 and _near(rule.context, contents.text, start, end):
                score = boosted(score)
            if score >= self._threshold:
                yield Finding(start, end, rule.entity, score, "patterns")


def _near(context: Sequence[str], text: str, start: int, end: int) -> bool:
    around = text[max(start - WINDOW_CHARACTERS, 0) : end + WINDOW_CHARACTERS].lower()
    return any(word in around for word in context)


def build(options: Mapping[str, object], language: str) -> Patterns:
    """Make the module for `patterns` (each entity, regex, score, context, ignore_case) and `threshold`.

    Raises: GuardrailError, naming the option that is wrong, never showing an expression.
    """
    del language
    read = Options("patterns", options)
    rules = [_rule(entry, index) for index, entry in enumerate(read.mappings("patterns"))]
    threshold = read.number("threshold", THRESHOLD)
    read.done()
    return Patterns(rules, threshold)


def _rule(entry: Mapping[str, object], index: int) -> Rule:
    read = Options(f"patterns, pattern {index + 1}", entry)
    entity, expression = read.text("entity"), read.text("regex")
    score, context = read.number("score", SCORE), read.texts("context", ())
    ignore_case = read.flag("ignore_case")
    read.done()
    if entity is None or not _ENTITY.fullmatch(entity):
        raise read.wrong("entity", "a name like EMPLOYEE_ID")
    if expression is None:
        raise read.wrong("regex", "a regular expression")
    compiled = _compiled(expression, regex.IGNORECASE if ignore_case else 0)
    if compiled is None:
        raise GuardrailError(f"module patterns, pattern {index + 1}: option 'regex' is no valid regular expression")
    return Rule(entity, compiled, gate(expression), score, tuple(word.lower() for word in context))


def _compiled(expression: str, flags: int) -> regex.Pattern[str] | None:
    try:
        return regex.compile(expression, flags)
    except (regex.error, OverflowError, RecursionError):
        return None
