"""The Keras files and models: the same numbers as PyTorch on every backend and layout of Keras."""

from __future__ import annotations

import ast
import importlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resnet_dsl_keras.weight_files as weight_files
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.recursion import SAFE, recursion_limit
from resnet_dsl_keras.reserved_names import RESERVED, operations
from resnet_dsl_keras.tensor_names import layer_name

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.codegen.live import module_of
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.reference.evaluation import evaluate, evaluate_all
from resnet_dsl.verify.case import calibrated_state, subject_of
from resnet_dsl.verify.training import verify_training
from resnet_dsl.version import __version__
from tests.conftest import Golden
from tests.support.backends import UNOPTIMISED, in_full
from tests.support.telling_specs import HOSTILE, SPECS, program, with_comment

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
backend = in_full("keras")
pytest.importorskip("torch")
torch_backend = in_full("torch")
runtime = importlib.import_module("resnet_dsl_keras.runtime")  # it imports Keras

SHIPPED = ("resnet50", "resnet18_a", "resnet20", "preresnet164", "resnext50_32x4d", "resnet1202", "res2net50")
GOLDEN = ("se", "inception", "same", "backbone", "zero_gamma", "modern", "arithmetic", "depthwise")

CALLS = re.compile(
    r"keras\.(Input|Model|Function|backend\.backend|config\.(?:image_data_format|(?:set_)?dtype_policy)|initializers\.\w+|saving\.register_keras_serializable)"
    r"|layers\.\w+(\(.*\))?|ops\.(pad|ones_like|average_pool|depthwise_conv|conv|convert_to_tensor|expand_dims|tile|eye|split)|pool"
    r"|ops\.(arange|cast|cumsum|einsum|erf|logical_and|mean|sqrt|square|sum|where)"
    r"|any|zip|list|min|max|len|float|range|isinstance|layer\.name\.startswith|slice|tuple"
    r"|\w+\.call|super|super\(\)\.(__init__|convolution_op|get_config)|StandardizedConv2D(\(.*\))?"
    r"|ops\.(concatenate|matmul|transpose|reshape|clip|take|maximum|minimum|absolute|shape|flip|conv_transpose|softmax)"
    r"|all|enumerate|sum|map|getattr|setattr|super\(\)\.build|self\.add_weight"
    r"|super\(\)\.(save|load)_own_variables|self\.gain\.assign"  # a gain is kept beside the kernel
    r"|ValueError|sys\.(setrecursionlimit|getrecursionlimit)"
)


KERAS_GIVES = {"build": {"input_shape"}}  # by Keras, whether a layer needs it or not


def source(name: str) -> str:
    return backend.render(compile_spec(name) if name in SHIPPED else program(name))


def build(checked: Program, dtype: str = "float32") -> Any:
    return backend.load_state(backend.build(checked, dtype), random_state(checked.graph, 1))


def batch(checked: Program, size: tuple[int, int] = (33, 38), count: int = 2) -> Any:
    channels, *extent = checked.network.input.at(checked.network.extent)
    known = [given or default for given, default in zip(extent, size, strict=True)]
    return np.random.default_rng(0).standard_normal((count, channels, *known))


def nhwc(x: Any) -> Any:
    return x.transpose(0, 2, 3, 1)


def difference(a: dict[str, Any], b: dict[str, Any]) -> float:
    assert a.keys() == b.keys()
    return max(float(np.abs(a[name] - b[name]).max() / np.abs(a[name]).max()) for name in a)


