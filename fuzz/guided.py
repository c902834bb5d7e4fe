"""One process of the guided fuzzer: libFuzzer counts which code a text reaches and keeps what is new.

It is started by `fuzz.front_end`. What it finds and its figures go into a folder; texts that take long
stay out of the way of others. The compiler has to be imported here first, as it is instrumented.
"""

from __future__ import annotations

import gc
import resource
import sys
import zlib
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["resnet_dsl"], enable_loader_override=False):
    from fuzz.invariants import examine
    from fuzz.mutation import LONGEST, mutated, parts, seeds
    from fuzz.run import MEMORY, SLOW, Run

    examine("model warm { stages: [1]  block: basic }")  # what is imported where it is needed


class Guided(Run):
    """A run whose texts libFuzzer chooses."""

    def __init__(self, folder: Path, runs: int) -> None:
        super().__init__(folder, runs)
        self.slow: set[int] = set()
        self.seeds = seeds()

    def take(self, data: bytes) -> None:
        """Examine one text; what takes long, or was found, is not changed further."""
        outcome, taken = self.execute(data.decode("utf-8", errors="replace"))
        if taken > SLOW or outcome == "found":
            self.slow.add(zlib.crc32(data))

    def change(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Return another text: mostly one that still reads as a spec, at times with other bytes."""
        chance = Random(seed)
        if chance.random() < 0.1 and len(data) < max_size:
            return bytes(atheris.Mutate(data, max_size))
        fresh = zlib.crc32(data) in self.slow or len(data) < 4 or chance.random() < 0.05
        text = chance.choice(self.seeds) if fresh else data.decode("utf-8", errors="replace")
        return mutated(text, chance).encode("utf-8", errors="replace")[:max_size]


def main(folder: Path, runs: int, seconds: int, seed: int) -> None:
    """Run until there were so many executions, or for so many seconds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    (folder / "seeds").mkdir(parents=True)
    (folder / "kept").mkdir()
    run = Guided(folder, runs)
    for index, text in enumerate(run.seeds):
        (folder / "seeds" / f"{index:04}").write_text(text, encoding="utf-8")
    parts()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # trees live as long as one execution
    options = [f"-seed={seed + 1}", f"-max_len={2 * LONGEST}", f"-runs={runs}", f"-max_total_time={seconds}"]
    options += ["-timeout=600", "-report_slow_units=600", "-rss_limit_mb=0", f"-artifact_prefix={folder}/"]
    options += ["-mutate_depth=2"]  # a mutation is several changes as it is
    atheris.Setup(
        [sys.argv[0], *options, str(folder / "kept"), str(folder / "seeds")],
        run.take, custom_mutator=run.change,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
