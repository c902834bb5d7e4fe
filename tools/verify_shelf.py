"""Every shipped network, verified in all backends, forward and in a step of training: `make verify-shelf`.

    python tools/verify_shelf.py                           all of them, the first of each kind first
    python tools/verify_shelf.py --only resnet50,googlenet
    python tools/verify_shelf.py --optimize                what is left of each for inference, forward alone
    python tools/verify_shelf.py --log FILE --table        the table of what was verified so far
    python tools/verify_shelf.py --page                    that of both logs as a page in Markdown

A deep network is shortened to as few blocks as have all its parts, by what settings decide its depth;
one that is too wide to hold is made narrower, one that takes its own size only is given a smaller one.
What is done is a line of the log, so that a run goes on where the last one ended: what was stopped or
failed is done again.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backends")]

from resnet_dsl.decompile.shipped_fields import kind_of  # noqa: E402
from resnet_dsl.diagnostics.errors import CompileError, UsageError  # noqa: E402
from resnet_dsl.driver import compile_spec  # noqa: E402
from resnet_dsl.ir.graph import Graph  # noqa: E402
from resnet_dsl.printing.table import aligned  # noqa: E402
from resnet_dsl.program import Program  # noqa: E402
from resnet_dsl.shipped import shipped  # noqa: E402

Settings = dict[str, Any]
PASSED = "passed"
RANDOM = "random"
FORWARD = "forward alone"
DEEP = 60  # ops; what has fewer, and is not wide, is verified as it is
HEAVY = 150_000_000  # parameters, of which a verification holds some ten copies in double precision
WIDE = 40_000_000  # parameters, above which a network is made narrower, where it can be
NARROW: tuple[Settings, ...] = (  # settings that decide widths
    {"first": 96},
    {"base_width": 8},
    {"features": 512},
    {"factor": 1},
    {"w0": 48, "wa": 24.0, "group": 8},
    {"w0": 48, "wa": 24.0, "group_size": 8},
)
SMALL = (32, 64, 96, 128, 160, 192)  # inputs for a network that takes one size only
LOG, INFERENCE_LOG = Path("verify_shelf.jsonl"), Path("verify_shelf_inference.jsonl")
A_PROCESS = 30  # networks: a framework never gives back all that it has built


@dataclass(frozen=True)
class Outcome:
    """What a verification found; both verdicts are `passed` or what was wrong, or why none was made."""

    name: str
    settings: str
    ops: int
    forward: str
    training: str
    errors: Mapping[str, float]
    """The largest by precision, and of the step of training."""
    seconds: float
    graph: str
    """A digest of what was verified: what is the same after shortening is verified once."""
    same_as: str = ""
    """The network whose verification this one's is."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do again."""
        return self.forward == PASSED and self.training in (PASSED, RANDOM, FORWARD)


# --- shortening ---------------------------------------------------------------------------------


def shortened(name: str) -> tuple[Settings, Program]:
    """Return the settings that leave a network the fewest ops of all that have its parts, and what is left.

    Its parts are ops with their shapes and what they take; of a network whose every block is of a width
    of its own, the kinds of ops with the kinds of what they take.
    """
    whole = compile_spec(name)
    is_large = len(whole.graph.nodes) > DEEP or whole.cost.params > WIDE
    settings, best = _few_blocks(whole, name) if is_large else (Settings(), whole)
    if best.cost.params > WIDE:
        settings, best = _narrower(name, settings, best)
    return _at_a_small_size(name, settings, best)


def _few_blocks(whole: Program, name: str) -> tuple[Settings, Program]:
    settings, best = Settings(), whole
    for has_all in (_parts, _kinds):
        for shorter in _ways(whole):
            with suppress(CompileError):
                tried = compile_spec(name, None, shorter)
                fewer = len(tried.graph.nodes) < len(best.graph.nodes)
                if fewer and has_all(tried.graph) == has_all(whole.graph):
                    settings, best = shorter, tried
        if settings:
            break
    return settings, best


