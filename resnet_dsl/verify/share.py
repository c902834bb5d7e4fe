"""One backend's share of a verification, which can be sent from its process, and shares put together."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_dsl.backend.discovery import runtime_of
from resnet_dsl.backend.interface import Backend, LiveModel
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.verify.attempts import Attempts, Failure
from resnet_dsl.verify.case import Subject
from resnet_dsl.verify.folding import Folding
from resnet_dsl.verify.forward import FRESH, Forward, Row, Truth, rows_of, verify_forward
from resnet_dsl.verify.report import Report
from resnet_dsl.verify.start import WrongStart, wrong_starts
from resnet_dsl.verify.supervised import Announce
from resnet_dsl.verify.training import Trained, untrained, verify_training

LATER = {"float64": 2, "float32": 2, "training": 3}  # failures are told phase by phase; a death first


@dataclass(frozen=True, eq=False)
class Task:
    """What all backends are held against."""

    subject: Subject
    state: dict[str, Array]
    truth: Truth
    steps: int
    seed: int
    asked: bool
    """Whether the backends were asked for by name: one that is not installed is an error then."""
    folding: Folding | None = None
    """What the subject was before it was optimised for inference, if it was."""


@dataclass(frozen=True, eq=False)
class BackendShare:
    """What was found of one backend; nothing but its death, if its process died."""

    backend: str
    absence: str = ""
    """Why it takes no part, if it takes none."""
    starts: tuple[WrongStart, ...] | None = None
    forward: Forward | None = None
    training: tuple[Trained, ...] = ()
    untrained: tuple[tuple[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()
    died: bool = False


def share_of(task: Task, backend: Backend, announce: Announce) -> BackendShare:
    """Verify one backend in this process."""
    attempts, name = Attempts(announce), backend.name
    announce(name, "import")
    if reason := absence(backend, task.asked):
        return BackendShare(name, reason)
    starts, fresh = None, dict[str, LiveModel]()
    with attempts.of(name, "start"):
        fresh[name] = runtime_of(backend).build(task.subject.program, FRESH)
        if task.folding is None:  # a folded network is started by folding
            starts = _wrong_starts(task.subject.program, backend, fresh[name])
    own = {name: backend}
    forward = verify_forward(task.subject, own, task.state, task.seed, attempts, fresh, task.truth)
    if not task.steps:
        return BackendShare(name, "", starts, forward, failures=tuple(attempts.failures))
    trained = verify_training(task.subject, own, task.state, task.steps, task.seed, attempts)
    return BackendShare(name, "", starts, forward, trained, untrained(own), tuple(attempts.failures))


def absence(backend: Backend, asked: bool) -> str:
    """Return why a backend takes no part; raises UsageError if it was asked for and is only not installed."""
    if backend.runtime is None:
        return "it has no runtime"
    try:
        runtime_of(backend)
    except UsageError as error:
        if asked:
            raise
        return str(error)
    return ""


def fresh_starts(program: Program, backend: Backend) -> tuple[WrongStart, ...]:
    """Return the tensors that do not start as the catalogue says in a model built without a seed."""
    return _wrong_starts(program, backend, runtime_of(backend).build(program, FRESH))


def _wrong_starts(program: Program, backend: Backend, model: LiveModel) -> tuple[WrongStart, ...]:
    state, graph = runtime_of(backend).read_state(model), program.graph
    used = {name for name, _ in graph.inference.parameters()}
    leaves_out = not any(name in state for name, _ in graph.parameters() if name not in used)
    return wrong_starts(graph.inference if leaves_out else graph, state)


# --- together -----------------------------------------------------------------------------------


def together(
    task: Task, weights: str, shares: Sequence[BackendShare], left_out: tuple[tuple[str, str], ...]
) -> Report:
    """Return the report of all backends, as if one process had verified them one after the other."""
    failures = [failure for share in shares for failure in share.failures]
    died = {share.backend for share in shares if share.died}
    failures.sort(key=lambda failure: 0 if failure.backend in died else LATER.get(failure.doing, 1))
    return Report(
        task.subject,
        task.seed,
        weights,
        {share.backend: share.starts for share in shares if share.starts is not None},
        _forward(task, [share.forward for share in shares if share.forward is not None]),
        task.steps,
        _one_sensitivity([trained for share in shares for trained in share.training]),
        left_out,
        tuple(each for share in shares for each in share.untrained),
        tuple(failures),
        {} if task.folding is None else task.folding.costs,
    )


def _forward(task: Task, found: Sequence[Forward]) -> Forward:
    """One table: the columns of all, and in each row the cells of all."""
    outputs, blocks = rows_of(task.subject, task.truth)
    return Forward(
        tuple(column for each in found for column in each.columns),
        tuple(map(_row, blocks, *(each.blocks for each in found))),
        tuple(map(_row, outputs, *(each.outputs for each in found))),
        tuple(divergence for each in found for divergence in each.divergences),
    )


def _row(empty: Row, *filled: Row) -> Row:
    for row in filled:
        empty.errors.update(row.errors)
        empty.sensitivity.update(row.sensitivity)
    return empty


def _one_sensitivity(trained: Sequence[Trained]) -> tuple[Trained, ...]:
    """A network's sensitivity is its own: the first that was measured does for all that need one."""
    measured = (each.run.sensitivity for each in trained if each.run is not None)
    first = next((value for value in measured if value is not None), None)
    return tuple(
        each
        if each.run is None or each.run.sensitivity is None
        else replace(each, run=replace(each.run, sensitivity=first))
        for each in trained
    )
