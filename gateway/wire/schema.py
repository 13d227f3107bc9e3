"""Which places of a frame are structural, secret or opaque. Everything else is text (decision 0002).

This is the only file that says so, and it only ever says why something need **not** be scanned. A key that is not
listed, a value that does not have the listed form, an object where a word belongs: text, scanned like any other.

A rule is looked up by the key's name, and first by the name together with the holder's `type` (or, for objects that
have no type, the key they hang on). Names mean the same across the protocol, so this stays short; and every kind checks
the value itself, so a listed name is no way round.

    WORD    one of a closed set of words the protocol defines
    ID      made by a provider or client to point at something; opaque when random, scanned otherwise
    NUMBER  a count, an index, a setting; only within the bounds of such
    NAME    text that must keep to [A-Za-z0-9_-], so its replacement does too
    TEXT    scanned and rewritten
    JSON    text that holds JSON source: its inner strings are scanned, and it stays JSON
    BLOB    an image, a file, a sound: cannot be read; a policy lets attachments in or not
    OPAQUE  encrypted by the provider for itself; passes when it has that form
    SECRET  must reach the provider as it is, and never a log
    MODEL   the model; written by the session in the frames it guards
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from gateway.wire.blobs import is_blob, is_readable
from gateway.wire.events import EVENT_NAMES


class Kind(Enum):
    """What a place holds. See the module's text."""

    WORD = auto()
    ID = auto()
    NUMBER = auto()
    NAME = auto()
    TEXT = auto()
    JSON = auto()
    BLOB = auto()
    OPAQUE = auto()
    SECRET = auto()
    MODEL = auto()


class Context(Enum):
    """What the objects below a key are."""

    TYPED = auto()
    """Objects of the protocol: names have the meaning listed here."""
    TOOLS = auto()
    """The same, for the definitions of tools, which alone may hold secrets."""
    CONTENT = auto()
    """The user's own JSON (metadata, a tool's schema, variables): every key and value is text."""
    SECRETS = auto()
    """An object of the user's own, whose strings are secrets; its keys are text."""
    UNKNOWN = auto()
    """Below a key nobody listed: every key and value is text, and a provider might read a model there."""


class Rule(NamedTuple):
    """How the value of one key is read."""

    kind: Kind
    below: Context


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_TYPES: Final = words("""
    additional_tools agent_message allowed_tools allowlist and apply_patch apply_patch_call apply_patch_call_output
    approximate auto base64 cache_hit cache_miss click code_interpreter code_interpreter_call compaction
    compaction_trigger comparison_response_not_found computer computer_call computer_call_output computer_screenshot
    computer_use computer_use_preview configuration_update container_auto container_file_citation container_reference
    create_file custom custom_tool_call custom_tool_call_output delete_file direct disabled double_click drag
    encrypted_content eq error exec exit file_citation file_path file_search file_search_call find_in_page function
    function_call function_call_output grammar gt gte http_error image image_generation image_generation_call in
    inline input_audio input_file input_image input_text item_reference json_object json_schema keypress local
    local_shell local_shell_call local_shell_call_output logs lt lte mcp mcp_approval_request mcp_approval_response
    mcp_call mcp_list_tools mcp_protocol_error mcp_tool_execution_error message moderation_result move
    multi_agent_call multi_agent_call_output namespace ne nin open_page or output_audio output_text program
    program_output programmatic programmatic_tool_calling reasoning reasoning_text refusal screenshot scroll search
    shell shell_call shell_call_output skill_reference summary_text text timeout tool_search tool_search_call
    tool_search_output type unavailable update_file url url_citation wait web_search web_search_2025_08_26
    web_search_call web_search_preview web_search_preview_2025_03_11 computer-use-preview invalid_request_error
    server_error rate_limit_error authentication_error
""")

