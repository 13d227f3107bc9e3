"""Presidio's context words, looked up for one finding without walking all tokens of the text.

Presidio raises the score of a finding when one of its recogniser's context words is part of a word before it. Its own
code walks every token for every finding and copies every finding first. Here the token is found by bisection and the
words before it are collected backwards, five of them and the finding's own, exactly as Presidio counts them. And the
text is cut into tokens only if it contains a context word at all.

The tokens are those of a blank spaCy pipeline, whose lemmas are empty; the lower-case form stands in, without which no
context word would ever be found.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from guardrails.errors import GuardrailError
from guardrails.modules.contents import Contents

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

BOOST = 0.35
LEAST_BOOSTED = 0.4
WORDS_BEFORE = 5
LOOK_BACK = 1_024
"""Characters before a finding beyond which no word is its context, so that a text can be examined as it comes
(decision 0022). Presidio has no such limit; five words that count nearly always stand much nearer."""
REMEMBERED = 50_000
"""Words kept between texts before all are forgotten: more than everyday use has, and about 30 MB."""
NEEDED = ("LOWER", "NORM", "IS_STOP", "IS_PUNCT", "IS_SPACE")
"""What is asked of a word, and what spaCy itself asks."""
LONG = 50_000
"""Characters that are cut at once; twice as many without white space are cut and their words forgotten at once."""
_WORD = re.compile(r"(?<=\s)\S")


def boosted(score: float) -> float:
    """The score of a finding that has a context word before it."""
    return min(max(score + BOOST, LEAST_BOOSTED), 1.0)


class Words:
    """The tokens of a text: where each ends, its lemma in lower case, and which of them count as words of context."""

    __slots__ = ("_counting", "_ends", "_lemmas")

    def __init__(self, ends: Sequence[int], lemmas: Sequence[str], keywords: Collection[str]) -> None:
        """Take the tokens' ends and lemmas in order, and the lemmas that count."""
        self._ends = ends
        self._lemmas = lemmas
        self._counting = [index for index, lemma in enumerate(lemmas) if lemma in keywords]

    def support(self, start: int, context: Sequence[str]) -> bool:
        """Whether a word of `context` (in lower case) is part of a word around the finding at `start`."""
        index = bisect_right(self._ends, start)
        # A finding that begins after the last token has no token, hence no context; Presidio raises here.
        return index < len(self._ends) and _any_part(context, self._around(index, index, start - LOOK_BACK))

    def near(self, start: int, end: int, context: Sequence[str]) -> bool:
        """Whether `support` can hold for any finding that begins in `start` to `end`."""
        first, last = bisect_right(self._ends, start), bisect_right(self._ends, end - 1)
        return first < len(self._ends) and _any_part(context, self._around(first, last, start - LOOK_BACK))

    def _around(self, first: int, last: int, earliest: int) -> list[str]:
        """What counts up to the first token, five words and itself, up to the last, and the one word after.

        Words that end before `earliest` do not count.

        Presidio asks for no word after the finding, but always takes the next one that counts, the finding's own
        token mostly.
        """
        upto_first, before_last = bisect_right(self._counting, first), bisect_left(self._counting, last)
        chosen = self._counting[max(upto_first - WORDS_BEFORE - 1, 0) : before_last + 1]
        return [self._lemmas[index] for index in chosen if self._ends[index] > earliest]


def _any_part(context: Sequence[str], lemmas: Sequence[str]) -> bool:
    return any(word in lemma for word in context for lemma in lemmas)


class Tokens:
    """The tokens of one text, made when first asked for."""

    __slots__ = ("_contents", "_cut", "_words")

    def __init__(self, contents: Contents, cut: Callable[[str], Words]) -> None:
        """Take the text and what cuts it."""
        self._contents = contents
        self._cut = cut
        self._words: Words | None = None

    def may_support(self, context: Sequence[str]) -> bool:
        """Whether a word of `context` stands anywhere in the text; every lemma is a part of it in lower case."""
        lower = self._contents.lower
        for word in context:  # noqa: SIM110 - any() with a generator costs twice as much, for every recogniser and text
            if word in lower:
                return True
        return False

    @property
    def words(self) -> Words:
        """The tokens."""
        if self._words is None:
            self._words = self._cut(self._contents.text)
        return self._words

    def named(self) -> Iterable[tuple[str, tuple[int, int, float]]]:
        """Entities a language model saw; without a model there are none."""
        return ()


