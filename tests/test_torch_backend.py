"""The PyTorch files and models: readable, and taken by every tool of PyTorch."""

from __future__ import annotations

import ast
import copy
import inspect
import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resnet_dsl_torch.reserved_names import MODULE, RESERVED

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.driver import compile_spec
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.reference import evaluate_all
from resnet_dsl.version import __version__
from tests.conftest import Golden
from tests.support.agreement import assert_agreement
from tests.support.backends import in_full
from tests.support.telling_specs import HOSTILE, SPECS, program, with_comment

backend = in_full("torch")

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[1]
SHIPPED = ("resnet50", "resnet18_a", "resnet20", "preresnet164", "resnext50_32x4d", "plain20")
GOLDEN = ("se", "inception", "numbered", "backbone", "zero_gamma", "modern", "arithmetic")

# What a spec may make a file say: nothing else is called, whatever its text holds.
CALLS = re.compile(
    r"super|range|max|len|isinstance|float|getattr|math\.sqrt"
    r"|torch\.(fx\.wrap|cat|sigmoid|tanh|ones|zeros|ones_like|tensor|outer|sqrt|var_mean)"
    r"|nn\.(init\.)?\w+|F\.\w+|self\.\w+(\[\"?\d+\"?\])?|super\(\)\.(__init__|train)"
    r"|.+\.(flatten|numel|permute|chunk|expand|unsqueeze|reshape|dim|new_ones|new_empty)|self\.modules|module\.reset_running_stats|self\.state_dict(\(\)\.items)?"
    r"|self\.get_submodule\(name\)\.(requires_grad_|eval)|getattr\(self, \"\d+\"\)(\[\d+\])?"
    r"|torch\.(device|get_default_device|linalg\.vector_norm|empty|clamp|abs)"
    r"|torch\.unflatten|.+\.(transpose|view_as|sum|mean|add_)"
)


def source(name: str) -> str:
    return backend.render(compile_spec(name) if name in SHIPPED else program(name))


def build(checked: Program, dtype: str = "float32", seed: int = 1) -> Any:
    model = backend.build(checked, dtype)
    return backend.load_state(model, random_state(checked.graph, seed)).eval()


def batch(checked: Program, size: tuple[int, int] = (33, 38), count: int = 2) -> Any:
    channels, *extent = checked.network.input.at(checked.network.extent)
    known = [given or default for given, default in zip(extent, size, strict=True)]
    return torch.from_numpy(np.random.default_rng(0).standard_normal((count, channels, *known))).float()


def values(result: Any) -> list[Any]:
    return list(result.values()) if isinstance(result, dict) else [result]


def assert_equal(a: Any, b: Any) -> None:
    for one, other in zip(values(a), values(b), strict=True):
        assert torch.equal(one, other)


def refused(text: str) -> str:
    with pytest.raises(CompileError) as caught:
        backend.render(program(text))
    return str(caught.value)


# --- the file ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("generated")
    for name in (*SHIPPED, *SPECS):
        (folder / f"{name}_torch.py").write_text(source(name), encoding="utf-8")
    return sorted(map(str, folder.iterdir()))


def tool(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_files_are_as_ruff_formats_them(files: list[str]) -> None:
    assert tool("ruff", "format", "--isolated", "--diff", *files) == ""


def test_files_pass_every_rule_of_ruff_that_applies_to_them(files: list[str]) -> None:
    assert tool("ruff", "check", "--isolated", *files) == ""
    # By design: no copyright line (CPY), no docstring for `forward` and `__init__` (D102, D107), the
    # spec's own lines and comments (D205, E501, N803), flags (FBT), as many parameters as
    # a block needs (PLR), a branch for each kind of layer (C901), the name F (N812), digits kept apart
    # in the name of a class, as in ResNeXt50_32x4d (N801); the rest
    # contradict the formatter or each other.
    ignored = (
        "C901,CPY001,D102,D107,D205,E501,N801,N803,FBT001,FBT002,FBT003,N812,PLR0913,PLR0917,INP001,COM812,"
        "D203,D213"
    )
    assert tool("ruff", "check", "--isolated", "--select", "ALL", "--ignore", ignored, *files) == ""


@pytest.mark.slow
def test_files_are_typed(files: list[str], tmp_path: Path) -> None:
    assert tool("mypy", "--strict", "--config-file", "", "--cache-dir", str(tmp_path), *files) == ""


@pytest.mark.slow
def test_rendering_depends_on_nothing_but_the_spec() -> None:
    code = "from tests.test_torch_backend import *\nfor name in sorted(SPECS): print(source(name))"
    found = set()
    for seed in ("0", "1", "random"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
        found.add(done.stdout)
    assert found == {"".join(f"{source(name)}\n" for name in sorted(SPECS)).encode()}


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_they_did(name: str, golden: Golden) -> None:
    golden(f"torch/{name}.py", source(name).replace(__version__, "VERSION"))


def test_resnet50_stays_a_file_that_one_reads_at_once() -> None:
    assert len(source("resnet50").splitlines()) < 140


@pytest.mark.parametrize("name", [*SHIPPED, *SPECS])
def test_files_import_torch_alone_and_call_nothing_unexpected(name: str) -> None:
    tree = ast.parse(source(name))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imported} <= {
        "import math", "import torch", "import torch.nn.functional as F", "from torch import nn",
    }  # fmt: skip
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func).replace("'", '"')
        assert CALLS.fullmatch(called) or called in classes | functions, called


