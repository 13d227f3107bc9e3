"""Texts without names: code and documentation of packages that this project has installed, at pinned versions.

They teach the model what identifiers, headings and technical prose look like. Lines that may name somebody are left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib.metadata import distribution

from training.corpus import Row

PACKAGES = ("starlette", "uvicorn", "websockets", "pydantic", "limits", "typer", "rich", "anyio", "click")
LINES = (1, 12)
"""The fewest and the most lines of a text."""

# "by Jane", authors, copyrights, links to people; and a quoted name in an example.
_NAMING = re.compile(
    r"(?i)@|author|copyright|contribut|maintain|credit|thank|licen[cs]e|sponsor|github\.com|created by|written by"
    r"|\b(?:john|jane|alice|bob|bobby|charlie|smith|doe|mary|anna|sam|camila|rick|morty|sebasti|samuel|tom christie)\b"
)


def rows(seed: int, count: int) -> Iterator[Row]:
    """Draw pieces of the packages' files."""
    draw = random.Random(seed)
    files = [text for name in PACKAGES for text in _texts(name)]
    for _ in range(count):
        lines = draw.choice(files)
        first = draw.randrange(len(lines))
        piece = "\n".join(lines[first : first + draw.randint(*LINES)])
        if piece.strip():
            yield Row(piece, ())


def _texts(name: str) -> Iterator[list[str]]:
    """The lines of each file, and those of the package's description as often as half of the files."""
    found = distribution(name)
    sources = [path for path in found.files or () if path.suffix == ".py" and "test" not in str(path)]
    for path in sorted(sources, key=str):
        lines = [line for line in path.read_text("utf-8").splitlines() if not _NAMING.search(line)]
        if len(lines) > LINES[1]:
            yield lines
    _, _, body = (found.read_text("METADATA") or "").partition("\n\n")
    lines = [line for line in body.splitlines() if not _NAMING.search(line)]
    if len(lines) > LINES[1]:
        yield from [lines] * (len(sources) // 4 + 1)
