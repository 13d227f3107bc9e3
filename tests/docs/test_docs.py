"""What the documentation says can be followed: links, examples, commands, fields and files are there."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from prometheus_client.parser import text_string_to_metric_families

from gateway import headers
from gateway.audit.record import Decision, Erasure, Found, Identifier, Outcome, Row, Usage, Who
from gateway.cli import app
from gateway.config import load_config
from gateway.metrics import Metrics
from gateway.standin.__main__ import main as standin
from gateway.wire.events import CLIENT_EVENTS
from guardrails.pool import PoolState
from guardrails.redact import Applied, Masker
from policies.load import load, load_text

ROOT = Path(__file__).parents[2]
DOCS = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md")))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACE = re.compile(r"`((?:gateway|guardrails|policies|tests|docs)/[\w/.-]*)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMAND = re.compile(r"guardrail-gateway ([a-z]+)")


def blocks(document: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(document.read_text(encoding="utf-8")) if name == language]


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, made as GitHub makes them."""
    titles = re.findall(r"^#{1,6} (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@EVERY_DOCUMENT
def test_every_relative_link_leads_to_a_file_and_a_heading_in_it(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EVERY_DOCUMENT
def test_every_source_path_that_is_named_exists(document: Path) -> None:
    missing = [path for path in PLACE.findall(prose(document)) if not (ROOT / path).exists()]
    assert missing == []


@EVERY_DOCUMENT
def test_every_yaml_example_is_a_policy_or_a_configuration_that_loads(document: Path, tmp_path: Path) -> None:
    for block in blocks(document, "yaml"):
        if re.search(r"^version:", block, re.MULTILINE):
            load_text(block)
        else:
            assert re.search(r"^keys:", block, re.MULTILINE), block
            (tmp_path / "gateway.yaml").write_text(block, encoding="utf-8")
            load_config(tmp_path / "gateway.yaml")


@EVERY_DOCUMENT
def test_every_python_toml_and_json_example_can_be_read(document: Path) -> None:
    for block in blocks(document, "python"):
        compile(block, str(document), "exec")
    for block in blocks(document, "toml"):
        tomllib.loads(block)
    for block in blocks(document, "json"):
        json.loads(block)


def options() -> dict[str, set[str]]:
    """The options of each command, as `--help` shows them."""
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]  # the app has several commands, so this is a group
    return {name: {*flags(command), "--help"} for name, command in commands.items()}


def flags(command: Any) -> Iterator[str]:
    """The options of a command, or of all commands of a group."""
    for parameter in command.params:
        yield from parameter.opts
    for inner in getattr(command, "commands", {}).values():
        yield from flags(inner)


@pytest.fixture(scope="module")
def standin_options() -> set[str]:
    """The options of `python -m gateway.standin`."""
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["standin", "--help"])
        patch.setattr("sys.stdout.write", written.append)
        with pytest.raises(SystemExit):
            standin()
    return set(FLAG.findall("".join(written)))


def command_lines(document: Path) -> Iterator[str]:
    """Every command at a prompt, and every piece of code in the prose."""
    for block in blocks(document, "console"):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    yield from re.findall(r"`([^`\n]+)`", prose(document))


@EVERY_DOCUMENT
def test_every_command_and_flag_that_is_named_exists(document: Path, standin_options: set[str]) -> None:
    known = options()
    every = set().union(*known.values(), standin_options, {"--version"})
    for line in command_lines(document):
        command = COMMAND.search(line)
        if command is not None:
            assert command[1] in known, line
            assert known[command[1]].issuperset(FLAG.findall(line)), line
        elif "gateway.standin" in line:
            assert standin_options.issuperset(FLAG.findall(line)), line
        elif line.startswith("--") or line.split(" ")[0] in known:
            assert every.issuperset(FLAG.findall(line)), line


@pytest.mark.parametrize("command", sorted(options()))
def test_every_command_is_in_the_readme_or_the_documents(command: str) -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"guardrail-gateway {command}" in path.read_text(encoding="utf-8") for path in documents)


