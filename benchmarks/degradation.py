"""Deeper plain nets train worse, residual ones do not: He et al. 2015, figures 1 and 4, on real images.

python -m benchmarks.degradation                 trains what is not there yet, prints the table
python -m benchmarks.degradation --write         writes table and picture into docs/
python -m benchmarks.degradation --seeds 5 --epochs 20 --images 0

Plain and residual networks of 20 and 56 layers (the CIFAR family, whose stem strides here) learn
Fashion-MNIST by one recipe, in torch, each seed with its own weights, order and draws. The networks differ in
their shortcuts alone (option A, which has no weights), so they have as many weights.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DATA = Path("/usr/share/datasets/fashion-mnist")
PAGE, PLOT = ROOT / "docs" / "degradation.md", ROOT / "docs" / "degradation.svg"
HEAD = """\
# Plain and residual networks

He et al. 2015 begin with it: deeper plain networks train worse, not for lack of weights, and residual
ones do not (figures 1 and 4). Here it is on Fashion-MNIST, with the networks of the CIFAR family, whose stem
strides, so that two cores do it. Plain and residual networks have the same weights: their shortcuts (option
A) have none. The rate is smaller than the paper's 0.1: with that, and an epoch of warm-up, the residual
network of 56 layers took some of so few epochs to begin to learn, and had 12 to 16 % errors in training after
20 of them (three seeds), that of 20 layers 11 % (one seed).

![errors by epoch](degradation.svg)

"""
PATTERNS = {"plain": "cifar_plain", "residual": "cifar_resnet"}
DEPTHS = {20: 3, 56: 9}
BATCH, HELD_OUT = 64, 2000
RATE = 0.02  # with 0.1 the residual network of 56 layers takes some of its few epochs to begin to learn
RECIPE = """\
use {pattern}

model {name} {{
    base: {pattern}(n={n})
    input: 1x28x28
    stem: conv(16, 3x3, stride=2) -> bn -> relu
    expect: []
}}

