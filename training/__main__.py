"""`python -m training FOLDER`: makes the lexicon and the model anew and prints how well they do.

The folder holds annotated texts: `train_*.jsonl` to learn from, `dev_*.jsonl` to measure on. The files in the package
are overwritten; the same folder and the same versions of the lists make the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from guardrails.modules.names import lexicon as format_
from guardrails.modules.names import tagger
from training import corpus, fit, lexicon, plain, scores, words
from training.generator import Generator

PACKAGE = Path(format_.__file__).parent
SEED, GENERATED, PLAIN = 1, 24_000, 2_500


def make(folder: Path) -> None:
    """Write the three files of the package."""
    text = lexicon.make()
    _write(format_.FILE, text)
    _write(format_.JOBS, lexicon.jobs())
    sequences = []
    for name, rows in corpus.training(folder, words.NATIONS):
        sequences += list(corpus.sequences([*rows, *corpus.recased(rows, SEED)]))
        print(f"{name:24}{len(rows):7} texts", flush=True)
    sequences += list(corpus.sequences(list(Generator(SEED).rows(GENERATED))))
    sequences += list(corpus.sequences(list(plain.rows(SEED, PLAIN))))
    print(
        f"{'generated':24}{GENERATED:7} texts\n{'without names':24}{PLAIN:7} texts\ntraining on {sum(len(w.texts) for w, _ in sequences):,} words",
        flush=True,
    )
    states, transitions = fit.train(sequences, format_.parse(text))
    _write(tagger.FILE, fit.pack(states, transitions))


def _write(name: str, content: str | bytes) -> None:
    data = lexicon.pack(content)
    (PACKAGE / name).write_bytes(data)
    print(f"{name:24}{len(data):7,} bytes", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Make the files unless told not to, then measure."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scores", action="store_true", help="only measure what the package has")
    asked = parser.parse_args(arguments)
    if not asked.folder.is_dir() or not list(asked.folder.glob("*.jsonl")):
        print(f"{asked.folder}: no folder with .jsonl files", file=sys.stderr)
        return 2
    if not asked.scores:
        make(asked.folder)
    for path in sorted(asked.folder.glob("dev_*.jsonl")):
        scores.report(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