def test_decisions_are_numbered_without_gaps_and_listed_in_the_architecture() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    listed = re.findall(r"decisions/([\w-]+\.md)", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in DECISIONS]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_what_was_decided_why_and_at_which_price(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Why", "Consequences"]


def whole_row() -> Row:
    """A row of the audit with everything in it."""
    applied = Applied("EMAIL_ADDRESS", "presidio", "mask", "99b895ee66c7c0c0")
    masked = Masker(load("default"), tenant_secret=b"a", audit_secret=b"b").input("nothing", [], {}).masked
    return Row(
        Who("c", "k", "default", "d"),
        1,
        "input",
        "response.create",
        "masked",
        lane=Identifier("a"),
        response=Identifier("resp_1"),
        findings=(Found((applied,), "input"),),
        usage=Usage(1, 2, 3, 1, 1, 1),
        cost=Decimal(1),
        content={"input": [masked]},
    )


def row() -> dict[str, object]:
    """The same as it is written to the file."""
    return {"time": "", **whole_row().as_json()}


def names(value: object) -> Iterator[str]:
    """The names of all fields, those of inner objects included; the keys of `content` are places, not fields."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from names(child) if key != "content" else ()
    elif isinstance(value, list):
        yield from chain.from_iterable(map(names, value))


@pytest.mark.parametrize("name", sorted({*names(row())}))
def test_every_field_of_an_audit_row_is_explained(name: str) -> None:
    lines = prose(ROOT / "docs" / "audit.md").splitlines()
    assert any(line.startswith("| ") and f"`{name}`" in line for line in lines)


def test_the_example_in_the_audit_has_the_fields_of_a_row() -> None:
    example, erasure = blocks(ROOT / "docs" / "audit.md", "json")
    erased = Erasure("team-a", "value", None, 4, 1, [("EMAIL_ADDRESS", "99b895ee66c7c0c0")])
    assert json.loads(erasure) == {"time": json.loads(erasure)["time"], **erased.as_json()}
    expected = [name for name in row() if name not in ("usage", "cost")]
    assert list(json.loads(example)) == expected


@pytest.mark.parametrize("decision", get_args(Decision))
def test_every_decision_of_an_audit_row_is_explained(decision: str) -> None:
    assert f"\n| `{decision}` |" in prose(ROOT / "docs" / "audit.md")


def test_every_metric_is_explained_with_its_labels_and_no_other() -> None:
    metrics = Metrics()
    state = PoolState(1, 1, 0, {"full": 0})
    metrics.watch(connections={}, keys=["k"], in_flight=lambda: 0, pool=lambda: state)
    everything = replace(whole_row(), outcome="lost", code="invalid_prompt", direction="output", model_used="m")
    other = [
        replace(everything, **more)
        for more in ({"cost": None}, {"direction": "input"}, {"attempt": 2}, {"cached": True})
    ]
    for one in (everything, *other):
        metrics.written(replace(one, detection=0.1, first=0.1, deployment="d"), "k")
    metrics.unwritten("k")
    metrics.vault_failed("recall")
    metrics.denied("invalid_api_key")
    metrics.dial_failed("m", "d")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        if family.name.startswith("guardrail_") and not family.name.endswith("_created"):
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            name = name.replace("_info_info", "_info").replace("_total_total", "_total")
            found.setdefault(name, set()).update(*(one.labels for one in family.samples))
    rows = re.findall(r"^\| `(guardrail_\w+)` \| (.*?) \|", prose(ROOT / "docs" / "operations.md"), re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == {
        name: labels - {"le"} for name, labels in found.items()
    }


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_of_a_response_is_explained(outcome: str) -> None:
    assert re.search(
        rf"^\| [^|]*`{outcome}`", prose(ROOT / "docs" / "audit.md").partition("### `outcome`")[2], re.MULTILINE
    )


@pytest.mark.parametrize("name", sorted(headers.UP | headers.UP_WITH_KEY | headers.DOWN | CLIENT_EVENTS))
def test_every_header_that_crosses_and_every_client_event_is_in_the_protocol(name: str) -> None:
    assert f"`{name}`" in prose(ROOT / "docs" / "protocol.md")
