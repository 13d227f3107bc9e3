"""The built-in policy module `names`: persons, places, organisations and more, with nothing to download.

What it needs is imported when a policy that names it is loaded, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from guardrails.modules.names.module import Names

ENTITIES: Final = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME", "AGE", "TITLE", "ZIP_CODE")
LANGUAGES: Final = ("en",)


def build(options: Mapping[str, object], language: str) -> Names:
    """Make the module for `entities` (all of `ENTITIES` if absent), `threshold` and `thresholds`.

    Raises: GuardrailError for a wrong option, or a language other than those of `LANGUAGES`.
    """
    from guardrails.modules.names.module import make

    return make(options, language)
