"""The referee on whole networks: against torch's autograd, and against finite differences."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.reference import (
    Batch,
    backpropagate,
    cross_entropy,
    evaluate,
    evaluate_all,
    record,
    steps,
    train,
)
from tests.support.oracles import torchvision_models

torch = pytest.importorskip("torch")
F = torch.nn.functional
torch.set_num_threads(1)

CIFAR = """model m(kind = A) {
    input: 3x16x16
    stem: conv(8, 3x3) -> bn -> relu
    stages: [1, 1, 1]  widths: [8, 12, 16]
    block: basic  shortcut: kind  classes: 5
}"""

NETWORKS = {
    "cifar_a": CIFAR,
    "cifar_b": CIFAR.replace("kind = A", "kind = B").replace("3x16x16", "3x15x13"),
    "preactivated": """model m {
        input: 3x16x16  stem: conv(8, 3x3)
        stages: [2, 1]  widths: [4, 8]  block: bottleneck  activation: pre  classes: 5
    }""",
    "squeeze_and_excitation": """
    block se_basic(width, stride = 1, shortcut = B) {
        main = x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 3x3) -> bn -> se(4)
        return relu(main + (x -> downsample: shortcut(width, stride)))
    }
    model m {
        input: 3x12x13  stem: conv(8, 3x3) -> bn -> relu -> maxpool(3x3, stride=2)
        stages: [1, 1]  widths: [8, 16]  block: se_basic  classes: 5
    }""",
    "resnext": """model m {
        input: 3x16x16  stem: conv(8, 5x5, stride=2, pad=same) -> bn -> relu
        stages: [1, 1]  widths: [8, 16]  block: bottleneck(groups=4, base_width=32)  classes: 5
    }""",
    "inception": """
    block mixed(width, stride = 1) {
        a = x -> conv(width, 1x1, bias=true) -> tanh
        b = x -> maxpool(3x3, stride=1, pad=same) -> conv(width, 3x3, dilation=2) -> bn -> sigmoid
        c = x -> avgpool(3x3, stride=1, pad=1, count_pad=true) -> zeropad(1) -> conv(width, 3x3, pad=0)
        return concat(a, b, c) -> avgpool(2x2, ceil=true)
    }
    model m {
        input: 3x13x14  stem: conv(8, 3x3) -> bn -> relu
        stages: [1, 1]  widths: [4, 5]  block: mixed
        head: flatten -> dropout(0.5) -> fc(7) -> relu -> fc(5)
    }""",
    "big_transfer": """
    block standardised(width, stride = 1) {
        a = x -> gn(2) -> relu
        main = a -> conv(width, 1x1, standardize=1e-8) -> gn(2) -> silu
                 -> conv(width, 3x3, groups=2, standardize=1e-8) -> ln -> gelu -> blurpool(3, stride=stride)
        gate = main -> gap -> channel_conv(3) -> sigmoid
        return (main * gate -> stochastic_depth(0.25)) + (a -> conv(width, 1x1, stride=stride))
    }
    model m {
        input: 3x17x14  stem: conv(8, 5x5, stride=2, bias=true, standardize=1e-8) -> lrn(3, alpha=0.5)
        stages: [1, 1]  widths: [4, 8]  block: standardised
        head: adaptive_avgpool(3x2) -> flatten(order=hwc) -> fc(5)
    }""",
    "attention": """
    block gated(width, stride = 1) {
        t = x -> conv(width, 3x3, stride=stride) -> bn -> leaky_relu(0.2)
        s = x -> conv(width, 1x1, stride=stride) -> hard_swish
        mask = t -> maxpool(3x3, stride=2) -> conv(1, 3x3) -> upsample(2, mode=bilinear) -> sigmoid
        a = t * mask + s * (1 - mask)
        b = concat(part(t, 0, 2), part(s, 1, 2)) -> gelu(approximate=true)
        return a - b / 2 + (a -> avgpool(2) -> upsample(2))
    }
    model m {
        input: 3x16x20  stem: conv(8, 3x3) -> bn -> relu
        stages: [1, 1]  widths: [8, 12]  block: gated  classes: 5
    }""",
}

names = pytest.mark.parametrize("name", NETWORKS)


def graph_of(text: str, **overrides: object) -> Graph:
    return compile_source(Source("t.resnet", text), overrides=overrides).graph


def random_state(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights that keep the signal's size, and statistics and scales that are nowhere 0 or 1."""
    rng = np.random.default_rng(seed)

    def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) > 1:
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        if name.endswith(("bias", "running_mean")):
            return rng.standard_normal(shape) * 0.3
        return rng.uniform(0.5, 1.5, shape)

    return {name: tensor(name, p.shape) for name, p in graph.parameters()}