WORDS: Final[dict[str, frozenset[str]]] = {
    "type": _TYPES,
    "role": words("assistant critic developer discriminator system tool unknown user"),
    "status": words(
        "accepted calling cancelled completed failed generating in_progress incomplete interpreting pending queued "
        "searching"
    ),
    "object": words("response response.deleted list model conversation"),
    "phase": words("commentary final_answer"),
    "action": words(
        "auto edit generate removed followup_task interrupt_agent list_agents send_message spawn_agent wait_agent"
    ),
    "access_programs": frozenset(),
    "allowed_callers": words("direct programmatic"),
    "background": words("auto opaque transparent"),
    "button": words("back forward left right wheel"),
    "code": words(
        "bio_policy data_residency_mismatch empty_image_file failed_to_download_image image_content_policy_violation "
        "image_file_not_found image_file_too_large image_parse_error image_too_large image_too_small "
        "invalid_base64_image invalid_image invalid_image_format invalid_image_mode invalid_image_url invalid_input "
        "invalid_prompt invalid_stream_id misalignment_policy_violation previous_response_not_found "
        "rate_limit_exceeded response_already_completed response_not_active response_not_found server_error "
        "steering_not_supported successor_creation_failed too_many_pending_steers unsupported_image_media_type "
        "vector_store_timeout websocket_connection_limit_reached websocket_stream_limit_reached"
    ),
    "completion_window": words("2h 8h soonest"),
    "complexity": words("high low medium"),
    "connector_id": words(
        "connector_dropbox connector_gmail connector_googlecalendar connector_googledrive connector_microsoftteams "
        "connector_outlookcalendar connector_outlookemail connector_sharepoint"
    ),
    "context": words("all_turns auto current_turn"),
    "context_compression": words("auto disabled enabled"),
    "cyber": words("daybreak_blue daybreak_red standard"),
    "detail": words("auto high low original"),
    "effort": words("high low max medium minimal none xhigh"),
    "environment": words("browser linux mac ubuntu windows"),
    "error_type": words(
        "other potentially_unintended_data_access potentially_unintended_data_transfer "
        "potentially_unintended_destructive_activity"
    ),
    "execution": words("client server"),
    "generate_summary": words("auto concise detailed"),
    "include": words(
        "file_search_call.results web_search_call.results web_search_call.action.sources message.input_image.image_url "
        "computer_call_output.output.image_url code_interpreter_call.outputs reasoning.encrypted_content "
        "message.output_text.logprobs"
    ),
    "input_fidelity": words("high low"),
    "media_type": words("application/zip"),
    "memory_limit": words("16g 1g 4g 64g"),
    "mode": words("auto block blocking explicit implicit pro required score standard"),
    "moderation": words("auto low"),
    "moderation_stage": words("input output unknown"),
    "output_format": words("gif jpeg png svg webp"),
    "prompt_cache_retention": words("24h in_memory in-memory"),
    "quality": words("auto high low max medium xhigh"),
    "ranker": words("auto default-2024-11-15"),
    "reason": words(
        "content_filter context_compacted end_user_mismatch input_changed max_messages max_output_tokens model_changed "
        "model_mismatch organization_mismatch prefix_mismatch prompt_cache_key_changed reasoning_effort_changed "
        "service_tier_changed steered text_format_changed tools_changed turn_boundary verbosity_changed "
        "waiting_for_required_input"
    ),
    "require_approval": words("always never"),
    "search_content_types": words("image text"),
    "search_context_size": words("high low medium"),
    "service_tier": words("auto default fast flex priority scale ultrafast"),
    "size": words("1024x1024 1024x1536 1536x1024 auto"),
    "summary": words("auto concise detailed"),
    "syntax": words("lark regex"),
    "tool_choice": words("auto none required"),
    "truncation": words("auto disabled"),
    "ttl": words("12h 30m"),
    "verbosity": words("high low medium"),
}
"""The words of the protocol, by key. A word that is not here is text: it is scanned, and passes if nothing is found."""

IDS: Final = words("""
    approval_request_id call_id caller_id comparison_response_id container container_id continuation_id conversation
    event_id file_id file_ids fingerprint id item_id previous_response_id prompt_cache_key response_id skill_id
    stream_id tunnel_id vector_store_ids
""")

NUMBERS: Final = words("""
    annotation_index cache_missed_tokens cache_write_tokens cached_image_tokens cached_text_tokens cached_tokens code
    command_index comparison_reusable_tokens compact_threshold completed_at content_index created_at display_height
    display_width embedding_weight end_index exit_code expires_at frame_count frame_duration_ms image_tokens index
    input_tokens logprob max_concurrent_subagents max_num_results max_output_length max_output_tokens max_tool_calls
    num_requests output_compression output_index output_tokens partial_image_index partial_images reasoning_tokens
    score score_threshold scroll_x scroll_y sequence_number start_index status summary_index temperature text_tokens
    text_weight timeout_ms top_logprobs top_p total_tokens ttl_12h_tokens ttl_30m_tokens x y bytes
""")

