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
