"""Why a step of training is off: the step under each usual mistake, held against what the backend left.

What the step started from is known, so that a few mistakes are read off the numbers: the momentum of
statistics, and the three factors of SGD, by least squares. Others are made by the referee and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from resnet_dsl.backend.interface import Sgd, Statistics, TrainedStep, TrainingState
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.ops import RunningNorm
from resnet_dsl.records import dataclass, replace
from resnet_dsl.reference import TrainingStep
from resnet_dsl.verify.step_errors import (
    Images,
    Left,
    each,
    errors_of,
    gradient_errors,
    referee_steps,
    state_after,
)

SAMPLE = 1 << 16  # values of a least squares fit
SURE = 1e-6  # a factor is known as well as that, and a fit is one if it is as near as that
CANDIDATES = 40  # ops whose mistakes are tried one by one


@dataclass(frozen=True, eq=False)
class StepTaken:
    """A step as it should have been taken: what from, on what, and how; and the bar that it failed."""

    graph: Graph
    before: TrainingState
    batch: Images
    sgd: Sgd
    statistics: Statistics
    bar: float

    def under(self, graph: Graph, statistics: Statistics | None = None) -> TrainingStep:
        """Return the referee's step in another graph, or with other statistics."""
        taken = referee_steps(graph, self.before, [self.batch], self.sgd, statistics or self.statistics)
        return next(taken)


