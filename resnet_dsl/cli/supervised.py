"""Work in a process of its own, which may die of what it runs: the one that started it says what of.

A framework that breaks takes its process along: by a bad access, by an exit of its own, or by the
kernel where memory runs out. So the work is done in a copy of the process, made before anything is
imported that a copy could break, and what is begun is told through a pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

Announce = Callable[[str, str], None]
"""Told what is begun: of which backend, or of none, and what."""

DONE, RAISED = "done", "raised"
PR_SET_PDEATHSIG = 1  # of Linux' prctl: the copy ends with the process that it is a copy of


class ProcessDied(Exception):
    """The process of the work ended before the work did; with what was begun last."""

    def __init__(self, backend: str, doing: str, end: str) -> None:
        super().__init__(f"its process ended by {end}")
        self.backend, self.doing = backend, doing


def supervised(work: Callable[[Announce], int]) -> int:
    """Return what the work returns, or raise what it raises; it is done in a copy of this process.

    Raises ProcessDied where the copy dies. The work is done here where no copy can be made safely.
    """
    if not _can_be_copied():
        return work(lambda backend, doing: None)
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    try:
        what, *more = _last_line(reading).split("\t")
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if what == RAISED:
        raise pickle.loads(bytes.fromhex(more[0]))
    if what == DONE:
        return code
    raise ProcessDied(what, more[0], _end(code))


def _end(code: int) -> str:
    if code >= 0:
        return f"an exit with status {code}"
    name = signal.Signals(-code).name
    return f"{name}, as where memory runs out" if name == "SIGKILL" else name


def _can_be_copied() -> bool:
    """Whether a fork is safe, as it is with a single thread, and prints to where this process prints."""
    threads = Path("/proc/self/task")
    return sys.stdout is sys.__stdout__ and threads.is_dir() and len(list(threads.iterdir())) == 1


def _work(work: Callable[[Announce], int], writing: int) -> NoReturn:
    """Do the work, tell how it ended, and end: not by `sys.exit`, since what waits there is another's."""

    def tell(*words: str) -> None:
        os.write(writing, ("\t".join(words) + "\n").encode())

    status = 2
    try:
        _end_with_the_parent()
        tell("", "start")
        status = work(tell)
        sys.stdout.flush()
        tell(DONE)
    except KeyboardInterrupt:
        status = 130
        tell(DONE)
    except BaseException as error:
        tell(RAISED, pickle.dumps(error).hex())
    finally:
        os._exit(status)


def _end_with_the_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _last_line(reading: int) -> str:
    last = ""
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            last = line.rstrip("\n")
    return last
