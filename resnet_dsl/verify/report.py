"""What a verification found, as a table to read or as JSON.

JSON: `name`, `passed`, `seed`, `weights`, `sizes`, `fixed_size`, `bars`, `starts` (by backend, the
`tensor`s of a fresh model that start otherwise, `wanted` and `found`), with `--optimize` `folding` (by
precision, what folding alone costs), `outputs` and `blocks` (each
with `name`, `errors` by backend and precision, `sensitivity` by precision), `divergences` (`backend`,
`dtype`, `op`, `kind`, `error`, `cause`), `training` (`steps`, `backend`, `errors` with `error` and
`tensor`, `each_step`, `run`, `cause`), `failures` (`backend`, `doing`, `reason`) and `untrained` and
`skipped` (backends that do not train, or take no part at all, with the reason).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.records import dataclass, field
from resnet_dsl.verify.attempts import Failure
from resnet_dsl.verify.case import Subject
from resnet_dsl.verify.forward import BARS, TELLING, Column, Forward, Row
from resnet_dsl.verify.start import WrongStart
from resnet_dsl.verify.step_errors import largest
from resnet_dsl.verify.training import Trained
from resnet_dsl.verify.training_report import as_fields, finite, lines_of

LISTED = 8
FAILS = "fails !"


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
    failures: tuple[Failure, ...] = ()
    folding: Mapping[str, float] = field(default_factory=dict)
    """By precision, what folding alone costs: of a network that is optimised for inference."""

    @property
    def passed(self) -> bool:
        """Whether no backend failed, and all that was compared is as it should be."""
        return not self.failures and self.agrees

    @property
    def agrees(self) -> bool:
        """Whether every model starts as it should, and everything compared is within its bar."""
        return not self.differs and self.forward.passed

    @property
    def differs(self) -> bool:
        """Whether anything differs by more than rounding explains."""
        trained = all(trained.passed for trained in self.training)
        return any(self.starts.values()) or self.forward.differs or not trained


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
    own = _own(report)
    lines += ["", *own] if own else []
    if report.training:
        lines += ["", *lines_of(report.training, report.subject.sizes[0])]
    if report.untrained:
        lines += ["", *(f"{name}: left out of training, {reason}" for name, reason in report.untrained)]
    if report.failures:
        lines += ["", *_failures(report)]
    if report.left_out:
        lines += ["", *(f"{name}: left out, {reason}" for name, reason in report.left_out)]
    return "\n".join([*lines, "", f"verdict: {verdict(report)}"])


def verdict(report: Report) -> str:
    """Return the verdict in a line."""
    failed = dict.fromkeys(failure.backend for failure in report.failures)
    if not report.passed:
        words = [] if report.agrees else ["DIFFERENT" if report.differs else "CANNOT TELL"]
        return "; ".join([*words, *(f"{name} FAILS" for name in failed)])
    worst = dict.fromkeys(("float64", "float32"), 0.0)
    for row in report.forward.outputs:
        for column, error in row.errors.items():
            worst[column.dtype] = max(worst[column.dtype], error)
    figures = ", ".join(f"{dtype} within {error:.1e}" for dtype, error in worst.items())
    steps = max((largest(trained.errors) for trained in report.training), default=None)
    trained = "" if steps is None else f"; each step of training within {steps:.1e}"
    return f"identical ({figures} of the largest value{trained})"


def _table(report: Report) -> list[str]:
    forward = report.forward
    titles = [column.title for column in forward.columns]
    rows = [("largest difference / largest value", *titles)]
    if report.folding:
        rows.append(("folding alone", *(f"{report.folding[c.dtype]:.1e}" for c in forward.columns)))
    else:
        rows.append(("start", *(_start(report, column) for column in forward.columns)))
    rows += [(row.name, *_cells(row, report)) for row in forward.blocks]
    rows += [(_output_name(row), *_cells(row, report)) for row in forward.outputs]
    rows.append(("bar", *(f"{BARS[column.dtype]:.0e}" for column in forward.columns)))
    return aligned(rows, right=range(1, len(titles) + 1))


def _start(report: Report, column: Column) -> str:
    """A fresh model is built once, in single precision: distributions have no errors to show."""
    if column.dtype != "float32":
        return "-"
    if column.backend not in report.starts:
        return FAILS
    return f"{len(report.starts[column.backend])} !" if report.starts[column.backend] else "as said"


def _output_name(row: Row) -> str:
    return f"{row.name} at {row.size[0]}x{row.size[1]}" if row.size else row.name


def _cells(row: Row, report: Report) -> list[str]:
    failed = {(failure.backend, failure.doing) for failure in report.failures}
    return [_cell(row, column, (column.backend, column.dtype) in failed) for column in report.forward.columns]


def _cell(row: Row, column: Column, failed: bool) -> str:
    if column not in row.errors:
        return FAILS if failed else "-"
    return f"{row.errors[column]:.1e}" + ("" if row.passed(column) else " !")


def _own(report: Report) -> list[str]:
    """A line for each output that is past a bar, with what the network itself makes of rounding."""
    return [
        f"{_output_name(row)}, {dtype}: {_of_network(found, row.allowed(dtype), TELLING[dtype])}"
        for row in report.forward.outputs
        for dtype, found in row.sensitivity.items()
    ]


def _of_network(sensitivity: float, bar: float, telling: float) -> str:
    """What rounding explains, in words."""
    own = f"the network's own sensitivity is {sensitivity:.1e}, so rounding explains {bar:.1e}"
    return own if bar <= telling else f"{own}: too ill-conditioned to tell at this size"


def _failures(report: Report) -> list[str]:
    """A line for each reason: a backend that cannot be built fails in everything by the same."""
    doing: dict[tuple[str, str], list[str]] = {}
    for failure in report.failures:
        doing.setdefault((failure.backend, failure.reason), []).append(failure.doing)
    return [f"{name}: fails in {', '.join(what)}: {reason}" for (name, reason), what in doing.items()]


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
        "bars": {_key(column): BARS[column.dtype] for column in forward.columns},
        "starts": {
            name: [{"tensor": w.tensor, "wanted": w.wanted, "found": w.found} for w in wrong]
            for name, wrong in report.starts.items()
        },
        **({"folding": dict(report.folding)} if report.folding else {}),
        "outputs": [{**_errors(row), "size": list(row.size or ())} for row in forward.outputs],
        "blocks": [_errors(row) for row in forward.blocks],
        "divergences": [
            {
                "backend": d.column.backend,
                "dtype": d.column.dtype,
                "op": d.op,
                "kind": d.kind,
                "error": finite(d.error),
                "cause": d.cause,
            }
            for d in forward.divergences
        ],
        "training": [as_fields(trained) for trained in report.training],
        "failures": [{"backend": f.backend, "doing": f.doing, "reason": f.reason} for f in report.failures],
        "untrained": dict(report.untrained),
        "skipped": dict(report.left_out),
    }
    return json.dumps(facts, indent=2)


def _key(column: Column) -> str:
    return f"{column.backend}/{column.dtype}"


def _errors(row: Row) -> dict[str, Any]:
    errors = {_key(c): finite(e) for c, e in row.errors.items()}
    return {"name": row.name, "errors": errors, "sensitivity": row.sensitivity}
