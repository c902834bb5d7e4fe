"""What a model needs of memory at a batch size, as `summary --batch` shows it and as JSON."""

from __future__ import annotations

from resnet_dsl.analysis.memory import memory_of
from resnet_dsl.printing.table import headed
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
SAID = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam"}


@dataclass(frozen=True)
class MemoryAsked:
    """For which batch, kind of numbers and optimiser memory is asked for."""

    batch: int = 1
    dtype: str = "float32"
    optimizer: str = "momentum"


def memory_text(program: Program, asked: MemoryAsked) -> str:
    """Return the table of memory, in inference and in training."""
    found = memory_of(program.graph, asked.batch, asked.dtype, asked.optimizer)
    rows = [
        ("memory", "inference", "training"),
        ("weights", _size(found.weights), _size(found.weights)),
        ("gradients", "", _size(found.gradients)),
        ("optimiser", "", _size(found.optimizer)),
        ("activations", _size(found.live), _size(found.kept)),
        ("peak", _size(found.inference), _size(found.training)),
    ]
    how = f"at batch {asked.batch:,}, {asked.dtype}, {SAID[asked.optimizer]}"
    return "\n".join([how, "", *headed(rows, (1, 2)), ""])


def memory_facts(program: Program, asked: MemoryAsked) -> dict[str, object]:
    """Return the same as `summary --format json` has it, in bytes."""
    found = memory_of(program.graph, asked.batch, asked.dtype, asked.optimizer)
    return {
        "batch": asked.batch,
        "dtype": asked.dtype,
        "optimizer": asked.optimizer,
        "weights": found.weights,
        "gradients": found.gradients,
        "optimizer_state": found.optimizer,
        "activations_inference": found.live,
        "activations_training": found.kept,
        "inference": found.inference,
        "training": found.training,
    }


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    for factor, unit in UNITS:
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} B"