@pytest.fixture(params=["channels_last", "channels_first"])
def layout(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    yield request.param
    keras.config.set_image_data_format(before)


# --- the file ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("generated")
    for name in (*SHIPPED, *SPECS):
        (folder / f"{name}_keras.py").write_text(source(name), encoding="utf-8")
    return sorted(map(str, folder.iterdir()))


@pytest.mark.slow
@pytest.mark.parametrize("command", [["format", "--diff"], ["check"]])
def test_files_are_as_ruff_wants_them(command: list[str], files: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", command[0], "--isolated", *command[1:], *files],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_rendering_depends_on_nothing_but_the_spec() -> None:
    code = "from tests.test_keras_backend import *\nfor name in sorted(SPECS): print(source(name))"
    for seed in ("0", "random"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
        assert done.stdout == "".join(f"{source(name)}\n" for name in sorted(SPECS)).encode()


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_they_did(name: str, golden: Golden) -> None:
    golden(f"keras/{name}.py", source(name).replace(__version__, "VERSION"))


@pytest.mark.parametrize("name", [*SHIPPED, *SPECS])
def test_files_import_keras_alone_and_call_nothing_unexpected(name: str) -> None:
    tree = ast.parse(source(name))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imported} <= {
        "import sys", "import keras", "from keras import layers", "from keras import layers, ops",
    }  # fmt: skip
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    functions |= {f"self.{own.name}" for c in classes for own in c.body if isinstance(own, ast.FunctionDef)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        made = isinstance(call.func, ast.Call) and ast.unparse(call.func.func) in functions  # a layer, called
        called = ast.unparse(call.func.func if made and isinstance(call.func, ast.Call) else call.func)
        assert CALLS.fullmatch(called) or called in functions, called


@pytest.mark.parametrize("comment", HOSTILE)
def test_a_comment_stays_a_comment(comment: str) -> None:
    rendered = backend.render(with_comment(comment))
    tree = ast.parse(rendered)
    kinds = ["FunctionDef"] * len([node for node in tree.body if isinstance(node, ast.FunctionDef)])
    assert [type(node).__name__ for node in tree.body] == ["Expr", "Import", "ImportFrom", *kinds]
    assert "49" not in rendered.split("import keras")[1]


@pytest.mark.parametrize("name", [*SHIPPED, *SPECS])
def test_functions_say_what_they_take_and_take_nothing_else(name: str) -> None:
    """Helpers too: a parameter or helper that this file has no use for is not there."""
    tree = ast.parse(source(name))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for function in functions:
        arguments = [*function.args.args, *function.args.kwonlyargs]
        assert function.returns is not None
        assert all(argument.annotation or argument.arg == "self" for argument in arguments), function.name
        inside = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        assert {argument.arg for argument in arguments} <= inside | {"self", "inputs"} | KERAS_GIVES.get(
            function.name, set()
        ), function.name
    own = {function.name for function in tree.body if isinstance(function, ast.FunctionDef)}
    assert own <= called | {"build"}


@pytest.mark.slow
def test_files_are_typed(files: list[str], tmp_path: Path) -> None:
    options = ["--strict", "--config-file", "", "--cache-dir", str(tmp_path)]
    # What Keras itself is typed as depends on its version.
    options += ["--ignore-missing-imports", "--follow-imports=skip", "--allow-subclassing-any"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", [*SHIPPED, *SPECS])
def test_functions_are_called_as_they_are_defined(name: str) -> None:
    tree = ast.parse(source(name))
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if (takes := functions.get(ast.unparse(call.func))) is not None:
            names = [argument.arg for argument in takes.args]
            given = [*names[: len(call.args)], *(keyword.arg for keyword in call.keywords)]
            required = names[: len(names) - len(takes.defaults)]
            assert len(given) == len(set(given)), ast.unparse(call)
            assert set(required) <= set(given) <= set(names), ast.unparse(call)


def test_blocks_that_grow_evenly_are_a_loop() -> None:
    text = """block grown(width) { return x -> conv(width, 3x3) }
    model m { input: 3x8x8  stem: conv(4, 3x3)  head: none  stages:
        [[grown(6), grown(8), grown(10), grown(12)], [grown(9), grown(8), grown(7)],
         [grown(3), grown(5)]] }"""
    checked = program(text)
    rendered = backend.render(checked)
    assert 'x = grown_block(x, f"layer1-{i}", 6 + 2 * i)' in rendered
    assert 'x = grown_block(x, f"layer2-{i}", 9 - i)' in rendered
    assert 'x = grown_block(x, "layer3-1", 5)' in rendered
    assert backend.build(checked).count_params() == checked.cost.params


def unwritten(sources: str) -> list[str]:
    return [name for name in HELPERS if not re.search(rf"^(def|class) {name}\(", sources, re.MULTILINE)]


def test_every_helper_is_written_by_some_spec() -> None:
    together = "\n".join(map(source, SPECS))
    assert unwritten(together) == []


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("pad", "maxpool(3x3, stride=2)"),
        ("pad_3", "pad_channels(9)"),
        ("get_item", "subsample(2)"),
        ("get_item_2", "conv(4, 3x3, stride=2, dilation=2)"),
        ("ones_like", "avgpool(3x3, stride=1)"),
        ("true_divide_12", "avgpool(3x3, stride=1)"),
        ("multiply", "affine(2)"),
        ("add", "affine(2, 1)"),
        ("negative", "affine(-1)"),
        ("where", "leaky_relu"),
        ("erf_2", "gelu"),
        ("power", "lrn"),
        ("sum", "adaptive_avgpool(3)"),
        ("conv", "avgpool(2x2, stride=1x2, pad=same)"),
    ],
)
def test_a_layer_called_as_an_operation_of_keras_is_told_apart(name: str, step: str) -> None:
    text = f"model m {{ input: 2x12x12  stem: {name}: bn -> {step} -> conv(9, 3x3)  stages: []  head: none }}"
    checked = program(text)
    model = backend.build(checked)
    assert f"{name}-" in {layer.name for layer in model.layers}
    assert f"{name}.weight" in backend.read_state(model)
    x, state = batch(checked), random_state(checked.graph, 1)
    expected = torch_backend.run(torch_backend.load_state(torch_backend.build(checked, "float64"), state), x)
    assert difference(expected, backend.run(build(checked, "float64"), x)) < 1e-12


@pytest.mark.parametrize(
    ("name", "step"),
    [
        *((name, "relu") for name in ("sum", "pad", "pad_3", "get_item", "ones_like", "true_divide_12")),
        *(
            ("add", "affine(-1, 1) -> affine(0.5)"),
            ("pad", "conv(2, 3x3, stride=2)"),
            ("conv", "conv(2, 3x3)"),
        ),
        *(("tanh", "gelu(approximate=true)"), ("add", "lrn"), ("ones_like", "avgpool(2x2)")),
    ],
)
def test_it_is_where_keras_does_not_use_the_name(name: str, step: str) -> None:
    text = f"model m {{ input: 2x6x6  stem: {name}: relu -> {step}  stages: []  head: none }}"
    assert name in {layer.name for layer in backend.build(program(text)).layers}


@pytest.mark.parametrize("name", SPECS)
def test_every_name_that_keras_gives_by_itself_is_known(name: str) -> None:
    checked = program(name)
    made = [op.name for op in backend.build(checked).operations if not isinstance(op, keras.Layer)]
    own = {re.sub(r"_\d+$", "", name) for name in made}
    assert own <= {*operations(checked.graph)}


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED - {"pad_channels", "conv", "model"}), "list", "True_", "add1"]
)
def test_anything_else_may_be_called_as_anything(name: str) -> None:
    text = f"""
        block {name}_({name}) {{ inner = x -> conv({name}, 3x3) -> pad_channels(3 * {name}) -> relu
                                 return inner -> {name}_pad: conv(2 * {name}, 3x3, stride=2) }}
        block two(width) {{ {name} = x -> {name}: {name}_(width) -> relu
                            return {name} + ({name} -> sigmoid) }}
        model {name} {{ input: 3x8x8  stem: {name}_stem: conv(2, 3x3, stride=2) -> {name}_stem_pad: relu
            stages: [{name}: [two(2), two(3)]]  head: {name}_head: relu -> gap -> fc(2)
            outputs: [{name}, head] }}
    """
    model = build(program(text))
    assert {layer.name for layer in model.layers if layer.weights} >= {f"{name}_stem", "fc"}


