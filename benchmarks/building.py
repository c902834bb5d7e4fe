"""Measure emission, conversion and building against the tools that do the same, a check of a deep network
against that of a shallow one, and print a table.

    python -m benchmarks.building [--rounds N] [NAME…]

Ours and theirs run in turns, each in a process of its own; a cell is the median over the rounds of the CPU
time (user and system) of the work alone, or of the whole process where the work is a command. `NAME` is a
row's, such as `torch/seed`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# torchvision's operators are compiled for one build of torch; no model here uses them.
TORCHVISION = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from torchvision.models import resnet50
"""
OURS = "import resnet_dsl\n"
TWICE = """
import time
work()
taken = time.process_time()
work()
print(time.process_time() - taken)
"""
"""The second run is measured: imports, and templates that are compiled once, are another row's."""
EXPORT = "torch.onnx.export(resnet50().eval(), torch.zeros(1, 3, 224, 224), 'theirs.onnx', dynamo={})"


@dataclass(frozen=True)
class Row:
    """A piece of work, ours and theirs: source that defines `work`, or of a whole process."""

    name: str
    goal: float
    ours: str
    theirs: str
    whole: bool = False


def _defined(before: str, line: str) -> str:
    return f"{before}\ndef work():\n    {line}\n"


def _built(asked: str) -> str:
    return _defined(OURS + "import torch\n", f"resnet_dsl.load('resnet50').build('torch'{asked})")


EMIT = _defined(
    OURS
    + "from pathlib import Path\nfrom resnet_dsl.backend.artefacts import Artefact, write_together, sealed\n"
    "from resnet_dsl.backend.discovery import find_backend\n"
    "model = resnet_dsl.load('resnet50')\nstate = model.state(seed=0)\nonnx = find_backend('onnx')\n",
    "write_together([Artefact(Path('ours.onnx'), sealed(onnx.render(model.program, state)))])",
)
CONVERT = "from resnet_dsl.cli.main import main\nmain(['weights', 'convert', '--spec', 'resnet152', "
COPY = (
    "from safetensors.numpy import load_file, save_file\nsave_file(load_file('r152.safetensors'), 'theirs')\n"
)
CHECK = "from resnet_dsl.cli.main import main\nmain(['check', "
SHALLOW = f"{CHECK}'resnet20'])"
CONSTRUCTOR = _defined(TORCHVISION, "resnet50()")
ROWS = (
    Row("onnx/dynamo", 1 / 75, EMIT, _defined(TORCHVISION, EXPORT.format(True))),
    Row("onnx/torchscript", 1 / 16, EMIT, _defined(TORCHVISION, EXPORT.format(False))),
    Row(
        "convert/safetensors",
        1.3,
        f"{CONVERT}'r152.safetensors', 'ours.safetensors', '--force'])",
        COPY,
        True,
    ),
    Row("convert/onnx", 2.0, f"{CONVERT}'r152.safetensors', 'ours.onnx', '--force'])", COPY, True),
    Row("torch/start", 0.65, _built(""), CONSTRUCTOR),
    Row("torch/file", 0.3, _built(", weights='r50.safetensors'"), CONSTRUCTOR),
    Row("torch/seed", 2.5, _built(", seed=0"), CONSTRUCTOR),
    Row("check/1202", 1.15, f"{CHECK}'resnet1202'])", SHALLOW, True),
    Row("check/6002", 1.3, f"{CHECK}'cifar_resnet', '--set', 'n=1000'])", SHALLOW, True),
)


def seconds(source: str, whole: bool, folder: Path) -> float:
    """Return the CPU time that a piece of work takes in a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    path = os.pathsep.join(str(Path(place).resolve()) for place in sys.path if place)
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", source if whole else source + TWICE],
        cwd=folder, env={**os.environ, **threads, "PYTHONPATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = os.times()
    if whole:
        return after.children_user + after.children_system - before.children_user - before.children_system
    return float(done.stdout.split()[-1])


def rows(names: list[str], rounds: int, folder: Path) -> Iterator[str]:
    """Yield the rows asked for."""
    for spec, file in (("resnet50", "r50"), ("resnet152", "r152")):
        made = f"main(['weights', 'init', '{spec}', '-o', '{file}.safetensors'])"
        seconds(f"from resnet_dsl.cli.main import main\n{made}", True, folder)
    yield "| work | ours, s | theirs, s | ratio | to reach |"
    yield "|---|---|---|---|---|"
    for row in (row for row in ROWS if not names or row.name in names):
        pairs = [
            (seconds(row.ours, row.whole, folder), seconds(row.theirs, row.whole, folder))
            for _ in range(rounds)
        ]
        ours, theirs = (median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = median(a / b for a, b in pairs)
        yield f"| {row.name} | {ours:.3f} | {theirs:.3f} | {ratio:.3f} | {row.goal:.3f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in rows(options.names, options.rounds, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