def _narrower(name: str, settings: Settings, program: Program) -> tuple[Settings, Program]:
    """The same with fewer channels and the same kinds of ops, where settings say so."""
    for fewer in NARROW:
        with suppress(CompileError):
            tried = compile_spec(name, None, settings | fewer)
            if tried.cost.params <= WIDE and _kinds(tried.graph) == _kinds(program.graph):
                return settings | fewer, tried
    return settings, program


def _ways(program: Program) -> Iterator[Settings]:
    """Settings that decide a depth, with few blocks: what a spec has not or cannot be is refused."""
    counts = [len(stage.blocks) for stage in program.network.stages]
    for most in (1, 2, 3):
        yield {"stages": tuple(min(count, most) for count in counts)}
    for depths in ((1, 1, 2, 1), (2, 2, 2, 2)):
        yield {"depths": depths}
    for most in (1, 2):
        yield {"n": most}
        yield {"depth": most}
        yield {"modules": (1, 1, 1), "depth": most}
    yield {"modules": (1, 1, 1)}


def _parts(graph: Graph) -> frozenset[object]:
    kinds = {node.name: node.op.kind for node in graph.nodes}
    return frozenset(
        (node.op, node.input_shapes, tuple(kinds.get(name, "") for name in node.inputs))
        for node in graph.nodes
    )


def _kinds(graph: Graph) -> frozenset[object]:
    return frozenset((op.kind, inputs) for op, _, inputs in _parts(graph))  # type: ignore[misc, has-type]


def _at_a_small_size(name: str, settings: Settings, program: Program) -> tuple[Settings, Program]:
    """The same with a smaller input, where the network takes one size only."""
    given = program.network.input
    own = given.at(program.network.extent)[1:]
    if not own or not _refused(name, settings | {"input": f"{given.channels}xHxW"}):
        return settings, program
    for size in SMALL:
        smaller = settings | {"input": f"{given.channels}x{size}x{size}"}
        if all(size < (each or 0) for each in own) and not _refused(name, smaller):
            return smaller, compile_spec(name, None, smaller)
    return settings, program


def _refused(name: str, settings: Settings) -> bool:
    try:
        compile_spec(name, None, settings)
    except CompileError:
        return True
    return False


# --- verifying ----------------------------------------------------------------------------------


def outcome(name: str, known: Mapping[str, Outcome], optimize: bool = False) -> Outcome:
    """Verify one network in this process, if its graph is not known; whatever goes wrong is its outcome.

    With `optimize` it is the form for inference, held against the network itself.
    """
    start = time.process_time()
    settings, program = shortened(name)
    words, digest = _in_words(settings), digest_of(program)
    if digest in known:
        return replace(known[digest], name=name, settings=words, seconds=0.0, same_as=known[digest].name)
    try:
        forward, training, errors = _verdicts(name, settings, program, optimize)
    except Exception as error:  # one network of four hundred: the others go on
        forward, training, errors = f"{type(error).__name__}: {error}", "-", {}
    _forget()
    seconds = round(time.process_time() - start, 1)
    return Outcome(name, words, len(program.graph.nodes), forward, training, errors, seconds, digest)


def digest_of(program: Program) -> str:
    """Return what stands for all that a verification computes."""
    graph = program.graph
    nodes = [
        (node.name, node.op, node.inputs, node.input_shapes, node.home.name, graph.is_frozen(node))
        for node in graph.nodes
    ]
    network = graph.network
    facts = (nodes, graph.outputs, network.input, network.extent, network.auxiliary, program.names)
    return sha256(repr(facts).encode()).hexdigest()