@pytest.mark.parametrize("name", SPECS)
def test_layers_have_the_canonical_names_with_hyphens(name: str) -> None:
    checked = program(name)
    model = backend.build(checked)
    owners = {layer_name(node.home.name) for node in checked.graph.nodes if list(node.parameters())}
    assert {layer.name for layer in model.layers if layer.weights} == owners
    steps = {layer_name(node.name) for node in checked.graph.nodes}
    parts = re.compile(r"(.*)-(pad|flatten|order|back|line|shape|sum|share|nearest|mean|pixels|\d)")
    named = [layer.name for layer in model.layers if not type(layer).__module__.startswith("keras.src.ops")]
    for found in named:
        part = parts.fullmatch(found)
        waits = any(step.startswith(f"{found}-") for step in steps)  # a block that is applied again
        assert found in steps | {"input"} or (part and part[1] in steps) or waits, found


# --- the same numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SPECS if name != "starts"])
def test_keras_agrees_with_pytorch(name: str) -> None:
    checked = program(name)
    x, state = batch(checked), random_state(checked.graph, 1)
    expected = torch_backend.run(torch_backend.load_state(torch_backend.build(checked, "float64"), state), x)
    assert difference(expected, backend.run(build(checked, "float64"), x)) < 1e-12


EVERYWHERE = ("same", "pools", "numbered", "zero_gamma", "se", "per_stage", "modern", "arithmetic", "varied")
EVERYWHERE += ("depthwise", "sloped", "uneven", "shared", "recent")
ELSEWHERE = """
import sys, keras, numpy as np
from resnet_dsl_keras import runtime as backend
import resnet_dsl_keras.weight_files as weight_files
from tests.test_keras_backend import *
keras.config.set_image_data_format(sys.argv[1])
assert keras.backend.backend() == sys.argv[2]
for name in EVERYWHERE:
    checked = program(name)
    found = backend.run(build(checked), batch(checked).astype("float32"))
    print(json.dumps({name: {key: value.tolist() for key, value in found.items()}}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("engine", ["torch", "jax"])
def test_keras_on_other_backends_agrees_in_both_layouts(engine: str, layout: str) -> None:
    pytest.importorskip(engine)
    env = {**os.environ, **UNOPTIMISED, "KERAS_BACKEND": engine, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ELSEWHERE, layout, engine]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [next(iter(line)) for line in lines] == list(EVERYWHERE)
    for name, found in (item for line in lines for item in line.items()):
        checked = program(name)
        model = torch_backend.load_state(
            torch_backend.build(checked, "float64"), random_state(checked.graph, 1)
        )
        expected = torch_backend.run(model, batch(checked))
        # In single precision: outside TensorFlow Keras takes norms in no other, whatever it is told.
        assert difference(expected, {key: np.array(value) for key, value in found.items()}) < 1e-5, name


def test_between_them_the_specs_run_everywhere_use_every_helper() -> None:
    together = "\n".join(source(name) for name in EVERYWHERE)
    assert unwritten(together) == []


@pytest.mark.parametrize("name", ["same", "backbone"])
def test_one_model_takes_every_size(name: str) -> None:
    checked = program(name)
    model = build(checked)
    assert model.input_shape == (None, None, None, 3)
    sizes = {value.shape[2:] for size in ((32, 32), (51, 40)) for value in
             list(backend.run(model, batch(checked, size)).values())[:1]}  # fmt: skip
    assert len(sizes) == (1 if name == "same" else 2)


def test_a_fixed_size_is_the_models_own() -> None:
    assert backend.build(program("inception")).input_shape == (None, 17, 15, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_is_built_in_either_precision(dtype: str) -> None:
    before = keras.config.floatx()
    model = backend.build(program("se"), dtype)
    assert {str(variable.dtype) for variable in model.weights} == {dtype}
    assert keras.config.floatx() == before


# All that can be tried in NCHW on TensorFlow, which has no such convolution on CPUs.
NEW_OPS = """
    block mixed(width) {
        main = x -> gn(2) -> lrn(3, alpha=0.5) -> leaky_relu(0.3) -> ln(eps=1e-6) -> gelu
                 -> blurpool(4, stride=1) -> upsample(2x3, mode=bilinear) -> hard_swish -> affine(0.1, 0.3)
        halves = concat(main -> part(1, 2), main -> part(0, 2))
        gate = main -> gap -> channel_conv(3) -> sigmoid
        return halves * (1 - gate) * (main -> part(3, 4) -> tanh) -> gelu(approximate=true)
    }
    model new_ops { input: 4xHxW  stem: upsample(2)  stages: [1]  widths: 4  block: mixed
        head: adaptive_avgpool(5x3) -> flatten(order=hwc) -> ln -> gn(3) -> part(0, 3) -> fc(3) }