@pytest.mark.parametrize(
    "comment",
    HOSTILE,
)
def test_a_comment_stays_a_comment(comment: str) -> None:
    tree = ast.parse(rendered := backend.render(with_comment(comment)))
    assert [type(node).__name__ for node in tree.body] == [
        "Expr", "Import", "ImportFrom", "ClassDef", "ClassDef",
    ]  # fmt: skip
    assert "49" not in rendered.replace("sha256", "").split("import torch")[1]


def test_preprocessing_is_data() -> None:
    module = ast.parse(source("backbone"))
    assigned = {node.targets[0].id: node.value for node in module.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(assigned["PREPROCESS"]) == {
        "color": "bgr", "mean": [0.5, 0.25, 0.125], "interpolation": "bi\\cubic é 😀",
    }  # fmt: skip


# --- names -------------------------------------------------------------------------------------


def test_every_name_that_a_module_has_is_known() -> None:
    owned = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    assert owned <= MODULE
    assert MODULE - owned <= {"reset_parameters"}


@pytest.mark.parametrize("name", sorted(MODULE))
def test_a_layer_is_not_called_as_what_a_module_has(name: str) -> None:
    text = f"block b(width) {{\n    return x -> {name}: conv(width, 1x1)\n}}\n"
    message = refused(text + "model m { stages: [1]  block: b }")
    assert message.startswith("error[E0601]")
    assert "spec.resnet:2:" in message
    assert f"`{name}`" in message


def test_every_wrong_name_is_reported_at_once_with_its_place() -> None:
    message = refused(
        "block b(width) {\n    return x -> half: conv(width, 1x1) -> _a: bn\n}\n"
        "model m {\n    stem: type: conv(4, 1x1)\n    stages: [train: [b(4)]]\n}"
    )
    assert message.count("error[E0601]") == 4
    assert all(f"spec.resnet:{line}:" in message for line in (2, 5, 6))


def test_a_step_that_keeps_nothing_may_have_any_name() -> None:
    text = "block b(width) { return x -> conv(width, 1x1) -> training: relu }"
    assert "training" not in backend.render(program(f"{text}\nmodel m {{ stages: [1]  block: b }}")).split(
        "import torch"
    )[1]  # fmt: skip


@pytest.mark.parametrize("name", sorted({*RESERVED, "list", "print", "x", "T", "None_", "name", "out", "y"}))
def test_a_layer_may_be_called_as_anything_else(name: str) -> None:
    text = f"block b(width) {{ {name}_ = x -> {name}: conv(width, 1x1)\n return relu({name}_ + x) }}\n"
    checked = program(
        text + "model m { input: 4x8x8  stem: none  stages: [2]  widths: 4  block: b  head: none }"
    )
    model = build(checked)
    assert f"layer1.0.{name}.weight" in model.state_dict()
    assert_equal(torch.jit.script(model)(batch(checked)), model(batch(checked)))


@pytest.mark.parametrize(
    "name",
    [
        *sorted(RESERVED - {"self", "pad_channels", "stochastic_depth"}),
        "list",
        "type",
        "half",
        "training",
        "in_channels",
        "isinstance",
    ],
)
def test_parameters_variables_blocks_and_models_may_be_called_as_anything(name: str) -> None:
    text = f"""
        block {name}({name}) {{ inner = x -> conv({name}, 3x3) -> pad_channels(3 * {name}) -> relu
                                return inner -> conv(2 * {name}, 1x1) -> pad_channels(4 * {name}) }}
        block two(width) {{ {name} = x -> {name}(width) -> relu
                            return {name} + ({name} -> sigmoid) }}
        model {name}_ {{ input: 3x8x8  stem: none  stages: [2, 1]  widths: [2, 3]  block: two
                         head: gap -> fc(2) }}
    """
    checked = program(text)
    model = build(checked)
    assert values(model(batch(checked)))[0].shape == (2, 2)


# --- the live model ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_keys_are_the_canonical_names_in_order_of_construction(name: str) -> None:
    checked = program(name)
    keys = [key for key in backend.build(checked).state_dict() if not key.endswith("num_batches_tracked")]
    assert set(keys) == {key for key, _ in checked.graph.parameters()}


def test_keys_of_a_bottleneck_are_in_the_order_of_torchvision() -> None:
    keys = list(
        dict.fromkeys(k.rsplit(".", 1)[0] for k in backend.build(compile_spec("resnet50")).state_dict())
    )
    assert keys[2:10] == [
        f"layer1.0.{name}" for name in
        ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample.0", "downsample.1")
    ]  # fmt: skip
    assert (keys[:2], keys[-1]) == (["conv1", "bn1"], "fc")


def test_the_model_shows_its_source() -> None:
    model = backend.build(program("se"))
    assert inspect.getsource(type(model)) in source("se") + "\n"
    assert inspect.getsource(type(model.layer1[0])).startswith("class Gated(nn.Module):")


@pytest.mark.parametrize("stem", ["bn(scale=false, center=false)", "conv(3, 1x1)", "relu"])
def test_a_model_that_was_run_is_as_it_was(stem: str) -> None:
    checked = program(f"model m {{ input: 3x4x5  stages: []  head: none  stem: {stem} }}")
    state = {name: value + 0.1 for name, value in random_state(checked.graph, 1).items()}
    model = backend.load_state(backend.build(checked, "float64"), state)
    backend.run(model, np.ones((2, 3, 4, 5)))
    after = backend.read_state(model)
    assert all(np.array_equal(after[name], value) for name, value in state.items())


@pytest.mark.parametrize("name", ["se", "backbone", "numbered", "modern", "varied"])
def test_models_are_pickled_and_copied(name: str) -> None:
    checked = program(name)
    model, x = build(checked), batch(checked)
    assert_equal(model(x), pickle.loads(pickle.dumps(model))(x))
    assert_equal(model(x), copy.deepcopy(model)(x))


ELSEWHERE = """
import pickle, sys, torch
assert "resnet_dsl" not in sys.modules
if sys.argv[1].endswith(".pt"):
    model, part, x, expected = torch.load(sys.argv[1], weights_only=False)
else:
    model, part, x, expected = pickle.load(open(sys.argv[1], "rb"))
found = model(x)
for name, value in (found if isinstance(found, dict) else {"output": found}).items():
    assert torch.equal(value, expected[name]), name
assert part is model.layer1[0] and type(part).__module__ == type(model).__module__
torch.jit.script(model)
assert "class " in __import__("inspect").getsource(type(model))
"""


@pytest.mark.parametrize("file", ["model.pickle", "model.pt"])
def test_a_pickled_model_is_opened_in_another_process(file: str, tmp_path: Path) -> None:
    checked = program("modern")
    model, x = build(checked), batch(checked)
    outputs = model(x)
    expected = outputs if isinstance(outputs, dict) else {"output": outputs}
    held = model, model.layer1[0], x, expected
    if file.endswith(".pt"):
        torch.save(held, tmp_path / file)
    else:
        (tmp_path / file).write_bytes(pickle.dumps(held))
    assert (tmp_path / file).read_bytes().count(b"def reset_parameters") == 1
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_model_goes_to_a_spawned_process_of_torch() -> None:
    code = """
import torch
import resnet_dsl

def work(rank, model, queue):
    queue.put(model(torch.ones(1, 3, 16, 16)).sum().item())

if __name__ == "__main__":
    model = resnet_dsl.loads(
        "model m { input: 3x16x16  stages: [1]  widths: [8]  block: basic }"
    ).build("torch", seed=1).eval()
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(work, args=(model, queue), nprocs=1)
    assert queue.get() == model(torch.ones(1, 3, 16, 16)).sum().item()
"""
    with tempfile.TemporaryDirectory() as folder:  # what is spawned imports the file again
        file = Path(folder, "spawning.py")
        file.write_text(code)
        done = subprocess.run(
            [sys.executable, str(file)], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "backends")))},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SPECS)