def _verdicts(
    name: str, settings: Settings, program: Program, optimize: bool
) -> tuple[str, str, dict[str, float]]:
    from resnet_dsl.backend.discovery import sound_backends
    from resnet_dsl.verify.report import verdict
    from resnet_dsl.verify.run import verify
    from resnet_dsl.verify.step_errors import largest
    from resnet_dsl.verify.training import random_op

    if program.cost.params > HEAVY:
        raise UsageError(f"{program.cost.params:,} parameters are too many to hold")
    is_random = random_op(program.graph) is not None
    backends = [backend.name for backend in sound_backends()[0]]
    steps = int(not (is_random or optimize))
    report = verify(
        lambda more: compile_spec(name, None, {**settings, **more}), backends, steps, optimize=optimize
    )
    errors: dict[str, float] = {}
    for row in report.forward.outputs:
        for column, error in row.errors.items():
            errors[column.dtype] = max(errors.get(column.dtype, 0.0), error)
    if report.training:
        errors["training"] = max(largest(trained.errors) for trained in report.training)
    trained = all(each.passed for each in report.training)
    forward = PASSED if report.passed or (report.forward.passed and not report.failures) else verdict(report)
    if any(report.starts.values()):
        forward = f"{sum(map(len, report.starts.values()))} tensors start otherwise"
    if optimize:
        return forward, FORWARD, errors
    return forward, RANDOM if is_random else PASSED if trained else verdict(report), errors


def _forget() -> None:
    """Let go of what was built: Keras keeps it else."""
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
    gc.collect()


def _in_words(settings: Settings) -> str:
    def value(given: object) -> str:
        return f"[{', '.join(map(str, given))}]" if isinstance(given, tuple) else str(given)

    return "  ".join(f"{name}: {value(given)}" for name, given in settings.items()) or "as it is"


# --- all of them --------------------------------------------------------------------------------


def in_order(names: Iterable[str]) -> list[str]:
    """The first network of each kind, then all others: what is found early is found once."""
    names = list(names)
    first: dict[object, str] = {}
    for name in names:
        first.setdefault(kind_of(name), name)
    leading = set(first.values())
    return sorted(names, key=lambda name: name not in leading)


def logged(log: Path) -> dict[str, Outcome]:
    """Return the last outcome of each network in a log."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    found = (Outcome(**json.loads(line)) for line in lines)
    return {each.name: each for each in found}


def verify_all(names: Iterable[str], jobs: int, log: Path, optimize: bool = False) -> None:
    """Verify networks in a few processes, each of which imports the frameworks once for many."""
    left = list(names)
    known = {each.graph: each for each in logged(log).values() if each.is_done and not each.same_as}
    while left:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, max_tasks_per_child=A_PROCESS) as pool:
            running: dict[Future[Outcome], str] = {}
            while left or running:
                while left and len(running) < jobs:
                    name = left.pop(0)
                    running[pool.submit(outcome, name, known, optimize)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                found = [_written(running.pop(each), each, log) for each in done]
                known |= {each.graph: each for each in found if each.is_done and not each.same_as}
                if not all(
                    each.graph for each in found
                ):  # what ran beside it in the other processes is done again
                    left[:0] = running.values()
                    break


def _written(name: str, done: Future[Outcome], log: Path) -> Outcome:
    """Write an outcome into the log; one whose process died has no graph."""
    try:
        found = done.result()
    except BrokenProcessPool:
        found = Outcome(name, "", 0, "its process, or one beside it, died", "-", {}, 0, "")
    with log.open("a", encoding="utf-8") as file:
        print(json.dumps(asdict(found)), file=file)
    as_another = f", the same as {found.same_as}" if found.same_as else f" ({found.seconds} s)"
    print(f"{name}: {found.forward}; training {found.training}{as_another}", flush=True)
    return found


def table(found: Iterable[Outcome]) -> str:
    """Return a row for each network, and below how many passed."""
    outcomes = list(found)
    rows = [("network", "as", "ops", "forward", "training", *(ERRORS.values()))]
    rows += [_row(each) for each in outcomes]
    return "\n".join([*aligned(rows, right=(2, 5, 6, 7)), "", total(outcomes)])


def total(outcomes: Sequence[Outcome]) -> str:
    """Return a line that counts networks by what was found."""
    forward = Counter(each.forward == PASSED for each in outcomes)
    training = Counter(each.training for each in outcomes)
    verified = sum(not each.same_as for each in outcomes)
    line = (
        f"{len(outcomes)} networks, {verified} of them different as they were verified: forward "
        f"{forward[True]} passed and {forward[False]} did not"
    )
    if training[FORWARD]:
        return line
    trained, random = training[PASSED], training[RANDOM]
    return (
        f"{line}; in training {trained} passed, {random} are random, "
        f"{len(outcomes) - trained - random} did not"
    )


def page(found: Iterable[Outcome], inference: Iterable[Outcome] = ()) -> str:
    """Return a page in Markdown: a row for each network that differs, and how many it stands for.

    Its last columns are of the same networks' forms for inference; if those were shortened otherwise, how.
    """
    outcomes, forms = list(found), list(inference)
    stands_for = Counter(each.same_as or each.name for each in outcomes)
    form_of = {each.name: each for each in forms} | {each.graph: each for each in forms}
    lines = [PAGE.format(total=total(outcomes), forms=total(forms))]
    for each in sorted(outcomes, key=lambda each: each.name):
        if not each.same_as:
            name, settings, *cells = _row(each)
            cells += _form_cells(each, form_of.get(each.graph, form_of.get(each.name)))
            lines.append(f"| `{name}` | {settings} | {stands_for[name]} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


PAGE = """\
# The shelf, verified