class BlankNlp:
    """A blank spaCy pipeline: a tokeniser, its stop words and its punctuation."""

    def __init__(self, language: str) -> None:
        """Load the language. Raises: GuardrailError if spaCy has no such language."""
        self._language = language
        self._nlp = _lean(language)
        self._at_first = len(self._nlp.vocab)
        self._known: dict[int, tuple[str, bool]] = {}

    def windows(self, text: str) -> Iterable[tuple[int, str]]:
        """The text as a whole: the limit of spaCy is that of its models, and none is used."""
        return ((0, text),)

    def tokens(self, contents: Contents) -> Tokens:
        """The tokens of the text, made when first asked for."""
        return Tokens(contents, self.cut)

    def cut(self, text: str) -> Words:
        """Cut the text into tokens now."""
        ends: list[int] = []
        lemmas: list[str] = []
        keywords: set[str] = set()
        for start, piece in self._pieces(text):
            if len(piece) > 2 * LONG:
                with self._nlp.memory_zone():
                    self._cut(piece, start, ends, lemmas, keywords)
                continue
            # The vocabulary keeps every word it ever saw. A memory zone forgets them, but makes words cost ten times.
            if len(self._nlp.vocab) > self._at_first + REMEMBERED:
                self._nlp = _lean(self._language)
                self._known.clear()
            self._cut(piece, start, ends, lemmas, keywords)
        return Words(ends, lemmas, keywords)

    def _pieces(self, text: str) -> Iterator[tuple[int, str]]:
        """The text in pieces that begin where a word does: spaCy's own tokeniser cuts at white space first of all."""
        from spacy.tokenizer import Tokenizer

        start = 0
        while len(text) - start > LONG and isinstance(self._nlp.tokenizer, Tokenizer):
            word = _WORD.search(text, start + LONG)
            if word is None:
                break
            yield start, text[start : word.start()]
            start = word.start()
        yield start, text[start:]

    def _cut(self, text: str, start: int, ends: list[int], lemmas: list[str], keywords: set[str]) -> None:
        # One array instead of a Python object for each token, which took as long as cutting.
        columns = self._nlp.tokenizer(text).to_array(["LOWER", "IDX", "LENGTH"])
        keys: list[int] = columns[:, 0].tolist()
        known = {key: self._lemma(key) for key in set(keys)}
        for lemma, counts in known.values():
            if counts:
                keywords.update(lemma.split(":"))
        ends += (columns[:, 1] + columns[:, 2] + start).tolist()
        lemmas += [known[key][0] for key in keys]

    def _lemma(self, key: int) -> tuple[str, bool]:
        """What a token's lower-case form, given by its hash, is as a lemma, and whether that counts as a keyword."""
        known = self._known.get(key)
        if known is None:
            lemma = self._nlp.vocab.strings[key].lower()
            lexeme = self._nlp.vocab[lemma]
            known = (lemma, not (lexeme.is_stop or lexeme.is_punct or lemma in {"-PRON-", "be"}))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = known
        return known


def _lean(language: str) -> Language:
    """A blank pipeline that finds out about a new word only what is asked here: a third of the time of cutting."""
    from spacy.attrs import intify_attr

    nlp = blank(language)
    getters = nlp.vocab.lex_attr_getters  # type: ignore[attr-defined]  # missing in spaCy's stubs
    needed = {key: getters[key] for key in map(intify_attr, NEEDED) if key in getters}
    nlp.vocab.lex_attr_getters = needed  # type: ignore[attr-defined]
    return nlp


def blank(language: str) -> Language:
    """A blank pipeline whose lemmas are the lower-case forms. Raises: GuardrailError for a language spaCy lacks."""
    import spacy
    from spacy.language import Language

    if not Language.has_factory("guardrails_lower_lemma"):
        Language.component("guardrails_lower_lemma", func=_lower_lemmas)
    try:
        nlp = spacy.blank(language)
    except ImportError:
        raise GuardrailError(f"spaCy has no language '{language}' (or its tokeniser needs another package)") from None
    nlp.add_pipe("guardrails_lower_lemma")
    return nlp


def _lower_lemmas(doc: Doc) -> Doc:
    for token in doc:
        token.lemma_ = token.lower_
    return doc