def test_models_are_scripted(name: str) -> None:
    checked = program(name)
    model, x = build(checked), batch(checked)
    assert_equal(torch.jit.script(model)(x), model(x))


DYNAMIC = {"nested": (20, 31), "backbone": (64, 65), "modern": (20, 31)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*DYNAMIC, "same", "se", "pools", "numbered", "several_inputs", "arithmetic", "varied"]
)
def test_models_are_exported_with_an_open_batch_and_size(name: str) -> None:
    checked = program(name)
    model, x = build(checked), batch(checked)
    open_ = {0: torch.export.Dim.AUTO}
    if name in DYNAMIC:
        open_ |= {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    exported = torch.export.export(model, (x,), dynamic_shapes=(open_,)).module()
    other = batch(checked, DYNAMIC.get(name, (33, 38)), count=5)
    assert_equal(exported(other), model(other))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_models_compile_without_a_graph_break(name: str) -> None:
    checked = program(name)
    model, x = build(checked), batch(checked)
    assert_equal(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))


@pytest.mark.parametrize("name", ["se", "same", "pools", "zero_gamma", "modern", "varied"])
def test_channels_last_gives_the_same_numbers(name: str) -> None:
    checked = program(name)
    model, x = build(checked, "float64"), batch(checked).double()
    expected = model(x)
    found = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_model_is_made_on_the_meta_device_and_filled_later() -> None:
    checked = program("frozen_dropout")
    with torch.device("meta"):
        model = backend.build(checked)
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    model = model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.fill_(7)
    model.reset_parameters()
    for name, tensor in model.state_dict().items():
        assert not (tensor == 7).any(), name
    assert (model.layer1[0].bn1.running_var == 1).all()


