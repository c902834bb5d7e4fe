"""Outputs that other projects' models give for weights made from names, without those projects."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.program import Program
from resnet_dsl.reference import evaluate
from tests.support.backends import in_full
from tests.support.comparisons import COMPARISONS, WITHOUT_SPEC, Row, in_our_names
from tests.support.golden_weights import Array, golden_input, named_state
from tests.support.reference_tables import golden_outputs, table, tables

pytestmark = pytest.mark.slow

# akamaster's option A puts half of the new channels before the old ones, ours all after.
AKAMASTER = """
use cifar_resnet
block both_sides(channels, stride = 1) {
    return x -> subsample(stride) -> pad_channels(channels, side=both)
}
model akamaster {
    base: cifar_resnet(n = 3)
    shortcut: both_sides
}"""

# What a golden output has otherwise than the spec that its table is compared with.
SPECS = {"cifar_akamaster_resnet20": AKAMASTER}
SETTINGS = {
    # logits, without the softmax
    "keras_ResNet50": {"head": "gap -> fc(classes)"},
    "keras_ResNet101": {"head": "gap -> fc(classes)"},
    "keras_ResNet152": {"head": "gap -> fc(classes)"},
    "keras_ResNet50V2": {"head": "keras_norm -> relu -> gap -> fc(classes)"},
}


def table_of(golden: str) -> str:
    """The table of a golden output's network: `timm/resnet18d` of `timm_resnet18d`."""
    group, _, name = golden.partition("_")
    paths = (f"{group}/{name}", f"historic/{golden}")
    return next(path for path in paths if path.partition("/")[2] in tables(path.partition("/")[0]))


def _comparable() -> dict[str, Row]:
    """The golden outputs whose network has a spec and names to compare by."""
    rows = {row.table: row for row in reversed(COMPARISONS) if not row.settings}
    found = {golden: rows.get(table_of(golden)) for golden in golden_outputs()}
    return {golden: row for golden, row in found.items() if row and not isinstance(row.names, str)}


ROWS = _comparable()
REFEREE = (
    "cifar_akamaster_resnet20",
    "cifar_chenyaofo_cifar10_resnet20",
    "keras_ResNet50V2",
    "torchvision_resnet18",
    "torchvision_resnext50_32x4d",
)
KERAS = (
    "cifar_akamaster_resnet20",
    "keras_ResNet50",
    "torchvision_resnet18",
    "torchvision_resnext50_32x4d",
)
ONNX = ("cifar_akamaster_resnet20", "torchvision_resnet18")
BAR = 1e-11


def original(golden: str) -> tuple[Program, dict[str, Array], Array]:
    """The spec, its weights as the original's names and layouts seed them, and the input."""
    row = ROWS[golden]
    size = golden_outputs()[golden]["size"]
    settings = {"input": f"3x{size}x{size}"} | SETTINGS.get(golden, {})
    if golden in SPECS:
        program = compile_source(Source("<text>", SPECS[golden]), None, None, settings)
    else:
        program = compile_spec(row.spec, None, settings)
    return program, in_our_names(row, program, named_state(table(row.table).weights)), golden_input(size)


def check(golden: str, logits: Array) -> None:
    wanted = golden_outputs()[golden]
    bar = BAR * wanted["absmax"]
    assert np.abs(logits[:, :8] - np.array(wanted["logits_first8"])).max() <= bar
    assert np.abs(logits.sum(1) - np.array(wanted["sum"])).max() <= bar * np.sqrt(logits.shape[1])
    assert abs(np.abs(logits).max() - wanted["absmax"]) <= bar
    assert logits.argmax(1).tolist() == wanted["argmax"]


def by_backend(name: str, golden: str) -> Array:
    program, state, x = original(golden)
    backend = in_full(name)
    model = backend.load_state(backend.build(program, "float64"), state)
    return backend.run(model, x)["output"]


def test_every_golden_output_is_compared_or_waits_for_a_spec() -> None:
    left = {table_of(golden) for golden in golden_outputs() if golden not in ROWS}
    assert left <= WITHOUT_SPEC


@pytest.mark.parametrize("golden", REFEREE)
def test_the_referee_gives_the_golden_logits(golden: str) -> None:
    program, state, x = original(golden)
    check(golden, evaluate(program.graph, state, x)["output"])


@pytest.mark.parametrize("golden", ROWS)
def test_the_torch_model_gives_the_golden_logits(golden: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    check(golden, by_backend("torch", golden))


@pytest.mark.parametrize("golden", KERAS)
def test_the_keras_model_gives_the_golden_logits(golden: str) -> None:
    keras = pytest.importorskip("keras")
    check(golden, by_backend("keras", golden))
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("golden", ONNX)
def test_the_onnx_model_gives_the_golden_logits(golden: str) -> None:
    pytest.importorskip("onnx")
    check(golden, by_backend("onnx", golden))


def test_logits_that_are_off_by_little_are_refused() -> None:
    golden = "cifar_akamaster_resnet20"
    program, state, x = original(golden)
    logits = evaluate(program.graph, state, x)["output"]
    check(golden, logits)
    with pytest.raises(AssertionError):
        check(golden, logits * (1 + 1e-9))
