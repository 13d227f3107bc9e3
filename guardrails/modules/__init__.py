"""Policy modules: each looks at a text and reports what it recognises. One file each, one method each. A module of your
own may have a second one, `on_event`, for the events of a response (see `guardrails.events`).

Built in are `presidio`, `names`, `shapes`, `secrets` and `patterns`. A module of your own is named by its entry point
in the group `guardrail_gateway.modules` or as `package.module:Class`, is made with its options as keyword arguments,
and is loaded only if a policy names it: its code runs with every text in clear.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias, runtime_checkable

from guardrails.errors import GuardrailError, ModuleNotAvailable
from guardrails.findings import Finding

GROUP = "guardrail_gateway.modules"
BUILT_IN = ("presidio", "names", "shapes", "secrets", "patterns")


@runtime_checkable
class Module(Protocol):
    """What a policy module must be able to do."""

    def find(self, text: str) -> Iterable[Finding]:
        """Report what the text contains, in any order; overlaps are resolved later. Any exception refuses the text."""
        ...


@runtime_checkable
class EventModule(Protocol):
    """What a module can do besides, for policies that name it: see the events of a response before the client does."""

    def on_event(self, event: dict[str, object]) -> dict[str, object] | None:
        """Give the event as it shall go on, changed or not; None drops it. Any exception refuses the response.

        The event holds tokens in place of the client's values, and is masked where the policy masks answers. What is
        given goes the same way as what the provider sent: it is masked or restored, and keeps its `type`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a module looks, for texts that are examined as they come (decision 0022).

    A finding of it holds at most `words` white spaces, and depends on nothing but itself, `before` characters before it
    and `after` characters after it. A module of your own says so with a class attribute `bound`.
    """

    words: int
    before: int = 0
    after: int = 0


_Build: TypeAlias = Callable[[Mapping[str, object], str], Module]


def create(use: str, options: Mapping[str, object], language: str) -> Module:
    """Make the module a policy names, with the options it was given there.

    Raises: ModuleNotAvailable if there is no such module here; GuardrailError if it cannot be made with the options.
    """
    if use in BUILT_IN:
        build: _Build = importlib.import_module(f"guardrails.modules.{use}").build
        return build(options, language)
    module = _made(use, _located(use), options)
    if not isinstance(module, Module):
        raise GuardrailError(f"module {use}: it has no method find(text)")
    return module


def declared(use: str) -> Bound | None:
    """What a module that is not built in says of its own reach; None when it says nothing, or is not here."""
    try:
        target = _located(use)
    except GuardrailError:
        return None
    bound = getattr(target, "bound", None)
    return bound if isinstance(bound, Bound) else None


def _located(use: str) -> Callable[..., object]:
    for point in entry_points(group=GROUP, name=use):
        use = point.value
        break
    path, _, name = use.partition(":")
    if not name:
        raise ModuleNotAvailable(
            f"no module '{use}': it is neither built in ({', '.join(BUILT_IN)}) nor an entry point of {GROUP};"
            f" install the package that brings it, or name it as package.module:Class"
        )
    target: object = None
    try:
        target = importlib.import_module(path)
        for part in name.split("."):
            target = getattr(target, part)
    except ImportError as exc:
        missing = exc.name or path
        raise ModuleNotAvailable(
            f"module {use}: cannot import '{missing}'; install the package that brings it"
        ) from exc
    except AttributeError as exc:
        raise ModuleNotAvailable(f"module {use}: '{path}' has no '{name}'") from exc
    if not callable(target):
        raise GuardrailError(f"module {use}: it cannot be called with options")
    return target


def _made(use: str, make: Callable[..., object], options: Mapping[str, object]) -> object:
    try:
        return make(**options)
    except GuardrailError:
        raise
    except Exception as exc:
        raise GuardrailError(f"module {use}: it cannot be made with these options ({type(exc).__name__})") from exc
