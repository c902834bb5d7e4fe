"""How cost grows with depth: ResNets of 6n + 2 layers for CIFAR-10, checked, written and built."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from benchmarks.measuring import second_run, whole

DEPTHS = (3, 9, 18, 200, 1000)
PLOT = Path(__file__).resolve().parent.parent / "docs" / "growth.svg"
CHECK = "`check`, the whole process"
WORKS = {
    "text to live torch model": "import resnet_dsl, torch\n"
    "def work():\n    resnet_dsl.load('resnet20', n={n}).build('torch')\n",
    "text and weights to ONNX": "import resnet_dsl\n"
    "from resnet_dsl.backend.discovery import find_backend\n"
    "model, onnx = resnet_dsl.load('resnet20', n={n}), find_backend('onnx')\n"
    "state = model.state(seed=0)\n"
    "def work():\n    list(onnx.render(model.program, state))\n",
}


def seconds(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Return the CPU time of each work at each depth: the median over the rounds."""
    command = [sys.executable, "-m", "resnet_dsl", "check", "resnet20", "--set"]
    found = {CHECK: [median(whole([*command, f"n={n}"], folder).cpu for _ in range(rounds)) for n in DEPTHS]}
    for name, source in WORKS.items():
        runs = [[second_run(source.format(n=n), folder).cpu for _ in range(rounds)] for n in DEPTHS]
        found[name] = [median(each) for each in runs]
    return found


def draw(found: dict[str, list[float]], path: Path = PLOT) -> None:
    """Draw the figures over the number of layers, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    layers = [6 * n + 2 for n in DEPTHS]
    for name, values in found.items():
        axes.loglog(layers, values, marker="o", label=name.replace("`", ""))
    axes.loglog(layers, [found[CHECK][0] * each / layers[0] for each in layers], "k:", label="in proportion")
    axes.set_xlabel("layers")
    axes.set_ylabel("seconds of CPU")
    axes.set_xticks(layers, [f"{each:,}" for each in layers], minor=False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def table(found: dict[str, list[float]]) -> str:
    """Return the figures as a table: a line a work, a column a depth."""
    head = "| seconds of CPU, layers | " + " | ".join(f"{6 * n + 2:,}" for n in DEPTHS) + " |"
    lines = [
        f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |" for name, values in found.items()
    ]
    return "\n".join([head, "|---" * (1 + len(DEPTHS)) + "|", *lines])