TEXTS: Final = words("""
    encrypted_content
    action agent_name annotation arguments author authorization city code command commands content country
    created_by data definition delta description detail detailed_explanation diff domain domains allowed_domains
    blocked_domains allowed_tools error explanation filename input instructions key keys logs message namespace
    output param path pattern plan_type prompt queries query reason reasoning recipient refusal region result
    results review_target revised_prompt safety_identifier server_description server_url snippet stderr stdout
    summary text timezone title token tool_names type url user value version working_directory obfuscation file_url
    image_url size quality background output_format prompt_cache_breakpoint usage steer
""")

NAMES: Final = words("name namespace server_label")

BLOBS: Final = words("file_data partial_image_b64")

OPAQUES: Final = words("reasoning compaction compaction_summary agent_message encrypted_content")
"""Types whose `encrypted_content` is the provider's own; anywhere else that is a text like any other."""

NODES: Final = words("""
    access_programs acknowledged_safety_checks action actions agent always annotations background_options
    cache_write_tokens_details cached_tokens_details caller container context_management conversation domain_secrets
    environment error filters format hybrid_search image image_gen incomplete_details input_audio input_image_mask
    input_tokens_details input_transformations item logprobs misalignment moderation moderation_details multi_agent
    network_policy never operation outcome outputs output_tokens_details part pending_safety_checks policy prompt
    prompt_cache_breakpoint prompt_cache_diagnostics prompt_cache_options ranking_options reasoning require_approval
    required_input response skills source sources steer stream_options svg svg_usage text tool_choice tool_usage tools
    top_logprobs usage user_location web_search allowed_tools delta
""")
"""Keys whose objects are the protocol's own and that are not text by themselves."""

FLAGS: Final = words("""
    allow approve async background defer_loading enabled external_web_access flagged generate include_obfuscation
    parallel_tool_calls prewarm read_only store stream strict include_usage
""")

CONTENTS: Final = words("""
    metadata parameters schema variables attributes output_schema input_schema env client_metadata categories
    category_scores category_applied_input_types headers
""")
"""Keys whose objects are the user's own JSON: no name in them has a meaning here."""

