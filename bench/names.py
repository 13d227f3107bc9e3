"""Measures the module `names`: loading, speed on text it sees first and again, growth, and texts made to be slow.

CPU time of one process, and one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from detection_texts import TEXTS  # noqa: E402

from guardrails.modules import create  # noqa: E402

PROSE = sorted((ROOT / "docs").glob("*.md"))
HOSTILE = {
    "John Smith ...": "John Smith ",
    "capitals in one line": "Ab Cd Ef ",
    "digits": "7",
    "numbers": "12 ",
    "spaces": " ",
    "line ends": "\n",
    "initials": "J.",
    "commas": "Smith,",
    "dots and dashes": "a.b-",
}
MEGABYTE = 1_000_000
BAR = 200_000
"""Characters a second."""


def seconds(find: Callable[[str], object], text: str) -> float:
    """The CPU time of examining one text."""
    start = time.process_time()
    find(text)
    return time.process_time() - start


def main() -> int:
    """Print every table; 1 if a text is examined more slowly than it should be."""
    start = time.process_time()
    module = create("names", {}, "en")
    print(f"loading: {time.process_time() - start:.2f} s")
    texts = {name: make(size) for name, (make, size) in TEXTS.items()}
    texts["documentation"] = "\n".join(path.read_text("utf-8") for path in PROSE)
    slow = 0
    print(f"\n{'text':24}{'characters':>12}{'first':>12}{'again':>12}  a second")
    for name, text in texts.items():
        first, again = seconds(module.find, text), min(seconds(module.find, text) for _ in range(3))
        slow += len(text) > BAR / 100 and len(text) / again < BAR
        print(f"{name:24}{len(text):12,}{len(text) / first:12,.0f}{len(text) / again:12,.0f}")
    print(f"\n{'hostile, 1 MB':24}{'250 KB':>10}{'1 MB':>10}  seconds")
    for name, piece in HOSTILE.items():
        text = piece * (MEGABYTE // len(piece))
        quarter, whole = seconds(module.find, text[: MEGABYTE // 4]), seconds(module.find, text)
        slow += whole > MEGABYTE / BAR
        print(f"{name:24}{quarter:10.2f}{whole:10.2f}")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
