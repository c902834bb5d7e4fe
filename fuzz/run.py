"""The executions of one fuzzing process: what came of each text, what was found, and the figures."""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from pathlib import Path

from fuzz.findings import Finding, save
from fuzz.invariants import examine

SLOW = 0.1  # seconds: what takes longer is not changed further
EVERY = 0.5  # seconds between two notes of the figures
MEMORY = 4 << 30


class Run:
    """The executions of one process; findings and figures go into a folder."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder, self.runs = folder, runs
        self.outcomes: Counter[str] = Counter()
        self.start = self.noted = time.monotonic()
        self.deepest = 0.0

    def execute(self, text: str) -> tuple[str, float]:
        """Examine one text and return what came of it, and its time; what does not hold is kept."""
        start = time.process_time()
        try:
            outcome = examine(text)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            outcome = "found"
            save(self.folder, Finding.of(text, error))
        taken = time.process_time() - start
        self.deepest = max(self.deepest, taken)
        self.outcomes[outcome] += 1
        if time.monotonic() - self.noted > EVERY or self.outcomes.total() >= self.runs:
            self.note()
        return outcome, taken

    def note(self) -> None:
        """Write the figures down: libFuzzer ends the process itself."""
        self.noted = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = {
            "outcomes": self.outcomes,
            "seconds": self.noted - self.start,
            "cpu": time.process_time(),
            "slowest": self.deepest,
            "peak": peak,
        }
        (self.folder / "figures.json").write_text(json.dumps(figures))
