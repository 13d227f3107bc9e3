"""Compares the module `presidio` with stock Presidio on thousands of texts; prints and exits 1 on any difference.

Stock Presidio runs in processes of its own, with the same recognisers and tokens, over all default English entities and
no threshold. Texts are put together from the values that hurt, from cuttings of the benchmark's texts, and from strings
of characters that hurt.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "tests" / "guardrails")]

import detection_texts as texts  # noqa: E402
from test_presidio import DEFAULT_ENTITIES, VALUES, WORDS, Stock, generated  # noqa: E402

Found = set[tuple[str, int, int, float]]


CHARACTERS = (
    "0123456789abcdefABCDEFxXzZkKsSiI@.:-/()+ _'\"%#,;<>[]~\n\t"
    "١٣０５ſKİıéß\u00a0\u200b\u2011\u2013\u3000\x85\x1c（）＋ｘ€"
)
PIECES = """00 000 1/ 12 19 20 2024 555 4111 536 22 1234 999 aa ab bc1 com .c .co .com .int www. www1. :// https:// ::
ffff GB82 DE89 WEST x12 ext. JAN -05- T10: /12 /2024 Z ]] A- A-Z]]12 9d 1a2b 00:1A ip: card ssn phone the us be
http https
mac account license passport number date wallet url email\u00e9 a:the the:3 :3 a:b 12:30 :) -PRON-"""
FUZZ = [*CHARACTERS, *PIECES.split()]


def generated_texts(count: int, seed: int) -> Iterator[str]:
    """Texts like those people write."""
    dice = random.Random(seed)
    sources = [make(60_000) for make, _ in texts.TEXTS.values()]
    plain = iter(generated(seed, count))
    for number in range(count):
        if number % 3:
            yield next(plain)
        else:
            source, length = dice.choice(sources), dice.randint(20, 600)
            at = dice.randrange(len(source) - length)
            cut = dice.randrange(length)
            piece = source[at : at + length]
            yield piece[:cut] + dice.choice((*VALUES, *WORDS, "")) + piece[cut:] if number % 2 else piece


def fuzz_strings(count: int, seed: int) -> Iterator[str]:
    """Strings of what hurts, in any order."""
    dice = random.Random(seed)
    for _ in range(count):
        few = dice.sample(FUZZ, dice.randint(2, 14)) if dice.random() < 0.7 else FUZZ
        pieces = [dice.choice(few) for _ in range(dice.randint(1, 40))]
        if dice.random() < 0.2:
            pieces.insert(dice.randrange(len(pieces)), dice.choice(VALUES))
        if dice.random() < 0.02:
            pieces.insert(dice.randrange(len(pieces)), dice.choice("a1.- ") * dice.randint(240, 300))
        yield "".join(pieces)


_stock: Stock | None = None


def _start() -> None:
    global _stock
    _stock = Stock(DEFAULT_ENTITIES)


def _stock_finds(text: str) -> Found | None:
    assert _stock is not None
    try:
        return _stock.find(text, dict.fromkeys(DEFAULT_ENTITIES, 0.0))
    except ValueError:
        # A finding behind the last token: stock Presidio raises, and there is nothing to compare with.
        return None


def differences(kind: str, made: list[str], workers: int) -> int:
    """Compare on all texts; print a summary and return the number of texts that differ."""
    from guardrails.modules import presidio

    module = presidio.build({"entities": DEFAULT_ENTITIES, "threshold": 0.0}, "en")
    findings = differing = refused = 0
    start = time.monotonic()
    with get_context("spawn").Pool(workers, initializer=_start) as pool:
        for text, stock in zip(made, pool.imap(_stock_finds, made, chunksize=50), strict=True):
            if stock is None:
                refused += 1
                continue
            findings += len(stock)
            ours = {(f.entity, f.start, f.end, f.score) for f in module.find(text)}
            if ours != stock:
                differing += 1
                print(f"{text!a}\n  stock only {sorted(stock - ours)}\n  ours only {sorted(ours - stock)}")
    seconds = time.monotonic() - start
    print(
        f"{kind}: {len(made)} texts, {findings} findings of stock Presidio, {differing} texts differ"
        f" ({refused} that stock Presidio refuses), {seconds:.0f} s"
    )
    return differing


def main() -> int:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--fuzz", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    differing = differences("generated", list(generated_texts(asked.texts, asked.seed)), asked.workers)
    differing += differences("fuzz", list(fuzz_strings(asked.fuzz, asked.seed)), asked.workers)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
