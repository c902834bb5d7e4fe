"""Random texts for parser, checks, formatter and messages; exit status 1 if one of them breaks a promise.

python -m fuzz.front_end --executions 1000000 --seed 0 --jobs 2
python -m fuzz.front_end --minutes 10
python -m fuzz.front_end --unguided …        without coverage and atheris, twice as fast
python -m fuzz.front_end --replay            the corpus alone, without atheris
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CORPUS = FOLDER / "corpus"
LAST = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")


@dataclass(frozen=True)
class Figures:
    """What the processes of a run came to."""

    outcomes: Counter[str]
    seconds: float
    cpu: float
    slowest: float
    peak: float
    coverage: int
    features: int
    corpus: int

    def __str__(self) -> str:
        total = self.outcomes.total()
        rates = (total / max(seconds, 1e-9) for seconds in (self.seconds, self.cpu))
        parts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common())
        return "\n".join((
            f"executions     {total:,} ({parts})",
            "rate           {:,.0f}/s, {:,.0f} a CPU second".format(*rates),
            f"coverage       {self.coverage:,} edges, {self.features:,} features, {self.corpus:,} texts kept"
            if self.coverage else "coverage       not measured",
            f"slowest text   {self.slowest:.2f} s of CPU",
            f"memory         {self.peak:.0f} MB at most",
        ))  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the figures, write down what was found; return the exit status."""
    options = _options(argv)
    if options.replay:
        return _report(replayed(CORPUS.glob("*.resnet")), "texts of the corpus")
    if not options.unguided and importlib.util.find_spec("atheris") is None:
        print("error: atheris is not installed here: pip install 'resnet-dsl[fuzz]'", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        early = _run(Path(folder), options)
        print(_figures(sorted(Path(folder).iterdir())))
        print(f"seed           {options.seed}, in {options.jobs} processes")
        return _report([*early, *_found(Path(folder))], "findings")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.front_end", description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=0, help="how many texts (no limit without it)")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long (no limit without it)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--unguided", action="store_true", help="changes alone, without coverage")
    parser.add_argument("--replay", action="store_true", help="examine the corpus and nothing else")
    options = parser.parse_args(argv)
    if not (options.executions or options.minutes or options.replay):
        options.minutes = 1.0
    return options


# --- the processes -----------------------------------------------------------------------------


def _run(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run the processes to their end; return what is to say of those that ended before."""
    runs = -(-options.executions // options.jobs) if options.executions else 1 << 30
    seconds = round(60 * options.minutes) if options.minutes else 1 << 30
    module = "fuzz.unguided" if options.unguided else "fuzz.guided"
    started = []
    for job in range(options.jobs):
        home = folder / str(job)
        home.mkdir()
        numbers = map(str, (runs, seconds, 1000 * options.seed + job))
        command = [sys.executable, "-m", module, str(home), *numbers]
        with (home / "log").open("wb") as log:
            started.append(
                subprocess.Popen(command, stdout=log, stderr=log, cwd=FOLDER.parent, env=_environment())
            )
    statuses = [process.wait() for process in started]
    logs = [(folder / str(job) / "log").read_text("utf-8", "replace") for job in range(options.jobs)]
    return [
        f"a process ended with {status}, before its time:\n{log[-2000:]}"
        for status, log in zip(statuses, logs, strict=True)
        if status
    ]


def _environment() -> dict[str, str]:
    paths = (str(FOLDER.parent), str(FOLDER.parent / "backends"), os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _figures(homes: Iterable[Path]) -> Figures:
    read, covered = [], []
    for home in homes:
        log = (home / "log").read_text(encoding="utf-8", errors="replace")
        try:
            read.append(json.loads((home / "figures.json").read_text()))
        except FileNotFoundError:
            raise SystemExit(f"error: a process did not start:\n{log[-2000:]}") from None
        covered += [tuple(map(int, line)) for line in LAST.findall(log)[-1:]]
    return Figures(
        outcomes=sum((Counter(one["outcomes"]) for one in read), Counter()),
        seconds=max(one["seconds"] for one in read),
        cpu=sum(one["cpu"] for one in read),
        slowest=max(one["slowest"] for one in read),
        peak=max(one["peak"] for one in read),
        coverage=max((line[0] for line in covered), default=0),
        features=max((line[1] for line in covered), default=0),
        corpus=sum(line[2] for line in covered),
    )


# --- what was found ----------------------------------------------------------------------------


def _found(folder: Path) -> list[str]:
    """Confirm, shorten and keep what the processes found: instrumented code is slower than it should be."""
    from fuzz.findings import confirmed, minimised, save
    from fuzz.invariants import examine

    found = {}
    for path in sorted(folder.rglob("found_*.resnet"), key=lambda path: path.stat().st_size):
        finding = confirmed(path.read_text(encoding="utf-8"), examine)
        if finding is not None and finding.key not in found:
            found[finding.key] = minimised(finding, examine)
    for finding in found.values():
        save(CORPUS, finding)
    return [f"corpus/{one.name}.resnet: {one.message}\n{one.text!r}" for one in found.values()]


def replayed(paths: Iterable[Path]) -> list[str]:
    """Return what does not hold of the texts of files."""
    from fuzz.findings import confirmed
    from fuzz.invariants import examine

    found = ((path, confirmed(path.read_text(encoding="utf-8"), examine)) for path in sorted(paths))
    return [f"{path.name}: {finding.message}" for path, finding in found if finding is not None]


def _report(found: Sequence[str], what: str) -> int:
    for line in found:
        print(f"\n{line}")
    print(f"failures       {len(found)}" if what == "findings" else f"{what}: {len(found)} failures")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
