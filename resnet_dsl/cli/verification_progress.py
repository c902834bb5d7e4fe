"""How far a verification is, whose backends are at work in processes of their own."""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Mapping

from resnet_dsl.backend.interface import Backend
from resnet_dsl.cli.progress_line import WIPED
from resnet_dsl.progress import LongTask

PHASES = 4  # import, start, float64 and float32
COUNT = struct.Struct("I")


class VerificationProgress:
    """What the backends have begun, in memory that copies of this process share: each counts for itself."""

    def __init__(self, backends: Mapping[str, Backend], steps: int) -> None:
        self._places = {name: COUNT.size * place for place, name in enumerate(backends)}
        self._counts = mmap.mmap(-1, COUNT.size * max(1, len(backends)))
        training = steps + 2 if steps else 0  # models, each step, and the run as a whole
        trained = sum(training for backend in backends.values() if backend.trainer is not None)
        self.task = LongTask("verifying", PHASES * len(backends) + trained, "steps")
        self.task.advance(0)  # from here on time counts

    def begin(self, backend: str, doing: str) -> None:
        """Note what is begun: all that was begun before it by the same backend is done."""
        if backend not in self._places:
            return
        place = self._places[backend]
        (begun,) = COUNT.unpack_from(self._counts, place)
        COUNT.pack_into(self._counts, place, begun + 1)
        counts = (COUNT.unpack_from(self._counts, other)[0] for other in self._places.values())
        self.task.what = f"verifying, {backend} {doing}"
        self.task.done = sum(max(0, count - 1) for count in counts)
        self.task.advance(0)

    def end(self) -> None:
        """Leave an empty line where a copy may have left its own."""
        if sys.stderr.isatty():
            sys.stderr.write(WIPED)
            sys.stderr.flush()