# --- what a spec asks for ----------------------------------------------------------------------


def training_step(model: Any, x: Any) -> None:
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    sum(value.square().mean() for value in values(model(x))).backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["backbone", "frozen_dropout"])
def test_a_training_step_changes_all_but_what_is_frozen(name: str) -> None:
    checked = program(name)
    model = build(checked)
    before = copy.deepcopy(model.state_dict())
    training_step(model, batch(checked))
    frozen = {
        key for node in checked.graph.nodes if checked.graph.is_frozen(node) for key, _ in node.parameters()
    }
    assert frozen
    for key, tensor in model.state_dict().items():
        owner = key.replace("num_batches_tracked", "running_mean")
        if "bias" not in key or name == "backbone":  # a bias before a batch norm has no gradient
            assert torch.equal(tensor, before[key]) == (owner in frozen), key
    counted = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert counted == checked.cost.trainable < checked.cost.params


def test_a_frozen_part_drops_nothing_and_others_do() -> None:
    checked = program("frozen_dropout")
    model, x = build(checked).train(), batch(checked, count=8)
    stem = model.layer1.register_forward_hook(lambda module, inputs, result: seen.append((inputs[0], result)))
    seen: list[Any] = []
    model(x), model(x)
    stem.remove()
    assert torch.equal(seen[0][0], seen[1][0])
    assert torch.equal(seen[0][1], seen[1][1])
    assert not torch.equal(model(x), model(x))


def network(stem: str, more: str = "") -> Program:
    """A network of these steps alone."""
    return program(f"model m {{ input: 4xHxW  stem: {stem}  stages: []  head: none  {more} }}")


@pytest.mark.parametrize("steps", ["stochastic_depth(0.25)", "gap -> flatten -> stochastic_depth(0.25)"])
def test_stochastic_depth_drops_whole_images_in_training_and_keeps_the_mean(steps: str) -> None:
    torch.manual_seed(0)
    model, x = backend.build(network(steps)), torch.rand(2000, 4, 3, 2) + 0.5
    kept = model.eval()(x)
    assert torch.equal(kept, x if kept.ndim == 4 else x.mean((2, 3)))
    result = model.train()(x)
    dropped = (result == 0).flatten(1)
    assert torch.equal(dropped.all(1), dropped.any(1))
    assert float(dropped.all(1).float().mean()) == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(result, torch.where(result == 0, 0.0, kept / 0.75))