def some_batch(graph: Graph, seed: int = 1, size: int = 3) -> Batch:
    rng = np.random.default_rng(seed)
    shape = graph.network.input.at(graph.network.extent)
    return Batch(rng.standard_normal((size, *shape)), rng.integers(0, 5, size))


def close(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-3)


# --- a second interpreter, in torch ------------------------------------------------------------


class Interpreter:
    """The graph run by torch's functionals, op by op; independent of the referee's rules."""

    def __init__(self, graph: Graph, state: dict[str, np.ndarray]) -> None:
        self.graph = graph
        learned = {name for node in graph.nodes if not graph.is_frozen(node)
                   for name, p in node.parameters() if p.learned}  # fmt: skip
        self.state = {
            name: torch.tensor(value, dtype=torch.float64, requires_grad=name in learned)
            for name, value in state.items()
        }

    def learned(self) -> dict[str, "torch.Tensor"]:
        return {name: value for name, value in self.state.items() if value.requires_grad}

    def __call__(self, x: np.ndarray, training: bool, masks: dict | None = None) -> dict[str, "torch.Tensor"]:
        values = {INPUT: torch.tensor(x)}
        for node in self.graph.nodes:
            own = {name.rpartition(".")[2]: self.state[name] for name, _ in node.parameters()}
            inputs = [values[name] for name in node.inputs]
            alive = training and not self.graph.is_frozen(node)
            if node.op.random and alive and masks:
                values[node.name] = inputs[0] * torch.tensor(masks[node.name]) / (1 - node.op.rate)
            else:
                values[node.name] = RUN[node.op.kind](node.op, inputs, own, alive)
        return values


