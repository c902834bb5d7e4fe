"""How much of the compiler the tests hold in place: small faults are put in, and the tests have to see each.

    python -m tools.mutate                         a sample of every area, on two processes
    python -m tools.mutate --areas rules --sample 100 --seed 1 --output survivors.md

Each mutant is written into a copy of the tree, and of the area's tests those that run its line (coverage
knows which) are run there, the quick ones first, until one fails. A mutant is killed by a test that fails
or does not end, and survives otherwise; one that no test runs survives.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from pathlib import Path
from py_compile import PycInvalidationMode

import coverage
import pytest

from tools.mutants import AREAS, Mutant, files_of, mutants

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = ("numpy", "torch", "tensorflow", "keras", "onnx", "onnxruntime", "onnx.reference")
PATIENCE = 10  # times the CPU a child may take is how long it may take
SECONDS = 90.0  # of tests at most for one mutant, by the times that they take on the unchanged tree


@dataclass(frozen=True)
class Coverage:
    """Which tests run which line, and how long each takes; a line that runs on import has all of them."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that run the mutant's line, the quick ones first, up to `SECONDS`."""
        names = self.lines.get(mutant.file, {}).get(mutant.line, [])
        on_import = "" in names
        chosen, total = [], 0.0
        for name in sorted(
            self.seconds if on_import else set(names) & set(self.seconds), key=self.seconds.__getitem__
        ):
            total += self.seconds[name]
            if total > SECONDS:
                break
            chosen.append(name)
        return chosen


