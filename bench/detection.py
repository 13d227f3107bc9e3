"""Measures the module `presidio` beside stock Presidio: eight texts, their growth, and texts made to be slow.

CPU time of one process, medians; each repetition gets a text of its own, so nothing remembered from the one before
helps. Ratios are the product's, times the machine's. `--check` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "tests" / "guardrails")]

from detection_texts import HOSTILE, TEXTS, clean  # noqa: E402
from test_presidio import DEFAULT_ENTITIES, Stock  # noqa: E402

from guardrails.cache import FindingsCache  # noqa: E402
from guardrails.detector import build  # noqa: E402
from guardrails.modules import presidio  # noqa: E402
from policies.load import load  # noqa: E402

BARS = {
    "mixed 200 B": 6,
    "clean 2 KB": 100,
    "dense 2 KB": 5,
    "clean 20 KB": 150,
    "mixed 20 KB": 8,
    "dense 20 KB": 12,
    "code 50 KB": 12,
    "log 50 KB": 15,
}
GROWTH_BAR = 2.3
HOSTILE_BAR = 10.0
SIZES = (62_500, 125_000, 250_000, 500_000, 1_000_000)
HOSTILE_SIZE = 50_000
HISTORY, MESSAGE = 50_000, 1_000
REPEATED_BAR = 0.02
SHORT = 5_000
"""Texts below this are repeated more often; stock Presidio takes seconds for the longest."""

Find = Callable[[str], object]


def cpu(find: Find, texts: Sequence[str]) -> float:
    """The median CPU time of the texts, in milliseconds."""
    times: list[float] = []
    for text in texts:
        start = time.process_time_ns()
        find(text)
        times.append((time.process_time_ns() - start) / 1e6)
    return statistics.median(times)


def variants(make: Callable[..., str], size: int, count: int) -> list[str]:
    """Different texts of the same kind and size."""
    return [make(size, seed) for seed in range(count)]


def ratios(stock: Find, ours: Find) -> int:
    """Print the eight texts; return how many bars are missed."""
    print(f"{'text':14}{'stock':>12}{'ours':>12}{'ratio':>9}{'bar':>7}")
    missed = 0
    for name, (make, size) in TEXTS.items():
        short = size < SHORT
        theirs = cpu(stock, variants(make, size, 9 if short else 3)[-(9 if short else 2) :])
        mine = cpu(ours, variants(make, size, 31 if short else 9))
        kept = theirs / mine >= BARS[name]
        missed += not kept
        verdict = "" if kept else "  MISSED"
        print(f"{name:14}{theirs:9.2f} ms{mine:9.3f} ms{theirs / mine:8.1f}x{BARS[name]:6}x{verdict}", flush=True)
    return missed


def growth(ours: Find) -> int:
    """Print what doubling each text up to 1 MB costs; return how many bars are missed."""
    print(f"\n{'growth, ms':14}" + "".join(f"{size // 1000:>10} K" for size in SIZES) + f"{'worst':>9}")
    missed = 0
    for name, (make, _) in TEXTS.items():
        if "2 KB" in name or "200 B" in name:
            continue
        # One seed: each text begins with the one before, and is not another that happens to hold a rare word. The
        # quietest of five: it is the cost that may not grow, and not the noise of other programs.
        times = [min(cpu(ours, [text]) for text in [make(size)] * 5) for size in SIZES]
        worst = max(after / before for before, after in itertools.pairwise(times))
        missed += worst > GROWTH_BAR
        verdict = "" if worst <= GROWTH_BAR else "  MISSED"
        print(f"{name.split()[0]:14}" + "".join(f"{t:12.1f}" for t in times) + f"{worst:8.2f}x{verdict}", flush=True)
    return missed


def hostile(ours: Find) -> int:
    """Print what texts made to be slow cost, beside clean text as long; return how many bars are missed."""
    plain = cpu(ours, variants(clean, HOSTILE_SIZE, 9))
    print(f"\nhostile, {HOSTILE_SIZE // 1000} KB, beside clean text of that length ({plain:.2f} ms)")
    missed = 0
    for name, make in HOSTILE.items():
        taken = cpu(ours, [make(HOSTILE_SIZE)] * 3)
        missed += taken / plain > HOSTILE_BAR
        verdict = "" if taken / plain <= HOSTILE_BAR else "  over 10x"
        print(f"{name:18}{taken:9.2f} ms{taken / plain:8.1f}x{verdict}", flush=True)
    return missed


def repeated() -> int:
    """Print what a history of 50 KB costs that was seen before, beside its first time; return how many bars are missed.

    Under the policy `default`, each text as many messages of an agent's history, looked up as the gateway does.
    """
    detector = build(load("default"))
    print(f"\n{'50 KB again':14}{'first':>12}{'again':>12}{'share':>9}{'bar':>7}")
    missed = 0
    for name in ("mixed 20 KB", "dense 20 KB", "code 50 KB", "log 50 KB"):
        make = TEXTS[name][0]
        firsts, agains = [], []
        for seed in range(7):
            whole, cache = make(HISTORY, seed), FindingsCache()
            texts = [whole[start : start + MESSAGE] for start in range(0, len(whole), MESSAGE)]

            def look(texts: list[str] = texts, cache: FindingsCache = cache) -> list[object]:
                return [cache.get(cache.key("digest", "tenant", text)) for text in texts]

            firsts.append(cpu(lambda _, texts=texts: detector.detect(texts), [""]))
            for text, found in zip(texts, detector.detect(texts), strict=True):
                cache.put(cache.key("digest", "tenant", text), tuple(found))
            assert None not in look()
            agains.append(cpu(lambda _: look(), [""] * 9))
        first, again = statistics.median(firsts), statistics.median(agains)
        missed += again / first > REPEATED_BAR
        verdict = "" if again / first <= REPEATED_BAR else "  MISSED"
        label = f"{name.split()[0]:14}"
        print(f"{label}{first:9.2f} ms{again:9.3f} ms{again / first:9.2%}{REPEATED_BAR:7.0%}{verdict}", flush=True)
    return missed


def main() -> int:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    module = presidio.build({"entities": DEFAULT_ENTITIES, "threshold": 0.0}, "en")
    oracle = Stock(DEFAULT_ENTITIES)
    least = dict.fromkeys(DEFAULT_ENTITIES, 0.0)
    warm = "\n".join(make(2_000, 99) for make, _ in TEXTS.values())
    module.find(warm)
    oracle.find(warm, least)
    missed = ratios(lambda text: oracle.find(text, least), module.find)
    missed += growth(module.find)
    missed += hostile(module.find)
    missed += repeated()
    return int(asked.check and missed > 0)


if __name__ == "__main__":
    sys.exit(main())
