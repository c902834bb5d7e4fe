"""Specs restored from names and shapes, and from graphs: they are the originals, or it is said why not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from resnet_dsl.backend.foreign_graph import ForeignConstant, ForeignGraph, ForeignNode
from resnet_dsl.backend.layer_places import names_by_place
from resnet_dsl.decompile.block_numbers import attentions, widths_of
from resnet_dsl.decompile.facts import Hints
from resnet_dsl.decompile.input_file import InputFile
from resnet_dsl.decompile.model_name import model_name
from resnet_dsl.decompile.pipeline import NotExpressibleError, Restored, restore
from resnet_dsl.decompile.structure import read_structure
from resnet_dsl.decompile.tensors import MOST_TENSORS, Shapes
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.printing.stages import print_network
from resnet_dsl.program import Program
from tests.support.reference_tables import tables
from tests.support.shelf import varieties

V15 = Hints(stride_on="conv2")


def expanded(program: Program) -> list[str]:
    """The program after elaboration without its name, its initial values and its preprocessing.

    None of them is in tensors; each argument of an op is on its line, whatever the others are.
    """
    lines = print_network(program).splitlines()[1:]
    kept = [line for line in lines if not line.startswith("preprocess:")]
    return [re.sub(r", (init|gamma)=[\w.]+", "", line) for line in kept]


def figures(program: Program) -> list[Any]:
    found = program.cost
    return [found.params, found.buffers, found.macs, found.output]


def from_shapes(shapes: Shapes, given: Hints | None = None, **settings: str) -> Restored:
    return restore(InputFile("net.pth", shapes), None, given, settings)


def shapes_of(program: Program) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in program.graph.parameters()}


def compiled(text: str) -> Program:
    return compile_source(Source("net.resnet", text))


# --- names and shapes of others ----------------------------------------------------------------

TORCHVISION = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
TORCHVISION += ["resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"]
TIMM = [*TORCHVISION, "resnet10t", "resnet14t", "resnet18d", "resnet26", "resnet26t", "resnet50c"]
TIMM += ["resnet50d", "resnet50s", "resnet50_gn", "resnet101d", "resnet200", "resnext50d_32x4d"]
TIMM += ["seresnet34", "seresnet50", "seresnet101", "seresnet152"]
TIMM += ["resnetv2_18", "resnetv2_34", "resnetv2_50", "resnetv2_101", "resnetv2_152"]
CASES = [("torchvision", name) for name in TORCHVISION] + [("timm", name) for name in TIMM]


def has_bottlenecks(shapes: Shapes) -> bool:
    return any(name.endswith(".conv3.weight") for name in shapes)


@pytest.mark.parametrize(("group", "name"), CASES)
def test_a_network_of_torchvision_or_timm_is_restored(group: str, name: str) -> None:
    shapes = dict(tables(group)[name].weights)
    given = V15 if has_bottlenecks(shapes) else None
    assert expanded(from_shapes(shapes, given).program) == expanded(compile_spec(name))


CIFAR = [
    # table, what has to be said, shipped spec, what is set in it
    ("resnet{}_A", "A", "resnet{}", {}),
    ("resnet{}_B", "", "resnet{}_b", {}),
    ("plain{}", "none", "plain{}", {}),
    ("preresnet{}_A", "A", "preresnet{}", {}),
    ("preresnet{}_B", "", "preresnet{}_b", {}),
    ("akamaster_resnet{}", "A(side=both)", "resnet{}", {"shortcut": "A(side=both)"}),
    ("chenyaofo_cifar10_resnet{}", "", "resnet{}_b", {}),
]


@pytest.mark.parametrize(("table", "shortcut", "spec", "setting"), CIFAR, ids=[case[0] for case in CIFAR])
def test_a_network_for_cifar_is_restored(
    table: str, shortcut: str, spec: str, setting: dict[str, str]
) -> None:
    found = {depth: tables("cifar").get(table.format(depth)) for depth in (20, 44, 56)}
    assert found[20]
    for depth, given in found.items():
        if given is not None:
            restored = from_shapes(dict(given.weights), Hints(shortcut=shortcut))
            assert expanded(restored.program) == expanded(compile_spec(spec.format(depth), None, setting))


@pytest.mark.parametrize("name", ["wrn16_8", "wrn40_2", "resnext29_8x64d"])
def test_wide_and_grouped_networks_for_cifar_are_restored(name: str) -> None:
    original = compile_spec(name)
    shapes = shapes_of(original)
    restored = from_shapes(shapes, V15 if has_bottlenecks(shapes) else None)
    assert expanded(restored.program) == expanded(original)


@pytest.mark.parametrize("stride_on", ["conv1", "conv2"])
def test_v1_and_v15_are_what_is_asked_for(stride_on: str) -> None:
    shapes = dict(tables("torchvision")["resnet50"].weights)
    restored = from_shapes(shapes, Hints(stride_on=stride_on))
    original = compile_spec("resnet50_v1" if stride_on == "conv1" else "resnet50")
    assert expanded(restored.program) == expanded(original)
    assert restored.program.cost.macs == original.cost.macs


def test_attention_over_channels_is_restored() -> None:
    kernels = {"layer1": 5, "layer2": 5, "layer3": 5, "layer4": 7}
    shapes = dict(tables("timm")["resnet50d"].weights)
    blocks = sorted({name.rpartition(".conv3")[0] for name in shapes if name.endswith(".conv3.weight")})
    shapes |= {f"{block}.se.conv.weight": (1, 1, kernels[block[:6]]) for block in blocks}
    restored = from_shapes(shapes, V15)
    assert "attention: [eca(5), eca(5), eca(5), eca(7)]" in restored.text
    assert shapes_of(restored.program) == shapes


# --- what is asked, assumed and refused ---------------------------------------------------------


def test_the_place_of_the_stride_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"(?s)--stride-on conv2.*v1\.5.*--stride-on conv1"):
        from_shapes(dict(tables("torchvision")["resnet50"].weights))


def test_all_questions_are_asked_at_once() -> None:
    shapes = shapes_of(compile_spec("resnet50_a"))
    with pytest.raises(
        UsageError, match=r"(?s)--stride-on conv1.*--shortcut none|--shortcut none.*--stride-on"
    ):
        from_shapes(shapes)


def test_an_answer_without_a_question_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no bottleneck with a stride"):
        from_shapes(shapes_of(compile_spec("resnet18")), V15)


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(NotExpressibleError, match=r"missing \(\d+\): layer2.0.downsample.0.weight"):
        from_shapes(shapes_of(compile_spec("resnet20")), Hints(shortcut="B"))


def test_what_is_taken_for_granted_is_said() -> None:
    (note,) = from_shapes(shapes_of(compile_spec("resnet18"))).notes
    for word in (
        "input 3x224x224",
        "stem conv(64, 7x7, stride=2)",
        "strides [1, 2, 2, 2]",
        "ReLU",
        "eps 1e-05",
        "blur",
    ):
        assert word in note


def test_a_field_that_the_person_knows_better_is_written() -> None:
    shapes = shapes_of(compile_spec("resnet18"))
    restored = from_shapes(shapes, None, strides="[1, 2, 1, 1]", dilations="[1, 1, 2, 4]", act="silu")
    assert "strides: [1, 2, 1, 1]" in restored.text
    assert "act: silu" in restored.text
    with pytest.raises(CompileError, match="E0101"):
        from_shapes(shapes, None, act="relu } model other { stages: [1]")
    with pytest.raises(NotExpressibleError, match="does not compile"):
        from_shapes(shapes, None, colour="relu")


def test_names_of_another_world_are_said() -> None:
    shapes = dict(tables("timm")["resnetv2_18"].weights)
    assert any("--from timm" in note for note in from_shapes(shapes).notes)


@pytest.mark.parametrize(
    ("group", "name", "why"),
    [
        ("timm", "legacy_seresnet50", "layer1.0 is neither `basic` nor `bottleneck`; it has .*se_module.fc1"),
        ("timm", "skresnet50", "conv2.paths.0.conv"),
        ("keras", "ResNet50", "no blocks `layer1.0`"),
        ("historic", "torchvision_vgg16", "no blocks|names of torchvision"),
        ("historic", "torchvision_googlenet", r"names of torchvision(?s:.*)a shipped spec has just these"),
    ],
)
def test_other_structures_are_refused_with_what_they_have(group: str, name: str, why: str) -> None:
    with pytest.raises(NotExpressibleError, match=why):
        from_shapes(dict(tables(group)[name].weights), V15)


def test_a_bias_on_one_convolution_is_said_of_a_file_of_keras_applications() -> None:
    shapes = {
        "conv1_conv.weight": (64, 3, 7, 7),
        "conv1_conv.bias": (64,),
        **{f"conv2_block1_{j}_conv.weight": (64, 64, k, k) for j, k in ((1, 1), (2, 3), (3, 1))},
        "conv2_block1_3_conv.bias": (64,),
        **{name: (64,) for j in (1, 2, 3) for name in _norm(f"conv2_block1_{j}_bn")},
    }
    with pytest.raises(
        NotExpressibleError, match=r"names of keras.applications: layer1.0: a bias on conv3 only"
    ):
        from_shapes(shapes, V15)


@pytest.mark.parametrize("name", ["legacy_seresnet50", "skresnet50"])
def test_blocks_that_the_library_lacks_are_those_of_a_shipped_spec(name: str) -> None:
    shapes = dict(tables("timm")[name].weights)
    restored = from_shapes(shapes)
    assert restored.text.startswith(f"# Restored from net.pth: the shipped {name}.\n# ")
    assert any(f"those of the shipped {name}" in note for note in restored.notes)
    assert print_network(restored.program) == print_network(compile_spec(name))
    renamed = restore(InputFile("net.pth", shapes), "mine")
    assert renamed.program.name == "mine"
    assert expanded(renamed.program) == expanded(restored.program)
    with pytest.raises(
        NotExpressibleError, match=r"neither `basic`[^\n]*\n  = help: a shipped spec has just these"
    ):
        from_shapes(shapes, None, act="silu")


def test_tensors_of_two_shipped_specs_are_not_guessed() -> None:
    """The two differ in what is frozen, which files of ours say beside their graph."""
    program = compile_spec("transfer_resnet50_stage5")
    assert "freeze" not in from_shapes(shapes_of(program)).text
    assert not from_graph(graph_of(program)).program.network.frozen
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert restored.program.network.frozen == program.network.frozen


def test_a_shipped_spec_with_another_size_or_dilation_is_not_taken_for_it() -> None:
    graph = graph_of(compile_spec("skresnet50"))
    with pytest.raises(NotExpressibleError, match="neither `basic` nor `bottleneck`"):
        from_graph(graph_of(compile_spec("skresnet50", None, {"input": "3x192x192"})))
    path = "layer2.1.conv2.paths.0.conv"
    odd = changed(graph, path, attributes={**node_of(graph, path).attributes, "dilations": (2, 2)})
    with pytest.raises(NotExpressibleError, match="neither `basic` nor `bottleneck`"):
        from_graph(odd)


def test_a_tensor_too_many_too_few_or_misshapen_is_named() -> None:
    shapes = shapes_of(compile_spec("resnet18"))
    without = {name: shape for name, shape in shapes.items() if name != "layer3.1.bn2.weight"}
    with pytest.raises(NotExpressibleError, match=r"layer3.1 is neither"):
        from_shapes(without)
    with pytest.raises(NotExpressibleError, match="head `bn`, `fc` it has classifier"):
        from_shapes({**shapes, "classifier.weight": (10, 512)})
    with pytest.raises(NotExpressibleError, match=r"misshapen \(1\): fc.bias \(10, not 1000\)"):
        from_shapes({**shapes, "fc.bias": (10,)})
    with pytest.raises(
        NotExpressibleError, match=r"misshapen \(1\): layer1.1.conv2.weight \(64x64x3x3, not 64x32"
    ):
        from_shapes(
            {**shapes, "layer1.1.conv1.weight": (32, 64, 3, 3), **dict.fromkeys(_norm("layer1.1.bn1"), (32,))}
        )


def _norm(path: str) -> list[str]:
    return [f"{path}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]


def test_batch_counters_are_no_part_of_it() -> None:
    shapes = shapes_of(compile_spec("resnet20_b"))
    norms = {name.removesuffix(".running_var") for name in shapes if name.endswith(".running_var")}
    counters = dict.fromkeys((f"{norm}.num_batches_tracked" for norm in norms), ())
    assert from_shapes({**shapes, **counters}).text == from_shapes(shapes).text


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"weight": (1,)},
        {"layer1.0.conv1.weight": (0, 0, 3, 3)},
        {"layer1.99999.conv1.weight": (8, 8, 3, 3)},
        {f"layer1.{'9' * 5000}.conv1.weight": (8, 8, 3, 3)},
        {"layer7.0.conv1.weight": (8, 8, 3, 3)},
        {"\x1b[2J": (1,), "layer1.0.\x1b[2J.weight": (3,)},
    ],
)
def test_odd_tensors_are_refused_in_print(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(NotExpressibleError) as refusal:
        from_shapes(shapes)
    assert str(refusal.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("width", [0, 1, 10**12])
def test_odd_widths_end_in_a_sentence(width: int) -> None:
    shapes = shapes_of(compile_spec("resnet20_b"))
    scaled = {name: tuple(width if n == 16 else n for n in shape) for name, shape in shapes.items()}
    try:
        assert shapes_of(from_shapes(scaled).program) == scaled
    except NotExpressibleError:
        assert width != 1


def test_more_tensors_than_any_program_has_are_refused_at_once() -> None:
    with pytest.raises(NotExpressibleError, match="no program of the language has so many"):
        from_shapes(dict.fromkeys(map(str, range(MOST_TENSORS + 1)), (1,)))


# --- small parts --------------------------------------------------------------------------------


def test_a_name_comes_from_the_file() -> None:
    assert model_name("resnet50-0676ba61.pth") == "resnet50_0676ba61"
    assert model_name("50 nets.onnx") == "net_50_nets"
    assert model_name("class.pth") == "net_class"
    assert model_name("conv.pth") == "net_conv"
    assert model_name("…") == "net"


@pytest.mark.parametrize(
    "text",
    [
        "stages: [1, 1]  block: bottleneck  widths: [24, 56]  groups: [3, 7]  strides: 2",
        "stages: [1, 2]  block: bottleneck  expansion: 2  base_width: 32",
        "stages: [1, 1, 1]  block: [basic, bottleneck, basic]",
        "stages: [2, 1]  block: basic  attention: [none, se(4)]",
        "stages: [2, 1]  block: basic  attention: [se(4), se(8, 4)]",
        "stages: [1, 1]  block: basic  shortcut: C  classes: 7",
        "stages: [2]  block: basic  shortcut: C  stem: imagenet_stem(32)",
        "stages: [1, 1]  block: basic  head: none  stem: deep_stem(16, 24, 48)",
        "stages: [1, 1]  block: basic  head: gap -> fc(7, bias=false)  input: 1x224x224",
        "stages: [1, 1]  block: bottleneck  activation: pre",
        "stages: [1, 1]  block: bottleneck  activation: pre  shortcut: C  norm: gn  "
        "head: bn: gn -> relu -> gap -> fc(9)",
    ],
)
def test_numbers_and_choices_are_restored(text: str) -> None:
    original = compiled(f"model net {{ {text} }}")
    shapes = shapes_of(original)
    strided = has_bottlenecks(shapes)
    settings = {"strides": "2"} if "strides: 2" in text else {}
    assert expanded(from_shapes(shapes, V15 if strided else None, **settings).program) == expanded(original)


def test_a_reduction_that_no_pair_gives_is_refused() -> None:
    from resnet_dsl.decompile.residual_blocks import Gate

    with pytest.raises(NotExpressibleError, match="no reduction of 64 channels gives the 63"):
        attentions([(64, Gate("se", 63))])


def test_widths_say_as_little_as_can_be() -> None:
    shapes = shapes_of(compile_spec("wide_resnet50_2"))
    from resnet_dsl.decompile.tensors import layers_of

    found = widths_of(stage[0] for stage in read_structure(layers_of(shapes)).stages)
    assert (found.widths, found.base_widths, found.expansions) == ([64, 128, 256, 512], [128] * 4, [4] * 4)


# --- graphs -------------------------------------------------------------------------------------

# Pools that would round up, at a size where nothing is to round; sums with the shortcut first.
EQUAL_IN_OTHER_WORDS = {"resnetaa50", "resnext50_keras", "resnext101_keras"}
# A graph of inference has no paths that are dropped at random.
EQUAL_IN_OTHER_WORDS |= {"little_resnet", "little_resnet_m", "little_resnet_l"}


def graph_of(program: Program) -> ForeignGraph:
    pytest.importorskip("onnx")
    from resnet_dsl_onnx.graph_reader import of_program

    return of_program(program)


def from_graph(graph: ForeignGraph, **metadata: Any) -> Restored:
    from resnet_dsl_onnx import graph_reader

    return restore(InputFile("net.onnx", dict(graph.weights), metadata, graph, graph_reader))


def beside_graph(program: Program) -> dict[str, Any]:
    """What a file of ours says beside its graph."""
    network = program.network
    return {"frozen": list(network.frozen), "preprocess": dict(network.preprocess)}


@pytest.mark.slow
@pytest.mark.parametrize("spec", varieties())
def test_a_shipped_spec_is_restored_from_its_graph(spec: str) -> None:
    program = compile_spec(spec)
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert not restored.notes
    if spec not in EQUAL_IN_OTHER_WORDS:
        assert expanded(restored.program) == expanded(program)
    assert figures(restored.program) == figures(program)


@pytest.mark.parametrize(
    "text",
    [
        "stages: [2, 1]  block: basic  act: silu  stem: imagenet_stem(act=silu)",
        "stages: [2, 1]  block: basic  act: leaky_relu(0.2)  stem: conv(8, 3x3)  classes: 3",
        "stages: [2, 1]  block: basic  norm: bn(eps=0.001, momentum=0.01)"
        "  shortcut: B(norm=bn(eps=0.001, momentum=0.01))"
        "  stem: imagenet_stem(norm=bn(eps=0.001, momentum=0.01))",
        "stages: [2, 1]  block: basic  norm: gn(8)  shortcut: B(norm=gn(8))  stem: imagenet_stem(norm=gn(8))",
        "stages: [2, 2]  block: bottleneck  dilations: [1, 2]  strides: 1  input: 3xHxW  head: none"
        "  outputs: [layer1, layer2]",
        "stages: [1, 2]  block: bottleneck  dilation: if stage == 1 and index > 0 then 2 else 1",
        "stages: [1, 2]  block: bottleneck  stride_on: conv1  groups: 4  attention: se(8)",
        "stages: [1, 2]  block: bottleneck  antialias: blur  head: gap -> dropout(0.2) -> fc(10) -> softmax",
        "stages: [1, 1]  block: basic  antialias: avgpool  shortcut: D  stem: deep_stem(24)",
        "stages: [1, 2]  block: basic  shortcut: identity  strides: 1  widths: [64, 64]",
        "stages: [1, 2]  block: basic  shortcut: none  activation: pre",
        "stages: [1, 2]  block: basic  shortcut: A(side=both)  activation: pre  attention: eca",
        "stages: [1, 2]  block: bottleneck  shortcut: D  activation: pre",
        "stages: [1]  block: basic"
        "  stem: conv(64, 5x5, stride=2, pad=1) -> bn -> tanh -> avgpool(3x3, stride=2)"
        "  head: gap -> fc(32) -> relu -> fc(4)",
        "stages: [1, 1]  block: basic  freeze: [stem, layer1.0]"
        "  preprocess: { color: bgr  mean: [0.5, 0.5, 0.5] }",
    ],
)
def test_a_graph_tells_what_tensors_cannot(text: str) -> None:
    program = compiled(f"model net {{ {text} }}")
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert expanded(restored.program) == expanded(program)
    assert restored.program.network.preprocess == program.network.preprocess


def changed(graph: ForeignGraph, name: str, **values: Any) -> ForeignGraph:
    """The graph with one node changed."""
    assert any(node.name == name for node in graph.nodes)
    nodes = (replace(node, **values) if node.name == name else node for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def node_of(graph: ForeignGraph, name: str) -> ForeignNode:
    return next(node for node in graph.nodes if node.name == name)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("layer2.1.conv1", "strides", (2, 2)),
        ("layer1.1.conv2", "pads", (0, 0, 2, 2)),
        ("layer1.1.bn2", "epsilon", 1e-3),
        ("layer2.0.downsample.1", "momentum", 0.99),
        ("layer2.0.downsample.0", "dilations", (2, 2)),
        ("layer1.0.conv1", "auto_pad", "SAME_LOWER"),
    ],
)
def test_one_other_attribute_is_found_and_named(name: str, attribute: str, value: Any) -> None:
    graph = graph_of(compile_spec("resnet18"))
    odd = changed(graph, name, attributes={**node_of(graph, name).attributes, attribute: value})
    with pytest.raises(NotExpressibleError, match=f"{attribute}=.* at {re.escape(name)}"):
        from_graph(odd)


def test_another_op_or_input_is_found_and_named() -> None:
    graph = graph_of(compile_spec("resnet18"))
    with pytest.raises(NotExpressibleError, match=r"Elu at layer3.1.relu2, not Relu"):
        from_graph(changed(graph, "layer3.1.relu2", op="Elu"))
    with pytest.raises(NotExpressibleError, match=r"Add at layer3.1.add1"):
        from_graph(changed(graph, "layer3.1.add1", inputs=("layer3.1.bn2", "layer3.1.bn1")))
    with pytest.raises(NotExpressibleError, match=r"Add at layer2.0.add1"):
        from_graph(changed(graph, "layer2.0.add1", inputs=("layer2.0.bn2", "layer2.0.downsample.0")))


def test_zeros_on_both_sides_in_one_block_alone_are_found() -> None:
    graph = graph_of(compile_spec("resnet20"))
    pad = node_of(graph, "layer3.0.downsample.pad_channels1")
    constants = {**graph.constants, "both": ForeignConstant("int64", (8,), (0, 16, 0, 0, 0, 16, 0, 0))}
    odd = changed(graph, pad.name, inputs=(pad.inputs[0], "both", *pad.inputs[2:]))
    with pytest.raises(NotExpressibleError, match=r"Pad at layer3.0.downsample.pad_channels1"):
        from_graph(replace(odd, constants=constants))


def test_the_order_of_a_sum_is_no_difference() -> None:
    graph = graph_of(compile_spec("resnet20"))
    turned = changed(graph, "layer1.1.add1", inputs=node_of(graph, "layer1.1.add1").inputs[::-1])
    assert from_graph(turned).text == from_graph(graph).text


@pytest.mark.parametrize(
    "preprocess",
    [
        {"color": "rgb }  head: none  expect: {"},
        {"color } head": 1},
        {"color": ["rgb", {"a": 'x" y'}]},
        {"color": "\x1b[2J\n"},
        {"size": None},
    ],
)
def test_metadata_can_say_no_more_than_values(preprocess: Any) -> None:
    graph = graph_of(compile_spec("resnet20"))
    with pytest.raises(NotExpressibleError) as refusal:
        from_graph(graph, preprocess=preprocess)
    assert "\x1b" not in str(refusal.value)


def test_a_graph_without_norms_and_names_is_read_by_place() -> None:
    pytest.importorskip("onnx")
    from resnet_dsl_onnx import graph_reader

    graph = graph_of(compile_spec("resnet20"))
    names = {name: f"onnx::Conv_{number}" for number, name in enumerate(graph.weights) if "conv" in name}
    norms = {node.result: node.inputs[0] for node in graph.nodes if node.op == "BatchNormalization"}
    nodes = tuple(
        replace(node, inputs=tuple(norms.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node.op != "BatchNormalization"
    )
    weights = {name: shape for name, shape in graph.weights.items() if "bn" not in name}
    nameless = replace(graph, nodes=nodes, weights=weights).renamed(names)
    places = names_by_place(nameless)
    restored = restore(InputFile("net.onnx", nameless.weights, {}, nameless, graph_reader, by_place=places))
    assert "norm: identity" in restored.text
    assert "bias" not in restored.text
    assert any("called by their places" in note for note in restored.notes)
    assert any("--unfold" in note for note in restored.notes)
