"""The shelf: every model by its own name, whatever file it stands in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import resnet_dsl
from resnet_dsl import shipped as shelf
from resnet_dsl.decompile import shipped_blocks, shipped_fields, shipped_texts
from resnet_dsl.decompile.shipped_fields import kind_of, specs_with_blocks
from resnet_dsl.decompile.shipped_match import with_tensors
from resnet_dsl.decompile.shipped_texts import shipped_text
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.printing.stages import print_network
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.format import format_source
from resnet_dsl.syntax.parser import parse

FAMILY = """\
# A family for tests.

block unit(width, stride = 1, wide = 1, gated = 0) {
    made = x -> conv(wide * width, 3x3, stride=stride) -> bn -> relu
    return if gated == 0 then made else made * (made -> gap -> sigmoid)
}

# The pattern of the others.
model units(
    depths,
    wide = 1,  # of the first, not the second: a = b
    gated = 0,
) {
    stem: conv(8, 3x3) -> bn
    stages: depths
    block: unit
    widths: 8
    strides: 1
    head: gap -> fc(3)
}

# The smallest.
# It has two blocks.
model units_s = units(depths=[1, 1], expect=params == 1_443)
# resnet-dsl: allow W0610
model units_m = units(depths=[1, 2], expect=params == 2_035)
model units_gated = units([1, 2], gated=1, expect=params == 2_035)
model units_wide = units_s(wide=2, expect=params == 3_803)

model other {
    base: units_wide
    stages: [2]
    expect: params == 3_803
}

model last = units_s
"""


def forget() -> None:
    """Forget what is known of the shelf."""
    lists = (shelf.files, shelf.models, shelf.shipped)
    parsed = (shipped_texts._file, shipped_fields.specs_with_blocks, shipped_fields.shipped_model)
    for each in (*lists, *parsed):
        each.cache_clear()


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A shelf with one file of several models, and one that uses it."""
    folder = tmp_path / "specs" / "some"
    folder.mkdir(parents=True)
    (folder / "my_units.resnet").write_text(FAMILY)
    (folder / "own.resnet").write_text("# Own.\nuse units_m\n\nmodel own {\n    base: units_m\n}\n")
    monkeypatch.setattr(shelf, "specs_folder", lambda: tmp_path / "specs")
    forget()
    yield folder
    monkeypatch.undo()
    forget()


# --- the shelf that is shipped -------------------------------------------------------------------


def test_no_two_models_and_no_model_and_another_file_have_one_name() -> None:
    declared = [model for path in shelf.files().values() for model in shelf._declared(path)]
    assert [name for name, count in Counter(model.name for model in declared).items() if count > 1] == []
    assert [m.name for m in declared if shelf.files().get(m.name, m.path) != m.path] == []


def test_the_models_that_are_found_by_lines_are_those_that_the_parser_finds() -> None:
    found: dict[str, bool] = {}
    for path in shelf.files().values():
        tree = parse(Source(path.name, path.read_text(encoding="utf-8")))
        for model in tree.declarations:
            if isinstance(model, ast.Model):
                found[model.name] = all(p.default is not None for p in model.parameters)
    assert {name: model.is_whole for name, model in shelf.models().items()} == found


# --- a family ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("family")
def test_a_model_is_found_by_its_own_name() -> None:
    names = ["units_s", "units_m", "units_gated", "units_wide", "other", "last", "own"]
    assert list(shelf.shipped()) == names
    for name in names:
        assert compile_spec(name).name == name
    assert resnet_dsl.load("units_m").params == 2_035
    assert resnet_dsl.load("units_m", wide=2).params > 2_035
    assert compile_spec("units_m", "units_s").name == "units_s"
    assert compile_spec("my_units").name == "last"


