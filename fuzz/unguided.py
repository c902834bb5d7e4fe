"""One process of random texts without coverage: about twice as many a second, and atheris is not needed.

It is started by `fuzz.front_end --unguided`. Each text is made of another by changes of its syntax tree, its
words or its characters; one that parses is often changed further, one in five starts from a seed.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from pathlib import Path
from random import Random

from fuzz.mutation import LONGEST, mutated, parts, seeds
from fuzz.run import MEMORY, SLOW, Run

FRESH, FURTHER, BYTES = 0.2, 0.7, 0.1  # how often a seed is taken, a text goes on, characters are changed


def main(folder: Path, runs: int, seconds: int, seed: int) -> None:
    """Run until there were so many executions, or for so many seconds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chance, run, texts = Random(seed), Run(folder, runs), seeds()
    parts()
    gc.freeze()
    end = time.monotonic() + seconds
    text = chance.choice(texts)
    while run.outcomes.total() < runs and time.monotonic() < end:
        if chance.random() < FRESH:
            text = chance.choice(texts)
        other = _scrambled(text, chance) if chance.random() < BYTES else mutated(text, chance)
        outcome, taken = run.execute(other[: 2 * LONGEST])
        if outcome in ("refused", "compiled") and taken < SLOW and chance.random() < FURTHER:
            text = other
    run.note()


def _scrambled(text: str, chance: Random) -> str:
    """A text with a few characters taken out, doubled, or exchanged for any other."""
    found = list(text)
    for _ in range(chance.choice((1, 2, 4))):
        at = chance.randrange(len(found) + 1)
        found[at : at + chance.choice((0, 1, 1, 3))] = chance.choice(
            ("", chr(chance.randrange(1, 0x300)), "\U0001f600")
        )
    return "".join(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
