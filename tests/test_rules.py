"""Every op of the catalogue has a rule in every backend: a missing pair is named."""

from __future__ import annotations

import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.ops import CATALOGUE

# Pairs that are missing on purpose, each with its reason.
NOT_SUPPORTED: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("op", CATALOGUE)
@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_every_op_has_a_rule_in_every_backend(backend: str, op: str) -> None:
    has_rule = CATALOGUE[op] in find_backend(backend).rules
    if reason := NOT_SUPPORTED.get((backend, op)):
        assert not has_rule, f"{backend} has a rule for {op} now, although: {reason}"
        pytest.skip(reason)
    assert has_rule, f"the {backend} backend has no rule for {op}"


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_a_rule_is_for_an_op_of_the_catalogue(backend: str) -> None:
    assert find_backend(backend).rules <= set(CATALOGUE.values())


def test_what_a_backend_sees_has_a_place_in_the_text_of_the_author() -> None:
    text = "model m {\n    stages: [1, 1]\n    block: bottleneck\n}\n"
    for node in compile_source(Source("m.resnet", text)).graph.nodes:
        assert node.span.source.ours  # all of it is the library's
        assert node.author.source.name == "m.resnet"
        assert node.author.place[0] == 3 if node.part.startswith("layer") else 1
