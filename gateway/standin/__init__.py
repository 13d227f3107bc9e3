"""A stand-in provider: it speaks the Responses API (WebSocket, JSON, server-sent events) and keeps all it received.

For the demo, tests and trying things out. It answers with what it was sent, in pieces as small as asked for, so that
whatever a guard in front of it lets through is found in `StandIn.seen`, and whatever it restores wrongly is seen by the
client. Also runnable: `python -m gateway.standin --port 9100 --chunk 3 --log seen.jsonl`.
"""

from gateway.standin.evidence import leaked
from gateway.standin.memory import Log, Seen
from gateway.standin.plan import INVENTED
from gateway.standin.server import StandIn, serve

__all__ = ["INVENTED", "Log", "Seen", "StandIn", "leaked", "serve"]
