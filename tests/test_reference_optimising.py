"""The referee's training: update rules and losses against torch's, groups, parts and processes."""

from collections.abc import Callable

import numpy as np
import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import BatchNorm
from resnet_dsl.reference import (
    AdaptiveMoments,
    Array,
    Batch,
    BinaryEntropy,
    CategoricalEntropy,
    Division,
    HeavyBall,
    LayerwiseMoments,
    Objective,
    OpCall,
    Optimisation,
    OptimisedStep,
    RatedBatch,
    RootMeanSquare,
    UpdateRule,
    averaged,
    backward,
    forward,
    optimise,
    statistics,
    steps,
)
from resnet_dsl.reference.update_rules import clipped

torch = pytest.importorskip("torch")
F = torch.nn.functional

RATES = (0.1, 0.1, 0.05, 0.2, 1e-3, 1e-3, 0.03, 0.0, 0.07, 0.01)

RULES: dict[str, tuple[UpdateRule, Callable]] = {
    "sgd": (HeavyBall(), lambda p: torch.optim.SGD(p, lr=1)),
    "momentum": (HeavyBall(0.9, weight_decay=0.01), lambda p: torch.optim.SGD(p, 1, 0.9, weight_decay=0.01)),
    "nesterov": (
        HeavyBall(0.9, True, 0.01),
        lambda p: torch.optim.SGD(p, 1, 0.9, nesterov=True, weight_decay=0.01),
    ),
    "adam": (
        AdaptiveMoments(0.8, 0.95, 1e-3, 0.01),
        lambda p: torch.optim.Adam(p, 1, (0.8, 0.95), 1e-3, 0.01),
    ),
    "adamw": (
        AdaptiveMoments(0.8, 0.95, 1e-3, 0.05, decoupled=True),
        lambda p: torch.optim.AdamW(p, 1, (0.8, 0.95), 1e-3, 0.05),
    ),
    "rmsprop": (
        RootMeanSquare(0.9, 1e-3, 0.8, 0.01),
        lambda p: torch.optim.RMSprop(p, 1, 0.9, 1e-3, 0.01, momentum=0.8),
    ),
    "rmsprop without momentum": (RootMeanSquare(0.9, 1e-3), lambda p: torch.optim.RMSprop(p, 1, 0.9, 1e-3)),
}


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def graph_of(text: str) -> Graph:
    return compile_source(Source("t.resnet", text)).graph


@pytest.mark.parametrize("name", RULES)
def test_a_rule_moves_a_weight_as_torch_does_while_the_rate_changes(name):
    rule, made = RULES[name]
    weight, slots = numbers(4, 3), {}
    theirs = torch.nn.Parameter(torch.tensor(weight))
    optimiser = made([theirs])
    for count, lr in enumerate(RATES, 1):
        gradient = numbers(4, 3, seed=count)
        theirs.grad, optimiser.param_groups[0]["lr"] = torch.tensor(gradient), lr
        optimiser.step()
        weight, slots = rule.moved(weight, gradient, slots, lr, count)
        assert np.abs(weight - theirs.detach().numpy()).max() <= 1e-12


def test_lamb_is_that_of_the_paper():
    """You et al. 2019, algorithm 2, written out with phi the identity."""
    rule = LayerwiseMoments(0.9, 0.99, 1e-6, 0.01)
    weight, slots = numbers(5), {}
    x, m, v = weight.copy(), np.zeros(5), np.zeros(5)
    for t, lr in enumerate(RATES, 1):
        g = numbers(5, seed=t)
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.99 * v + (1 - 0.99) * g**2
        r = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-6)
        x = x - lr * np.linalg.norm(x) / np.linalg.norm(r + 0.01 * x) * (r + 0.01 * x)
        weight, slots = rule.moved(weight, g, slots, lr, t)
        assert np.abs(weight - x).max() <= 1e-12