"""


@pytest.mark.parametrize("size", [(5, 6), (8, 7)])
def test_new_ops_are_exact_in_both_layouts(layout: str, size: tuple[int, int]) -> None:
    checked = program(NEW_OPS)
    x, state = batch(checked, size), random_state(checked.graph, 1)
    found = backend.run(build(checked, "float64"), x)
    assert difference(evaluate(checked.graph, state, x), found) < 1e-13


def test_what_shows_of_a_model_is_the_results_of_its_ops(layout: str) -> None:
    checked = program(NEW_OPS)
    x, state = batch(checked, (6, 5)), random_state(checked.graph, 1)
    truth = evaluate_all(checked.graph, state, x)
    shown = backend.trace(build(checked, "float64"), checked, x)
    assert {"upsample1", "layer1.0.upsample1", "layer1.0.gelu1", "layer1.0.mul2"} <= set(shown)
    wanted = {name: truth[name] for name in shown}
    assert difference(wanted, {n: v.reshape(truth[n].shape) for n, v in shown.items()}) < 1e-13


def test_what_is_divided_or_thinned_after_its_layer_does_not_show() -> None:
    text = """model m { input: 2x12x12  stages: []  head: none
        stem: avgpool(3x3, stride=2, pad=1) -> conv(3, 3x3, stride=2, dilation=3) -> avgpool(2x2) }"""
    checked = program(text)
    assert set(backend.trace(backend.build(checked), checked, batch(checked))) == {"avgpool2"}


@pytest.mark.parametrize(
    "stem",
    [
        "conv(4, 1x1) -> conv(4, 3x3, pad=2)",
        "conv(4, 1x1) -> conv(4, 3x3, pad=2) -> conv(4, 3x3, pad=0)",
        "conv(4, 1x1) -> conv(4, 4x3, pad=1)",
        "conv(4, 1x1) -> conv(4, 4x3, pad=1) -> conv(4, 3x3, pad=0)",
    ],
)
def test_one_pixel_is_not_padded_beside_what_is(stem: str) -> None:
    checked = program(f"model m {{ input: 3x9x8  stages: []  head: none  stem: {stem} }}")
    x, state = batch(checked, (9, 8)), random_state(checked.graph, 1)
    truth = evaluate_all(checked.graph, state, x)[checked.graph.outputs[0][1]]
    assert difference({"output": truth}, backend.run(build(checked, "float64"), x)) < 1e-13


def test_what_varies_beside_four_amounts_of_padding_is_a_parameter() -> None:
    steps = "conv(width, kernel, stride=stride, pad=[[0, 1], [1, 0]]) -> maxpool(2, 1, pad=[[1, 0], [0, 0]])"
    checked = program(f"""
        block c(width, kernel, stride = 1) {{ return x -> {steps} }}
        model m {{ input: 3x17x18  stem: none  head: none
            stages: [[c(4, 2), c(5, 3, 2)], [c(5, 2, stride=1)]] }}""")
    x, state = batch(checked, (17, 18)), random_state(checked.graph, 1)
    truth = evaluate(checked.graph, state, x)
    assert difference(truth, backend.run(build(checked, "float64"), x)) < 1e-13
    assert len(re.findall(r"^def c_block\(", backend.render(checked), re.MULTILINE)) == 1


def test_a_plain_convolution_shows_also_where_another_of_its_block_is_thinned() -> None:
    text = """
    block c(stride = 1, dilation = 1) { return x -> conv(2, 3x3, stride=stride, dilation=dilation) }
    model m { input: 2x12x12  stem: x  head: none  strides: 1
        stages: [[c(stride=2), c(stride=2, dilation=3), c(dilation=2), c, c(stride=2, dilation=4)]] }"""
    checked = program(text)
    shown = set(backend.trace(backend.build(checked), checked, batch(checked)))
    assert shown == {f"layer1.{index}.conv1" for index in (0, 2, 3, 4)}


# --- work ---------------------------------------------------------------------------------------


def multiply_adds(model: Any) -> int:
    """What Keras computes: each value of the result of a layer with weights takes a column of its kernel."""
    weighted = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return sum(
        math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape) for layer in weighted
    )  # fmt: skip


GAPS = """
    block c(width, stride = 1, dilation = 1) {
        return x -> conv(width, 3x3, stride=stride, dilation=dilation)
    }
    model gaps { input: 3xHxW  stem: conv(2, 3x5, stride=2x1, dilation=2)  head: none  strides: 1
        stages: [[c(4), c(4, 2), c(4, 1, 2), c(4, 2, 2), c(6, 2, 4), c(6, 3, 3)]] }
