"""YAML files whose every mistake is reported as `file:line: key.path: message`.

The rules of this file:

- Nothing but plain data comes out: no tags, no merge keys, no objects. Aliases are expanded, within a bound.
- Words are read as YAML 1.2 reads them: only `true` and `false` are booleans. YAML 1.1, which PyYAML follows by
  default, turns `mask: off`, `language: no` and `1:30` into something else than what stands there.
- A file's mistakes are collected, not raised one by one.
- No message repeats a value, since a value may be a secret that somebody pasted into the wrong place. Keys are named.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

KeyPath: TypeAlias = tuple[str | int, ...]
YamlValue: TypeAlias = "str | int | float | bool | list[YamlValue] | dict[str, YamlValue] | None"

MAX_FILE_BYTES = 1024 * 1024
"""Hand-written files are a few KiB; more is a mistake, and PyYAML needs seconds for each MiB."""
MAX_DEPTH = 32
"""The deepest contract key is 6 levels down. Also what ends an alias that contains itself."""
MAX_VALUES = 20_000
"""Aliases of aliases grow exponentially; this is where it stops."""

_TAG = "tag:yaml.org,2002:"
_FIRST_DIGIT = list("-+.0123456789")
_QUOTED = re.compile(r"(['\"]).+?\1")
_PLAIN = re.compile(r".|\\t|<[a-z ]+>")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one file; `str()` is the line to show. `line` counts from 1, None where there is none."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class YamlError(Exception):
    """A file cannot be used. `problems` has every mistake found; the text is one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[YamlError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


@dataclass(frozen=True, slots=True)
class Lines:
    """Where each key of a file stands, and what is wrong whatever the keys mean (duplicates, tags)."""

    file: str
    starts: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def at(self, path: KeyPath) -> int:
        """Return the line (from 1) of a key; of the nearest key above it when the key itself is missing."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.starts:
                return self.starts[path[:end]]
        return 1

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a mistake at a key of this file."""
        return Problem(self.file, self.at(path), show_path(path), message)


def show_path(path: KeyPath) -> str:
    """Return a key path as people write it: `detect.modules[0].use`. Long or unprintable keys are cut."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            shown += f".{_show_key(step)}" if shown else _show_key(step)
    return shown


def _show_key(key: str) -> str:
    return key if len(key) <= 64 and key.isprintable() and key else f"({len(key)} characters)"


class _Loader(yaml.SafeLoader):
    """SafeLoader that resolves plain words by the YAML 1.2 core schema. Only composes; constructs nothing."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # the base class declares its type
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, as PyYAML does, but give up at the depth at which no sensible file is."""
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self.get_mark())
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _name, _regex, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", _FIRST_DIGIT),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", _FIRST_DIGIT),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_regex})$"), _first)


def _scalar(tag: str, text: str) -> YamlValue:
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return {"true": True, "false": False}[text.lower()]
        case "int":
            return int(text)
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return _text(text)


def _text(text: str) -> str:
    """Join surrogate pairs, written as JSON does, which PyYAML leaves apart. Raises ValueError for half a pair."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")


def _key(node: yaml.Node) -> str | None:
    try:
        return _text(str(node.value)) if isinstance(node, yaml.ScalarNode) else None
    except ValueError:
        return None


class _Reader:
    """Turns composed nodes into plain data, noting the line of every key and what may not be there."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.starts: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.left = MAX_VALUES

    def value(self, node: yaml.Node, path: KeyPath) -> YamlValue:
        self.left -= 1
        if self.left < 0 or len(path) > MAX_DEPTH:
            raise YamlError([Problem(self.file, _line(node), "", "is not valid YAML: nested too deeply, or too large")])
        self.starts.setdefault(path, _line(node))
        known = {"seq", "map", "str", "null", "bool", "int", "float"}
        if node.tag.removeprefix(_TAG) not in known:
            self._note(node, path, "tags (!…) are not supported")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return _scalar(node.tag, str(node.value))
        except (ValueError, KeyError):  # an explicit `!!int` before something else, 5,000 digits, half a surrogate pair
            self._note(node, path, "cannot be read as a number, a switch or a text")
            return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> YamlValue:
        found: dict[str, YamlValue] = {}
        for key_node, value_node in node.value:
            key = _key(key_node)
            if key is None:
                self._note(key_node, path, "a key must be a plain word")
                continue
            if key in found:
                first = self.starts[(*path, key)]
                self._note(key_node, (*path, key), f"duplicate key, already given in line {first}")
                continue
            self.starts[(*path, key)] = _line(key_node)
            found[key] = self.value(value_node, (*path, key))
        return found

    def _note(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self.file, _line(node), show_path(path), message))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def parse_yaml(text: str, *, file: str) -> tuple[YamlValue, Lines]:
    """Return the data of a YAML text and its lines; `file` is what messages call it. Hand both to `policies.check`.

    Raises:
        YamlError: the text is not YAML, or nested without end.
    """
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(file)
        data = None if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        problem = Problem(file, line, "", f"is not valid YAML: {_without_quotes(exc.problem or 'syntax error')}")
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, int(exc.position)) + 1
        problem = Problem(file, line, "", "is not valid YAML: a control character")
    else:
        return data, Lines(file, reader.starts, tuple(reader.problems))
    finally:
        if loader is not None:
            loader.dispose()
    # Outside the handlers: PyYAML's errors show a piece of the file, and would be chained.
    raise YamlError([problem])


def _without_quotes(problem: str) -> str:
    """PyYAML quotes names of the file in some messages; but also single characters, and its own tokens as '<…>'."""
    return _QUOTED.sub(lambda quoted: quoted[0] if _PLAIN.fullmatch(quoted[0][1:-1]) else "…", problem)


def read_yaml(path: Path) -> tuple[YamlValue, Lines]:
    """Return the data of a YAML file and its lines. Hand both to `policies.check`.

    Raises:
        YamlError: the file cannot be read, is too large, not UTF-8 or not YAML.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            reason = "is larger than 1 MiB"
        else:
            return parse_yaml(raw.decode("utf-8-sig"), file=str(path))
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except OSError as exc:
        reason = f"cannot be read ({exc.strerror})"
    raise YamlError([Problem(str(path), None, "", reason)])


def suggest(word: str, known: Iterable[str]) -> str:
    """Return what to add to a message about an unknown word: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known here: {', '.join(sorted(names))}" if names else ""