_T: Final = Context.TYPED
_TOOLS: Final = Rule(Kind.TEXT, Context.TOOLS)
_SPECIAL: Final[dict[tuple[str, str], Rule]] = {
    ("", "tools"): _TOOLS,
    ("response.create", "tools"): _TOOLS,
    ("response", "tools"): _TOOLS,
    ("response", "response"): Rule(Kind.TEXT, Context.UNKNOWN),
    ("additional_tools", "tools"): _TOOLS,
    ("tool_search_output", "tools"): _TOOLS,
    ("image_generation_call", "result"): Rule(Kind.BLOB, Context.UNKNOWN),
    ("input_audio", "data"): Rule(Kind.BLOB, Context.UNKNOWN),
    ("output_audio", "data"): Rule(Kind.BLOB, Context.UNKNOWN),
    ("base64", "data"): Rule(Kind.BLOB, Context.UNKNOWN),
    ("response.audio.delta", "delta"): Rule(Kind.BLOB, Context.UNKNOWN),
    ("input_image", "image_url"): Rule(Kind.BLOB, _T),
    ("computer_screenshot", "image_url"): Rule(Kind.BLOB, _T),
    ("input_image_mask", "image_url"): Rule(Kind.BLOB, _T),
    ("image", "url"): Rule(Kind.BLOB, _T),
    ("function_call", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("mcp_call", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("mcp_approval_request", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("tool_search_call", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("multi_agent_call", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("response.function_call_arguments.done", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("response.function_call_arguments.delta", "delta"): Rule(Kind.JSON, _T),
    ("response.mcp_call_arguments.done", "arguments"): Rule(Kind.JSON, Context.CONTENT),
    ("response.mcp_call_arguments.delta", "delta"): Rule(Kind.JSON, _T),
    ("tools", "annotations"): Rule(Kind.TEXT, Context.CONTENT),
    ("mcp_tool_execution_error", "content"): Rule(Kind.TEXT, Context.CONTENT),
} | {(holder, "encrypted_content"): Rule(Kind.OPAQUE, Context.UNKNOWN) for holder in OPAQUES}
"""Meanings that hold for one type of object only."""

SECRET: Final = Rule(Kind.SECRET, Context.CONTENT)
_SECRETS: Final = {
    ("tools", "mcp", "authorization"): SECRET,
    ("tools", "mcp", "headers"): Rule(Kind.TEXT, Context.SECRETS),
    ("domain_secrets", "domain_secrets", "value"): SECRET,
}
"""The secrets: the key their object hangs on, its holder, and their own key. Only the definitions of tools hold any."""

UNKNOWN: Final = Rule(Kind.TEXT, Context.UNKNOWN)
FREE: Final = Rule(Kind.TEXT, Context.CONTENT)


def _table() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for keys, kind in (
        (NODES, Kind.TEXT),
        (FLAGS, Kind.TEXT),
        (TEXTS, Kind.TEXT),
        (NUMBERS, Kind.NUMBER),
        (WORDS, Kind.WORD),
        (NAMES, Kind.NAME),
        (IDS, Kind.ID),
        (BLOBS, Kind.BLOB),
    ):
        rules |= dict.fromkeys(keys, Rule(kind, _T))
    rules |= dict.fromkeys(CONTENTS, FREE)
    rules["model"] = Rule(Kind.MODEL, Context.UNKNOWN)
    return rules


_RULES: Final = _table()

KNOWN: Final = frozenset(_RULES)
"""The names that are the protocol's own: they may stand in an audit row, and need no scan as keys."""


def rule(context: Context, holder: str | None, key: str, *, hung: str | None = None) -> Rule:
    """Say how the value of `key` is read.

    `holder` is the object's own `type`, or the key it hangs on when it has none; `hung` is that key in any case.
    """
    if context is Context.CONTENT:
        return FREE
    if context is Context.UNKNOWN:
        return UNKNOWN
    if context is Context.SECRETS:
        return SECRET
    found = _SPECIAL.get((holder or "", key)) or _RULES.get(key, UNKNOWN)
    if context is not Context.TOOLS:
        return found
    secret = _SECRETS.get((hung or "", holder or "", key))
    if secret is not None:
        return secret
    return Rule(found.kind, Context.TOOLS) if found.below is Context.TYPED else found


_ID: Final = re.compile(
    r"(?:resp|msg|fc|fco|call|rs|ctc|ctco|ws|fs|ci|ig|mcp|mcpl|mcpr|lsh|sh|sho|apc|apco|cu|cuo|cmp|tsc|tso|pg|file|cntr|"
    r"container|vs|conv|req|item|evt|skill|prompt|pmpt)_(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{16,512}"
)
_DIGIT_RUN: Final = re.compile(r"[0-9]{9}")
_OPAQUE: Final = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
"""What is shorter is no cipher text with its head and seal, and could be a key: it is scanned."""
_LONG_DIGITS: Final = re.compile(r"[0-9]{12}|[0-9]{2,}-[0-9]{2,}-[0-9]{2,}")

MAX_COUNT: Final = 9_999_999
"""No number up to this can be a person's: identifiers have more digits. Larger ones are scanned."""
TIMES: Final = range(1_600_000_000, 2_000_000_000)
"""Seconds since 1970 from 2020 to 2033; no telephone number of the North American plan begins like these."""
_TIME_KEYS: Final = frozenset({"created_at", "completed_at", "expires_at"})


def is_structural(kind: Kind, key: str, value: str) -> bool:
    """Whether a string is proven to be no text: it has the form its kind demands."""
    match kind:
        case Kind.WORD:
            return value in WORDS[key] or (key == "type" and value in EVENT_NAMES)
        case Kind.ID:
            return _ID.fullmatch(value) is not None and _DIGIT_RUN.search(value) is None
        case Kind.OPAQUE:
            opaque = _OPAQUE.fullmatch(value) is not None and _LONG_DIGITS.search(value) is None
            return opaque and not is_readable(value)
        case Kind.BLOB:
            return is_blob(value)
        case Kind.SECRET:
            return True
        case _:
            return value == ""


def is_count(kind: Kind, key: str, number: float) -> bool:
    """Whether a number is proven to be a setting, a count or a time: a listed place, and within such bounds."""
    if kind is not Kind.NUMBER and kind is not Kind.WORD:
        return False
    # Not `number in TIMES`: for a float, as some providers write the time, that looks at every number of the range.
    is_time = key in _TIME_KEYS and TIMES.start <= number < TIMES.stop
    return is_time or (abs(number) <= MAX_COUNT and number == round(number, 4))


def place_name(key: str) -> str:
    """A key as it may stand in an audit row: the protocol's own names, and `*` for all others."""
    return key if key in KNOWN else "*"


ATTACHMENT_TYPES: Final = words("input_image input_file input_audio computer_screenshot")
"""Parts that bring in, or link to, what cannot be read here."""
