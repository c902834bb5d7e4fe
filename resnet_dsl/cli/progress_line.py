"""A line on the terminal that says how far a task is, how fast it goes and when it ends.

It is shown where stderr is a terminal, of tasks that take longer than a moment, and is wiped out at their
end: what is printed then begins on an empty line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.progress import LongTask, listening
from resnet_dsl.records import dataclass, field

MOMENT = 0.5
"""Seconds after which a task is worth a line."""
BETWEEN = 0.1
"""Seconds from one line to the next."""
WIPED = "\r\x1b[K"
PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass
class ProgressLine:
    """The line of a stream, for the task that told something last."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    begun: dict[int, tuple[LongTask, float]] = field(default_factory=dict)
    shown_at: float | None = None

    def __call__(self, task: LongTask) -> None:
        """Show how far a task is, unless it was shown just now or is nearly new."""
        now = self.clock()
        _, begun = self.begun.setdefault(id(task), (task, now))  # held, so that no other has its id
        early = now - begun < MOMENT
        if early or (self.shown_at is not None and now - self.shown_at < BETWEEN):
            return
        self.shown_at = now
        self.stream.write(WIPED + line_of(task, now - begun))
        self.stream.flush()

    def wipe(self) -> None:
        """Leave an empty line."""
        if self.shown_at is not None:
            self.stream.write(WIPED)
            self.stream.flush()
            self.shown_at = None


def line_of(task: LongTask, seconds: float) -> str:
    """Return how far a task is after so many seconds: `reading x.pth: 45 %, 310.0 MB/s, 2 s left`."""
    share = min(task.done / task.total, 1.0) if task.total else 1.0
    rate = task.done / seconds
    left = (task.total - task.done) / rate if rate else 0.0
    return f"{printable(task.what)}: {share:.0%}, {_amount(rate, task.unit)}/s, {max(left, 0.0):.0f} s left"


def _amount(count: float, unit: str) -> str:
    for factor, prefix in PREFIXES:
        if count >= factor:
            return f"{count / factor:.1f} {prefix}{unit}"
    return f"{count:.0f} {unit}" if count >= 1 else f"{count:.1g} {unit}"


@contextmanager
def progress_shown(stream: TextIO | None = None) -> Iterator[None]:
    """Show meanwhile how far tasks are, if stderr is a terminal."""
    to = stream or sys.stderr
    if not to.isatty():
        yield
        return
    line = ProgressLine(to)
    try:
        with listening(line):
            yield
    finally:
        line.wipe()
