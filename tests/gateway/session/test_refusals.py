"""A refusal has the one form after which clients end the turn and stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import AuditError, FrameError, NotExamined, Refused, UpstreamError
from gateway.session.refusals import STATUS, error_body, error_frame, tell
from tests.kit import REPLAY, RESTORE, Wire


def test_a_refusal_has_status_400_and_a_code_that_clients_do_not_retry() -> None:
    assert json.loads(error_frame(FrameError("Not JSON."), None)) == {
        "type": "error",
        "status": 400,
        "error": {
            "type": "invalid_request_error",
            "code": "invalid_prompt",
            "message": "Not JSON.",
            "param": None,
        },
    }


@pytest.mark.parametrize("error", [UpstreamError("x"), AuditError("x"), FrameError("x"), Refused("x")])
def test_every_error_is_told_with_the_same_code(error: Any) -> None:
    assert json.loads(error_frame(error, None))["error"]["code"] == "invalid_prompt"


def test_a_refusal_may_have_a_code_a_parameter_and_a_lane_of_its_own() -> None:
    frame = json.loads(error_frame(Refused("No.", code="invalid_stream_id", param="stream_id"), "lane-1"))
    assert (frame["error"]["code"], frame["error"]["param"], frame["stream_id"]) == (
        "invalid_stream_id",
        "stream_id",
        "lane-1",
    )


def test_over_http_it_is_the_same_without_the_frame() -> None:
    assert error_body("No.", "invalid_prompt")["error"]["message"] == "No."  # type: ignore[index, call-overload]
    assert STATUS == 400


ERROR = {"type": "server_error", "code": "server_error", "message": "Sorry.", "param": None}


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 499])
def test_an_error_that_clients_stay_after_is_left_as_it_is(status: int) -> None:
    frame: Any = {"type": "error", "status": status, "error": dict(ERROR)}
    assert not tell(frame)
    assert frame == {"type": "error", "status": status, "error": ERROR}


@pytest.mark.parametrize("status", [401, 403, 426, 500, 502, 503, 599])
def test_an_error_that_clients_leave_after_becomes_one_that_ends_the_turn(status: int) -> None:
    frame: Any = {"type": "error", "status": status, "stream_id": "a", "error": dict(ERROR)}
    assert tell(frame)
    assert frame == {
        "type": "error",
        "status": 400,
        "stream_id": "a",
        "error": {**ERROR, "code": "invalid_prompt"},
    }


@pytest.mark.parametrize("status", [None, "500", 500.5, [500]])
def test_an_error_without_a_status_gets_one_and_keeps_its_code(status: Any) -> None:
    frame: Any = {"type": "error", "status": status, "error": {"message": "Sorry.", "code": "context_length_exceeded"}}
    assert tell(frame)
    assert frame["status"] == 400
    assert frame["error"]["code"] == "context_length_exceeded"
    assert set(frame["error"]) == {"type", "code", "message", "param"}


def test_the_flat_form_becomes_the_nested_one() -> None:
    frame: Any = {"type": "error", "code": None, "message": "Sorry.", "param": "input", "sequence_number": 3}
    assert tell(frame)
    assert frame == {
        "type": "error",
        "status": 400,
        "sequence_number": 3,
        "error": {"type": "invalid_request_error", "code": "invalid_prompt", "message": "Sorry.", "param": "input"},
    }


@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (404, 404), (429, 429), (500, 500), (503, 503), (401, 502), (403, 502), (426, 400)]
)
def test_over_http_a_provider_s_error_keeps_its_status_but_its_keys_are_not_the_callers(status: int, told: int) -> None:
    frame: Any = {"type": "error", "status": status, "error": dict(ERROR)}
    tell(frame, http=True)
    assert (frame["status"], frame["error"]["message"]) == (told, ERROR["message"])


@pytest.mark.parametrize(("code", "told"), [("server_error", 502), ("rate_limit_exceeded", 502), ("bad_input", 400)])
def test_over_http_an_error_without_a_status_gets_one_by_its_code(code: str, told: int) -> None:
    frame: Any = {"type": "error", "code": code, "message": "Sorry."}
    assert tell(frame, http=True)
    assert (frame["status"], frame["error"]["code"]) == (told, code)


@pytest.mark.parametrize("of", [RESTORE, REPLAY], ids=["restore", "replay"])
def test_a_provider_that_quotes_its_key_does_not_show_it(of: Any) -> None:
    wire = Wire(of, hidden=["sk-provider-7f6e5d4c3b2a1908"])
    wire.create()
    message = "Received API Key = sk-provider-7f6e5d4c3b2a1908"
    told = wire.provider({"type": "error", "status": 400, "error": {"code": "x", "message": message}})
    assert told[0]["error"]["message"] == "Received API Key = (a key)"  # type: ignore[index, call-overload]


@pytest.mark.parametrize("status", [0, 101, 204, 302, -1, 10**9])
def test_what_is_no_status_of_an_error_becomes_one(status: int) -> None:
    for http in (False, True):
        frame: Any = {"type": "error", "status": status, "error": dict(ERROR)}
        assert tell(frame, http=http)
        assert frame["status"] in (400, 502)


def test_over_http_a_provider_that_cannot_be_reached_is_no_fault_of_the_request() -> None:
    assert json.loads(error_frame(UpstreamError("Gone."), None, http=True))["status"] == 502
    assert json.loads(error_frame(NotExamined("No."), None, http=True))["status"] == 400
