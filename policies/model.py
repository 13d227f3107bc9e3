"""What a policy is: the YAML of `docs/policies.md` as immutable values. The docstrings below are shown by editors.

A policy is made by `policies.load`, never by hand; it pickles (worker processes get it) and hashes by its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import to_json

from policies.check import FileModel, Matching
from policies.forms import Entity, EntityOrDefault, ModuleSpec, OperatorSpec, Switch, check_regex
from policies.units import DURATION_PATTERN, parse_duration

__all__ = ["Duration", "EntityRule", "InputAction", "ModuleSpec", "OperatorSpec", "Origin", "OutputAction", "Policy"]

InputAction: TypeAlias = Literal["mask", "block", "allow"]
OutputAction: TypeAlias = Literal["restore", "mask", "block", "allow"]
Origin: TypeAlias = Literal["user", "instructions", "tool_outputs", "assistant", "other"]
"""Who said a text of a client's request; `other` is whoever is none of the four."""


def _off_word(value: object) -> object:
    """`mask: off` is False to a YAML 1.1 parser, and `mask: false` means the same."""
    return "off" if value is False else value


def _check_allow(entry: str) -> str:
    if entry.startswith("re:"):
        check_regex(entry.removeprefix("re:"))
    return entry


def _check_whole(value: object) -> object:
    """To Python `True` and `1.0` equal `1`, and so to pydantic's literals."""
    return value if type(value) is int else None


def _check_words(text: str) -> str:
    if not text.strip():
        raise ValueError("must have other characters than spaces, or it would be found everywhere")
    return text


def _check_positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0")
    return seconds


Allow = Annotated[str, Field(min_length=1), AfterValidator(_check_allow)]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    AfterValidator(_check_positive),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number"}]}),
]


_TOKEN = OperatorSpec("token")


class DenyEntry(FileModel):
    """A text that is always found."""

    entity: Entity
    """What the text is called when found."""
    text: Annotated[str, AfterValidator(_check_words)] = Field(repr=False)
    """The text: found as whole words, whatever their case and however they are spaced."""


class Detect(FileModel):
    """How personal data is found."""

    language: Annotated[str, Matching(r"[a-z]{2,3}", "a language code such as en")] = "en"
    """The language of the texts, as a two-letter code."""
    budget: Duration = 2.0
    """A frame whose detection takes longer is refused."""
    modules: Annotated[tuple[ModuleSpec, ...], Field(min_length=1)]
    """The detection modules, in order. What any of them finds is found."""
    allow: tuple[Allow, ...] = Field(default=(), repr=False)
    """Findings with exactly this text, or in which the regular expression after `re:` matches, are dropped."""
    deny: tuple[DenyEntry, ...] = ()
    """Texts that are always found."""
    fold: Switch = True
    """See through zero-width, full-width and look-alike characters before detecting."""
    decode: tuple[Literal["base64", "percent", "html", "json"], ...] = ("base64", "percent", "html", "json")
    """Look inside text that is encoded like this; a hit masks the whole encoded run."""


class Action(FileModel):
    """What happens to one entity. A missing half is taken from `default`."""

    input: InputAction | None = None
    """From client to provider: mask it, block the frame, or allow it through."""
    output: OutputAction | None = None
    """From provider to client: restore tokens, mask it, block the response, or allow it through."""


class Input(FileModel):
    """What clients may send beside text."""

    attachments: Literal["block", "allow"] = "block"
    """Images, files, audio and links to them, which detection cannot read."""


class RestoreTools(FileModel):
    """Which tools get values, by name: `send_mail`, or a type such as `shell` for those without one."""

    allow: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Only these, if there are any; `*` stands for any characters."""
    deny: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """All but these; `*` stands for any characters."""


class RestoreIn(FileModel):
    """Where tokens are turned back into values."""

    text: Switch = True
    """In the model's text."""
    tool_arguments: Switch = True
    """In the arguments of tool calls, escaped as their JSON needs."""
    tools: RestoreTools = RestoreTools()
    """In the arguments of which tools, where `tool_arguments` is on."""
    urls: Switch = False
    """Inside URLs and links, which could carry a value to a stranger's server."""