@pytest.mark.parametrize("contained", [False, True], ids=["a step", "in a container"])
def test_dropout_drops_its_share_in_training_and_keeps_the_mean(contained: bool) -> None:
    torch.manual_seed(0)
    block = "block own() { return x -> 0: dropout(0.25) -> 1: conv(4, 1x1) }\n"
    stem = "own" if contained else "dropout(0.25)"
    text = f"{block if contained else ''}model m {{ input: 4xHxW  stem: {stem}  stages: []  head: none }}"
    model = backend.build(program(text))
    inner = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(inner) == contained
    for convolution in inner:
        torch.nn.init.dirac_(convolution.weight)
    x = torch.rand(50, 4, 20, 20) + 0.5
    assert torch.equal(model.eval()(x), x)
    result = model.train()(x)
    assert float((result == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(result, torch.where(result == 0, 0.0, x / 0.75))


@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.9])
def test_momentum_is_the_weight_of_the_new_batch(momentum: float) -> None:
    checked = network(f"bn(momentum={momentum})")
    model, x = backend.build(checked).train(), batch(checked) + 3.0
    model(x)
    torch.testing.assert_close(model.bn1.running_mean, momentum * x.mean((0, 2, 3)))
    torch.testing.assert_close(model.bn1.running_var, 1.0 - momentum + momentum * x.var((0, 2, 3)))


def test_stochastic_depth_of_rate_one_drops_all() -> None:
    x = torch.ones(5, 4, 3, 3)
    assert not backend.build(network("stochastic_depth(1)")).train()(x).any()


@pytest.mark.parametrize(("more", "frozen"), [("", False), ("freeze: stem", True)])
def test_frozen_steps_drop_no_image(more: str, frozen: bool) -> None:
    model = backend.build(network("conv(4, 1x1) -> stochastic_depth(0.5)", more)).train()
    x = torch.rand(32, 4, 3, 3)
    assert torch.equal(model(x), model(x)) == frozen
    assert torch.equal(model(x), model.eval()(x)) == frozen


def test_frozen_stages_drop_no_image() -> None:
    text = "block b(width) { return x -> conv(width, 1x1) -> stochastic_depth(0.5) }\n"
    model = backend.build(
        program(f"{text}model m {{ input: 4xHxW  stem: none  stages: [1, 1]  widths: 4  block: b  head: none"
                "  freeze: layer1 }")
    ).train()  # fmt: skip
    x = torch.rand(32, 4, 3, 3)
    assert torch.equal(model.layer1(x), model.layer1(x))
    assert not torch.equal(model.layer2(x), model.layer2(x))


def test_a_standardised_convolution_keeps_the_plain_weight() -> None:
    conv = "conv(6, 3x3, groups=2, bias=true"
    model, plain = (
        backend.build(network(f"{conv}{more})"), "float64") for more in (", standardize=1e-12", "")
    )
    state = random_state(network(f"{conv})").graph, 3)
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in model.state_dict().items()} == shapes
    x = torch.rand(2, 4, 5, 5, dtype=torch.float64)
    result = backend.load_state(model, state)(x)
    stretched = state | {"conv1.weight": 3.0 * state["conv1.weight"].astype(np.float64) + 2.0}
    torch.testing.assert_close(backend.load_state(model, stretched)(x), result, rtol=1e-9, atol=1e-9)
    assert (backend.load_state(plain, stretched)(x) - result).abs().max() > 1.0


@pytest.mark.parametrize("factor", [2, 41, 55])
def test_nearest_takes_the_right_pixel_at_factors_where_torch_rounds_to_a_wrong_one(factor: int) -> None:
    x = torch.rand(1, 4, 3, 60)
    found = backend.build(network(f"upsample(1x{factor})"))(x)
    assert torch.equal(found, x.repeat_interleave(factor, dim=3))
    wrong = torch.nn.functional.interpolate(x, scale_factor=(1.0, float(factor)), mode="nearest")
    assert torch.equal(found, wrong) == (factor == 2)


