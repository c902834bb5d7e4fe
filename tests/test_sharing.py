"""Shared weights: one set of tensors, whatever applies them, in counts, names, training and files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl import loads
from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.backend.interface import Lesson, Sgd, TrainingState
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.reference import Batch, evaluate
from resnet_dsl.reference import steps as referee_steps
from resnet_dsl.zoo.fold import means_behind
from resnet_dsl.zoo.unfold import norms_behind
from tests.support.backends import in_full

# Shared in a part, in a block under a label and without, through a block it is passed to, in a stage; the
# applications of `same` are on ways of different lengths, so that their order does not follow from these.
NET = """const mix = share(fc(6))

block tower(width) {
    return x -> conv(width, 3x3) -> bn -> relu
}

block cell(width) {
    return relu(x + (x -> conv(width, 3x3) -> bn))
}

block twice(f) {
    return x -> f -> tanh -> f
}

block levels(width) {
    same = share(tower(width))
    norm = share(bn(momentum=0.3))
    near = x -> conv(width, 1x1)
    first = near -> cls: same -> norm -> gap
    far = near -> conv(width, 3x3, stride=2) -> relu -> conv(width, 3x3) -> same -> norm -> gap
    return concat(first, far, near -> same -> gap)
}

model net {
    input: 3x9x9
    stem: conv(6, 3x3)
    stages: [[3 * share(cell(6)), twice(share(conv(6, 3x3)))], levels(6)]
    head: flatten -> fc(6) -> mix -> relu -> mix -> fc(3)
}
"""


def compiled(text: str) -> Program:
    return compile_source(Source("net.resnet", text))


def by_hand() -> Any:
    """The same network as a person writes it in PyTorch."""
    torch = pytest.importorskip("torch")
    nn, F = torch.nn, torch.nn.functional

    def conv(kernel: int = 3, stride: int = 1) -> Any:
        return nn.Conv2d(6, 6, kernel, stride=stride, padding=kernel // 2, bias=False)

    def tower() -> Any:
        made = nn.Module()
        made.conv1, made.bn1 = conv(), nn.BatchNorm2d(6)
        return made

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
            twice = nn.Module()
            twice.conv1 = conv()
            self.layer1 = nn.ModuleDict({"0": tower(), "3": twice})
            levels = nn.Module()
            levels.conv1, levels.conv2, levels.conv3 = conv(1), conv(3, 2), conv()
            levels.cls, levels.bn1 = tower(), nn.BatchNorm2d(6, momentum=0.3)
            self.layer2 = nn.ModuleList([levels])
            self.fc1, self.fc2, self.fc3 = nn.Linear(18, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = self.conv1(x)
            cell, twice, levels = self.layer1["0"], self.layer1["3"], self.layer2[0]
            for _ in range(3):
                x = F.relu(x + cell.bn1(cell.conv1(x)))
            near = levels.conv1(twice.conv1(torch.tanh(twice.conv1(x))))
            tower = levels.cls

            def same(x: Any) -> Any:
                return F.relu(tower.bn1(tower.conv1(x)))

            first = levels.bn1(same(near)).mean((2, 3))
            far = levels.bn1(same(levels.conv3(F.relu(levels.conv2(near))))).mean((2, 3))
            x = self.fc1(torch.cat([first, far, same(near).mean((2, 3))], 1))
            return self.fc3(self.fc2(F.relu(self.fc2(x))))

    return Net().double()


SGD = Sgd(0.0625, 0.75, 0.0078125)  # Keras keeps them in single precision


def _batches() -> list[tuple[Any, Any]]:
    generator = np.random.default_rng(3)
    return [(generator.standard_normal((4, 3, 9, 9)), np.array([0, 2, 1, 2])) for _ in range(2)]


def _largest(got: Any, wanted: Any) -> float:
    assert got.keys() == wanted.keys()
    return max(float(np.abs(got[k] - wanted[k]).max() / max(np.abs(wanted[k]).max(), 1e-3)) for k in wanted)


def _start(program: Program) -> dict[str, Any]:
    return {name: value.astype(np.float64) for name, value in random_state(program.graph, 1).items()}


@pytest.mark.slow
def test_a_network_computes_and_learns_as_one_written_by_hand() -> None:
    program, torch = compiled(NET), pytest.importorskip("torch")
    state, batches = _start(program), _batches()
    model, ours = by_hand(), in_full("torch")
    assert program.warnings == ()
    assert sorted(ours.read_state(model)) == sorted(name for name, _ in program.graph.parameters())
    ours.load_state(model, state)
    x = batches[0][0]
    wanted = {"output": model.eval()(torch.from_numpy(x)).detach().numpy()}
    assert _largest(evaluate(program.graph, state, x), wanted) < 1e-12
    for name in ("torch", "keras", "onnx"):
        backend = in_full(name)
        live = backend.load_state(backend.build(program, "float64"), state)
        assert _largest(backend.run(live, x), wanted) < 1e-11, name

    optimizer = torch.optim.SGD(
        model.train().parameters(), SGD.lr, SGD.momentum, weight_decay=SGD.weight_decay
    )
    for images, labels in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            model(torch.from_numpy(images)), torch.from_numpy(labels)
        ).backward()
        optimizer.step()
    learned, after = {name for name, p in program.graph.parameters() if p.learned}, ours.read_state(model)
    lessons = [Batch(images, labels) for images, labels in batches]
    for name, unbiased in (("torch", True), ("keras", False)):
        *_, referee = referee_steps(program.graph, state, lessons, *SGD, unbiased)
        backend = in_full(name)
        live = backend.load_state(backend.build(program, "float64"), state)
        given = [Lesson(*batch, None if i else TrainingState(state, {})) for i, batch in enumerate(batches)]
        *_, last = find_backend(name).trainer.load().steps(live, given, SGD)
        assert _largest(last.after.state, referee.state) < 1e-10, name
        theirs = {k: v for k, v in after.items() if unbiased or k in learned}
        assert _largest({k: referee.state[k] for k in theirs}, theirs) < 1e-10, name


# The sum takes the first application's result long after the second application.
SUM = """block mine(width) {
    same = share(bn(momentum=0.3))
    return (x -> same) + (x -> conv(width, 3x3) -> same -> relu -> conv(width, 3x3))
}
model net { input: 3x7x7  stem: conv(4, 3x3)  stages: [1]  block: mine  widths: 4  head: gap -> fc(3) }"""


def test_statistics_move_in_the_order_of_the_text_whatever_is_written_in_one_expression() -> None:
    program = compiled(SUM)
    state, backend = _start(program), in_full("torch")
    batch = np.random.default_rng(5).standard_normal((4, 3, 7, 7)), np.array([0, 2, 1, 2])
    (wanted,) = referee_steps(program.graph, state, [Batch(*batch)], *SGD)
    live = backend.load_state(backend.build(program, "float64"), state)
    trainer = find_backend("torch").trainer.load()
    (got,) = trainer.steps(live, [Lesson(*batch, TrainingState(state, {}))], SGD)
    assert _largest(got.after.state, wanted.state) < 1e-10


def test_tensors_count_once_and_multiply_adds_each_time() -> None:
    program = compiled(NET)
    names = [name for name, _ in program.graph.parameters()]
    assert Counter(names).most_common(1)[0][1] == 1
    assert program.cost.params == sum(p.size for _, p in program.graph.parameters() if p.learned)
    macs = {layer.node.name: layer.macs for layer in program.layers}
    assert macs["layer1.0.conv1"] == macs["layer1.2.conv1"] == macs["layer1.3.conv1@2"] == 6 * 6 * 9 * 81
    assert macs["layer2.0.cls@2.conv1"] == 6 * 6 * 9 * 25
    assert not any(layer.params for layer in program.layers if "@" in layer.node.name)
    assert random_state(program.graph, 0).keys() == set(names)


WIDTH = "input: 3x8x8  stem: conv(4, 3x3)  head: gap -> fc(3)  widths: 4  "
NAMES = [
    # without a label the steps are named where they are applied first, and later ones take no numbers
    ("block mine(width) { s = share(conv(width, 3x3)) return x -> s -> conv(width, 1x1) -> s }",
     "stages: [1]  block: mine", ["layer1.0.conv1", "layer1.0.conv2"]),
    ("block mine(width) { s = share(conv(width, 3x3)) c = conv(width, 1x1) return x -> c -> s -> s -> c }",
     "stages: [1]  block: mine", ["layer1.0.conv1", "layer1.0.conv2", "layer1.0.conv3"]),
    ("block mine(width) { s = share(conv(width, 3x3)) return x -> a: s -> s -> a: s }",
     "stages: [1]  block: mine", ["layer1.0.a"]),
    # what a block shares is its own: another use of it has others
    ("block mine(width) { s = share(conv(width, 3x3)) return x -> s -> s }",
     "stages: [2]  block: mine", ["layer1.0.conv1", "layer1.1.conv1"]),
    ("block mine(width) { s = share(conv(width, 3x3)) return x -> s -> s }",
     "stages: [2]  block: share(mine)", ["layer1.0.conv1"]),
    # over stages, and with others between
    ("block mine(width) { return x -> conv(width, 3x3) }",
     "stages: [2, 1]  block: share(mine)", ["layer1.0.conv1"]),
    ("const s = share(mine(4))\nblock mine(width) { return x -> conv(width, 3x3) }",
     "stages: [[mine(4), 2 * s, mine(4)], [mine(4), s]]",
     ["layer1.0.conv1", "layer1.1.conv1", "layer1.3.conv1", "layer2.0.conv1"]),
    # passed on, and within what is shared itself
    ("block again(f) { return x -> f -> f }\nblock mine(width) { f = share(conv(width, 3x3)) "
     "return x -> u: again(f) }",
     "stages: [1]  block: mine", ["layer1.0.u.conv1"]),
    ("block again(f) { return x -> f -> f }\nblock mine(width) { u = share(again(share(conv(width, 3x3)))) "
     "return x -> l: u -> maxpool(2) -> u }", "stages: [1]  block: mine", ["layer1.0.l.conv1"]),
    # a name of the author's own comes before
    ("block share(width) { return x -> conv(width, 3x3) }",
     "stages: [2]  block: share", ["layer1.0.conv1", "layer1.1.conv1"]),
    ("block mine(width, share = relu) { return x -> conv(width, 3x3) -> share }",
     "stages: [1]  block: mine  share: tanh", ["layer1.0.conv1"]),
]  # fmt: skip


@pytest.mark.parametrize(("front", "fields", "layers"), NAMES)
def test_the_first_application_names_the_tensors(front: str, fields: str, layers: list[str]) -> None:
    program = compiled(f"{front}\nmodel net {{ {WIDTH} {fields} }}")
    found = [name for name, _ in program.graph.parameters() if name.startswith("layer")]
    assert found == [f"{layer}.weight" for layer in layers]
    for name in ("torch", "keras"):
        compile(find_backend(name).render(program, None), name, "exec")


FAMILY = """block mine(width) {
    return relu(x + (x -> conv(width, 3x3) -> bn -> dropout(0.5)))
}
model net {
    input: 3x8x8  stem: conv(4, 3x3)  head: gap -> fc(3)
    stages: [2 * share(mine(4)), mine(4)]  freeze: [%s]
}"""


@pytest.mark.parametrize(
    ("frozen", "ops"),
    [
        ("stem, layer1", {"conv1", "layer1.0.conv1", "layer1.1.conv1"}),
        ('stem, "layer1.0"', {"conv1", "layer1.0.conv1", "layer1.1.conv1"}),
    ],
)
def test_what_is_applied_again_is_frozen_with_its_owner(frozen: str, ops: set[str]) -> None:
    program = compiled(FAMILY % frozen)
    found = {node.name for node in program.graph.nodes if program.graph.is_frozen(node) and node.op.weighted}
    assert found == ops
    torch = pytest.importorskip("torch")
    model = in_full("torch").build(program)
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not any(name.startswith(("conv1", "layer1")) for name in learned)
    assert any(name.startswith("layer2") for name in learned)
    assert not torch.is_grad_enabled() or model.train().layer1[0].bn1.training is False


def test_outputs_and_prints_tell_applications_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "net.resnet"
    text = FAMILY.replace("dropout(0.5)", "identity").replace("freeze: [%s]", "outputs: [layer1.0, layer1.1]")
    path.write_text(text)
    program = compile_spec(path)
    state, x = _start(program), np.random.default_rng(0).standard_normal((2, 3, 8, 8))
    wanted = evaluate(program.graph, state, x)
    assert not np.array_equal(wanted["layer1.0"], wanted["layer1.1"])
    backend = in_full("torch")
    got = backend.run(backend.load_state(backend.build(program, "float64"), state), x)
    assert _largest(got, wanted) < 1e-12
    assert main(["expand", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "  layer1.1  the tensors of layer1.0 again" in printed


@pytest.mark.slow
def test_files_and_tools_of_the_frameworks_take_it(tmp_path: Path) -> None:
    import copy
    import pickle

    torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
    program = compiled(NET)
    state, x = random_state(program.graph, 2), _batches()[0][0].astype(np.float32)
    backend = in_full("torch")
    model, given = backend.load_state(backend.build(program), state).eval(), torch.from_numpy(x)
    wanted = model(given)
    exported = torch.export.export(copy.deepcopy(model), (given,)).module()
    scripted, whole = torch.jit.script(model), torch.compile(model, fullgraph=True, backend="eager")
    for other in (pickle.loads(pickle.dumps(model)), exported, scripted, whole):
        assert torch.equal(other(given), wanted)
    backend = in_full("keras")
    ours = backend.load_state(backend.build(program), state)
    result = backend.run(ours, x)["output"]
    ours.save(tmp_path / "net.keras")
    ours.save_weights(tmp_path / "net.weights.h5")
    fresh = backend.build(program)
    fresh.load_weights(tmp_path / "net.weights.h5")
    for other in (keras.models.load_model(tmp_path / "net.keras"), fresh):
        assert np.array_equal(backend.run(other, x)["output"], result)
        backend.run(other, x)
        images = keras.ops.convert_to_tensor(x.transpose(0, 2, 3, 1))
        other(images, training=True)
    ours(images, training=True)
    moved = backend.read_state(ours)
    assert all(np.array_equal(value, moved[name]) for name, value in backend.read_state(fresh).items())


@pytest.mark.slow
def test_every_format_of_weights_keeps_each_tensor_once(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(NET)
    start = tmp_path / "start.safetensors"
    assert main(["weights", "init", str(spec), "-o", str(start), "--seed", "4"]) == 0
    before = start
    for suffix in (".pt", ".h5", ".weights.h5", ".onnx", ".safetensors"):
        after = tmp_path / f"net{suffix}"
        assert main(["weights", "convert", str(before), str(after), "--spec", str(spec)]) == 0, suffix
        assert main(["weights", "inspect", str(after), "--spec", str(spec)]) == 0, suffix
        before = after
    from safetensors.numpy import load_file

    first, last = load_file(start), load_file(before)
    assert first.keys() == last.keys() == {name for name, _ in compiled(NET).graph.parameters()}
    assert all(np.array_equal(first[name], last[name]) for name in first)


def test_the_names_of_a_library_reach_layers_that_are_applied_again() -> None:

    from resnet_dsl.zoo.model_names import model_names, with_names

    fields = "base: resnet18  stages: [[basic, 2 * share(basic)], 2, 2, [basic, basic]]"
    program = compiled(f"use resnet18\nmodel mine {{ {fields} }}")
    names = model_names(program, "timm")
    assert names.layers.keys() == {name.rpartition(".")[0] for name, _ in program.graph.parameters()}
    backend = find_backend("keras")
    assert "keras.Function" in backend.render(with_names(program, "timm", backend), None)


BEHIND = [
    ("x -> same -> norm", {"layer1.0.conv1": "layer1.0.bn1"}),
    ("x -> same -> norm -> same -> norm", {"layer1.0.conv1": "layer1.0.bn1"}),
    ("x -> same -> norm -> same -> bn", {}),  # the bias would have to go into the means of both
    ("x -> same -> norm -> same", {}),
    ("x -> same -> norm -> conv(width, 1x1) -> norm", {}),  # the mean is that behind both layers
]


@pytest.mark.parametrize(("result", "wanted"), BEHIND)
def test_a_bias_is_folded_into_a_norm_that_is_behind_every_application(
    result: str, wanted: dict[str, str]
) -> None:
    block = f"block mine(width) {{ same = share(conv(width, 3x3)) norm = share(bn) return {result} }}"
    program = compiled(f"{block}\nmodel net {{ {WIDTH} stages: [1]  block: mine }}")
    means = {layer: f"{norm}.running_mean" for layer, norm in wanted.items()}
    assert means_behind(program.graph) == means
    assert {path: norm.name for path, norm in norms_behind(program.graph).items()} == wanted


def test_a_field_of_the_head_numbers_what_is_shared_as_a_head_does() -> None:
    text = """
