"""Finds, reads and checks policies. Every mistake in a file is reported at once, with its file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from policies.check import check
from policies.model import Policy
from policies.yaml_lines import Lines, Problem, YamlError, YamlValue, parse_yaml, read_yaml, suggest

BUILTIN = Path(__file__).parent / "builtin"
_ENDINGS = (".yaml", ".yml")


class PolicyError(YamlError):
    """A policy cannot be used. `problems` has every mistake; the text is a `file:line: key: message` line for each."""


class PolicyNotFound(PolicyError):
    """No policy has this name, or no file stands at this path."""


def load(name_or_path: str | Path, *, folders: Sequence[Path] = (), base: Path | None = None) -> Policy:
    """Return the policy with this name, or in this file.

    A `Path`, or a text with a slash or ending in .yaml or .yml, is a file, relative to `base` (default: the working
    directory). Anything else is a name: `NAME.yaml` in the `folders`, in order, then the built-in ones.

    Raises:
        PolicyNotFound: there is none; the message has the known names, not the one asked for.
        PolicyError: the file has mistakes.
    """
    path = find(name_or_path, folders=folders, base=base)
    try:
        data, lines = read_yaml(path)
    except YamlError as exc:
        problems = exc.problems
    else:
        return _checked(data, lines, name=path.stem)
    raise PolicyError(problems)


def load_text(text: str, *, file: str = "policy", name: str | None = None) -> Policy:
    """Return the policy in a YAML text; `file` is what messages call it, `name` what it is called if it does not say.

    Raises:
        PolicyError: the text has mistakes.
    """
    try:
        data, lines = parse_yaml(text, file=file)
    except YamlError as exc:
        problems = exc.problems
    else:
        return _checked(data, lines, name=name)
    raise PolicyError(problems)


def find(name_or_path: str | Path, *, folders: Sequence[Path] = (), base: Path | None = None) -> Path:
    """Return the file of a policy, found as `load` finds it.

    Raises:
        PolicyNotFound: there is none.
    """
    if isinstance(name_or_path, Path) or is_path(name_or_path):
        path = (base or Path()) / Path(name_or_path).expanduser()
        if path.is_file():
            return path
        raise PolicyNotFound([Problem(str(path), None, "", "no such file")])
    for folder in (*folders, BUILTIN):
        for ending in _ENDINGS:
            path = folder / f"{name_or_path}{ending}"
            if path.is_file():
                return path
    hint = suggest(name_or_path, names(folders=folders))
    raise PolicyNotFound([Problem("policy", None, "", f"no such policy{hint}")])


def is_path(name_or_path: str) -> bool:
    """Tell whether a text names a file rather than a policy."""
    return "/" in name_or_path or "\\" in name_or_path or name_or_path.endswith(_ENDINGS)


def names(*, folders: Sequence[Path] = ()) -> tuple[str, ...]:
    """Return the names of all policies in the folders and the built-in ones, sorted."""
    return tuple(sorted({path.stem for folder in (*folders, BUILTIN) for path in _files(folder)}))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.suffix in _ENDINGS)


def _checked(data: YamlValue, lines: Lines, *, name: str | None) -> Policy:
    if isinstance(data, dict) and name is not None and "name" not in data:
        data["name"] = name
    policy, problems = check(Policy, data, lines)
    if policy is None or problems:
        raise PolicyError(problems)
    return policy
