"""Any name in any role gives one network everywhere, or one error before any backend is asked."""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Callable, Iterable, Iterator

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.ir.kept_names import is_kept
from resnet_dsl.ir.ops import CATALOGUE, RESERVED
from resnet_dsl.program import Program
from tests.support.agreement import assert_agreement, compiled
from tests.support.backends import in_full

ENGINES = (("torch", "float64"), ("keras", "float64"), ("onnx", "float32"))
SIZE = (5, 4)
AT_ONCE = 100  # an expression has 256 operations at most
INPUT = "input: 4x5x4"
NORM = "block zz_norm() { return x -> bn }\n"

# What files of ours, Python and frameworks mean by a name, and names that differ in little.
_TELLING = """
    x y z i name self output outputs inputs last model layer layers part ops keras torch nn F math sys out
    result module bound build input_shape training forward half type state_dict weight bias list range super
    int float max print match _ _1 __x conv add pad get_item multiply batch_norm Conv2d PREPROCESS FROZEN
    conv1 conv_1 Conv1 norm norm_block x_channels in_channels stage stem head input layer1 layer1_0 a A a_ a_b
"""
TELLING = _TELLING.split()
LONGEST = "n" * 190


def model(fields: str, parameters: str = "") -> str:
    return f"model m{parameters} {{ {INPUT}  {fields} }}"


# --- roles: a text with all of the names at once ---------------------------------------------------


def stages(names: list[str]) -> str:
    listed = ", ".join(f"{name}: zz_norm" for name in names)
    return NORM + model(f"stem: none  stages: [{listed}]  head: none  outputs: [{', '.join(names)}]")


