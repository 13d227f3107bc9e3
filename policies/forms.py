"""The parts of a policy that are written as `use: NAME` with options of their own: detection modules and operators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

import regex
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from policies.check import Choice, FileModel, Matching

_SWITCH_WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def _switch(value: object) -> object:
    """Accept the words that YAML 1.1 took for booleans; `policies.yaml_lines` leaves them words."""
    return _SWITCH_WORDS.get(value.lower(), value) if isinstance(value, str) else value


def check_regex(pattern: str) -> str:
    """Return a regular expression that the `regex` library, which detection uses, can compile.

    Raises:
        ValueError: it cannot, or the expression matches everything. The expression is not in the message.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning about an odd set would quote the expression on stderr
            compiled = regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError):
        compiled = None  # raised below: the library's own message can quote the expression, and would be chained
    if compiled is None:
        raise ValueError("is not a valid regular expression")
    if compiled.fullmatch(""):
        raise ValueError("matches the empty text, and so everything")
    return pattern


# 64 is what a token's grammar has room for.
Entity = Annotated[str, Matching(r"[A-Z][A-Z0-9_]{0,63}", "an entity's name such as EMAIL_ADDRESS")]
EntityOrDefault = Annotated[
    str, Matching(r"default|[A-Z][A-Z0-9_]{0,63}", "'default' or an entity's name such as EMAIL_ADDRESS")
]
Region = Annotated[str, Matching("[A-Z]{2}", "a two-letter country code")]
Text = Annotated[str, Field(min_length=1)]
Score = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Switch = Annotated[bool, BeforeValidator(_switch), Field(strict=True)]
Regex = Annotated[str, Field(min_length=1), AfterValidator(check_regex)]


# Upper case only: a secret pasted in place of its variable's name is then refused here, and named nowhere.
EnvName = Annotated[
    str, Matching(r"[A-Z_][A-Z0-9_]{0,127}", "an environment variable's name such as TEAM_A_KEY, not the secret itself")
]


NameEntity: TypeAlias = Literal["PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME", "AGE", "TITLE", "ZIP_CODE"]


def _check_thresholds(thresholds: Mapping[str, float], entities: Sequence[str] | None) -> Mapping[str, float]:
    strays = [] if entities is None else [name for name in thresholds if name not in entities]
    if strays:
        raise ValueError(f"not in this module's entities: {', '.join(strays)}")
    return thresholds


class PresidioModule(FileModel):
    """Detection by Microsoft Presidio's recognizers."""

    use: Literal["presidio"]
    """`presidio`: Microsoft Presidio's recognizers."""
    entities: Annotated[tuple[Entity, ...], Field(min_length=1)]
    """The Presidio entities to find. Each is worth its false positives, so there is no "all"."""
    threshold: Score = 0.4
    """Findings that score lower are dropped; from 0 to 1."""
    thresholds: Mapping[Entity, Score] = {}
    """A threshold of its own for single entities."""
    regions: Annotated[tuple[Region, ...], Field(min_length=1)] | None = None
    """The countries whose national phone numbers are known. Without it: eight, and those of the language."""
    model: Text | None = None
    """An installed spaCy model, for entities such as PERSON that need one."""

    @field_validator("thresholds")
    @classmethod
    def _among_entities(cls, thresholds: Mapping[str, float], info: ValidationInfo) -> Mapping[str, float]:
        return _check_thresholds(thresholds, info.data.get("entities"))


class NamesModule(FileModel):
    """Detection of names and of what else is said about people."""

    use: Literal["names"]
    """`names`: persons, places, organisations and more in English texts, with nothing to install."""
    entities: Annotated[tuple[NameEntity, ...], Field(min_length=1)] | None = None
    """Which of them to find. Without it: all."""
    threshold: Score = 0.3
    """Findings that score lower are dropped; from 0 to 0.7, which no finding exceeds."""
    thresholds: Mapping[Entity, Score] = {}
    """A threshold of its own for single entities."""

    @field_validator("thresholds")
    @classmethod
    def _among_entities(cls, thresholds: Mapping[str, float], info: ValidationInfo) -> Mapping[str, float]:
        return _check_thresholds(thresholds, info.data.get("entities") or get_args(NameEntity))


