"""What a piece of work costs: CPU time and memory of a process of its own, or of turns within one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)  # fmt: skip
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
SECOND_RUN = """
import gc, json, time
def kilobytes(what):
    lines = open("/proc/self/status", encoding="ascii")
    return next(int(line.split()[1]) for line in lines if line.startswith(what + ":"))
work()
gc.collect()
with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
    file.write("5")
held, cpu, wall = kilobytes("VmRSS"), time.process_time(), time.perf_counter()
work()
used = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps([*used, (kilobytes("VmHWM") - held) / 1024]))
"""
"""The second run is measured: imports, and what is compiled once, are the rows' of whole processes.

What the first one left is collected before: that would otherwise fall into the one or the other's second run
by chance, and with TensorFlow's objects takes 0.2 to 0.3 s, half a model.
"""


WARM, RUNS = 2, 5  # of work that is repeated in one process


class BenchmarkError(Exception):
    """A piece of work that failed; the message is what it printed last."""


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU time (user and system) and of the wall clock, and megabytes.

    Those are the most that a process held, or what a piece of work held more than before it.
    """

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True)
class Ratios:
    """What a round's quotients come to: the median, and the quarter of them that is above and below."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Ratios:
        """The median and quartiles of some values, or of one."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)


def whole(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command in a process of its own and return what it cost, the start of the process included."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command)[:200]}\n{output.decode(errors='replace')[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def second_run(source: str, folder: Path) -> Cost:
    """Run source that defines `work`, twice, in a process of its own; return what the second run cost."""
    done = subprocess.run(
        [sys.executable, "-c", source + SECOND_RUN],
        cwd=folder, env=_environment({}), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(done.stderr[-2000:])
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def repeated(work: Callable[[], object]) -> Cost:
    """Run work a few times in this process and return the cost of the median run, without the first two."""
    costs = []
    for _ in range(WARM + RUNS):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        costs.append(Cost(time.process_time() - cpu, time.perf_counter() - wall, 0.0))
    return sorted(costs[WARM:], key=lambda cost: cost.cpu)[RUNS // 2]


def printed(command: list[str]) -> str:
    """Run a command and return what it printed; raises BenchmarkError."""
    done = subprocess.run(command, env=_environment({}), capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(done.stderr[-2000:])
    return done.stdout


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a user with one thread a process, and compiled Python where it can be kept."""
    path = os.pathsep.join(str(Path(place).resolve()) for place in sys.path if place)
    given = {**os.environ, **ONE_THREAD, **QUIET, "PYTHONPATH": path, **more}
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    return given