def test_lamb_takes_adams_step_where_a_norm_is_zero():
    rule = LayerwiseMoments(0.9, 0.99, 1e-6, 0.01)
    moved, _ = rule.moved(np.zeros(3), np.array([1.0, -2.0, 3.0]), {}, 0.1, 1)
    assert np.abs(moved - np.array([-0.1, 0.1, -0.1])).max() <= 1e-6
    still, _ = rule.moved(np.zeros(3), np.zeros(3), {}, 0.1, 1)
    assert not still.any()


@pytest.mark.parametrize("most", [0.5, 100.0])
def test_gradients_are_clipped_as_by_torch(most):
    given = {"a": numbers(3, 2), "b": numbers(4, seed=1)}
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in given.values()]
    for parameter in theirs:
        parameter.grad = parameter.detach().clone()
    torch.nn.utils.clip_grad_norm_(theirs, most)
    for ours, parameter in zip(clipped(given, most).values(), theirs, strict=True):
        assert np.abs(ours - parameter.grad.numpy()).max() <= 1e-15
    assert all((clipped(given, 0.0)[name] == value).all() for name, value in given.items())


def test_the_mean_of_weights_is_that_of_torch():
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    theirs = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    ours = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
    theirs.update_parameters(model)  # the first call copies
    for step in range(3):
        state = {name: numbers(*value.shape, seed=step) for name, value in ours.items()}
        model.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        theirs.update_parameters(model)
        ours = averaged(ours, state, 0.9)
    for name, value in theirs.module.named_parameters():
        assert np.abs(ours[name] - value.detach().numpy()).max() <= 1e-15


def held_against(criterion, logits: Array, targets: Array, loss: Callable) -> None:
    theirs = torch.tensor(logits, requires_grad=True)
    wanted = loss(theirs)
    wanted.backward()
    ours, gradient = criterion.of(logits, targets)
    assert abs(ours - wanted.item()) <= 1e-14 * abs(wanted.item())
    assert np.abs(gradient - theirs.grad.numpy()).max() <= 1e-15


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("pixels", [(), (2, 3)])
def test_cross_entropy_is_that_of_torch(smoothing, pixels):
    logits, labels = 5 * numbers(4, 3, *pixels), np.random.default_rng(1).integers(0, 3, (4, *pixels))
    held_against(
        CategoricalEntropy(smoothing), logits, labels,
        lambda x: F.cross_entropy(x, torch.tensor(labels), label_smoothing=smoothing),
    )  # fmt: skip
    soft = np.random.default_rng(2).dirichlet((1, 1, 1), (4, *pixels))
    soft = np.moveaxis(soft, -1, 1)
    held_against(
        CategoricalEntropy(smoothing), logits, soft,
        lambda x: F.cross_entropy(x, torch.tensor(soft), label_smoothing=smoothing),
    )  # fmt: skip


def test_binary_cross_entropy_is_that_of_torch():
    logits, labels = 5 * numbers(4, 3), np.array([0, 2, 1, 1])
    shares = torch.eye(3, dtype=torch.float64)[torch.tensor(labels)]
    bce = F.binary_cross_entropy_with_logits
    held_against(BinaryEntropy(), logits, labels, lambda x: bce(x, shares))
    held_against(BinaryEntropy(0.1), logits, labels, lambda x: bce(x, 0.9 * shares + 0.05))
    single = np.array([0, 1, 1, 0])
    held_against(
        BinaryEntropy(), numbers(4, 1), single, lambda x: bce(x, torch.tensor(single[:, None] * 1.0))
    )