"""


@pytest.mark.parametrize("size", [(32, 32), (33, 38), (51, 46), (48, 61)])
def test_what_strides_and_dilates_is_computed_where_it_is_taken(layout: str, size: tuple[int, int]) -> None:
    if layout == "channels_first":
        pytest.skip("TensorFlow has no such convolution on CPUs")
    checked = program(GAPS)
    x, state = batch(checked, size), random_state(checked.graph, 1)
    assert difference(evaluate(checked.graph, state, x), backend.run(build(checked, "float64"), x)) < 1e-13
    sized = program(GAPS.replace("3xHxW", f"3x{size[0]}x{size[1]}"))
    assert multiply_adds(backend.build(sized)) == sized.cost.macs
    assert "Keras needs" not in backend.render(sized)


@pytest.mark.parametrize(
    "conv",
    [
        "2x2, stride=2, dilation=2, pad=1",
        "2x2, stride=2x1, dilation=2, pad=1",
        "2x3, stride=2, dilation=2, pad=1x2",
        "2x2, stride=2, dilation=4, pad=2",
        "4x4, stride=2, dilation=2, pad=3",
        "4x2, stride=3, dilation=6, pad=9x3",
        "3x3, stride=2, dilation=3, pad=3",
    ],
)
def test_an_even_kernel_that_strides_and_dilates_reads_its_own_pixels(conv: str) -> None:
    checked = program(f"model m {{ input: 2xHxW  stages: []  head: none  stem: conv(3, {conv}) }}")
    model, state = build(checked, "float64"), random_state(checked.graph, 1)
    for size in ((11, 12), (12, 11)):
        x = batch(checked, size)
        assert difference(evaluate(checked.graph, state, x), backend.run(model, x)) < 1e-13


@pytest.mark.slow
def test_skresnet50_computes_in_keras_what_its_header_says() -> None:
    checked = compile_spec("skresnet50")
    assert multiply_adds(backend.build(checked)) == checked.cost.macs == 4_089_422_336


def test_the_header_says_what_keras_needs_where_it_cannot_but_compute_every_pixel() -> None:
    text = """model m { input: 2x24x24  stages: []  head: none  stem: conv(2, 1x1)
        -> a: conv(4, 3x3, stride=2, dilation=3) -> relu
        -> b: conv(4, 3x3, stride=2, dilation=2, pad=same) }"""
    checked = program(text)
    header = backend.render(checked).split("\nimport keras")[0]
    needed = multiply_adds(backend.build(checked))
    assert f"# Keras needs {needed:,} multiply-adds" in header
    assert "#   a: 41,472 for 10,368\n#   b: 20,736 for 5,184\n" in header
    open_header = backend.render(program(text.replace("2x24x24", "2xHxW"))).split("\nimport keras")[0]
    assert "# Keras needs more, since" in open_header
    assert "#   a\n#   b\n" in open_header


# What has weights of its own kinds, under a batch norm, so that gradients come from far.
TRAINED = """
    block mixed(width, stride = 1) {
        main = x -> conv(width, 3x3, groups=2, standardize=1e-6) -> gn(2) -> silu
                 -> blurpool(3, stride) -> conv(width, 3x3, bias=true, standardize=1e-8) -> ln -> gelu
        gate = main -> gap -> channel_conv(3) -> sigmoid
        short = x -> downsample: B(width, stride)
        return leaky_relu(main * gate + short, 0.2) -> lrn(3, alpha=0.1)
    }
    model trained { input: 3xHxW  stem: conv(4, 3x3) -> bn  stages: [1]  widths: 4  strides: 2  block: mixed
        head: upsample(2, mode=bilinear) -> adaptive_avgpool(3) -> flatten -> bn -> affine(0.5, 1) -> fc(5) }
