"""docs/policies.md and docs/configuration.md have every key and no other, with what it does and its true default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from gateway.config import ConfigFile, load_config
from policies.check import Choice
from policies.load import load_text
from policies.model import Policy
from policies.yaml_lines import parse_yaml

DOCS = Path(__file__).parents[2] / "docs"
HEADING = re.compile(r"^#{2,4} `([^`]+)`(?: \((\w+)\))?$\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
WHOLE: dict[str, type[BaseModel]] = {"policies": Policy, "configuration": ConfigFile}


@dataclass(frozen=True)
class Documented:
    """A key as the documents name it: where it stands, and for which `use` it is."""

    path: str
    form: str
    field: FieldInfo


def keys(model: type[BaseModel], prefix: str = "", form: str = "") -> Iterator[Documented]:
    for name, field in model.model_fields.items():
        path = prefix + name
        yield Documented(path, form, field)
        yield from inside(field.annotation, path, form)


def inside(kind: object, path: str, form: str) -> Iterator[Documented]:
    if isinstance(kind, type) and issubclass(kind, Choice):
        for name, model in kind.FORMS.items():
            for key in keys(model, f"{path}.", name):
                yield Documented(key.path, "" if key.path == f"{path}.use" else name, key.field)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from keys(kind, f"{path}.", form)
    elif get_origin(kind) is tuple:
        yield from inside(get_args(kind)[0], f"{path}[]", form)
    elif isinstance(kind, UnionType):
        for one in get_args(kind):
            yield from inside(one, path, form)
    elif len(get_args(kind)) == 2 and get_args(kind)[0] is not Path:
        yield from inside(get_args(kind)[1], f"{path}.NAME", form)


def described(name: str) -> dict[tuple[str, str], str]:
    text = (DOCS / f"{name}.md").read_text()
    return {(path, form): body.strip() for path, form, body in HEADING.findall(text)}


EVERY = [
    pytest.param(name, key, id=f"{name}: {key.path} {key.form}")
    for name, model in WHOLE.items()
    for key in {(key.path, key.form): key for key in keys(model)}.values()
]


@pytest.mark.parametrize(("name", "key"), EVERY)
def test_every_key_has_a_heading_and_says_what_it_does(name: str, key: Documented) -> None:
    body = described(name).get((key.path, key.form))
    assert body is not None, f"docs/{name}.md has no heading for {key.path} {key.form}"
    says = re.sub(r"^(Default: [^.]*\.|Required\.)", "", body)
    assert len(says.split()) >= 4


@pytest.mark.parametrize(("name", "key"), EVERY)
def test_every_key_gives_its_true_default(name: str, key: Documented) -> None:
    body = described(name)[(key.path, key.form)]
    field = key.field
    if key.path in ("name", "models.NAME.deployments[].model"):
        assert body.startswith("Default: the ")  # taken from elsewhere: tested with what takes it
    elif field.is_required():
        assert body.startswith("Required")
    elif field.default is None:
        assert body.startswith("Default: none. ")
    elif isinstance(field.default, BaseModel) or key.path == "audit":
        assert body.startswith("Default: all of the defaults below. ")
    else:
        written = re.match(r"Default: `([^`]+)`\.", body)
        assert written is not None
        data, _ = parse_yaml(f"value: {written[1]}", file="docs")
        assert isinstance(data, dict)
        adapter: TypeAdapter[object] = TypeAdapter(Annotated[field.annotation, "", *field.metadata])  # type: ignore[arg-type]
        documented, default = (adapter.validate_python(value) for value in (data["value"], field.default))
        assert documented == default


@pytest.mark.parametrize("name", WHOLE)
def test_no_heading_is_of_a_key_that_does_not_exist(name: str) -> None:
    assert set(described(name)) == {(key.path, key.form) for key in keys(WHOLE[name])}


def examples(name: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (DOCS / f"{name}.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", examples("policies"))
def test_every_policy_in_the_documents_loads(text: str) -> None:
    load_text(text)


@pytest.mark.parametrize("text", examples("configuration"))
def test_every_configuration_in_the_documents_loads(text: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(text)
    load_config(tmp_path / "gateway.yaml")


def test_the_documents_have_examples() -> None:
    assert examples("policies")
    assert examples("configuration")