class RestoreFrom(FileModel):
    """Whose values are turned back, by who said them. A value counts as soon as one of these had it."""

    user: Switch = True
    """What users say: their messages, and `input` that is a plain string."""
    instructions: Switch = True
    """What the client is set up with: `instructions`, system and developer messages, prompts, tools, parameters."""
    tool_outputs: Switch = True
    """What tools gave: outputs of calls, results of searches, lists of tools."""
    assistant: Switch = True
    """What the model said before, as clients send it back: messages, reasoning, calls and their arguments."""

    @property
    def everybody(self) -> bool:
        """Whether it does not matter who said a value."""
        return self.user and self.instructions and self.tool_outputs and self.assistant

    def allows(self, origin: Origin) -> bool:
        """Whether a value of this origin is turned back. What is none of the four counts as all of them."""
        match origin:
            case "user":
                return self.user
            case "instructions":
                return self.instructions
            case "tool_outputs":
                return self.tool_outputs
            case "assistant":
                return self.assistant
            case "other":
                return self.everybody


class Output(FileModel):
    """What happens to what the provider sends."""

    mask: Annotated[Literal["off", "new", "all"], BeforeValidator(_off_word)] = "off"
    """off: only restore; new: also mask what the client had not sent; all: mask everything, restore nothing."""
    delivery: Literal["suppress", "replay", "live"] = "replay"
    """How a masked response is sent: suppress, replay or live."""
    unbounded: Literal["sentences", "replay"] = "sentences"
    """With live, what modules without a bound examine: each sentence as it comes, or whole items (replay)."""
    heartbeat: Duration = 5.0
    """How often a client that waits for a held-back response hears that it lives."""
    restore_in: RestoreIn = RestoreIn()
    """Where tokens are turned back into values."""
    restore_from: RestoreFrom = RestoreFrom()
    """Whose values tokens are turned back into."""


class Tokens(FileModel):
    """What a token looks like."""

    style: Literal["angle", "square", "curly"] = "angle"
    """angle <EMAIL_ADDRESS_k7x2m9qa>, square [EMAIL_ADDRESS_k7x2m9qa], curly {EMAIL_ADDRESS_k7x2m9qa}."""
    persons: Literal["apart", "related", "same"] = "apart"
    """What a part of a name becomes, such as Smith where a text also says John Smith: apart, a token of its own;
    related, one that begins as that of John Smith does; same, that of John Smith, which is restored as John Smith."""


class Audit(FileModel):
    """What the audit keeps of a frame."""

    content: Literal["masked", "none"] = "masked"
    """masked: the masked text too; none: only counts, kinds, places and fingerprints."""


@dataclass(frozen=True, slots=True)
class EntityRule:
    """What happens to one entity in each direction, defaults applied."""

    input: InputAction
    output: OutputAction


class Policy(FileModel):
    """A whole policy. `digest` names its content, `rule` and `operator` answer for one entity."""

    version: Annotated[Literal[1], BeforeValidator(_check_whole)]
    """The version of this format."""
    name: Annotated[
        str, Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "at most 64 letters, digits, '.', '-' and '_'")
    ] = "unnamed"
    """What the audit calls the policy. Without it: the file's name."""
    mode: Literal["enforce", "observe"] = "enforce"
    """observe changes nothing and audits what enforce would have done."""
    detect: Detect
    """How personal data is found."""
    actions: Mapping[EntityOrDefault, Action] = {}
    """What happens to each entity; `default` is for all that are not listed."""
    operators: Mapping[EntityOrDefault, OperatorSpec] = {}
    """What a masked value of each entity becomes; without an entry: a token that can be restored."""
    input: Input = Input()
    """What clients may send beside text."""
    output: Output = Output()
    """What happens to what the provider sends."""
    tokens: Tokens = Tokens()
    """What a token looks like."""
    audit: Audit = Audit()
    """What the audit keeps of a frame."""

    @cached_property
    def digest(self) -> str:
        """16 hex digits that name the policy's content: equal in every process and whatever the order of its keys."""
        return sha256(to_json(_sorted(self.model_dump(mode="json")))).hexdigest()[:16]

    def rule(self, entity: str) -> EntityRule:
        """Return what happens to an entity: its own rule, missing halves from `default`, then mask and restore."""
        own = self.actions.get(entity, _NO_ACTION)
        default = self.actions.get("default", _NO_ACTION)
        return EntityRule(
            input=own.input or default.input or "mask",
            output=own.output or default.output or "restore",
        )

    def operator(self, entity: str) -> OperatorSpec:
        """Return what a masked value of an entity becomes: its own operator, else `default`'s, else a token."""
        return self.operators.get(entity) or self.operators.get("default") or _TOKEN

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Policy:
        """Return a changed copy with a digest of its own. The changes are not validated: `load` is for that."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)
        return copied

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        return [("name", self.name), ("digest", self.digest)]


_NO_ACTION = Action()


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
