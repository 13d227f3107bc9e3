"""Checks the data of a YAML file against a model, and says of every mistake where it stands and what would be right.

Pydantic finds the mistakes; its errors are translated here, once: its paths name things that no file has, its messages
may repeat values, and it knows no lines.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from policies.yaml_lines import KeyPath, Lines, Problem, YamlValue, suggest


class FileModel(BaseModel):
    """Base of everything read from a file: unknown keys are errors, instances never change, errors hold no values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Matching:
    """A mark in `Annotated[str, …]`: the whole text must match the pattern, or the message says what it must be."""

    pattern: str
    must_be: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, core_schema.str_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        return {"type": "string", "pattern": f"^({self.pattern})$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise ValueError(f"must be {self.must_be}")
        return text


@dataclass(frozen=True, slots=True)
class Choice:
    """Something written as `use: NAME` with options that depend on NAME, as a name and its checked options.

    A subclass lists in `FORMS` what may be written for each name, and in `OTHER` the form of all other names, if any.
    """

    use: str
    options: Mapping[str, object] = field(default_factory=dict, hash=False, repr=False)

    FORMS: ClassVar[Mapping[str, type[FileModel]]] = {}
    OTHER: ClassVar[str | None] = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        forms = core_schema.tagged_union_schema(
            {name: handler.generate_schema(form) for name, form in cls.FORMS.items()},
            discriminator=cls._form_name,
            custom_error_type="unknown_use",
            custom_error_message=f"must be one of {', '.join(cls.FORMS)}",
        )
        return core_schema.no_info_before_validator_function(
            cls._written,
            core_schema.no_info_after_validator_function(cls._from_form, forms),
            serialization=core_schema.plain_serializer_function_ser_schema(cls._written),
        )

    @classmethod
    def _form_name(cls, value: object) -> str | None:
        if not isinstance(value, dict):
            return next(iter(cls.FORMS))  # any form will say that it must be a mapping
        use = value.get("use")
        return use if isinstance(use, str) and use in cls.FORMS else cls.OTHER

    @classmethod
    def _written(cls, value: object) -> object:
        return {"use": value.use, **value.options} if isinstance(value, cls) else value

    @classmethod
    def _from_form(cls, form: FileModel) -> Choice:
        known = set(type(form).model_fields)
        options = {key: value for key, value in form.model_dump().items() if value is not None or key not in known}
        return cls(use=str(options.pop("use")), options=options)


_Model = TypeVar("_Model", bound=FileModel)

_MESSAGES = {
    "string_type": "must be text (put it in quotes)",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "path_type": "must be a path",
}


def check(
    model: type[_Model], data: YamlValue, lines: Lines, *, context: Mapping[str, object] | None = None
) -> tuple[_Model | None, list[Problem]]:
    """Return what a file says, and all its problems. Use the value only when there are none.

    When the problems are nothing but unknown keys, the value is what the file says without them, so that the caller
    can look for further mistakes; otherwise it is None.
    """
    if not isinstance(data, dict):
        reason = "is empty" if data is None else "must be a mapping of keys"
        return None, [*lines.problems, lines.problem((), reason)]
    context_or_none = dict(context) if context is not None else None
    value, errors = _validate(model, data, context_or_none)
    placed = [(*_place(model, error), error) for error in errors]
    problems = [lines.problem(path, _message(path, names, error, data)) for path, names, error in placed]
    known = {(problem.line, problem.key) for problem in lines.problems}
    problems = [*lines.problems, *(problem for problem in problems if (problem.line, problem.key) not in known)]
    if errors and all(error["type"] == "extra_forbidden" for error in errors):
        for path, _, _ in placed:
            _parent(data, path).pop(str(path[-1]), None)
        value, _ = _validate(model, data, context_or_none)
    return value, sorted(problems, key=lambda problem: problem.line or 0)


def _validate(
    model: type[_Model], data: YamlValue, context: dict[str, object] | None
) -> tuple[_Model | None, list[ErrorDetails]]:
    try:
        return model.model_validate(data, context=context), []
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    # Pydantic counts only the good items of a list, so that one with mistakes in all of them is "too short" as well.
    above = {error["loc"][:end] for error in errors for end in range(len(error["loc"]))}
    return None, [error for error in errors if error["type"] != "too_short" or error["loc"] not in above]


def _parent(data: YamlValue, path: KeyPath) -> dict[str, YamlValue]:
    """The mapping in which the last key of a path stands, or should stand; empty if there is none."""
    parent: YamlValue = data
    for step in path[:-1]:
        if isinstance(parent, dict):
            parent = parent.get(str(step))
        elif isinstance(parent, list) and isinstance(step, int):
            parent = parent[step]
    return parent if isinstance(parent, dict) else {}


def _place(model: type[FileModel], error: ErrorDetails) -> tuple[KeyPath, Sequence[str]]:
    """Return an error's key path as the file has it, and the keys that are valid beside its last one.

    Pydantic's own path also has the form that a `Choice` took, and a mark for errors in a key.
    """
    path: list[str | int] = []
    names: Sequence[str] = ()
    kind: object = model
    for step in error["loc"]:
        if step == "[key]":
            continue
        if isinstance(kind, type) and issubclass(kind, Choice):
            kind = kind.FORMS[str(step)]
            continue
        path.append(step)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names = list(kind.model_fields)
            kind = kind.model_fields[str(step)].annotation if step in names else None
        else:
            names = ()
            kind = _element(kind)
    if error["type"] == "unknown_use":
        path.append("use")
    return tuple(path), names


def _element(kind: object) -> object:
    """What a list or mapping type contains."""
    inside = get_args(kind)
    if not inside:
        return None
    return inside[0] if get_origin(kind) is tuple else inside[-1]


def _message(path: KeyPath, names: Sequence[str], error: ErrorDetails, data: YamlValue) -> str:
    kind = error["type"]
    if kind == "missing":
        # Where any key may stand, a mistyped one is not an unknown one.
        near = difflib.get_close_matches(str(path[-1]), set(_parent(data, path)) - set(names), n=1)
        return "required key is missing" + (f"; is it '{near[0]}'?" if near else "")
    if kind == "extra_forbidden":
        return f"unknown key{suggest(str(path[-1]), names)}"
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    message = error["msg"].removeprefix("Value error, ")
    for start in ("Input should be ", "String should ", "Value should ", "Tuple should "):
        if message.startswith(start):
            return f"must {'be ' if start.startswith('Input') else ''}{message.removeprefix(start)}"
    return message