recipe degradation {{
    model: {name}
    data: images("{data}", validation={held_out}{subset})
    train: pad(2) -> crop(28) -> flip -> normalise
    batch: {batch}
    epochs: {epochs}
    optimiser: sgd(lr={rate}, momentum=0.9, weight_decay=1e-4)
    schedule: steps(at=[{first}, {second}])
    loss: cross_entropy
    evaluate: top1
}}
"""


class Setting(NamedTuple):
    """What is trained how long."""

    epochs: int
    images: int
    folder: Path


class Network(NamedTuple):
    """A plain or a residual network of a depth."""

    kind: str
    depth: int

    @property
    def name(self) -> str:
        return f"{self.kind}{self.depth}"


class Curve(NamedTuple):
    """Errors in percent by epoch, and what was left at the end, of one seed."""

    train: list[float]
    held_out: list[float]
    loss: float
    seconds: float


NETWORKS = tuple(Network(kind, depth) for kind in PATTERNS for depth in DEPTHS)


def recipe_text(network: Network, setting: Setting) -> str:
    subset = f", subset={setting.images}" if setting.images else ""
    return RECIPE.format(
        name=network.name, pattern=PATTERNS[network.kind], n=DEPTHS[network.depth],
        data=DATA, subset=subset, held_out=HELD_OUT, batch=BATCH, rate=RATE,
        epochs=setting.epochs, first=max(3 * setting.epochs // 4, 1), second=max(7 * setting.epochs // 8, 2),
    )  # fmt: skip


def trained(network: Network, seed: int, setting: Setting) -> Curve:
    """Train, unless that was done, and return the curve; a run that was stopped goes on."""
    out = setting.folder / f"{network.name}-{setting.epochs}-{setting.images}-{seed}"
    if not (out / "card.md").exists():
        out.mkdir(parents=True, exist_ok=True)
        spec = out / f"{network.name}.resnet"
        spec.write_text(recipe_text(network, setting), encoding="utf-8")
        command = [sys.executable, "-m", "resnet_dsl", "train", str(spec), "--recipe", "degradation"]
        command += [
            "--backend",
            "torch",
            "--seed",
            str(seed),
            "--workers",
            "0",
            "--out",
            str(out),
            "--resume",
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{network.name}, seed {seed}:\n{done.stderr}")
    with (out / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    errors = ([100 * (1 - float(row[name])) for row in rows] for name in ("train_top1", "validation_top1"))
    return Curve(*errors, float(rows[-1]["train_loss"]), sum(float(row["seconds"]) for row in rows))


def table(found: dict[Network, list[Curve]]) -> Iterator[str]:
    yield "| network | training loss | training error, % | error on held-out images, % | seconds a run |"
    yield "|---|---|---|---|---|"
    for network, curves in found.items():
        figures = (
            [each.loss for each in curves],
            [each.train[-1] for each in curves],
            [each.held_out[-1] for each in curves],
        )
        cells = (
            f"{mean(each):.{digits}f} ({min(each):.{digits}f} to {max(each):.{digits}f})"
            for each, digits in zip(figures, (3, 1, 1), strict=True)
        )
        seconds = mean(each.seconds for each in curves)
        yield f"| {network.kind}, {network.depth} layers | {' | '.join(cells)} | {seconds:,.0f} |"


def findings(found: dict[Network, list[Curve]]) -> Iterator[str]:
    """Say of each kind whether the deeper network makes more errors in training, whatever the seeds."""
    shallow, deep = DEPTHS
    for kind in PATTERNS:
        few, many = ([each.train[-1] for each in found[Network(kind, depth)]] for depth in (shallow, deep))
        other = "more" if min(many) > max(few) else "fewer" if max(many) < min(few) else ""
        than = f"{other} errors in training than {shallow}, whatever the seeds"
        alike = f"as many errors in training as {shallow}, within what seeds differ by"
        yield f"{kind.capitalize()}: {deep} layers make {than if other else alike}."


def draw(found: dict[Network, list[Curve]], path: Path = PLOT) -> None:
    """Draw errors in training dashed, others solid, plain left and residual right, with the seeds' range."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "degradation", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    colours = dict(zip(DEPTHS, ("tab:orange", "tab:blue"), strict=True))
    for axes, kind in zip(panels, PATTERNS, strict=True):
        for network, curves in found.items():
            if network.kind == kind:
                for what, style in (("train", "--"), ("held_out", "-")):
                    by_epoch = list(zip(*(getattr(each, what) for each in curves), strict=True))
                    epochs = range(1, len(by_epoch) + 1)
                    colour = colours[network.depth]
                    label = f"{network.depth} layers, {what.replace('_', ' ')}"
                    axes.plot(epochs, [mean(each) for each in by_epoch], style, color=colour, label=label)
                    low, high = ([f(each) for each in by_epoch] for f in (min, max))
                    axes.fill_between(epochs, low, high, color=colour, alpha=0.15)
        axes.set(title=kind, xlabel="epoch")
        axes.legend(frameon=False, fontsize="small")
    panels[0].set_ylabel("error, %")
    figure.savefig(path, metadata={"Date": None})


def measured(seeds: Sequence[int], setting: Setting, jobs: int) -> dict[Network, list[Curve]]:
    """Train every network with every seed, the deepest first."""
    tasks = sorted(((n, seed) for n in NETWORKS for seed in seeds), key=lambda task: -task[0].depth)
    with ThreadPoolExecutor(jobs) as pool:
        curves = dict(zip(tasks, pool.map(lambda task: trained(*task, setting), tasks), strict=True))
    return {network: [curves[network, seed] for seed in seeds] for network in NETWORKS}


def main() -> int:
    """Train, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Plain and residual networks of two depths.")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=24, metavar="N", help="(%(default)s)")
    parser.add_argument("--images", type=int, default=6000, metavar="N", help="0: all (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/degradation"), metavar="DIR")
    parser.add_argument("--write", action="store_true", help="table and picture into docs/")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not there: install Debian's dataset-fashion-mnist")
    start, setting = time.time(), Setting(options.epochs, options.images, options.out)
    found = measured(range(options.seeds), setting, options.jobs)
    lines = "\n".join([*table(found), "", *findings(found)])
    command = f"python -m benchmarks.degradation --seeds {options.seeds} --epochs {options.epochs}"
    command += f" --images {options.images} --write"
    said = f"`{command}`: {options.seeds} seeds, mean and range; {options.epochs} epochs of"
    count = options.images or 60_000 - HELD_OUT
    said += f" {count:,} images in batches of {BATCH}, the rate of {RATE} divided by 10 after three quarters"
    said += f" and seven eighths of them; {HELD_OUT:,} other images are held out."
    print(f"{said}\n\n{lines}\n\n{time.time() - start:,.0f} s")
    if options.write:
        draw(found)
        PAGE.write_text(f"{HEAD}{said}\n\n{lines}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