"""


def test_training_agrees_with_the_referee() -> None:
    source = Source("m.resnet", TRAINED)
    subject = subject_of(lambda more: compile_source(source, overrides=more))
    (found,) = verify_training(subject, {"keras": find_backend("keras")}, calibrated_state(subject, 1), 2, 1)
    assert max(error for error, _ in found.errors.values()) <= 1e-10, found


def test_stochastic_depth_keeps_or_drops_an_image_as_a_whole() -> None:
    model = backend.build(
        program("model m { input: 3x5x4  stem: stochastic_depth(0.25)  stages: []  head: none }")
    )
    x = np.random.default_rng(0).standard_normal((64, 5, 4, 3)).astype("float32")
    result = np.array(model(x, training=True))
    kept = (result != 0.0).any(axis=(1, 2, 3))
    assert 32 < kept.sum() < 64
    assert np.allclose(result, np.where(kept[:, None, None, None], x / 0.75, 0.0))
    assert np.array_equal(np.array(model(x, training=False)), x)


# --- what a spec asks for ----------------------------------------------------------------------


def step(model: Any, checked: Program, fit: bool) -> None:
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    x = nhwc(batch(checked)).astype("float32")
    result = model(x)
    goal = {name: np.ones(value.shape) for name, value in result.items()} if isinstance(result, dict) else 1.0
    goal = goal if isinstance(goal, dict) else np.ones(result.shape)
    if fit:
        model.fit(x, goal, epochs=1, verbose=0)
    else:
        model.train_on_batch(x, goal)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fit"), [("backbone", True), ("frozen_dropout", False)])
def test_a_training_step_changes_all_but_what_is_frozen(name: str, fit: bool) -> None:
    checked = program(name)
    model = build(checked)
    before = backend.read_state(model)
    step(model, checked, fit)
    frozen = {key for n in checked.graph.nodes if checked.graph.is_frozen(n) for key, _ in n.parameters()}
    for key, value in backend.read_state(model).items():
        if not key.endswith("conv1.bias"):  # before a batch norm a bias has no gradient
            assert np.array_equal(value, before[key]) == (key in frozen), key
    counted = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    assert counted == checked.cost.trainable < checked.cost.params


@pytest.mark.parametrize("op", ["dropout", "stochastic_depth"])
def test_a_frozen_part_drops_nothing_and_others_do(op: str) -> None:
    checked = program(SPECS["frozen_dropout"].replace("dropout(", f"{op}("))
    model = build(checked)
    names = ["relu1", f"layer1-0-{op}1", f"layer2-0-{op}1"]
    inside = keras.Model(model.input, [model.get_layer(name).output for name in names])
    x = nhwc(batch(checked, count=16)).astype("float32")
    once, again = inside(x, training=True), inside(x, training=True)
    equal = [np.array_equal(np.array(a), np.array(b)) for a, b in zip(once, again, strict=True)]
    assert equal == [True, True, False]


@pytest.mark.slow
def test_build_takes_what_users_of_keras_change_first(layout: str) -> None:
    checked = compile_spec("resnet18")
    module = module_of(backend.render(checked), "m")
    model = module.build(classes=7, input_shape=(40, None, 1))
    order = (None, 40, None, 1) if layout == "channels_last" else (None, 1, 40, None)
    assert model.input_shape == order
    assert model.output_shape == (None, 7)
    changed = compile_spec("resnet18", overrides={"classes": "7", "input": "1x40xW"})
    shapes = {variable.path: variable.shape for variable in backend.build(changed).weights}
    assert {variable.path: variable.shape for variable in model.weights} == shapes
    usual = {variable.path: variable.shape for variable in backend.build(checked).weights}
    assert {variable.path: variable.shape for variable in module.build().weights} == usual


def test_build_refuses_channels_that_its_blocks_are_not_made_for() -> None:
    text = "block b() { return x -> conv(2 * x.channels, 3x3) }"
    text += "model m { input: 3x8x8  stem: none  stages: [[b]]  head: gap -> fc(2) }"
    with pytest.raises(ValueError, match="3 channels"):
        module_of(backend.render(program(text)), "m").build(input_shape=(8, 8, 4))


def test_outputs_are_what_the_parts_give() -> None:
    checked = program("backbone")
    model = build(checked)
    outputs = backend.run(model, batch(checked).astype("float32"))
    assert list(outputs) == ["stem", "layer1.0", "layer1", "layer3"]
    layers = dict(checked.graph.outputs)
    inside = keras.Model(
        model.input, {name: model.get_layer(layer_name(layer)).output for name, layer in layers.items()}
    )
    assert difference(outputs, backend.run(inside, batch(checked).astype("float32"))) == 0


def test_zero_gamma_starts_the_last_scale_of_each_block_at_zero() -> None:
    state = backend.read_state(backend.build(program("zero_gamma")))
    scales = {name: value for name, value in state.items() if re.search(r"bn\d\.weight", name)}
    zero = {name for name, value in scales.items() if not value.any()}
    assert zero == {"layer1.0.bn2.weight", "layer1.1.bn2.weight"}
    assert all((scales[name] == 1).all() for name in scales.keys() - zero)


@pytest.mark.parametrize("name", ["modern", "recent"])
def test_a_model_made_with_weights_is_one_that_they_are_loaded_into(name: str) -> None:
    checked = program(name)
    state = random_state(checked.graph, 1)
    made, loaded = runtime.build_with(checked, state), backend.load_state(backend.build(checked), state)
    for (path, value), (other, wanted) in zip(
        backend.read_state(made).items(), backend.read_state(loaded).items(), strict=True
    ):
        assert path == other
        assert np.array_equal(value, wanted)


def test_a_model_without_values_leaves_none_to_start() -> None:
    model = runtime.build_unstarted(program("modern"))
    with keras.StatelessScope():
        pass
    assert model.weights
    assert not any(variable._value is not None for variable in model.variables)


def test_initial_weights_have_the_distributions_asked_for() -> None:
    keras.utils.set_random_seed(0)
    checked = program("starts")
    state = backend.read_state(backend.build(checked))
    for node in checked.graph.nodes:
        for key, parameter in node.parameters():
            value, init = state[key], parameter.init
            if init.kind == "constant":
                assert (value == init.value).all()
            elif init.kind == "uniform":
                assert 0.95 * init.value < np.abs(value).max() <= init.value * (1 + 1e-6)
                assert value.std() == pytest.approx(init.value / math.sqrt(3), rel=0.15)
            else:
                assert value.std() == pytest.approx(init.value, rel=0.02)
                assert np.abs(value).max() > 3 * init.value  # not truncated


STARTS = """
    block gated(width, stride = 1, g = 1) {{
        main = x -> conv(width, 3x3, stride=stride) -> {norm}(gamma=g)
        return relu(main + (x -> downsample: B(width, stride)))
    }}
    model m {{ input: 3x8x8  stem: conv(4, 3x3)  stages: [2, 1]  widths: [4, 8]  block: gated
        {field}  head: gap -> fc(3) }}