def test_what_is_before_same_padding_shows_without_it() -> None:
    checked = network("conv(4, 3x3) -> sigmoid -> conv(5, 3x3, stride=2, pad=same) -> bn")
    state, x = random_state(checked.graph, 0), batch(checked).double().numpy()
    results = backend.trace(backend.load_state(backend.build(checked, "float64"), state), checked, x)
    truth = evaluate_all(checked.graph, state, x)
    assert {"conv1", "conv2", "bn1"} <= results.keys()
    for name, value in results.items():
        np.testing.assert_allclose(value, truth.get(name, x), rtol=1e-10, atol=1e-12)


# --- what a reviewer would ask for -------------------------------------------------------------


def rendered(name: str) -> str:
    return backend.render(compile_spec(name))


def test_neighbours_that_grow_evenly_are_one_loop() -> None:
    text = rendered("densenet121")
    assert "*(DenseLayer(64 + 32 * i) for i in range(6))" in text
    assert "DenseLayer(96)" not in text


def test_a_sentence_about_another_variant_is_not_said_of_a_class() -> None:
    about_pre = "\n    `activation: pre` is He et al. 2016, figure 4e."
    assert about_pre not in rendered("resnet18")
    assert about_pre in rendered("preresnet18")


def test_a_number_is_called_as_its_argument_where_one_step_has_it() -> None:
    assert "self, in_channels: int, channels: int, stride: int, kernel: int, pad: int\n" in rendered(
        "googlenet"
    )


def test_modules_with_numbers_for_names_are_in_a_container() -> None:
    assert "class InTurn(nn.Sequential):" in rendered("googlenet")
    assert "near = F.relu(self[0](first), inplace=True)" in rendered("skresnet50")


def test_parts_that_several_steps_take_are_taken_apart_once() -> None:
    text = """
        block mine(width) {
            a = x -> part(0, 2)
            b = x -> part(1, 2)
            near = (x -> part(0, 2)) + (x -> part(1, 2))
            far = (x -> part(0, 2)) * (x -> part(1, 2))
            return x + (concat(b, a, near, far, x -> part(1, 2)) -> conv(width, 1x1))
        }
        model net { input: 3xHxW  stem: conv(4, 3x3)  stages: [2]  widths: [4]  block: mine }
    """
    forward = backend.render(program(text)).partition("def forward")[2].partition("class ")[0]
    assert forward.count("chunk") == 1
    assert_agreement(program(text), [(8, 9)], [("torch", "float64")])


def test_relu_is_in_place_behind_a_block_only_where_its_result_is_new() -> None:
    assert "F.relu(self.conv1(x), inplace=True)" in rendered("skresnet50")
    text = """
        block inner { pooled = x -> maxpool(3x3, stride=1)  return pooled }
        block outer { return x -> pool: inner -> relu -> conv(4, 3x3) }
        model m { input: 3x8x8  stem: conv(4, 3x3)  stages: [[outer]]  head: gap -> fc(3) }
    """
    assert "inplace" not in backend.render(program(text))


SUM = """
    block half(width) {{ main = x -> conv: conv(width, 3x3, pad=1) -> {norm}  return main + x }}
    model m {{
        input: 3x8x8  stem: conv(4, 1x1)  stages: [2]  widths: [4]  block: half  head: gap -> fc(3)
    }}
"""


@pytest.mark.parametrize(
    ("norm", "term", "written"),
    [
        ("bn", "x", "main.add_(x)"),
        ("gn(2)", "x", "main.add_(x)"),
        ("conv(4, 1x1)", "x", "main + x"),
        ("relu", "x", "main + x"),  # whose own backward reads it
        ("bn", "(x * main)", "main + x * main"),  # read twice
        ("bn", "sigmoid(main)", "main + torch.sigmoid(main)"),
    ],
)
def test_a_sum_goes_into_a_norms_result_that_nothing_else_reads(norm: str, term: str, written: str) -> None:
    found = program(SUM.format(norm=norm).replace("main + x", f"main + {term}"))
    assert written in backend.render(found)
    assert_agreement(found, [(8, 8)], [("torch", "float64")])


@pytest.mark.parametrize(("last", "kind"), [("conv(4, 1x1)", torch.float32), ("bn", torch.bfloat16)])
def test_under_autocast_a_sum_has_the_kind_of_a_norms_result_or_the_wider_one(last: str, kind: Any) -> None:
    text = SUM.format(norm=last).replace("3x8x8  stem: conv(4, 1x1)", "4x8x8  stem: relu")
    model = build(program(text.replace("gap -> fc(3)", "gap")))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(2, 4, 8, 8)).dtype == kind
