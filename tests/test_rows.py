"""Models that are the call of another: rows of a table of variants."""

from __future__ import annotations

import hashlib

import pytest

from resnet_dsl.api import loads
from resnet_dsl.codegen.provenance import digest
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.printing.stages import print_network

FAMILY = """
model family(depth = 1, classes = 10) {
    stages: [depth, depth]
    block: basic
    head: gap -> fc(classes)
    expect: params == 1
}

model small = family(depth=2)
model named = small
model large = small(depth=3, classes=5, input=3x64x64, preprocess={ color: rgb }, freeze=[stem])
model headless = family(head=none, outputs=[layer1, layer2])
model as_body { base: small(depth=3, classes=5) }
model and_as_row = small(depth=3, classes=5)
model by_place = family(3, 5)
"""


def parts(model: str) -> str:
    """What a model of the family is, without its name."""
    return print_network(loads(FAMILY, model=model).program).partition("\n")[2]


@pytest.mark.parametrize("other", ["as_body", "by_place"])
def test_a_row_is_a_model_with_that_base(other: str) -> None:
    assert parts(other) == parts("and_as_row")


def test_a_row_without_arguments_is_the_same_under_another_name() -> None:
    assert parts("named") == parts("small")
    assert loads(FAMILY, model="named").name == "named"


def test_every_field_can_be_given_in_the_call() -> None:
    large = loads(FAMILY, model="large").program.network
    assert [len(stage.blocks) for stage in large.stages] == [3, 3]
    assert dict(large.preprocess) == {"color": "rgb"}
    assert large.frozen == ("stem",)
    assert loads(FAMILY, model="large").input == (3, 64, 64)
    assert list(loads(FAMILY, model="headless").outputs) == ["layer1", "layer2"]


def test_what_is_set_from_outside_goes_before_a_row() -> None:
    assert loads(FAMILY, model="large", depth=1).params == loads(FAMILY, model="family", classes=5).params


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        ("model net = family(expect=params == 314_954)", True),
        ("model net = family(expect=params == 314_955)", False),
        ("model net = family(expect=[params == 314_954, depth == 1])", False),
        ("model net = family(classes=3, expect=params == 313_664 + 129 * classes)", True),
        ("model net { base: family(expect=params == 5) }", False),
        ("model net { base: family(expect=params == 5)  expect: params == 314_954 }", True),
        ("model other = family(expect=params == 5)\nmodel net = other", True),  # holds for the base alone
    ],
)
def test_what_a_call_expects_is_checked_for_the_model_of_the_call(row: str, holds: bool) -> None:
    text = FAMILY + row
    if holds:
        assert loads(text, model="net").params
    else:
        with pytest.raises(CompileError, match="this expectation does not hold"):
            loads(text, model="net")


def test_members_of_a_family_have_digests_of_their_own() -> None:
    text = "model small(depth = 1) { stages: [depth]  block: basic }  model deep = small(depth=2)"
    networks = [compile_source(Source("t", text), None, name).network for name in ("small", "deep")]
    found = [digest(network) for network in networks]
    assert len(set(found)) == 2
    # What stands alone is told by its text.
    alone = text.partition("  model deep")[0]
    written = hashlib.sha256(alone.encode()).hexdigest()
    assert digest(compile_source(Source("t", alone), None).network) == written
