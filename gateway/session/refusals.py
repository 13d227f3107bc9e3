"""How a refusal looks on the wire.

`error` with status 400 and `invalid_prompt` is the one form after which clients end the turn and stay where they are:
403, 429 and 500, closes and refused handshakes make them retry, or leave the WebSocket with the same content; without
`status` they hang. The text reaches the user word for word, so it never holds any of the input.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, Refused
from gateway.wire.frame import Json, encode

STATUS: Final = 400
_LEAVE: Final = frozenset({401, 403, 426})
_SERVER: Final = 500


def tell(frame: dict[str, Json]) -> bool:
    """Bring a provider's error, in place, into the form after which clients neither hang nor leave; say if it changed.

    Without `status`, or in the flat form of SSE, they hang; after 401, 403 and 5xx they leave the WebSocket, with the
    same content. What the provider says to the user stays.
    """
    status, error = frame.get("status"), frame.get("error")
    if isinstance(error, dict) and isinstance(status, int) and status not in _LEAVE and status < _SERVER:
        return False
    if not isinstance(error, dict):
        error = {key: frame.pop(key, None) for key in ("code", "message", "param")}
    kept = None if isinstance(status, int) else error.get("code")
    frame["status"] = STATUS
    frame["error"] = {"type": "invalid_request_error", "param": None, **error, "code": kept or GatewayError.code}
    return True


def error_body(message: str, code: str) -> dict[str, Json]:
    """The body of a refusal over HTTP."""
    return {"error": {"type": "invalid_request_error", "code": code, "message": message, "param": None}}


def error_frame(error: GatewayError, lane: str | None) -> str:
    """The frame that tells a client its frame or response was refused."""
    frame: dict[str, Json] = {
        "type": "error",
        "status": STATUS,
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