class ShapesModule(FileModel):
    """Detection of what is written as nothing else is written."""

    use: Literal["shapes"]
    """`shapes`: what is written, or called, as nothing else is: phone numbers, network and e-mail addresses, cards."""
    entities: (
        Annotated[
            tuple[
                Literal["PHONE_NUMBER", "IP_ADDRESS", "EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "DATE_OF_BIRTH"], ...
            ],
            Field(min_length=1),
        ]
        | None
    ) = None
    """Which of them to find. Without it: all."""
    regions: Annotated[tuple[Region, ...], Field(min_length=1)] | None = None
    """The countries whose national phone numbers are known after a label such as `tel`. Without it: eight, and those of
    the language."""


class SecretsModule(FileModel):
    """Detection of credentials."""

    use: Literal["secrets"]
    """`secrets`: API keys, tokens, private keys."""
    entities: (
        Annotated[tuple[Literal["API_KEY", "PRIVATE_KEY", "PASSWORD", "JWT"], ...], Field(min_length=1)] | None
    ) = None
    """Which of them to find. Without it: all."""


class Pattern(FileModel):
    """One regular expression and what it finds."""

    entity: Entity
    """What a match is called."""
    regex: Regex = Field(repr=False)
    """The regular expression, in the syntax of Python's `regex` library."""
    score: Score = 0.8
    """How sure a match is; from 0 to 1."""
    context: tuple[Text, ...] = ()
    """Words that make a match surer when they stand near it."""
    ignore_case: Switch = False
    """Whether upper and lower case are the same."""


class PatternsModule(FileModel):
    """Detection by your own regular expressions."""

    use: Literal["patterns"]
    """`patterns`: your own regular expressions."""
    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    """The regular expressions."""
    threshold: Score = 0.4
    """Matches that score lower are dropped; from 0 to 1."""


class OtherModule(FileModel):
    """A module of your own; its other keys are its keyword arguments."""

    model_config = ConfigDict(extra="allow")

    use: Annotated[
        str,
        Matching(
            r"[A-Za-z_][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9_-]{1,100})*(:[A-Za-z_][A-Za-z0-9_.]{0,99})?",
            "presidio, names, shapes, secrets, patterns, the name of an entry point, or package.module:Class",
        ),
        Field(json_schema_extra={"not": {"enum": ["presidio", "names", "shapes", "secrets", "patterns"]}}),
    ]
    """The name of an entry point in the group guardrail_gateway.modules, or package.module:Class."""


class ModuleSpec(Choice):
    """One detection module of a policy: `use`, and `options` as its keyword arguments."""

    __slots__ = ()
    OTHER: ClassVar[str | None] = "(other)"
    FORMS: ClassVar[Mapping[str, type[FileModel]]] = {
        "presidio": PresidioModule,
        "names": NamesModule,
        "shapes": ShapesModule,
        "secrets": SecretsModule,
        "patterns": PatternsModule,
        "(other)": OtherModule,
    }


class TokenOperator(FileModel):
    """A token that can be restored."""

    use: Literal["token"]
    """`token`: a token that is turned back into the value on the way to the client."""


class ReplaceOperator(FileModel):
    """A fixed text."""

    use: Literal["replace"]
    """`replace`: a fixed text."""
    new_value: str | None = None
    """The text. Without it: the entity's name in angle brackets."""


class RedactOperator(FileModel):
    """Nothing at all."""

    use: Literal["redact"]
    """`redact`: the value is removed."""


class MaskOperator(FileModel):
    """The same character over and over."""

    use: Literal["mask"]
    """`mask`: characters are overwritten."""
    masking_char: Annotated[str, Field(min_length=1, max_length=1)] = "*"
    """The character written over the value."""
    keep: Annotated[int, Field(strict=True, ge=0)] | None = None
    """How many characters stay readable; none of a value that is no longer than that. Default: none."""
    chars_to_mask: Annotated[int, Field(strict=True, ge=0)] | None = None
    """How many characters are overwritten; instead of `keep`."""
    from_end: Switch = False
    """At which end the count starts."""

    @field_validator("chars_to_mask")
    @classmethod
    def _one_count(cls, chars_to_mask: int | None, info: ValidationInfo) -> int | None:
        if chars_to_mask is not None and info.data.get("keep") is not None:
            raise ValueError("cannot stand beside 'keep': give one of them")
        return chars_to_mask


class HashOperator(FileModel):
    """A keyed hash."""

    use: Literal["hash"]
    """`hash`: a hash keyed with the vault's secret."""
    hash_type: Literal["sha256", "sha512"] = "sha256"
    """Which hash."""


class EncryptOperator(FileModel):
    """Encrypted text."""

    use: Literal["encrypt"]
    """`encrypt`: AES."""
    key_env: EnvName | None = None
    """The environment variable with the key: 16, 24 or 32 characters. Without it: one made from the vault's secret."""


class OperatorSpec(Choice):
    """What a masked value becomes: `use`, and `options` of that operator."""

    __slots__ = ()
    FORMS: ClassVar[Mapping[str, type[FileModel]]] = {
        "token": TokenOperator,
        "replace": ReplaceOperator,
        "redact": RedactOperator,
        "mask": MaskOperator,
        "hash": HashOperator,
        "encrypt": EncryptOperator,
    }
