"""Work in processes of its own, which may die of what they run: the one that started them says what of.

A framework that breaks takes its process along: by a bad access, by an exit of its own, or by the
kernel where memory runs out. So the work is done in a copy of the process, made before anything is
imported that a copy could break, and what is begun is told through a pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from resnet_dsl.records import dataclass

Result = TypeVar("Result")
Announce = Callable[[str, str], None]
"""Told what is begun: of which backend, or of none, and what."""

DONE, RAISED = "done", "raised"
INTERRUPTED = 130  # the exit status of a command that a person stops
PR_SET_PDEATHSIG = 1  # of Linux' prctl: the copy ends with the process that it is a copy of


class ProcessDied(Exception):
    """The process of the work ended before the work did; with what was begun last."""

    def __init__(self, backend: str, doing: str, end: str) -> None:
        super().__init__(f"its process ended by {end}")
        self.backend, self.doing = backend, doing


def supervised(work: Callable[[Announce], Result]) -> Result:
    """Return what the work returns, or raise what it raises; it is done in a copy of this process.

    Raises ProcessDied where the copy dies. The work is done here where no copy can be made safely.
    """
    return _started(work).result() if can_be_copied() else work(lambda backend, doing: None)


def side_by_side(works: Iterable[Callable[[Announce], Result]]) -> Iterator[Copy[Result]]:
    """Yield the copies that do the works, in their order, a core each: the next starts as one is taken.

    Only where copies can be made; what a copy gives is asked for before the next copy is.
    """
    left = iter(works)
    cores = len(os.sched_getaffinity(0))
    running = [_started(work) for work in islice(left, cores)]
    while running:
        first = running.pop(0)
        yield first
        running += [_started(work) for work in islice(left, 1)]


@dataclass(frozen=True)
class Copy(Generic[Result]):
    """A copy of this process at work, and where it tells how far it is."""

    process: int
    reading: int

    def result(self) -> Result:
        """Wait for what the work returns, or raise what it raises; ProcessDied where the copy dies."""
        try:
            what, *more = _last_line(self.reading).split("\t")
        finally:
            code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        if what not in (DONE, RAISED):
            raise ProcessDied(what, more[0], _end(code))
        found = pickle.loads(bytes.fromhex(more[0]))
        if what == RAISED:
            raise found
        result: Result = found
        return result


def _started(work: Callable[[Announce], Result]) -> Copy[Result]:
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    return Copy(child, reading)


def _end(code: int) -> str:
    if code >= 0:
        return f"an exit with status {code}"
    name = signal.Signals(-code).name
    return f"{name}, as where memory runs out" if name == "SIGKILL" else name


def can_be_copied() -> bool:
    """Whether a fork is safe, as it is with a single thread, and prints to where this process prints."""
    threads = Path("/proc/self/task")
    return sys.stdout is sys.__stdout__ and threads.is_dir() and len(list(threads.iterdir())) == 1


def _work(work: Callable[[Announce], object], writing: int) -> NoReturn:
    """Do the work, tell how it ended, and end: not by `sys.exit`, since what waits there is another's."""

    def tell(*words: str) -> None:
        left = memoryview(("\t".join(words) + "\n").encode())
        while left:  # a pipe takes as much as it has room for
            left = left[os.write(writing, left) :]

    try:
        _end_with_the_parent()
        tell("", "start")
        done = pickle.dumps(work(tell)).hex()
        sys.stdout.flush()
        tell(DONE, done)
    except KeyboardInterrupt:
        tell(DONE, pickle.dumps(INTERRUPTED).hex())
    except BaseException as error:
        tell(RAISED, pickle.dumps(error).hex())
    finally:
        os._exit(2)


def _end_with_the_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _last_line(reading: int) -> str:
    last = ""
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            last = line.rstrip("\n")
    return last