"""


@pytest.mark.parametrize("norm", ["bn", "gn", "ln"])
@pytest.mark.parametrize("gammas", [[1, 0.5], [0.5, 1], [0.5, 0.5], [0, 1]])
def test_a_scale_starts_where_its_block_says(norm: str, gammas: list[float]) -> None:
    text = STARTS.format(norm=norm if norm != "gn" else "gn(2)", field=f"gs: {gammas}").replace(
        "gn(2)(", "gn(2, "
    )
    checked = program(text)
    state = backend.read_state(backend.build(checked))
    for key, parameter in checked.graph.parameters():
        if parameter.init.kind == "constant":
            assert (state[key] == parameter.init.value).all(), key
    starts = [state[f"{block}.{norm}1.weight"][0] for block in ("layer1.0", "layer1.1", "layer2.0")]
    assert starts == [gammas[0], gammas[0], gammas[1]]


def test_a_bias_is_drawn_for_itself() -> None:
    state = backend.read_state(backend.build(program("starts")))
    kernel, bias = state["a.weight"], state["a.bias"]
    assert not any(np.allclose(bias, kernel[:, i]) for i in range(kernel.shape[1]))


# --- files of weights and models ---------------------------------------------------------------


SAVED = ("same", "pools", "backbone", "zero_gamma", "frozen_dropout", "modern", "arithmetic", "varied")


@pytest.mark.slow
@pytest.mark.parametrize("name", SAVED)
def test_models_and_weights_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    checked = program(name)
    model, x = build(checked), batch(checked).astype("float32")
    expected = backend.run(model, x)
    model.save(tmp_path / "m.keras")
    assert difference(expected, backend.run(keras.models.load_model(tmp_path / "m.keras"), x)) == 0
    model.save_weights(tmp_path / "m.weights.h5")
    fresh = backend.build(checked)
    fresh.load_weights(tmp_path / "m.weights.h5")
    assert difference(expected, backend.run(fresh, x)) == 0


def test_a_saved_model_needs_the_file_for_standardised_weights_alone() -> None:
    """Whatever else it is made of is Keras' own."""
    saved = backend.build(program("modern")).to_json()
    assert set(re.findall(r'"registered_name": "(\w+>\w+)"', saved)) == {"resnet_dsl>StandardizedConv2D"}
    without = SPECS["modern"].replace("standardize=1e-6", "init=glorot")
    assert "resnet_dsl" not in backend.build(program(without)).to_json()


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_every_layer_come_back_from_a_file(suffix: str, tmp_path: Path) -> None:
    checked = program("modern")
    state = random_state(checked.graph, 1)
    path = tmp_path / f"m{suffix}"
    path.write_bytes(weight_files.encode(checked, state, {}, suffix))
    tensors = weight_files.read(path).tensors
    assert tensors.keys() == state.keys()
    assert all(tensors[name].shape == value.shape for name, value in state.items())
    assert all(np.array_equal(tensors[name].load(), value) for name, value in state.items())