@pytest.mark.usefixtures("family")
def test_a_pattern_says_what_it_needs() -> None:
    with pytest.raises(CompileError, match="model parameter `depths` has no value"):
        compile_spec("units")
    assert compile_spec("units", None, {"depths": [1, 1]}).cost.params == 1_443


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize(
    ("name", "meant"), [("unitsm", "units_m"), ("Units_s", "units_s"), ("my_unit", "my_units")]
)
def test_a_misspelt_name_is_compared_with_those_of_models_and_files(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no such file or shipped spec: {name}; did you mean .*`{meant}`"):
        compile_spec(name)
    with pytest.raises(CompileError, match=f"no shipped spec `{name}`\n(?s:.*)did you mean .*`{meant}`"):
        compile_source(Source("net", f"use {name}\nmodel net {{ stages: [1]  block: basic }}"))


@pytest.mark.usefixtures("family")
def test_use_of_a_model_brings_all_of_its_file() -> None:
    program = compile_source(Source("net", "use units_m\nuse units_s\nmodel net = units_gated(wide=2)"))
    assert program.name == "net"
    assert not program.warnings
    with pytest.raises(CompileError, match=r"write `use units_m` above"):
        compile_source(Source("net", "model net = units_m"))
    with pytest.raises(CompileError, match=r"write `use units_gated` above, and `units_gated` here"):
        compile_source(Source("net", "model net = units_gate"))
    warned = compile_source(Source("net", "use units_m\nmodel net { stages: [1]  block: basic }")).warnings
    assert [found.message for found in warned] == ["nothing of `units_m` is used"]


@pytest.mark.usefixtures("family")
def test_what_a_base_of_another_file_says_in_vain_is_no_fault_of_the_model() -> None:
    text = "use units_m\nmodel net { base: units_m  stages: [1] }"
    assert not compile_source(Source("net", text)).warnings


@pytest.mark.usefixtures("family")
def test_list_shows_each_model_with_its_comment(capsys: pytest.CaptureFixture[str]) -> None:
    from resnet_dsl.cli.main import main

    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "some (8)",
        "  units               The pattern of the others.",
        "  units_s      1,443  The smallest.",
        "  units_m      2,035  A family for tests.",
        "  units_gated  2,035  A family for tests.",
        "  units_wide   3,803  A family for tests.",
        "  other        3,803  A family for tests.",
        "  last         1,443  A family for tests.",
        "  own                 Own.",
    ]


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize("name", ["units_s", "units_wide", "other", "last", "own"])
def test_the_text_of_one_model_has_no_others_and_is_the_same_network(name: str) -> None:
    text = shipped_text(name)
    program = compile_source(Source("x.resnet", text))
    assert print_network(program) == print_network(compile_spec(name))
    models = {each.name for each in parse(Source("x", text)).declarations if isinstance(each, ast.Model)}
    assert (
        models
        == {
            "units_s": {"units", "units_s"},
            "units_wide": {"units", "units_s", "units_wide"},
            "other": {"units", "units_s", "units_wide", "other"},
            "last": {"units", "units_s", "last"},
            "own": {"own"},
        }[name]
    )
    assert text == format_source(Source("x", text))


@pytest.mark.usefixtures("family")
def test_a_file_is_told_by_what_each_row_expects() -> None:
    shapes = {name: p.shape for name, p in compile_spec("units_m").graph.parameters()}
    assert [program.name for program in with_tensors(shapes)] == ["units_m", "units_gated"]


@pytest.mark.usefixtures("family")
def test_members_that_differ_in_numbers_alone_are_of_one_kind() -> None:
    assert kind_of("units_s") == kind_of("units_m") != kind_of("units_gated")
    assert kind_of("own") == ("own",)
    own, based = specs_with_blocks()
    assert own == ("units_s", "units_gated", "units_wide", "other", "last")
    assert based == ("own",)


@pytest.mark.usefixtures("family")
def test_a_label_that_no_text_has_is_looked_for_in_no_network() -> None:
    """Compiling every family for each file that is none of them would take its time."""
    shapes = {"layer1.0.conv1.weight": (8, 8, 3, 3), "layer1.0.bn1.weight": (8,)}
    shipped_blocks._names_of_shipped.cache_clear()
    assert list(shipped_blocks.with_blocks({**shapes, "layer1.0.strange.weight": (8,)}, "net", "")) == []
    assert shipped_blocks._names_of_shipped.cache_info().misses == 0
    assert list(shipped_blocks.with_blocks(shapes, "net", "")) == []
    assert shipped_blocks._names_of_shipped.cache_info().misses == 6
    shipped_blocks._names_of_shipped.cache_clear()
    shipped_blocks._program.cache_clear()
