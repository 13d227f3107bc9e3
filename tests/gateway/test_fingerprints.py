"""The fingerprints that the command prints are those in the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.fingerprints import fingerprints
from tests.gateway.loopback import ENVIRONMENT, POLICY, Gateway, Provider, ask, configuration, play
from tests.kit import EMAIL

URL = "ws://127.0.0.1:1/v1/responses"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ENVIRONMENT, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


def test_a_value_is_found_again_in_the_audit_of_its_key_only(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            await ask(socket, f"mail {EMAIL}")
        (found,) = gateway.rows()[0]["findings"]
        made = dict(fingerprints(tmp_path / "gateway.yaml", "EMAIL_ADDRESS", EMAIL, tenant=None))
        assert set(made) == {"team-a", "team-b"}
        assert made["team-a"] == found["fingerprint"] != made["team-b"]
        one = fingerprints(tmp_path / "gateway.yaml", "EMAIL_ADDRESS", EMAIL, tenant="team-b")
        assert dict(one) == {"team-b": made["team-b"]}
        other = dict(fingerprints(tmp_path / "gateway.yaml", "EMAIL_ADDRESS", EMAIL.upper(), tenant="team-a"))
        assert other["team-a"] != made["team-a"]

    play(tmp_path, script)


def test_what_cannot_give_a_lasting_fingerprint_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(configuration(URL)), "utf-8")
    with pytest.raises(GatewayError, match="standard input"):
        list(fingerprints(path, "EMAIL_ADDRESS", "", tenant=None))
    path.write_text(json.dumps(configuration(URL, audit={})), "utf-8")
    with pytest.raises(GatewayError, match=r"audit\.secret_env"):
        list(fingerprints(path, "EMAIL_ADDRESS", EMAIL, tenant=None))


def test_a_kind_that_no_row_can_have_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(configuration(URL)), "utf-8")
    with pytest.raises(GatewayError, match="--entity: write it as it stands in the audit"):
        list(fingerprints(path, "email address", EMAIL, tenant=None))