def layers_of_the_model(names: list[str]) -> str:
    front, back = names[: len(names) // 2], names[len(names) // 2 :]
    stem = " -> ".join(["x", *(f"{name}: bn" for name in front), "affine(-1, 0.5)", "maxpool(3x3)"])
    head = " -> ".join(["x", *(f"{name}: bn" for name in back), "affine(2, 1) -> subsample(2)"])
    return model(f"stem: {stem}  stages: []  head: {head}")


def steps_without_weights(names: list[str]) -> str:
    steps = " -> ".join(f"{name}: relu -> affine(-1, 1)" for name in names)
    return model(f"stem: x -> {steps}  stages: []  head: none")


def layers_of_a_block(names: list[str]) -> str:
    # Side by side: what many norms in a row leave of the image is little.
    steps = " + ".join(f"(x -> {name}: bn)" for name in names)
    return f"block zz_b() {{ return {steps} }}\n" + model("stem: none  stages: [2]  block: zz_b  head: none")


def blocks_in_a_block(names: list[str]) -> str:
    steps = " -> ".join(f"{name}: zz_norm" for name in names)
    text = f"{NORM}block zz_b() {{ return x -> {steps} }}\n"
    return text + model("stem: x -> zz: zz_b  stages: [1]  block: zz_b  head: none")


def block_names(names: list[str]) -> str:
    blocks = "".join(f"block {name}(zz_wide) {{ return x -> conv(zz_wide, 1x1) -> bn }}\n" for name in names)
    listed = ", ".join(f"[{name}(4), {name}(6)]" for name in names)
    return blocks + model(f"stem: none  stages: [{listed}]  head: none")


def numbers_of_blocks(names: list[str]) -> str:
    bodies = (
        f"block zz_{i}({name}) {{ return x -> conv({name}, 1x1) -> bn -> leaky_relu({name} / 9) }}\n"
        for i, name in enumerate(names)
    )
    listed = ", ".join(f"[zz_{i}(4), zz_{i}(6)]" for i in range(len(names)))
    return "".join(bodies) + model(f"stem: none  stages: [{listed}]  head: none")


def tensors_of_blocks(names: list[str]) -> str:
    bodies = (
        f"block zz_{i}({name}) {{ return (x -> conv(4, 1x1)) + ({name} -> bn) }}\n"
        for i, name in enumerate(names)
    )
    steps = " -> ".join(f"l{i}: zz_{i}({name}=x)" for i, name in enumerate(names))
    return "".join(bodies) + model(f"stem: x -> {steps}  stages: []  head: none")


def variables(names: list[str]) -> str:
    lines = "\n".join(f"    {name} = x -> bn\n    zz{name} = {name} + x" for name in names)
    total = " + ".join(f"{name} + zz{name}" for name in names)
    return f"block zz_b() {{\n{lines}\n    return {total} }}\n" + model(
        "stem: none  stages: [1]  block: zz_b  head: none"
    )


def numbers_of_the_model(names: list[str]) -> str:
    given = ", ".join(f"{name} = 0.{i + 1:03}" for i, name in enumerate(names))
    steps = " -> ".join(f"bn -> leaky_relu({name})" for name in names)
    return model(f"stem: x -> {steps}  stages: []  head: none", f"({given})")


def constants(names: list[str]) -> str:
    given = "".join(f"const {name} = 4\n" for name in names)
    total = " + ".join(names)
    return f"{given}const zz_total = {total}\n" + model("stem: conv(zz_total, 1x1)  stages: []  head: none")


ROLES: dict[str, Callable[[list[str]], str]] = {
    role.__name__: role
    for role in (
        stages, layers_of_the_model, steps_without_weights, layers_of_a_block, blocks_in_a_block, block_names,
        numbers_of_blocks, tensors_of_blocks, variables, numbers_of_the_model, constants,
    )
}  # fmt: skip
KEEPING = {"stages", "layers_of_the_model", "layers_of_a_block", "blocks_in_a_block"}
OF_THE_MODEL = {"stages", "layers_of_the_model", "steps_without_weights"}
DECLARED = {"block_names", "constants"}
WORDS = {"block", "model", "use", "const", "if", "then", "else", "true", "false", "none", "return"}
WORDS |= {"and", "or", "not"}


def refusal(role: str, name: str) -> str:
    """The code that a name is refused with in a role, or nothing."""
    if name in WORDS or keyword.iskeyword(name) or name.startswith("__"):
        return "E0103"
    if role in KEEPING and is_kept(name):
        return "E0601"
    if role in OF_THE_MODEL and (name == "input" or (role == "stages" and name in ("stem", "head"))):
        return "E0211"
    if name in RESERVED and role in DECLARED:  # the names of later ops may be taken
        return "E0208"
    if name == "x" and role in ("numbers_of_blocks", "tensors_of_blocks", "variables"):
        return "E0208"
    return ""


# What every model has, from the library's own.
OF_EVERY_MODEL = {"classes", "activation", *FIELDS}
# What the text of a role says itself: by these names it would mean something else.
OWN_WORDS = {
    "block_names": {"stage", "index", *OF_EVERY_MODEL},
    "numbers_of_blocks": {"bn", "conv", "leaky_relu"},
    "tensors_of_blocks": {"bn", "conv"},
    "variables": {"bn"},
    "numbers_of_the_model": {"bn", "leaky_relu", "x", *OF_EVERY_MODEL},
}


def check(role: str, names: Iterable[str]) -> None:
    """All names that the language takes make one network; it refuses the others one by one."""
    taken: list[str] = []
    for name in names:
        if name in OWN_WORDS.get(role, ()):
            continue
        code = refusal(role, name)
        if code:
            with pytest.raises(CompileError) as found:
                compiled(ROLES[role]([name]))
            codes = {each.code for each in found.value.diagnostics if each.severity == "error"}
            # A word of the language may be something else where it stands, and that does not fit.
            assert codes == {code} or (name in WORDS and codes <= {"E0101", code}), name
        else:
            taken.append(name)
    for start in range(0, len(taken), AT_ONCE):
        program = compiled(ROLES[role](taken[start : start + AT_ONCE]))
        assert_agreement(program, [SIZE], ENGINES)
        assert_names(program)


def assert_names(program: Program) -> None:
    """Every backend has the tensors of the graph, under their names."""
    wanted = sorted(name for name, _ in program.graph.parameters())
    for backend in ("torch", "keras"):
        full = in_full(backend)
        assert sorted(full.read_state(full.build(program))) == wanted


@pytest.mark.parametrize("role", ROLES)
def test_telling_names_give_one_network_in_each_role(role: str) -> None:
    check(role, [*TELLING, LONGEST])


def all_names() -> Iterator[str]:
    """What Python, the frameworks and our own files call anything."""
    import keras
    from torch import nn

    yield from (*dir(builtins), *keyword.kwlist, *keyword.softkwlist, *sorted(WORDS), *CATALOGUE)
    for owner in (nn.Module(), nn.Sequential, nn.ModuleList, keras.Model, keras.layers.Layer):
        yield from dir(owner)
    program = compiled(
        "block zz_b(wide, rate = 0.1) { side = x -> conv(wide, 3x3) -> bn -> relu\n"
        "    return side + (x -> B(wide)) }\n"
        "model m(classes = 3) { input: 4x9x8  stem: conv(4, 3x3, pad=same) -> blurpool(3)  stages: [2, 1]"
        "  wide: [4, 6]  block: zz_b  head: adaptive_avgpool(2) -> flatten -> fc(classes, init=uniform)"
        "  outputs: [stem, layer1, head]  freeze: [layer1] }"
    )
    for backend in ("torch", "keras"):
        for node in ast.walk(ast.parse(in_full(backend).render(program))):
            for field in ("id", "attr", "arg", "name"):
                if isinstance(found := getattr(node, field, None), str) and found.isidentifier():
                    yield found


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_every_name_that_means_something_gives_one_network_in_each_role(role: str) -> None:
    check(role, dict.fromkeys(all_names()))


@pytest.mark.parametrize("name", ["x", "torch", "keras", "m", "list", "Exception", "nn", "F", "zz", LONGEST])
def test_a_model_may_have_any_name(name: str) -> None:
    text = NORM + model("stem: none  stages: [2]  block: zz_norm  head: none").replace(
        "model m", f"model {name}"
    )
    program = compiled(text)
    assert_agreement(program, [SIZE], ENGINES)
    assert_names(program)
