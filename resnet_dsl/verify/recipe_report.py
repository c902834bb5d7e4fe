"""What a verification of a recipe found, as lines to read and as fields of JSON."""

from __future__ import annotations

import json
from typing import Any

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.verify.recipe_run import RecipeReport, ScriptVerified
from resnet_dsl.verify.script_errors import BAR
from resnet_dsl.verify.sensitivity import MARGIN, RUNS
from resnet_dsl.verify.step_errors import Errors, largest
from resnet_dsl.verify.training_report import finite

LISTED = 20  # steps in the table; of more every so many
KINDS = ("loss", "gradients", "weights", "statistics")


def recipe_text(report: RecipeReport) -> str:
    """Return the report to read."""
    count = max((len(script.steps) for script in report.scripts), default=0)
    lines = [
        f"{report.recipe} trains {report.network}: {counted(count, 'step')} in float64 on {report.data}", "",
    ]  # fmt: skip
    rows = [("largest error against the referee", *(script.name for script in report.scripts))]
    rows += [
        (f"step {i + 1}{_phase(report, i)}", *(_step(s, i) for s in report.scripts)) for i in _listed(count)
    ]
    rows += [(kind, *(_kind(script, kind) for script in report.scripts)) for kind in ("batch", *KINDS)]
    rows.append(("bar of a step", *(_bar(script) for script in report.scripts)))
    lines += aligned(rows, right=range(1, len(report.scripts) + 1))
    lines += [f"{name}: left out, {why}" for name, why in report.left_out]
    if report.sensitivity:
        lines.append(
            f"The bar is {MARGIN} times what the referee differs from itself by in {RUNS} runs with its"
            f" weights moved in the last bit, at least {BAR:.0e}."
        )
    faults = [fault_of(script) for script in report.scripts if not script.passed]
    verdict = "every script takes the referee's steps" if report.passed else "\n".join(faults)
    return "\n".join([*lines, "", verdict])


def fault_of(script: ScriptVerified) -> str:
    """Return in a sentence where a script parts from the referee, in which tensor, and why."""
    if script.failure:
        return f"{script.name}: {script.failure}"
    first = script.first_off
    if first is None:
        return f"{script.name}: took no step"
    step, bar = script.steps[first], script.bars[first]
    words = [_off(kind, *error) for kind, error in step.items() if error[0] > bar]
    right = [kind for kind in KINDS if step[kind][0] <= bar]
    agree = (
        f"; {' and '.join(right)} {'agree' if len(right) > 1 or right[0] != 'loss' else 'agrees'}"
        if right
        else ""
    )
    cause = f"; likely cause: {script.cause}" if script.cause else ""
    return f"{script.name}: step {first + 1} is the first that parts: {', '.join(words)}{agree}{cause}"


def _off(kind: str, error: float, tensor: str) -> str:
    if kind == "batch":
        return "the batch is another"
    if kind == "loss":
        return f"the loss differs by {error:.1e}"
    return f"{kind} differ by {error:.1e}, most in {tensor}"


def _listed(count: int) -> list[int]:
    every = -(-count // LISTED) or 1
    return [i for i in range(count) if i % every == 0 or i == count - 1]


def _phase(report: RecipeReport, step: int) -> str:
    name = report.phases[step] if step < len(report.phases) else ""
    return f" ({name})" if name and (step == 0 or report.phases[step - 1] != name) else ""


def _step(script: ScriptVerified, step: int) -> str:
    if step >= len(script.steps):
        return "-"
    return _marked(largest(script.steps[step]), script.bars[step])


def _kind(script: ScriptVerified, kind: str) -> str:
    if not script.steps:
        return "-"
    error = max(step[kind][0] for step in script.steps)
    if kind == "batch":
        return "the same" if not error else "another !"
    return _marked(error, max(script.bars))


def _marked(error: float, bar: float) -> str:
    return f"{error:.1e}" + ("" if error <= bar else " !")


def _bar(script: ScriptVerified) -> str:
    return f"{max(script.bars):.0e}" if script.bars else "-"


def recipe_json(report: RecipeReport) -> str:
    """Return the report as JSON."""
    said: dict[str, Any] = {
        "recipe": report.recipe,
        "model": report.network,
        "data": report.data,
        "passed": report.passed,
        "phases": list(report.phases),
        "scripts": [_fields(script) for script in report.scripts],
        "left_out": dict(report.left_out),
        "sensitivity": [finite(each) for each in report.sensitivity],
    }
    return json.dumps(said, indent=2)


def _fields(script: ScriptVerified) -> dict[str, Any]:
    return {
        "script": script.name,
        "passed": script.passed,
        "steps": [_errors(step) for step in script.steps],
        "bars": list(script.bars),
        "first_off": None if script.first_off is None else script.first_off + 1,
        "failure": script.failure,
        "cause": script.cause,
        "fault": "" if script.passed else fault_of(script),
    }


def _errors(errors: Errors) -> dict[str, Any]:
    return {kind: {"error": finite(error), "tensor": tensor} for kind, (error, tensor) in errors.items()}
