"""What a verification of training found, as lines to read and as fields of JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.verify.case import InputSize
from resnet_dsl.verify.sensitivity import MARGIN, RUNS
from resnet_dsl.verify.step_errors import Errors, largest
from resnet_dsl.verify.training import BAR, FLOOR, Trained, WholeRun

LISTED = 5  # steps; of more only the worst is shown


def lines_of(training: Sequence[Trained], size: InputSize) -> list[str]:
    """Return the table of all that trained, a column a backend, and what there is to say of it."""
    count = len(training[0].steps)
    rows = [(f"{counted(count, 'step')} of SGD with momentum and weight decay, float64", *_names(training))]
    rows += [(kind, *(_marked(each.errors[kind][0]) for each in training)) for kind in training[0].errors]
    if 1 < count <= LISTED:
        rows += [(f"step {i + 1}", *(_marked(largest(t.steps[i])) for t in training)) for i in range(count)]
    rows.append(("bar of a step from the referee's state", *(f"{BAR:.0e}" for _ in training)))
    runs = [each.run for each in training if each.run is not None]
    if runs:
        rows.append(("all as one run", *(f"{run.error:.1e}" for run in runs)))
        rows.append(("sensitivity of the network", *(_figure(run.sensitivity) for run in runs)))
        rows.append(("bar of the run", *(_bar(each, run) for each, run in zip(training, runs, strict=True))))
    lines = aligned(rows, right=range(1, len(training) + 1))
    for each in training:
        lines += _faults(each)
    return lines + _notes(training, size)


def _names(training: Sequence[Trained]) -> list[str]:
    return [each.backend for each in training]


def _marked(error: float) -> str:
    return f"{error:.1e}" + ("" if error <= BAR else " !")


def _figure(sensitivity: float | None) -> str:
    return "-" if sensitivity is None else f"{sensitivity:.1e}"


def _bar(trained: Trained, run: WholeRun) -> str:
    if not trained.steps_agree:
        return "-"
    return f"{run.bar:.1e}" + ("" if run.passed else " !")


def _faults(trained: Trained) -> list[str]:
    """Where a step is off, and why; a run that is off although its steps are not."""
    cause = f"; likely cause: {trained.cause}" if trained.cause else ""
    off = [(kind, tensor) for kind, (error, tensor) in trained.errors.items() if error > BAR]
    lines = [f"{trained.backend}: {_differ(kind, tensor)}{cause}" for kind, tensor in off]
    if trained.steps_agree and not trained.passed:
        words = "the steps agree one by one, the run does not: something is kept from step to step"
        lines.append(f"{trained.backend}: {words}")
    return ["", *lines] if lines else []


def _differ(kind: str, tensor: str) -> str:
    return f"{kind} differ most in {tensor}" if tensor else f"the {kind} differs"


def _notes(training: Sequence[Trained], size: InputSize) -> list[str]:
    """What the sensitivity is, where one was needed, and what it means if it is large."""
    judged = [(t.backend, t.run) for t in training if t.run is not None and t.run.sensitivity is not None]
    if not judged:
        within = [t for t in training if t.run is not None and t.steps_agree]
        return [f"A run within {FLOOR:.0e} needs no sensitivity."] if within else []
    lines = [
        f"The sensitivity is the largest error of the referee against itself in {RUNS} runs with its weights"
        f" moved in the last bit; a run may differ {MARGIN} times as much."
    ]
    untold = [name for name, run in judged if run.passed and not run.tells]
    if untold:
        where = f" at {size[0]}x{size[1]}" if size else ""
        lines.append(
            f"{', '.join(untold)}: the run as a whole is too ill-conditioned to tell{where}; its steps tell."
        )
    return lines


def as_fields(trained: Trained) -> dict[str, Any]:
    """Return what is said of a backend in JSON."""
    return {
        "backend": trained.backend,
        "steps": len(trained.steps),
        "errors": _errors(trained.errors),
        "each_step": [finite(largest(step)) for step in trained.steps],
        "run": None if trained.run is None else _run(trained, trained.run),
        "cause": trained.cause,
    }


def _run(trained: Trained, run: WholeRun) -> dict[str, Any]:
    judged = trained.steps_agree
    return {
        "error": finite(run.error),
        "errors": _errors(run.errors),
        "sensitivity": None if run.sensitivity is None else finite(run.sensitivity),
        "bar": finite(run.bar) if judged else None,
        "verdict": verdict(run) if judged else "not judged",
    }


def verdict(run: WholeRun) -> str:
    """Return in words whether rounding explains a run, and whether that tells anything."""
    if not run.passed:
        return "different"
    return "same" if run.tells else "too ill-conditioned to tell"


def _errors(errors: Errors) -> dict[str, dict[str, Any]]:
    return {kind: {"error": finite(error), "tensor": tensor} for kind, (error, tensor) in errors.items()}


def finite(error: float) -> float | None:
    """Return an error for JSON, which has no infinity: null says that the results cannot be compared."""
    return error if math.isfinite(error) else None
