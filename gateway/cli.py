"""The command line. Heavy imports stand in the commands that need them: `--help` must not wait for spaCy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.errors import GatewayError

app = typer.Typer(
    name="guardrail-gateway",
    help="Masks personal data on its way to an LLM provider, and gives callers their own data back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

vault = typer.Typer(help="Look after the vault that gateways share.", no_args_is_help=True)
app.add_typer(vault, name="vault")

_FAILED: Final = 1


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer calls it so
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(version("guardrail-gateway"))
        except PackageNotFoundError:
            typer.echo("not installed")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None: ...


def main() -> None:
    """Run the command line; a mistake of the user's is one clear message and exit code 1."""
    from gateway.ownership import check_packages
    from guardrails.errors import GuardrailError
    from policies.load import PolicyError

    try:
        check_packages()
        app()
    except (GatewayError, GuardrailError, PolicyError) as exc:
        typer.echo(str(exc), err=True)
        sys.exit(_FAILED)


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="The gateway.yaml to serve.")] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Without a file: the URL of the provider's Responses API, wss:// or https://.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Without a file: the model callers may use.")] = None,
    policy: Annotated[str | None, typer.Option(help="Without a file: a built-in policy, or a path; default.")] = None,
    port: Annotated[int | None, typer.Option(help="Without a file: the port on 127.0.0.1; 8080.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes for detection; 0 examines everything inline.")] = 2,
) -> None:
    """Run the gateway; prints one line with its URL when it is ready."""
    from gateway.serve import run, settings_for

    run(settings_for(config, upstream=upstream, model=model, policy=policy, port=port), workers=workers)


@app.command()
def check(config: Annotated[Path, typer.Option(help="The gateway.yaml to check.")]) -> None:
    """Check a gateway.yaml and every policy it names; exit 1 with file:line: key messages."""
    from gateway.app import library_for
    from gateway.config import load_config
    from gateway.serve import build_all

    checked = load_config(config)
    notices = build_all(checked.policy_of(key) for key in checked.keys)
    library_for(checked)
    for notice in notices:
        typer.echo(f"note: {notice}")
    typer.echo(f"{config}: good ({len(checked.keys)} keys, {len(checked.models)} models)")


@app.command()
def mask(
    text: Annotated[str | None, typer.Argument(help="The text, or - for standard input.")] = None,
    policy: Annotated[str, typer.Option(help="A built-in policy's name, or a path.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: masked, findings.")] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read one JSON string a line; write one result a line.")
    ] = False,
) -> None:
    """Show what a policy does to a text: the masked text and what was found."""
    from gateway.masking import mask_lines, mask_text

    if jsonl and text not in (None, "-"):
        raise GatewayError("--jsonl reads lines from standard input: leave the text out.")
    if jsonl:
        for result in mask_lines(policy, sys.stdin.buffer):
            sys.stdout.write(result)
            sys.stdout.flush()
        return
    given = sys.stdin.read() if text is None or text == "-" else text
    mask_text(policy, given, as_json=as_json)


@app.command()
def fingerprint(
    config: Annotated[Path, typer.Option(help="The gateway.yaml whose audit is searched.")],
    entity: Annotated[str, typer.Option(help="What the value is, such as EMAIL_ADDRESS.")],
    tenant: Annotated[str | None, typer.Option(help="A key as it stands in the rows; else every key.")] = None,
) -> None:
    """Print the fingerprints of a value, to find its rows in the audit; the value comes on standard input.

    Write it exactly as it was sent: other capitals or spaces give another fingerprint. Each key has its own.
    """
    from gateway.fingerprints import fingerprints

    for key, found in fingerprints(config, entity, sys.stdin.read().rstrip("\n"), tenant=tenant):
        typer.echo(f"{key}\t{found}")


@vault.command()
def erase(
    config: Annotated[Path, typer.Option(help="The gateway.yaml whose vault it is.")],
    key: Annotated[str | None, typer.Option(help="A key as it stands in the audit. Alone: all of it.")] = None,
    response: Annotated[str | None, typer.Option(help="A response: it and the rest of its conversation.")] = None,
    conversation: Annotated[str | None, typer.Option(help="A conversation at the provider, and its responses.")] = None,
    value: Annotated[
        str | None, typer.Option(help="A value, wherever it is; - reads it from standard input. Without --key: of all.")
    ] = None,
) -> None:
    """Erase values from a vault in Redis: of one conversation, one person, or one key. The audit gets a row."""
    from gateway.erasing import Target, erase

    sought = sys.stdin.read().rstrip("\n") if value == "-" else value
    typer.echo(erase(config, Target(key, response, conversation, sought)))


@app.command()
def demo() -> None:
    """Show the gateway at work on this machine alone; exit 1 if the provider saw any of the data."""
    from gateway.demo import run_demo

    sys.exit(run_demo())
