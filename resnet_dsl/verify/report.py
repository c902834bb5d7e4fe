"""What a verification found, as a table to read or as JSON.

JSON: `name`, `passed`, `seed`, `weights`, `sizes`, `fixed_size`, `bars`, `starts` (by backend, the
`tensor`s of a fresh model that start otherwise, `wanted` and `found`), `outputs` and `blocks` (each
with `name`, `errors` by backend and precision), `divergences` (`backend`, `dtype`, `op`, `kind`,
`error`, `cause`), `training` (`steps`, `backend`, `errors` with `error` and `tensor`, `cause`) and
`untrained` and `skipped` (backends that do not train, or take no part at all, with the reason).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.verify.case import Subject
from resnet_dsl.verify.forward import Column, Forward, Row
from resnet_dsl.verify.start import WrongStart
from resnet_dsl.verify.training import BAR, Trained

LISTED = 8


@dataclass(frozen=True)
class Report:
    """A whole verification."""

    subject: Subject
    seed: int
    weights: str
    starts: Mapping[str, tuple[WrongStart, ...]]
    forward: Forward
    steps: int
    training: tuple[Trained, ...]
    left_out: tuple[tuple[str, str], ...]
    untrained: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every model starts as it should, and everything compared is within its bar."""
        started = not any(self.starts.values())
        return started and self.forward.passed and all(trained.passed for trained in self.training)


def as_text(report: Report) -> str:
    """Return the report as a table, blocks first, with the verdict last."""
    program = report.subject.program
    lines = [f"{program.name}: {program.cost.params:,} parameters, {report.weights}", ""]
    lines += _table(report)
    for name, wrong in report.starts.items():
        lines += [""] if wrong else []
        lines += [f"{name}: {each}" for each in wrong[:LISTED]]
        if len(wrong) > LISTED:
            lines.append(f"{name}: and {counted(len(wrong) - LISTED, 'tensor')} more that start otherwise")
    for divergence in report.forward.divergences:
        cause = f"; likely cause: {divergence.cause}" if divergence.cause else ""
        op = f"{divergence.op} ({divergence.kind})"
        where = f"first op that diverges: {op}, by {divergence.error:.1e}{cause}"
        lines += ["", f"{divergence.column.title}: {where}"]
    if report.steps:
        lines += ["", *_training(report)]
    if report.left_out:
        lines += ["", *(f"{name}: left out, {reason}" for name, reason in report.left_out)]
    return "\n".join([*lines, "", f"verdict: {verdict(report)}"])


def verdict(report: Report) -> str:
    """Return the verdict in a line."""
    if not report.passed:
        return "DIFFERENT"
    worst = dict.fromkeys(("float64", "float32"), 0.0)
    for row in report.forward.outputs:
        for column, error in row.errors.items():
            worst[column.dtype] = max(worst[column.dtype], error)
    figures = ", ".join(f"{dtype} within {error:.1e}" for dtype, error in worst.items())
    return f"identical ({figures} of the largest value)"


def _table(report: Report) -> list[str]:
    forward = report.forward
    titles = [column.title for column in forward.columns]
    rows = [("largest difference / largest value", *titles)]
    rows.append(("start", *(_start(report, column) for column in forward.columns)))
    rows += [(row.name, *_cells(row, forward)) for row in forward.blocks]
    rows += [(_output_name(row), *_cells(row, forward)) for row in forward.outputs]
    rows.append(("bar", *(f"{forward.bars[column]:.0e}" for column in forward.columns)))
    return aligned(rows, right=range(1, len(titles) + 1))


def _start(report: Report, column: Column) -> str:
    """A fresh model is built once, in single precision: distributions have no errors to show."""
    if column.dtype != "float32":
        return "-"
    return f"{len(report.starts[column.backend])} !" if report.starts[column.backend] else "as said"


def _output_name(row: Row) -> str:
    return f"{row.name} at {row.size[0]}x{row.size[1]}" if row.size else row.name


def _cells(row: Row, forward: Forward) -> list[str]:
    return [_cell(row.errors.get(column), forward.bars[column]) for column in forward.columns]


def _cell(error: float | None, bar: float) -> str:
    if error is None:
        return "-"
    return f"{error:.1e}" + ("" if error <= bar else " !")


def _training(report: Report) -> list[str]:
    steps = counted(report.steps, "step")
    lines = [f"after {steps} of SGD with momentum and weight decay, float64, bar {BAR:.0e}"]
    for trained in report.training:
        shown = ", ".join(f"{kind} {error:.1e}" for kind, (error, _) in trained.errors.items())
        lines.append(f"  {trained.backend}: {shown}")
        for kind, (error, tensor) in trained.errors.items():
            if error > BAR:
                cause = f"; likely cause: {trained.cause}" if trained.cause else ""
                lines.append(f"    {kind} differ most in {tensor or 'the loss'}{cause}")
    return [*lines, *(f"  {name}: left out, {reason}" for name, reason in report.untrained)]


def as_json(report: Report) -> str:
    """Return the report as JSON; the module's docstring lists its fields."""
    forward = report.forward
    facts: dict[str, Any] = {
        "name": report.subject.program.name,
        "passed": report.passed,
        "seed": report.seed,
        "weights": report.weights,
        "sizes": [list(size) for size in report.subject.sizes],
        "fixed_size": report.subject.fixed,
        "bars": {_key(column): bar for column, bar in forward.bars.items()},
        "starts": {
            name: [{"tensor": w.tensor, "wanted": w.wanted, "found": w.found} for w in wrong]
            for name, wrong in report.starts.items()
        },
        "outputs": [{**_errors(row), "size": list(row.size or ())} for row in forward.outputs],
        "blocks": [_errors(row) for row in forward.blocks],
        "divergences": [
            {
                "backend": d.column.backend,
                "dtype": d.column.dtype,
                "op": d.op,
                "kind": d.kind,
                "error": _finite(d.error),
                "cause": d.cause,
            }
            for d in forward.divergences
        ],
        "training": [_trained(report, trained) for trained in report.training],
        "untrained": dict(report.untrained),
        "skipped": dict(report.left_out),
    }
    return json.dumps(facts, indent=2)


def _key(column: Column) -> str:
    return f"{column.backend}/{column.dtype}"


def _errors(row: Row) -> dict[str, Any]:
    return {"name": row.name, "errors": {_key(c): _finite(e) for c, e in row.errors.items()}}


def _finite(error: float) -> float | None:
    """JSON has no infinity: null says that the results cannot be compared."""
    return error if math.isfinite(error) else None


def _trained(report: Report, trained: Trained) -> dict[str, Any]:
    errors = {k: {"error": _finite(e), "tensor": tensor} for k, (e, tensor) in trained.errors.items()}
    return {"backend": trained.backend, "steps": report.steps, "errors": errors, "cause": trained.cause}
