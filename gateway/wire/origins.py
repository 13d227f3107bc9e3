"""Who said a text of a client's frame, as far as the frame tells (decision 0026).

Only what is listed here has an origin of its own. An item, a role or a parameter that nobody listed, and a listed one
in a shape that the protocol does not have, is `other`: it counts as said by everybody at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.wire.frame import Json
from gateway.wire.schema import KNOWN, words
from gateway.wire.texts import Text
from policies.model import Origin

_ROLES: Final[dict[str, Origin]] = {
    "user": "user",
    "system": "instructions",
    "developer": "instructions",
    "assistant": "assistant",
    "tool": "tool_outputs",
}
"""Who speaks in a message. A critic and a discriminator are nobody that a policy names."""

_SAID: Final[dict[Origin, frozenset[str]]] = {
    "user": words("mcp_approval_response"),
    "instructions": words("additional_tools configuration_update"),
    "assistant": words("""
        apply_patch_call code_interpreter_call compaction compaction_summary computer_call custom_tool_call
        file_search_call function_call image_generation_call local_shell_call mcp_approval_request mcp_call
        multi_agent_call program reasoning shell_call tool_search_call web_search_call
    """),
    "tool_outputs": words("""
        apply_patch_call_output computer_call_output custom_tool_call_output function_call_output
        local_shell_call_output mcp_list_tools multi_agent_call_output program_output shell_call_output
        tool_search_output
    """),
}
_ITEMS: Final = {kind: said for said, kinds in _SAID.items() for kind in kinds}
"""The items that are no messages. What another agent says (`agent_message`) is not listed: who that was is unknown."""

_RESULTS: Final = frozenset({
    ("code_interpreter_call", "outputs"),
    ("file_search_call", "results"),
    ("image_generation_call", "error"),
    ("image_generation_call", "result"),
    ("mcp_call", "error"),
    ("mcp_call", "output"),
    ("web_search_call", "action", "sources"),
    ("web_search_call", "results"),
})  # fmt: skip
"""What a provider's own tools gave, which stands in the call itself."""

_GIVEN: Final = words("error output outputs result results sources")
"""Under these a call has what came of it. Where the protocol has no such place, nobody knows who said that."""

_PARTS: Final = words("""
    computer_screenshot encrypted_content input_audio input_file input_image input_text output_audio output_text
    reasoning_text refusal summary_text text
""")
"""The parts of a message. Other providers put tools' results there, and messages within messages."""

_SETUP: Final = words("""
    access_programs background background_options client_metadata context_management conversation event_id generate
    image include instructions max_output_tokens max_tool_calls metadata model moderation multi_agent
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning response_id safety_identifier service_tier store stream stream_id stream_options temperature text
    tool_choice tools top_logprobs top_p truncation type user
""")
"""The parameters of a request: whoever built the client has set them up."""


def origin(frame: Json, text: Text) -> Origin:
    """Who said a text that a walk over a client's frame has found. The frame must not have been rewritten since."""
    steps = text.steps()
    if isinstance(frame, dict) and steps[:1] == ["response"] and frame.get("type") == "response.create":
        frame, steps = frame.get("response"), steps[1:]
    if not isinstance(frame, dict) or not steps:
        return "other"
    if steps[0] != "input":
        return "instructions" if steps[0] in _SETUP else "other"
    given = frame.get("input")
    if isinstance(given, str):
        return "user"
    if isinstance(given, list) and len(steps) > 1 and isinstance(steps[1], int):
        item = given[steps[1]]
        return _of_item(item, steps[2:]) if isinstance(item, dict) else "other"
    return "other"


def _of_item(item: dict[str, Json], steps: Sequence[str | int]) -> Origin:
    """Who said what stands somewhere in an item."""
    kind, own = item.get("type"), steps[0] if steps else None
    if kind is None or kind == "message":
        role = item.get("role")
        said = own == "content" and _is_in_part(item["content"], steps[1:])
        return _ROLES.get(role, "other") if said and isinstance(role, str) else "other"
    if not isinstance(kind, str) or own not in KNOWN:
        return "other"
    if (kind, own) in _RESULTS or (kind, *steps[:2]) in _RESULTS:
        return "tool_outputs"
    said_by = _ITEMS.get(kind, "other")
    near = steps[:2] if own == "action" else steps[:1]
    return "other" if said_by != "tool_outputs" and not _GIVEN.isdisjoint(near) else said_by


def _is_in_part(content: Json, steps: Sequence[str | int]) -> bool:
    """Whether a place in a message's content is one that the protocol has: a text, or in one of the parts."""
    if not isinstance(content, list):
        return isinstance(content, str)
    part = content[steps[0]] if steps and isinstance(steps[0], int) else None
    if not isinstance(part, dict):
        return isinstance(part, str)
    kind = part.get("type")
    known = isinstance(kind, str) and kind in _PARTS and "role" not in part
    return known and _GIVEN.isdisjoint(steps[1:2]) and all(isinstance(step, int) or step in KNOWN for step in steps)