def test_losses_stay_finite_far_from_zero():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]])
    assert CategoricalEntropy().of(logits, np.array([1, 1]))[0] == 1e4
    loss, gradient = BinaryEntropy().of(logits, np.array([1, 1]))
    assert loss == 5e3
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("unbiased", [True, False])
def test_groups_are_batches_of_their_own_to_batch_norm(unbiased):
    op, x, gradient = BatchNorm(momentum=0.3), numbers(6, 2, 3, 3), numbers(6, 2, 3, 3, seed=1)
    own = {"weight": numbers(2, seed=2), "bias": numbers(2, seed=3)}
    own |= {"running_mean": numbers(2, seed=4), "running_var": np.abs(numbers(2, seed=5))}
    theirs = {
        name: torch.tensor(value, requires_grad=name in ("weight", "bias")) for name, value in own.items()
    }
    given = torch.tensor(x, requires_grad=True)
    chunks, moved = [], []
    for chunk in given.chunk(3):
        mean, variance = theirs["running_mean"].clone(), theirs["running_var"].clone()
        chunks.append(
            F.batch_norm(chunk, mean, variance, theirs["weight"], theirs["bias"], True, 0.3, op.eps)
        )
        biased = 0.7 * theirs["running_var"] + 0.3 * chunk.detach().var((0, 2, 3), unbiased=False)
        moved.append((mean, variance if unbiased else biased))
    result = torch.cat(chunks)
    result.backward(torch.tensor(gradient))
    call = OpCall((x,), own, training=True, groups=3)
    ours = forward(op, call)
    assert np.abs(ours - result.detach().numpy()).max() <= 1e-13
    found = backward(op, call, ours, gradient)
    assert np.abs(found.inputs[0] - given.grad.numpy()).max() <= 1e-13
    for name in ("weight", "bias"):
        assert np.abs(found.tensors[name] - theirs[name].grad.numpy()).max() <= 1e-13
    for name, index in (("running_mean", 0), ("running_var", 1)):
        mean = torch.stack([each[index] for each in moved]).mean(0).numpy()
        assert np.abs(statistics(op, call, unbiased)[name] - mean).max() <= 1e-13


SMALL = """model m {
    input: 2x8x8  stem: conv(4, 3x3) -> bn -> relu
    stages: [1, 1]  widths: [4, 6]  block: basic  classes: 3
}"""
ENTROPY = (Objective("output", CategoricalEntropy()),)


def batches_of(graph: Graph, count: int = 2, size: int = 8) -> list[RatedBatch]:
    shape = graph.network.input.at(graph.network.extent)
    return [
        RatedBatch(
            numbers(size, *shape, seed=i), np.random.default_rng(i).integers(0, 3, size), 0.1 / (i + 1)
        )
        for i in range(count)
    ]


def last(graph: Graph, how: Optimisation, batches: list[RatedBatch]) -> OptimisedStep:
    *_, step = optimise(graph, random_state(graph, 0), batches, how)
    return step


def same(first: OptimisedStep, second: OptimisedStep, bar: float = 1e-12) -> bool:
    pairs = [(first.gradients, second.gradients), (first.state, second.state)]
    apart = [np.abs(a[name] - b[name]).max() for a, b in pairs for name in a.keys() | b.keys()]
    return max(*apart, abs(first.loss - second.loss)) <= bar


def test_sgd_is_the_training_that_verify_has():
    graph = graph_of(SMALL)
    batches = [each._replace(lr=0.1) for each in batches_of(graph)]
    how = Optimisation(ENTROPY, HeavyBall(0.9, weight_decay=1e-3))
    state = random_state(graph, 0)
    given = [Batch(each.x, each.targets) for each in batches]
    ours, before = optimise(graph, state, batches, how), steps(graph, state, given, 0.1, 0.9, 1e-3)
    for step, wanted in zip(ours, before, strict=True):
        assert abs(step.loss - wanted.loss) <= 1e-14
        for name in wanted.state:
            assert np.abs(step.state[name] - wanted.state[name]).max() <= 1e-13
        for name in wanted.velocity:
            assert np.abs(step.optimiser.slots[name]["velocity"] - wanted.velocity[name]).max() <= 1e-13


