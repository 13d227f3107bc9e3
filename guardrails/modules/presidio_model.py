"""The part of the module `presidio` that touches a language model: loading it, and what it sees in a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import spacy
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from guardrails.errors import GuardrailError, ModuleNotAvailable
from guardrails.modules.contents import Contents
from guardrails.modules.context import Words
from guardrails.modules.presidio import Span

WINDOW = 200_000
"""Characters a language model is given at once; spaCy refuses texts over a million."""
OVERLAP = 2_000
"""Characters two windows share, so that whatever is shorter is seen whole in one of them."""


class ModelNlp:
    """A spaCy model: tokens and lemmas of its own, and named entities."""

    def __init__(self, model: str, language: str) -> None:
        """Load an installed model; nothing is downloaded.

        Raises: ModuleNotAvailable if it needs a package that is not installed; GuardrailError if it cannot be loaded.
        """
        self._engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model}])
        try:
            nlp = spacy.load(model)
        except (OSError, ValueError, ImportError) as exc:
            raise _unloadable(model, exc) from None
        self._engine.nlp = {language: nlp}  # type: ignore[assignment]  # Presidio declares it None until it is loaded
        self._language = language
        mapping = self._engine.ner_model_configuration.model_to_presidio_entity_mapping or {}
        labels = {label for pipe in nlp.pipe_names for label in nlp.pipe_labels.get(pipe, ())}
        self.entities = frozenset(
            entity for entity in {mapping.get(label, label) for label in labels} if entity in SpacyRecognizer.ENTITIES
        )
        self._recognizer = SpacyRecognizer(
            supported_language=language, supported_entities=self._engine.get_supported_entities()
        )

    def windows(self, text: str) -> Iterator[tuple[int, str]]:
        """Pieces a model can take, with their offsets, cut at white space where there is some."""
        start = 0
        while len(text) - start > WINDOW:
            end = _cut(text, start + WINDOW - OVERLAP, start + WINDOW)
            yield start, text[start:end]
            start = _cut(text, end - OVERLAP, end - OVERLAP // 2)
        yield start, text[start:]

    def tokens(self, contents: Contents) -> ModelTokens:
        """The tokens of one piece; a model sees every piece, because its entities have no gate."""
        return ModelTokens(self._engine.process_text(contents.text, self._language), self._recognizer)


def _unloadable(model: str, reason: Exception) -> GuardrailError:
    # E002: a component of the pipeline is made by a package that is not there.
    if isinstance(reason, ImportError) or "[E002]" in str(reason):
        return ModuleNotAvailable(
            f"the spaCy model '{model}' needs a package that is not installed: pip install spacy-transformers"
            " (or, for a model of Hugging Face: pip install spacy-huggingface-pipelines)"
        )
    return GuardrailError(f"the spaCy model '{model}' cannot be loaded by this version of spaCy")


def _cut(text: str, earliest: int, latest: int) -> int:
    """The last place between two at which a word begins, or the later one."""
    for at in range(latest, earliest, -1):
        if text[at - 1].isspace():
            return at
    return latest


class ModelTokens:
    """The tokens and named entities of one piece of text."""

    def __init__(self, artifacts: NlpArtifacts, recognizer: SpacyRecognizer) -> None:
        """Take what the model made of the text."""
        self._artifacts = artifacts
        self._recognizer = recognizer
        ends = [at + len(token) for at, token in zip(artifacts.tokens_indices, artifacts.tokens, strict=True)]
        self.words = Words(ends, [lemma.lower() for lemma in artifacts.lemmas], frozenset(artifacts.keywords))

    def may_support(self, context: Sequence[str]) -> bool:
        """Always: a model's lemma need not be part of the text."""
        return bool(context)

    def named(self) -> Iterator[tuple[str, Span]]:
        """The entities the model saw."""
        for result in self._recognizer.analyze("", self._recognizer.supported_entities, self._artifacts):
            yield result.entity_type, (result.start, result.end, result.score)
