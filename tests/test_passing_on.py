"""`...` in calls and in the parameters of blocks means what it would mean written out."""

from __future__ import annotations

import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.printing.stages import print_network

MODEL = "model net { stages: [1, 2]  widths: [8, 16]  block: mine "


def network(text: str) -> str:
    return print_network(compile_source(Source("net.resnet", text)))


@pytest.mark.parametrize(
    ("short", "written_out"),
    [
        ("mine(width, stride = 1) { return x -> basic(...) }",
         "mine(width, stride = 1) { return x -> basic(width, stride) }"),
        ("mine(width, stride = 1, act = silu) { return x -> basic(stride=stride, ...) }",
         "mine(width, stride = 1, act = silu) { return x -> basic(width, stride, act=act) }"),
        ("mine(width, stride = 1) { return x -> inside: basic(...) }",
         "mine(width, stride = 1) { return x -> inside: basic(width, stride) }"),
        ("mine(width, stride = 1) { return basic(x, ...) }",
         "mine(width, stride = 1) { return basic(x, width, stride) }"),
        ("mine(...) { return x -> bottleneck(expansion=2, ...) }",
         "mine(width, stride = 1) { return x -> bottleneck(width, stride, expansion=2) }"),
        ("mine(width, stride = 1, shortcut = C) { return x -> end: shortcut(width, ...) }",
         "mine(width, stride = 1, shortcut = C) { return x -> end: shortcut(width, stride) }"),
        ("mine(width, ...) { return a: basic(x, width, ...) }",
         "mine(width, stride = 1) { return a: basic(x, width, stride) }"),
        ("mine(width, stride = 1, ...) { return x -> B(width, stride) -> add(basic(x, width, ...)) }",
         "mine(width, stride = 1) { return x -> B(width, stride) -> add(basic(x, width, stride)) }"),
    ],
)  # fmt: skip
def test_a_call_with_the_rest_is_the_call_written_out(short: str, written_out: str) -> None:
    assert network(f"block {short} {MODEL} }}") == network(f"block {written_out} {MODEL} }}")


def test_a_wrapper_takes_every_option_of_what_it_wraps() -> None:
    wrapper = "block mine(...) { return x -> bottleneck(...) }"
    options = "norm: gn(4)  act: silu  attention: se(4)  groups: [1, 2]  init: zero_gamma  shortcut: D"
    wrapped = network(f"{wrapper} {MODEL} {options} }}")
    assert wrapped == network(f"{MODEL.replace('mine', 'bottleneck')} {options} }}")


def test_wrappers_go_through_wrappers_and_files() -> None:
    text = """
    block outer(...) { return x -> middle(expansion=2, ...) }
    block middle(stride = 1, ...) { return x -> bottleneck(...) }
    """
    assert network(f"{text} {MODEL.replace('mine', 'outer')} }}") == network(
        f"{MODEL.replace('mine', 'bottleneck')} expansion: 2 }}"
    )


def test_blocks_that_would_take_from_each_other_end() -> None:
    text = "block a(width, ...) { return x -> b(...) }  block b(stride = 1, ...) { return x -> a(...) }"
    with pytest.raises(Exception, match="uses itself"):
        network(f"{text} model net {{ stages: [1]  block: a }}")


def test_a_model_passes_its_settings_on_to_its_stem() -> None:
    text = "model net { stages: [1]  block: basic  norm: gn(4)  act: silu  stem: imagenet_stem(%s) }"
    assert network(text % "...") == network(text % "norm=gn(4), act=silu")
    assert network(text % "...") != network(text % "")