block each(out) { return x -> conv(4, 3x3) -> gn(2) -> relu -> conv(out, 1x1) }
block levels(out, near) { same = share(each(out))  return { near: near -> same  far: x -> same } }
model m { input: 3x16x16  stem: conv(4, 3x3)  stages: [1, 1]  block: basic  widths: 4
          head: { kind: x -> levels(3, near=layer1)  box: levels(5, near=layer1) } }
"""
    graph = compiled(text).graph
    names = {name.rpartition(".")[0] for name, _ in graph.parameters() if not name.startswith("layer")}
    assert names == {"conv1", "kind.conv1", "kind.gn", "kind.conv2", "box.conv1", "box.gn1", "box.conv2"}
    again = {node.name: node.owner.name for node in graph.nodes if node.owner is not None}
    assert again["kind.gn@2"] == "kind.gn"
    assert again["box.gn1@2"] == "box.gn1"


def test_steps_of_a_field_of_the_head_have_no_number_where_they_are_applied_again() -> None:
    text = """block norms() {
    same = share(bn)
    return x -> same -> relu -> same
}
model m { input: 3x8x8  stages: []  stem: conv(4, 3x3)  head: { one: norms -> conv(3, 1x1)  two: norms } }
"""
    graph = compiled(text).graph
    assert [node.name for node in graph.nodes if node.part == "head"] == [
        *("one.bn", "one.relu", "one.bn@2", "one.conv"),
        *("two.bn1", "two.relu1", "two.bn1@2"),
    ]


def test_onnx_takes_the_tensors_of_every_op_that_is_applied_again() -> None:
    onnx = pytest.importorskip("onnx")
    text = """block all() {
    one = share(bias)
    two = share(scale)
    three = share(gem)
    four = share(prelu(per_channel=true))
    five = share(grn)
    return x -> one -> two -> four -> five -> one -> two -> four -> five -> three -> three
}
model m { input: 3x4x4  stem: none  stages: [all]  head: none }
"""
    built = onnx.load_from_string(loads(text).render("onnx", seed=1))
    onnx.checker.check_model(built, full_check=True)
    known = {tensor.name for tensor in built.graph.initializer} | {"input"}
    for node in built.graph.node:
        assert known.issuperset(filter(None, node.input)), node.name
        known.update(node.output)