def padded_same(op, x, fill):
    amounts = []
    dilation = getattr(op, "dilation", (1, 1))
    for n, k, s, d in zip(x.shape[2:], op.kernel, op.stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        amounts = [total // 2, total - total // 2, *amounts]
    return F.pad(x, amounts, value=fill)


def run_conv(op, inputs, own, training):
    x, pad, weight = inputs[0], op.pad, own["weight"]
    if pad == "same":
        x, pad = padded_same(op, x, 0.0), 0
    if op.standardize:
        variance, mean = torch.var_mean(weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (weight - mean) / (variance + op.standardize).sqrt()
    return F.conv2d(x, weight, own.get("bias"), op.stride, pad, op.dilation, op.groups)


def run_channel_conv(op, inputs, own, training):
    row = inputs[0].flatten(1).unsqueeze(1)
    return F.conv1d(row, own["weight"], padding=op.kernel // 2).reshape(inputs[0].shape)


def run_layer_norm(op, inputs, own, training):
    last = F.layer_norm(inputs[0].movedim(1, -1), own["weight"].shape, own["weight"], own["bias"], op.eps)
    return last.movedim(-1, 1)


def run_blurpool(op, inputs, own, training):
    x = F.pad(inputs[0], (op.pad,) * 4, "reflect")
    kernel = torch.outer(*2 * (torch.tensor(op.taps, dtype=x.dtype),)).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, None, op.stride, groups=x.shape[1])


def run_flatten(op, inputs, own, training):
    return (inputs[0] if op.order == "chw" else inputs[0].movedim(1, -1)).flatten(1)


def run_upsample(op, inputs, own, training):
    corners = None if op.mode == "nearest" else False
    return F.interpolate(inputs[0], scale_factor=op.factor, mode=op.mode, align_corners=corners)


def run_maxpool(op, inputs, own, training):
    x, pad = inputs[0], op.pad
    if pad == "same":
        x, pad = padded_same(op, x, float("-inf")), 0
    return F.max_pool2d(x, op.kernel, op.stride, pad, ceil_mode=op.ceil)


RUN = {
    "conv": run_conv,
    "maxpool": run_maxpool,
    "avgpool": lambda op, i, t, _: F.avg_pool2d(i[0], op.kernel, op.stride, op.pad, op.ceil, op.count_pad),
    "fc": lambda op, i, t, _: F.linear(i[0].flatten(1), t["weight"], t.get("bias")),
    "bn": lambda op, i, t, training: F.batch_norm(
        i[0], t["running_mean"], t["running_var"], t["weight"], t["bias"], training, op.momentum, op.eps
    ),
    "channel_conv": run_channel_conv,
    "gn": lambda op, i, t, _: F.group_norm(i[0], op.groups, t["weight"], t["bias"], op.eps),
    "ln": run_layer_norm,
    "lrn": lambda op, i, t, _: F.local_response_norm(i[0], op.size, op.alpha, op.beta, op.k),
    "relu": lambda op, i, t, _: F.relu(i[0]),
    "leaky_relu": lambda op, i, t, _: F.leaky_relu(i[0], op.slope),
    "silu": lambda op, i, t, _: F.silu(i[0]),
    "gelu": lambda op, i, t, _: F.gelu(i[0], approximate="tanh" if op.approximate else "none"),
    "hard_swish": lambda op, i, t, _: F.hardswish(i[0]),
    "affine": lambda op, i, t, _: op.scale * i[0] + op.shift,
    "sigmoid": lambda op, i, t, _: torch.sigmoid(i[0]),
    "tanh": lambda op, i, t, _: torch.tanh(i[0]),
    "dropout": lambda op, i, t, _: i[0],
    "stochastic_depth": lambda op, i, t, _: i[0],
    "gap": lambda op, i, t, _: F.adaptive_avg_pool2d(i[0], 1),
    "adaptive_avgpool": lambda op, i, t, _: F.adaptive_avg_pool2d(i[0], op.size),
    "blurpool": run_blurpool,
    "flatten": run_flatten,
    "part": lambda op, i, t, _: i[0].chunk(op.of, 1)[op.index],
    "upsample": run_upsample,
    "subsample": lambda op, i, t, _: i[0][:, :, :: op.stride[0], :: op.stride[1]],
    "pad_channels": lambda op, i, t, _: F.pad(i[0], (0, 0, 0, 0, 0, op.channels - i[0].shape[1])),
    "zeropad": lambda op, i, t, _: F.pad(i[0], (op.amount[1], op.amount[1], op.amount[0], op.amount[0])),
    "add": lambda op, i, t, _: i[0] + i[1],
    "mul": lambda op, i, t, _: i[0] * i[1],
    "concat": lambda op, i, t, _: torch.cat(i, 1),
}


# --- against torch -----------------------------------------------------------------------------


@names
def test_every_result_is_that_of_torch(name):
    graph = graph_of(NETWORKS[name])
    state, batch = random_state(graph), some_batch(graph)
    theirs = Interpreter(graph, state)(batch.x, training=False)
    ours = evaluate_all(graph, state, batch.x)
    assert list(ours) == [node.name for node in graph.nodes]
    for result, value in ours.items():
        close(value, theirs[result].detach().numpy(), 1e-12)
    (logits,) = evaluate(graph, state, batch.x).values()
    assert np.array_equal(logits, ours[graph.outputs[0][1]])


@names
def test_training_is_that_of_torch(name):
    """Losses, gradients, parameters and running statistics over three steps with momentum and decay."""
    graph = graph_of(NETWORKS[name])
    start = random_state(graph)
    batches = [some_batch(graph, seed) for seed in range(3)]
    model = Interpreter(graph, start)
    learned = model.learned()
    optimiser = torch.optim.SGD(learned.values(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    for batch, step in zip(batches, steps(graph, start, batches, 0.05, 0.9, 1e-3), strict=True):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(batch.x, True)[graph.outputs[0][1]], torch.tensor(batch.labels))
        loss.backward()
        assert abs(step.loss - loss.item()) <= 1e-11 * abs(loss.item())
        assert list(step.gradients) == list(learned)
        for parameter, gradient in step.gradients.items():
            close(gradient, learned[parameter].grad.numpy(), 1e-10)
        optimiser.step()
        assert step.state.keys() == model.state.keys()
        for tensor, value in step.state.items():
            close(value, model.state[tensor].detach().numpy(), 1e-11)


@pytest.mark.parametrize("name", ["inception", "big_transfer"])
def test_masks_reach_the_random_steps(name):
    graph = graph_of(NETWORKS[name])
    state, batch = random_state(graph), some_batch(graph)
    results = evaluate_all(graph, state, batch.x)
    shapes = {node.name: results[node.name].shape for node in graph.nodes if node.op.random}
    if name == "big_transfer":  # one value an image
        shapes = {step: (shape[0], 1, 1, 1) for step, shape in shapes.items()}
    rng = np.random.default_rng(0)
    masks = {step: rng.integers(0, 2, shape).astype(float) for step, shape in shapes.items()}
    theirs = Interpreter(graph, state)(batch.x, True, masks)[graph.outputs[0][1]]
    ours = record(graph, state, batch.x, masks).outputs()["output"]
    close(ours, theirs.detach().numpy(), 1e-12)
    whole = record(graph, state, batch.x).outputs()["output"]
    assert np.abs(ours - whole).max() > 1e-3
    with pytest.raises(ValueError, match=f"no mask for the random step {next(iter(masks))}"):
        record(graph, state, batch.x, {})


@pytest.mark.torchvision
def test_resnet18_is_that_of_torchvision():
    models = torchvision_models()
    graph = graph_of("model resnet18 { stages: [2, 2, 2, 2]  block: basic  classes: 10 }")
    state = random_state(graph)
    model = models.resnet18(num_classes=10).double()
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    absent = model.load_state_dict(tensors, strict=False)
    assert not absent.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in absent.missing_keys)
    for size in ((64, 64), (65, 47)):
        x = np.random.default_rng(0).standard_normal((2, 3, *size))
        theirs = model.eval()(torch.tensor(x)).detach().numpy()
        close(evaluate(graph, state, x)["output"], theirs, 1e-12)
    model.train()(torch.tensor(x))
    updated = record(graph, state, x).statistics()
    for name, value in updated.items():
        close(value, model.state_dict()[name].numpy(), 1e-12)


# --- against finite differences ----------------------------------------------------------------


@names
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_slopes_of_the_loss(name, training):
    """Along a random direction of all parameters, and of the input: no torch involved."""
    graph = graph_of(NETWORKS[name])
    state, batch = random_state(graph), some_batch(graph)

    def loss(state, x):
        return cross_entropy(record(graph, state, x, training=training).outputs()["output"], batch.labels)

    tape = record(graph, state, batch.x, training=training)
    found = backpropagate(tape, {"output": cross_entropy(tape.outputs()["output"], batch.labels)[1]})
    rng = np.random.default_rng(5)
    way = {name: rng.standard_normal(g.shape) for name, g in found.parameters.items()}
    way_in = rng.standard_normal(found.input.shape)
    slope = sum((way[name] * g).sum() for name, g in found.parameters.items())
    slope += (way_in * found.input).sum()
    # Small enough that hardly ever a relu or a maximum switches in between.
    step = 1e-7
    ends = [
        loss(state | {name: state[name] + sign * way[name] for name in way}, batch.x + sign * way_in)[0]
        for sign in (step, -step)
    ]
    assert abs((ends[0] - ends[1]) / (2 * step) - slope) <= 1e-5 * max(abs(slope), 1.0)


@pytest.mark.parametrize("name", ["cifar_a", "squeeze_and_excitation", "preactivated"])
def test_each_kind_of_parameter_has_the_slope_of_the_loss(name):
    graph = graph_of(NETWORKS[name])
    state, batch = random_state(graph), some_batch(graph)
    gradients = train(graph, state, [batch], lr=0.0).gradients
    for parameter in (next(iter(gradients)), list(gradients)[len(gradients) // 2], list(gradients)[-1]):
        way = np.zeros_like(state[parameter])
        place = np.unravel_index(np.abs(gradients[parameter]).argmax(), way.shape)
        way[place] = 1e-6
        losses = [
            train(graph, state | {parameter: moved}, [batch], lr=0.0).losses[0]
            for moved in (state[parameter] + way, state[parameter] - way)
        ]
        slope = (losses[0] - losses[1]) / 2e-6
        assert abs(slope - gradients[parameter][place]) <= 1e-5 * max(abs(slope), 1e-2)


# --- frozen parts, outputs and states ----------------------------------------------------------


def test_a_frozen_part_keeps_parameters_and_statistics():
    graph = graph_of(NETWORKS["cifar_b"].replace("classes: 5", "classes: 5  freeze: [stem, layer2]"))
    start, batches = random_state(graph), [some_batch(graph, seed) for seed in range(2)]
    frozen = {name for node in graph.nodes if graph.is_frozen(node) for name, _ in node.parameters()}
    trained = train(graph, start, batches, 0.1, 0.9, 1e-3)
    assert {name.split(".")[0] for name in frozen} == {"conv1", "bn1", "layer2"}
    assert not frozen & trained.gradients.keys()
    for name, value in trained.state.items():
        assert np.array_equal(value, start[name]) == (name in frozen), name
    model = Interpreter(graph, start)
    logits = model(batches[0].x, True)[graph.outputs[0][1]]
    F.cross_entropy(logits, torch.tensor(batches[0].labels)).backward()
    first = next(steps(graph, start, batches, 0.1))
    for name, gradient in first.gradients.items():
        close(gradient, model.state[name].grad.numpy(), 1e-10)


def test_outputs_have_their_names_and_a_loss_on_some_leaves_the_rest():
    graph = graph_of(NETWORKS["cifar_a"].replace("classes: 5", "classes: 5  outputs: [layer1, layer2]"))
    state, batch = random_state(graph), some_batch(graph)
    outputs = evaluate(graph, state, batch.x)
    assert {name: value.shape for name, value in outputs.items()} == {
        "layer1": (3, 8, 16, 16),
        "layer2": (3, 12, 8, 8),
    }
    tape = record(graph, state, batch.x, training=False)
    found = backpropagate(tape, {"layer1": np.ones((3, 8, 16, 16))})
    assert {name.split(".")[0] for name in found.parameters} == {"conv1", "bn1", "layer1"}
    both = backpropagate(tape, {name: np.ones(value.shape) for name, value in outputs.items()})
    assert "layer2.0.conv1.weight" in both.parameters


def test_the_start_is_not_changed_and_no_batches_change_nothing():
    graph = graph_of(NETWORKS["cifar_a"])
    start = random_state(graph)
    before = {name: value.copy() for name, value in start.items()}
    train(graph, start, [some_batch(graph)], 0.1, 0.9)
    assert all(np.array_equal(start[name], value) for name, value in before.items())
    assert train(graph, start, [], 0.1).losses == ()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (18, 64)])
def test_an_open_input_takes_any_size(size):
    graph = graph_of("model m { input: 3xHxW  stages: [1, 1]  widths: [8, 8]  block: basic  classes: 5 }")
    state, x = random_state(graph), np.random.default_rng(0).standard_normal((2, 3, *size))
    theirs = Interpreter(graph, state)(x, training=False)
    for name, value in evaluate_all(graph, state, x).items():
        close(value, theirs[name].detach().numpy(), 1e-12)


def test_a_state_that_does_not_fit_is_refused_by_name():
    graph = graph_of(NETWORKS["cifar_a"])
    state, x = random_state(graph), some_batch(graph).x
    with pytest.raises(ValueError, match=r"the state has no fc\.bias"):
        evaluate(graph, {name: v for name, v in state.items() if name != "fc.bias"}, x)
    with pytest.raises(ValueError, match=r"m has no fc\.scale"):
        evaluate(graph, state | {"fc.scale": np.ones(5)}, x)
    with pytest.raises(ValueError, match=r"fc\.bias is \(4,\), not \(5,\)"):
        evaluate(graph, state | {"fc.bias": np.ones(4)}, x)
    with pytest.raises(ValueError, match="a batch is Nx3xHxW"):
        evaluate(graph, state, x[:, :2])


def test_the_compiler_starts_without_the_referee_and_the_referee_without_frameworks():
    compiler = (
        "import resnet_dsl.driver, sys; assert not {'numpy', 'resnet_dsl.reference'} & set(sys.modules)"
    )
    referee = "import resnet_dsl.reference, sys; assert not {'torch', 'keras', 'onnx'} & set(sys.modules)"
    for line in (compiler, referee):
        subprocess.run([sys.executable, "-c", line], check=True, cwd=Path(__file__).parents[1])


def test_the_referee_imports_numpy_and_the_compiler_only():
    folder = Path(__file__).parents[1] / "resnet_dsl" / "reference"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                top = (node.module or "").split(".")[0]
                assert top in {"__future__", "collections", "dataclasses", "functools", "itertools",
                               "math", "typing", "numpy", "resnet_dsl"}, f"{path.name}: {top}"  # fmt: skip