# --- deep models -------------------------------------------------------------------------------


def test_the_recursion_limit_is_left_alone_where_it_serves() -> None:
    assert "recursion" not in source("resnet50")
    assert recursion_limit(compile_spec("resnet110").graph) == 0


def test_no_more_operations_lie_behind_one_another_than_the_limit_counts() -> None:
    for name in ("same", "pools", "per_stage", "inception", "modern", "arithmetic", "varied"):
        checked = program(name)
        model = backend.build(checked)
        depth: dict[str, int] = {}
        for operation in model.operations:
            before = [node.parent_nodes for node in operation._inbound_nodes]
            above = [parent.operation.name for parents in before for parent in parents]
            depth[operation.name] = 1 + max((depth[name] for name in above), default=0)
        # The limit of a model this deep, were it not so shallow: one frame each.
        limit = recursion_limit(checked.graph, safe=0) - 1000
        assert max(depth.values()) - 1 <= limit


@pytest.mark.slow
def test_resnet_1202_is_built_run_and_its_weights_saved_and_loaded(tmp_path: Path) -> None:
    checked = compile_spec("resnet1202")
    assert SAFE < recursion_limit(checked.graph) < 6000
    before = sys.getrecursionlimit()
    try:
        model = backend.build(checked)
        assert sys.getrecursionlimit() == max(before, recursion_limit(checked.graph))
        state = random_state(checked.graph, 1)
        small = {name: value * 0.05 for name, value in state.items() if name.endswith("bn2.weight")}
        backend.load_state(model, {**state, **small})  # else 600 blocks grow past any number
        x = batch(checked).astype("float32")
        expected = backend.run(model, x)
        assert expected["output"].shape == (2, 10)
        assert np.isfinite(expected["output"]).all()
        model.save_weights(tmp_path / "m.weights.h5")
        model.get_layer("fc").kernel.assign(np.zeros((64, 10)))
        model.load_weights(tmp_path / "m.weights.h5")
        assert difference(expected, backend.run(model, x)) == 0
    finally:
        sys.setrecursionlimit(before)
