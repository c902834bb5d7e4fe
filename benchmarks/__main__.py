"""Measure every row of the table against its peer, and print it; `--write` puts it into docs/performance.md.

    python -m benchmarks [--rounds N] [--write] [NAME…]

Ours and theirs run in turns, so that what else the machine does meets both alike. A ratio is the median over
the rounds, with the quartiles beside it. `NAME` is a row's, or the part before its slash, such as `torch`.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks import growth
from benchmarks.measuring import BenchmarkError, Cost, Ratios, printed, second_run, whole
from benchmarks.rows import ROWS, Command, Piece, Row, Turn

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
MARKED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)
PACKAGES = (
    "torch", "torchvision", "timm", "tensorflow-cpu", "keras", "onnx", "onnxruntime", "safetensors", "n-orca",
)  # fmt: skip
HEAD = (
    "| work | against | ours | theirs | ratio | quartiles | to reach | |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Result:
    """What a row came to: costs of ours and theirs in seconds, and their quotients."""

    row: Row
    ours: float
    theirs: float | None
    ratio: Ratios

    def __str__(self) -> str:
        goal = self.row.goal
        verdict = "" if goal is None else "reached" if self.ratio.middle <= goal else "not reached"
        cells = (
            self.row.what,
            self.row.against,
            _figure(self.ours),
            "" if self.theirs is None else _figure(self.theirs),
            _figure(self.ratio.middle),
            f"{_figure(self.ratio.low)} to {_figure(self.ratio.high)}",
            "" if goal is None else f"≤ {_figure(goal)}",
            verdict,
        )
        return f"| {' | '.join(cells)} |"


def measured(row: Row, rounds: int, folder: Path) -> Result:
    """Measure a row; raises BenchmarkError where a work fails."""
    pairs = list(_pairs(row, rounds, folder))
    ours = [getattr(one, row.measure) for one, _ in pairs]
    if row.theirs is None and not isinstance(row.ours, Turn):
        return Result(row, median(ours), None, Ratios.of([one / row.unit for one in ours]))
    theirs = [getattr(other, row.measure) for _, other in pairs if other is not None]
    ratio = Ratios.of([one / other for one, other in zip(ours, theirs, strict=True)])
    return Result(row, median(ours), median(theirs), ratio)


def _pairs(row: Row, rounds: int, folder: Path) -> Iterator[tuple[Cost, Cost | None]]:
    """Yield what ours and theirs cost in each round."""
    if isinstance(row.ours, Turn):
        command = [sys.executable, "-m", "benchmarks.turns", row.ours.name]
        for _ in range(rounds):
            ours, theirs = (printed([*command, side]) for side in ("ours", "theirs"))
            yield tuple(Cost(*json.loads(text.splitlines()[-1])) for text in (ours, theirs))
        return
    _cost(row.ours, folder)  # what is kept for the next run is kept by now
    for _ in range(rounds):
        yield _cost(row.ours, folder), None if row.theirs is None else _cost(row.theirs, folder)


def _cost(work: Command | Piece, folder: Path) -> Cost:
    if isinstance(work, Piece):
        return second_run(work.source, folder)
    if not work.empty_home:
        return whole(work.line, folder)
    home = Path(tempfile.mkdtemp(dir=folder))
    home.chmod(0o500)
    try:
        return whole(work.line, folder, {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")})
    finally:
        home.chmod(0o700)
        shutil.rmtree(home)


def _figure(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _machine() -> str:
    """The machine and the versions that the table holds for."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    found = [f"{name} {known}" for name in PACKAGES if (known := _version(name))]
    return f"{model}, {platform.system()}, Python {platform.python_version()}; {', '.join(found)}."


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _named(row: Row, names: Sequence[str]) -> bool:
    return not names or row.name in names or row.name.partition("/")[0] in names


def table(names: Sequence[str], rounds: int, folder: Path) -> Iterator[str]:
    """Yield the table's lines, each when it is known."""
    for spec in ("resnet50", "resnet50_keras", "resnet152"):
        whole(
            [sys.executable, "-m", "resnet_dsl", "weights", "init", spec, "-o", f"{spec}.safetensors"], folder
        )
    yield HEAD
    for row in ROWS:
        if _named(row, names):
            try:
                yield str(measured(row, rounds, folder))
            except BenchmarkError as error:
                yield f"| {row.what} | {row.against} | | | | | | failed |"
                print(f"{row.name}: {error}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, and write it down if asked; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args(argv)
    if options.write and options.names:
        parser.error("--write takes all rows")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for line in table(options.names, options.rounds, Path(folder)):
            print(line, flush=True)
            lines.append(line)
        if not options.names or "growth" in options.names:
            found = growth.seconds(options.rounds, Path(folder))
            lines += ["", growth.table(found)]
            print(f"\n{lines[-1]}")
            if options.write:
                growth.draw(found)
    print(f"\n{_machine()}")
    if options.write:
        text = "\n".join([f"{_machine()} {options.rounds} rounds.", "", *lines, ""])
        PAGE.write_text(MARKED.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