def cause_in_training(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> str:
    """Return what was done wrong, where that gives the backend's numbers, else an empty string."""
    if not (np.isfinite(wanted.loss) and all(np.isfinite(g).all() for g in wanted.gradients.values())):
        return "the referee's own values are not finite"
    truth = Left().then(wanted.loss, wanted.gradients, state_after(wanted))
    errors = errors_of(case.graph, Left().then(*got), truth)
    if errors["weights"][0] == float("inf"):  # other tensors, or of another shape
        return ""
    off = {kind for kind, (error, _) in errors.items() if error > case.bar}
    if off & {"loss", "gradients"}:
        return _of_ops(case, wanted, got)
    found = [_of_descent(case, wanted, got), _of_statistics(case, wanted, got)]
    return "; ".join(words for words in found if words)


# --- ops: the loss or the gradients are off -----------------------------------------------------


def _of_ops(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> str:
    for words, graph in _mistaken_graphs(case, wanted, got):
        try:
            step = case.under(graph)
        except (ValueError, LookupError):  # such a mistake cannot be made here: the shapes do not fit
            continue
        names = step.gradients.keys() & wanted.gradients.keys()
        near = max(gradient_errors(got.gradients, step.gradients, names).values(), default=0.0)
        if abs(got.loss - step.loss) <= case.bar * abs(step.loss) and near <= case.bar:
            return words
    return ""


def _mistaken_graphs(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> Iterator[tuple[str, Graph]]:
    """Yield the words of each mistake, and the graph as if it were made."""
    graph = case.graph
    norms = {node.home.name: node for node in graph.nodes if isinstance(node.op, RunningNorm)}
    if any(graph.is_frozen(node) for node in norms.values()):
        freed = replace(graph, network=replace(graph.network, frozen=(), frozen_norms=False))
        yield "statistics: frozen ones move, and the batch's are used", freed
    if norms:
        frozen = (*graph.network.frozen, *norms)
        stiff = replace(graph, network=replace(graph.network, frozen=frozen))
        yield "statistics: the running ones are used in place of the batch's", stiff
    suspects = _suspects(case, wanted, got)
    made = {
        (node.name, mistake.words): replace(node, op=mistake.op)
        for node in graph.nodes
        if node.owner is None
        for mistake in node.op.mistakes()
        if not mistake.is_framed
    }
    for words in dict.fromkeys(words for name, words in made if name in suspects):
        changed = {name: node for (name, same), node in made.items() if same == words}
        yield f"{words} in {_listed(list(changed))}", _with(graph, changed)
    for (name, words), node in made.items():
        if name in suspects:
            yield f"{words} in {name}", _with(graph, {name: node})


def _with(graph: Graph, changed: Mapping[str, GraphNode]) -> Graph:
    """The graph with ops changed, wherever they are applied."""
    ops = {name: node.op for name, node in changed.items()}
    nodes = (replace(node, op=ops.get(node.home.name, node.op)) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _suspects(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> set[str]:
    """The ops that the first wrong statistics depend on, and those of right ones do not."""
    feeds: dict[str, frozenset[str]] = {INPUT: frozenset()}
    cleared: set[str] = set()
    for node in case.graph.nodes:
        before = frozenset[str]().union(*(feeds[name] for name in node.inputs))
        feeds[node.name] = before | {node.name}
        if isinstance(node.op, RunningNorm) and not case.graph.is_frozen(node):
            own = [name for name, parameter in node.parameters() if not parameter.learned]
            if max(each(got.after.state, wanted.state, own).values()) > case.bar:
                return set(before) - cleared
            cleared |= before
    left = [node.name for node in case.graph.nodes if node.name not in cleared]
    return set(left[-CANDIDATES:])


# --- descent: the gradients are right, what is done with them is not ----------------------------


def _of_descent(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> str:
    """What is wrong with v = momentum v + gradient + decay w, or with w -= lr v."""
    (state, velocity), sgd = case.before, case.sgd
    learned = [name for name, parameter in case.graph.parameters() if parameter.learned]
    moved = [name for name in learned if name not in wanted.gradients]
    if loose := _off(case, got.after.state, state, moved):
        return f"SGD: {_listed(loose)} should stay, and moves"
    names = list(wanted.gradients)
    walks = {name: (state[name] - got.after.state[name]) / sgd.lr for name in names}
    kept = {name: got.after.velocity.get(name, walks[name]) for name in names}  # without one, as if it had
    gained = _off(case, kept, wanted.velocity, names)
    walked = _off(case, got.after.state, wanted.state, names)
    if not gained and not walked:
        return ""
    # A velocity need not be what the weights move by: one without momentum is kept, or not used.
    gains = _fitted(walks if walked else kept, [velocity, wanted.gradients, state], walked or gained)
    moves = _fitted(walks, [kept, wanted.gradients, state], walked)
    simple = gains and len(_wrong(gains, sgd)) == 1
    if moves and not simple and not _same(moves, (1.0, 0.0, 0.0)):
        words = _moving(moves, sgd)
    elif gains:
        words = _gaining(gains, sgd, decoupled=not walked)
    else:
        return ""
    off = [name for name in names if name in {*gained, *walked}]
    return f"SGD: {words}" + (f" in {_listed(off)}" if len(off) < len(names) else "")


def _gaining(gains: Sequence[float], sgd: Sgd, decoupled: bool) -> str:
    """In words, how a velocity is made of the one before, the gradient and the weight."""
    right, wrong = (sgd.momentum, 1.0, sgd.weight_decay), _wrong(gains, sgd)
    if wrong == [2] and decoupled and abs(gains[2]) <= SURE:
        return "the weight decay is decoupled from the gradient"  # a weight moves as it should all the same
    if wrong in ([0], [2]):
        what = "the weight decay" if wrong[0] else "the momentum"
        return f"{what} is {_figure(gains[wrong[0]])} instead of {_figure(right[wrong[0]])}"
    return f"the velocity is {_sum(gains)} instead of {_sum(right)}"


def _wrong(gains: Sequence[float], sgd: Sgd) -> list[int]:
    right = (sgd.momentum, 1.0, sgd.weight_decay)
    return [i for i in range(3) if abs(gains[i] - right[i]) > SURE]


def _moving(moves: Sequence[float], sgd: Sgd) -> str:
    """In words, how a weight is moved by its velocity, the gradient and itself."""
    if _same(moves, (sgd.momentum, 1.0, sgd.weight_decay)):
        return "the momentum is Nesterov's"
    if _same(moves, (moves[0], 0.0, 0.0)):
        return f"the rate is {_figure(moves[0] * sgd.lr)} instead of {_figure(sgd.lr)}"
    return f"a weight moves by lr ({_sum(moves)}) instead of lr v"


def _sum(factors: Sequence[float]) -> str:
    return " + ".join(f"{_figure(factor)} {x}" for factor, x in zip(factors, "vgw", strict=True))


def _fitted(
    wanted: Mapping[str, Array], sources: Sequence[Mapping[str, Array]], names: Sequence[str]
) -> tuple[float, ...]:
    """The factors by which the sources add up to what is wanted in all these tensors; none if they do not."""
    if not names:
        return ()
    y, *columns = (
        np.concatenate([np.ravel(values.get(name, 0 * wanted[name])) for name in names])
        for values in (wanted, *sources)
    )
    every = -(-y.size // SAMPLE)
    y, table = y[::every], np.stack([column[::every] for column in columns], axis=1)
    sizes = np.linalg.norm(table, axis=0)
    sizes[sizes == 0] = 1.0
    factors = np.linalg.lstsq(table / sizes, y, rcond=None)[0] / sizes
    apart = np.abs(table @ factors - y).max()
    return tuple(map(float, factors)) if apart <= SURE * np.abs(y).max() else ()


def _same(factors: Iterable[float], right: Iterable[float]) -> bool:
    return all(abs(a - b) <= SURE for a, b in zip(factors, right, strict=True))


# --- statistics: all else is right --------------------------------------------------------------


def _of_statistics(case: StepTaken, wanted: TrainingStep, got: TrainedStep) -> str:
    """Which statistics move and should not, by which momentum, or by which variance."""
    norms = [node for node in case.graph.nodes if isinstance(node.op, RunningNorm) and node.owner is None]
    held = [
        name
        for node in norms
        if case.graph.is_frozen(node)
        for name, parameter in node.parameters()
        if not parameter.learned
    ]
    if loose := _off(case, got.after.state, case.before.state, held):
        return f"statistics: {_listed(loose)} is frozen, and moves"
    own = [name for name, parameter in case.graph.parameters() if not parameter.learned]
    if not (off := _off(case, got.after.state, wanted.state, own)):
        return ""
    momenta = ((n, _momentum(case, n, wanted, got)) for n in norms if not case.graph.is_frozen(n))
    others = {node.name: (node, found) for node, found in momenta if found is not None}
    changed = {name: replace(n, op=n.op.having("momentum", m)) for name, (n, m) in others.items()}
    for unbiased in (case.statistics.unbiased, not case.statistics.unbiased):
        convention = Statistics(unbiased, float if others else case.statistics.momentum)
        step = case.under(_with(case.graph, changed), convention)
        if not _off(case, got.after.state, step.state, own):
            words = [_of_momentum(*next(iter(others.values())))] if others else []
            if unbiased != case.statistics.unbiased:
                words.append(f"the variance is {'unbiased' if unbiased else 'biased'}")
            return f"statistics: {' and '.join(words)} in {_listed(off)}"
    return ""


def _momentum(case: StepTaken, node: GraphNode, wanted: TrainingStep, got: TrainedStep) -> float | None:
    """The momentum by which a mean has moved; None where that is the right one, or does not tell."""
    mean = node.tensor("mean")
    if mean is None or not _off(case, got.after.state, wanted.state, [mean]):
        return None
    assert isinstance(node.op, RunningNorm)
    old, right = case.before.state[mean], case.statistics.momentum(node.op.momentum)
    batch = (wanted.state[mean] - old) / right if right else 0 * old
    found = _fitted({mean: got.after.state[mean] - old}, [{mean: batch}], [mean])
    return found[0] if found else None


def _of_momentum(node: GraphNode, found: float) -> str:
    assert isinstance(node.op, RunningNorm)
    right = node.op.momentum
    if abs(found) <= SURE:
        return "they do not move"
    inverted = "the momentum is inverted, " if abs(found - (1 - right)) <= SURE else "the momentum is "
    return f"{inverted}{_figure(found)} instead of {_figure(right)},"


# --- what all use -------------------------------------------------------------------------------


def _off(
    case: StepTaken, got: Mapping[str, Array], truth: Mapping[str, Array], names: Iterable[str]
) -> list[str]:
    """The tensors that differ."""
    return [name for name, error in each(got, truth, names).items() if error > case.bar]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 1
    return names[0] if not more else f"{names[0]} and {more} more"


def _figure(factor: float) -> str:
    return f"{factor:.6g}" if abs(factor) > SURE * SURE else "0"