What `make verify-shelf` found ([how](quality.md#every-shipped-network)): {total}.
The forms for inference (`--optimize`): {forms}.
A network that is the same as another one after shortening is counted in that one's row. Errors are the
largest of all backends, relative to the largest number of what they are about; those of the form for
inference are from the network itself.

| network | as | names | ops | forward | training | f64 | f32 | step | inference | f64 | f32 |
|---|---|---|---|---|---|---|---|---|---|---|---|"""
ERRORS = {"float64": "f64", "float32": "f32", "training": "step"}


def _row(found: Outcome) -> tuple[str, ...]:
    return (
        found.name, found.settings, str(found.ops), found.forward, found.training, *_errors(found, ERRORS)
    )  # fmt: skip


def _form_cells(whole: Outcome, form: Outcome | None) -> tuple[str, ...]:
    if form is None:
        return ("-", "-", "-")
    how = f" ({form.settings})" if form.graph != whole.graph else ""
    return (form.forward + how, *_errors(form, ("float64", "float32")))


def _errors(found: Outcome, kinds: Iterable[str]) -> Iterator[str]:
    return (f"{found.errors[kind]:.1e}" if kind in found.errors else "-" for kind in kinds)


def main() -> int:
    """Verify what the log has not, and print the table; status 1 if anything failed."""
    parser = argparse.ArgumentParser(description="Verify every shipped network in all backends.")
    parser.add_argument("--only", metavar="NAMES", help="these networks, separated by commas")
    parser.add_argument("--optimize", action="store_true", help="their form for inference")
    parser.add_argument("--log", metavar="FILE", type=Path, help=f"{LOG} without it, or {INFERENCE_LOG}")
    parser.add_argument(
        "--inference-log",
        metavar="FILE",
        type=Path,
        default=INFERENCE_LOG,
        help="that of --optimize, for --page",
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="processes; 1 without it")
    parser.add_argument("--table", action="store_true", help="only the table of what the log has")
    parser.add_argument("--page", action="store_true", help="only that, in Markdown")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else in_order(shipped())
    log = options.log or (INFERENCE_LOG if options.optimize else LOG)
    before = logged(log)
    if not (options.table or options.page):
        left = [name for name in names if name not in before or not before[name].is_done]
        verify_all(left, options.jobs, log, options.optimize)
    after = logged(log)
    found = [after[name] for name in names if name in after]
    forms = logged(options.inference_log) if options.page else {}
    print(page(found, forms.values()) if options.page else table(found))
    return 0 if all(each.is_done for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