def test_parts_and_processes_with_groups_of_one_size_are_the_same_training():
    graph = graph_of(SMALL)
    rule, batches = HeavyBall(0.9, weight_decay=1e-3), batches_of(graph)
    ways = [Division(1, 1, 2), Division(2, 1, 2), Division(1, 2, 2), Division(2, 2, 2)]
    whole, *others = (last(graph, Optimisation(ENTROPY, rule, division=way), batches) for way in ways)
    assert all(same(whole, other) for other in others)
    assert not same(whole, last(graph, Optimisation(ENTROPY, rule), batches), 1e-6)


def test_without_groups_statistics_move_with_each_part_and_are_the_mean_of_the_processes():
    graph = graph_of(SMALL)
    start, (batch, *_) = random_state(graph, 0), batches_of(graph)
    x, name = np.asarray(batch.x), "bn1.running_mean"
    weight = torch.tensor(start["conv1.weight"], dtype=torch.float64)
    means = [
        F.conv2d(torch.tensor(x[i : i + 2]), weight, padding=1).mean((0, 2, 3)).numpy()
        for i in range(0, 8, 2)
    ]

    def moved(*own: Array) -> Array:
        value = np.asarray(start[name], np.float64)
        for mean in own:
            value = 0.9 * value + 0.1 * mean
        return value

    one = last(graph, Optimisation(ENTROPY, HeavyBall(), division=Division(1, 4)), [batch])
    assert np.abs(one.state[name] - moved(*means)).max() <= 1e-13
    two = last(graph, Optimisation(ENTROPY, HeavyBall(), division=Division(2, 2)), [batch])
    wanted = (moved(*means[:2]) + moved(*means[2:])) / 2
    assert np.abs(two.state[name] - wanted).max() <= 1e-13
    assert np.abs(one.gradients["fc.weight"] - two.gradients["fc.weight"]).max() <= 1e-13


def test_a_batch_that_does_not_divide_is_refused():
    graph = graph_of(SMALL)
    for division in (Division(3), Division(1, 3), Division(2, 1, 3)):
        with pytest.raises(ValueError, match="does not divide"):
            last(graph, Optimisation(ENTROPY, HeavyBall(), division=division), batches_of(graph))


@pytest.mark.parametrize(
    ("activation", "criterion"), [("softmax", CategoricalEntropy(0.1)), ("sigmoid", BinaryEntropy(0.1))]
)
def test_a_final_activation_changes_nothing_of_a_step(activation, criterion):
    graph = graph_of(SMALL)
    ending = graph_of(SMALL.replace("classes: 3", f"head: gap -> flatten -> fc(3) -> {activation}"))
    how = Optimisation((Objective(graph.outputs[0][0], criterion),), HeavyBall())
    plain = last(graph, how, batches_of(graph))
    ended = last(
        ending, Optimisation((Objective(ending.outputs[0][0], criterion),), HeavyBall()), batches_of(graph)
    )
    assert abs(plain.loss - ended.loss) <= 1e-13
    assert plain.gradients.keys() == ended.gradients.keys()
    for name, gradient in plain.gradients.items():
        assert np.abs(ended.gradients[name] - gradient).max() <= 1e-13


def test_losses_of_several_outputs_are_added_by_their_weights():
    graph = graph_of("""model m {
        input: 2x8x8
        stem: conv(4, 3x3) -> bn -> relu
        stages: [1, 1]  widths: [4, 6]  block: basic
        head: { one: layer2 -> gap -> flatten -> fc(3)  two: layer1 -> gap -> flatten -> fc(3) }
    }""")
    batch, first = batches_of(graph)[:1], Objective("one", CategoricalEntropy())
    second = Objective("two", BinaryEntropy())
    alone = [last(graph, Optimisation((each,), HeavyBall()), batch) for each in (first, second)]
    both = last(graph, Optimisation((first, Objective("two", BinaryEntropy(), 0.25)), HeavyBall()), batch)
    assert abs(both.loss - alone[0].loss - 0.25 * alone[1].loss) <= 1e-14
    for name, gradient in both.gradients.items():
        parts = [each.gradients.get(name, 0.0) for each in alone]
        assert np.abs(gradient - parts[0] - 0.25 * parts[1]).max() <= 1e-14
