"""How a refusal looks on the wire.

`error` with status 400 and `invalid_prompt` is the one form after which clients end the turn and stay where they are:
403, 429 and 500, closes and refused handshakes make them retry, or leave the WebSocket with the same content; without
`status` they hang. The text reaches the user word for word, so it never holds any of the input.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, NotExamined, Refused, UpstreamError
from gateway.session.states import Lane, Setup
from gateway.wire.events import Class, Event
from gateway.wire.frame import Json, encode, loads
from guardrails.errors import DetectionTimeout, EventError, GuardrailError, VaultError
from guardrails.vault import WrongTenant

STATUS: Final = 400
_LEAVE: Final = frozenset({401, 403, 426})
_ERRORS: Final = 400
_SERVER: Final = 500
_NO_STATUS: Final = 600
_GATEWAY: Final = 502
_OUTAGES: Final = frozenset({401, 403, 404, 408, 429})
_OUTAGE_CODES: Final = ("server_error", "rate_limit_exceeded", "insufficient_quota", "overloaded")
_ENDS: Final = frozenset({Class.TERMINAL, Class.ERROR})
_MENDED: Final = _ENDS | {Class.NOTICE}
_MODEL_HEADERS: Final = frozenset({"openai-model", "x-openai-model"})


def tell(frame: dict[str, Json], *, http: bool = False) -> bool:
    """Bring a provider's error, in place, into the form after which clients neither hang nor leave; say if it changed.

    Without `status`, or in the flat form of SSE, they hang; after 401, 403 and 5xx they leave the WebSocket, with the
    same content. Over HTTP there is nothing to leave: there they see whose fault it was, and may try again; but that
    the provider does not take the gateway's key is not the caller's. What the provider says to the user stays.
    """
    status, error = frame.get("status"), frame.get("error")
    stays = isinstance(status, int) and status not in _LEAVE and _ERRORS <= status < (_NO_STATUS if http else _SERVER)
    if isinstance(error, dict) and stays:
        return False
    if not isinstance(error, dict):
        error = {key: frame.pop(key, None) for key in ("code", "message", "param")}
    kept = None if isinstance(status, int) else error.get("code")
    if not stays:
        frame["status"] = _GATEWAY if http and is_outage({"status": status, "error": error}) else STATUS
    frame["error"] = {"type": "invalid_request_error", "param": None, **error, "code": kept or GatewayError.code}
    return True


def is_outage(frame: dict[str, Json]) -> bool:
    """Whether a provider's error is about the provider or its key, and not about what was asked."""
    status, error = frame.get("status"), frame.get("error")
    if isinstance(status, int):
        return status in _OUTAGES or status >= _SERVER
    code = error.get("code") if isinstance(error, dict) else frame.get("code")
    return code in _OUTAGE_CODES


def mend(setup: Setup, lane: Lane, row: Event, frame: dict[str, Json], data: str, *, model: str | None = None) -> str:
    """Bring an error into the form clients need, call the model by the name they use for it, and drop a name of it
    that they would take for a warning, and the provider's key, which some quote in their errors.
    """
    if row.cls not in _MENDED and model is None:
        return data
    if row.cls in _ENDS and any(key in data for key in setup.hidden):
        for key in setup.hidden:
            data = data.replace(key, "(a key)")
        new = loads(data)
        frame.clear()
        frame.update(new if isinstance(new, dict) else {})
    mended = frame.get("type") == "error" and tell(frame, http=setup.http)
    headers = frame.get("headers")
    response = lane.active or (lane.waiting[0] if lane.waiting else lane.last)
    if row.cls is Class.NOTICE and isinstance(headers, dict) and (response is None or response.rewritten):
        for name in [name for name in headers if name.lower() in _MODEL_HEADERS]:
            del headers[name]
            mended = True
    whole = frame.get("response") if model is not None else None
    if isinstance(whole, dict) and whole.get("model") not in (None, model):
        whole["model"] = model
        mended = True
    return encode(frame) if mended else data


def error_body(message: str, code: str) -> dict[str, Json]:
    """The body of a refusal over HTTP."""
    return {"error": {"type": "invalid_request_error", "code": code, "message": message, "param": None}}


def error_frame(error: GatewayError, lane: str | None, *, http: bool = False) -> str:
    """The frame that tells a client its frame or response was refused."""
    frame: dict[str, Json] = {
        "type": "error",
        "status": _GATEWAY if http and isinstance(error, UpstreamError) else STATUS,
        "error": {
            "type": "invalid_request_error",
            "code": error.code,
            "message": str(error),
            "param": error.param if isinstance(error, Refused) else None,
        },
    }
    if lane is not None:
        frame["stream_id"] = lane
    return encode(frame)


def not_examined(error: GuardrailError) -> GatewayError:
    """What a client is told when its texts could not be examined."""
    if isinstance(error, EventError):
        return NotExamined("A module of the policy failed on the answer, so it was not sent.")
    if isinstance(error, DetectionTimeout):
        return NotExamined("The message could not be examined in time, so it was not sent.")
    return NotExamined("The message could not be examined, so it was not sent.")


def not_recalled(error: VaultError) -> GatewayError:
    """What a client is told when its conversation could not be looked up."""
    if isinstance(error, WrongTenant):
        return Refused(
            "The previous response was not found.", code="previous_response_not_found", param="previous_response_id"
        )
    return NotExamined("The conversation could not be looked up, so the message was not sent.")


def no_such_conversation() -> Refused:
    """What a client is told about a conversation of another key's."""
    return Refused("The conversation was not found.", param="conversation")