def copy_tree(to: Path) -> None:
    """Copy the files of the project, compiled; a changed one is known by its contents, not by its time."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    # Some tests ask git for the files of the project.
    subprocess.run(["git", "init", "--quiet", to], check=True)
    subprocess.run(["git", "-C", to, "add", "--all"], check=True)
    compileall.compile_dir(to, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def _pytest(folder: Path, arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """Run tests of a copy of the tree in this process, which is a child made for it."""
    os.chdir(folder)
    sys.path[:0] = [str(folder), str(folder / "backends")]
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{folder / 'backends'}"
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    common = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=line"]
    return int(pytest.main([*common, *arguments], plugins=list(plugins)))


def measure(area: str, folder: Path, output: Path, marked: str) -> int:
    """Run the tests of an area on the unchanged tree, and write down which lines each runs, and its time."""
    files = [str(folder / file) for file in files_of(area)]
    recorder = coverage.Coverage(data_file=None, include=files, messages=False)
    seconds: dict[str, float] = {}

    class Recorder:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
            recorder.switch_context(item.nodeid)
            start = time.perf_counter()
            result = yield
            seconds[item.nodeid] = time.perf_counter() - start
            recorder.switch_context("")
            return result

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                failed.add(report.nodeid)

    failed: set[str] = set()
    recorder.start()
    tests = [f"tests/test_{name}.py" for name in AREAS[area].tests]
    there = [test for test in tests if (folder / test).exists()]
    status = _pytest(folder, ["-m", marked, *there], [Recorder()])
    recorder.stop()
    data = recorder.get_data()
    lines = {
        str(Path(file).relative_to(folder)): dict(data.contexts_by_lineno(file))
        for file in data.measured_files()
    }
    passing = {name: value for name, value in seconds.items() if name not in failed}
    output.write_text(json.dumps({"lines": lines, "seconds": passing}))
    if failed:
        print(
            f"{area}: left out, as they fail on the unchanged tree: {', '.join(sorted(failed))}",
            file=sys.stderr,
        )
    return status


def _coverage(path: Path) -> Coverage:
    data = json.loads(path.read_text())
    lines = {
        file: {int(line): names for line, names in by_line.items()} for file, by_line in data["lines"].items()
    }
    return Coverage(lines, data["seconds"])


@dataclass
class Running:
    """A child that tries a mutant in a copy of the tree."""

    mutant: Mutant
    folder: Path
    ends: float


def try_mutants(
    todo: list[Mutant], known: dict[str, Coverage], jobs: int, scratch: Path
) -> dict[Mutant, str]:
    """Try each mutant in a child of this process, which has the frameworks loaded; return its fate."""
    log = scratch / "log"
    for name in FRAMEWORKS:
        __import__(name)
    folders = [scratch / f"copy{n}" for n in range(jobs)]
    for folder in folders:
        copy_tree(folder)
    fates: dict[Mutant, str] = {}
    running: dict[int, Running] = {}
    queue = list(reversed(todo))
    while queue or running:
        while queue and folders:
            mutant = queue.pop()
            tests = known[mutant.area].tests(mutant)
            if not tests:
                fates[mutant] = "survived: no test runs it"
                continue
            folder = folders.pop()
            limit = 40 + 5 * sum(known[mutant.area].seconds[test] for test in tests)
            child = _child(mutant, folder, tests, log, limit)
            running[child] = Running(mutant, folder, time.monotonic() + PATIENCE * limit)
        for child, run in list(running.items()):
            fate = _fate(child, run)
            if fate:
                fates[run.mutant] = fate
                (run.folder / run.mutant.file).write_text((ROOT / run.mutant.file).read_text())
                folders.append(run.folder)
                del running[child]
                _tell(len(fates), len(todo), run.mutant, fate)
        time.sleep(0.05)
    return fates


def _child(mutant: Mutant, folder: Path, tests: list[str], log: Path, limit: float) -> int:
    (folder / mutant.file).write_text(mutant.source)
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    # Of CPU, as other processes may hold this one up for as long as they like.
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(limit), ceil(limit) + 5))
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    status = 3
    with suppress(BaseException):
        status = _pytest(folder, [*tests, "-x"])
    os._exit(status)


def _fate(child: int, run: Running) -> str:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
    if time.monotonic() < run.ends:
        return ""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed: it does not end"


def _tell(done: int, total: int, mutant: Mutant, fate: str) -> None:
    print(f"{done}/{total} {fate:<9} {mutant.file}:{mutant.line} {mutant.change(ROOT)}", flush=True)


def report(fates: dict[Mutant, str], seed: int) -> str:
    """The score of each area as a table, and the survivors by place."""
    lines = ["| area | mutants | killed | score | bar |", "|---|---|---|---|---|"]
    survivors = [mutant for mutant, fate in fates.items() if fate.startswith("survived")]
    for name in AREAS:
        tried = [mutant for mutant in fates if mutant.area == name]
        if tried:
            killed = len(tried) - sum(mutant.area == name for mutant in survivors)
            score = f"{killed / len(tried):.1%}"
            lines.append(f"| {name} | {len(tried)} | {killed} | {score} | {AREAS[name].bar:.0%} |")
    lines += ["", f"Seed {seed}. The survivors:", ""]
    for mutant in sorted(survivors, key=lambda one: (one.file, one.line)):
        note = ", which no test runs" if "no test" in fates[mutant] else ""
        lines.append(f"- `{mutant.file}:{mutant.line}`{note}: {mutant.change(ROOT)}")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw mutants, measure the tests, try each mutant; status 1 if an area is below its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--areas", default=",".join(AREAS), help="comma-separated: " + ", ".join(AREAS))
    parser.add_argument("--sample", type=int, default=120, help="mutants of each area")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, help="where the report goes, too")
    parser.add_argument("--measured", type=Path, help="keeps which tests run what, for the next run")
    parser.add_argument("--quick", action="store_true", help="by the tests that are not slow alone")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        area, folder, output, marked = options.measure
        return measure(area, Path(folder), Path(output), marked)
    areas = [name for name in options.areas.split(",") if name]
    if unknown := set(areas) - set(AREAS):
        parser.error(f"no such area: {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        kept = options.measured or scratch
        kept.mkdir(parents=True, exist_ok=True)
        known = _measured(areas, scratch, kept, options.jobs, "not slow" if options.quick else "")
        drawn = [mutants(area, options.sample, options.seed) for area in areas]
        todo = [mutant for turn in zip_longest(*drawn) for mutant in turn if mutant is not None]
        fates = try_mutants(todo, known, options.jobs, scratch)
    text = report(fates, options.seed)
    print(text)
    if options.output:
        options.output.write_text(text)
    return int(any(_score(fates, area) < AREAS[area].bar for area in areas))


def _score(fates: dict[Mutant, str], area: str) -> float:
    tried = [fate for mutant, fate in fates.items() if mutant.area == area]
    return sum(not fate.startswith("survived") for fate in tried) / max(len(tried), 1)


def _measured(areas: list[str], scratch: Path, kept: Path, jobs: int, marked: str) -> dict[str, Coverage]:
    """Measure the tests of each area in a process and a copy of its own, `jobs` at a time."""
    waiting = [area for area in areas if not (kept / f"{area}.json").exists()]
    running = list[subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            area = waiting.pop(0)
            folder = scratch / f"measured_{area}"
            copy_tree(folder)
            command = [
                sys.executable,
                __file__,
                "--measure",
                area,
                str(folder),
                str(kept / f"{area}.json"),
                marked,
            ]
            print(f"{area}: the tests on the unchanged tree", flush=True)
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT))
        running = [process for process in running if process.poll() is None]
        time.sleep(0.2)
    return {area: _coverage(kept / f"{area}.json") for area in areas}


if __name__ == "__main__":
    sys.exit(main())
