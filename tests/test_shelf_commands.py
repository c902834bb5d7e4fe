"""The commands `list` and `show`: what they choose, what they say, what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resnet_dsl import driver
from resnet_dsl.cli.main import main
from resnet_dsl.driver import compile_spec
from resnet_dsl.shipped import file_of, models, shipped

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        found = capsys.readouterr()
        return status, found.out, found.err

    return call


def listed(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines() if line.startswith("  ")]


def test_each_folder_says_how_many_it_has(run: Run) -> None:
    out = run("list")[1]
    headings = [line for line in out.splitlines() if line and not line.startswith(" ")]
    counts = {line.partition(" (")[0]: int(line.partition(" (")[2].rstrip(")")) for line in headings}
    assert sum(counts.values()) == len(listed(out)) >= len(shipped())
    assert counts["plain"] == len([m for m in models().values() if m.path.parent.name == "plain"])


def test_a_model_is_listed_with_its_parameters_and_macs(run: Run) -> None:
    (line,) = [line for line in run("list")[1].splitlines() if line.startswith("  resnet50 ")]
    assert line.split()[:3] == ["resnet50", "25,557,032", "4,089,184,256"]


@pytest.mark.parametrize("name", ["resnet50", "hrnet_w18", "resnext50_keras", "regnet_y_400mf", "unet"])
def test_what_is_listed_is_what_is_compiled(name: str) -> None:
    cost = compile_spec(name).cost
    assert models()[name].expected("params") == cost.params
    assert models()[name].expected("macs") in (cost.macs, None)


def test_words_choose_by_name_folder_and_description(run: Run) -> None:
    assert set(listed(run("list", "plain")[1])) >= {"plain20", "cifar_plain"}
    assert listed(run("list", "HISTORIC", "lenet-5")[1]) == ["lenet5", "lenet5_1998"]
    assert "densenet161" in listed(run("list", "timm", "densenet")[1])


def test_a_condition_on_what_the_texts_say_compiles_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "compile_spec", lambda name: pytest.fail(f"{name} is compiled"))
    found = listed(run("list", "cifar", "--where", "params < 300_000 and params > 270_000")[1])
    assert found == ["resnet20_b", "preresnet20_b"]


def test_another_condition_compiles_what_is_in_question(run: Run) -> None:
    assert listed(run("list", "vgg", "--where", "depth == 19")[1]) == [
        "vgg19", "vgg19_bn", "vgg19_keras", "timm_vgg19", "timm_vgg19_bn",
    ]  # fmt: skip


def test_of_a_figure_that_is_open_no_condition_holds(run: Run) -> None:
    for condition in ("macs > 0", "macs <= 0"):
        assert "unet" not in listed(run("list", "U-Net", "--where", condition)[1])
    assert "unet" in listed(run("list", "U-Net", "--where", "params > 0")[1])


def test_json_has_the_same_choice_with_the_figures(run: Run) -> None:
    found = json.loads(run("list", "plain20", "--format", "json")[1])
    assert [(entry["name"], entry["params"]) for entry in found] == [("plain20", 269_722)]
    assert run("list", "no such thing", "--format", "json")[:2] == (1, "[]\n")


def test_nothing_found_is_said_with_status_1(run: Run) -> None:
    status, out, err = run("list", "no such thing")
    assert (status, out) == (1, "")
    assert err == "nothing on the shelf is like that; `resnet-dsl list` lists all\n"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("parms < 3", "did you mean `params` or `part`?"),
        ("params <", "the text ends where a value should follow"),
        ("params", "a condition is a comparison, not 269722"),
        ("params + 1", "a condition is a comparison, not 269723"),
    ],
)
def test_a_condition_that_is_none_is_an_error_with_its_place(run: Run, condition: str, message: str) -> None:
    status, out, err = run("list", "plain20", "--where", condition)
    assert (status, out) == (1, "")
    assert message in err
    assert "--> --where:1:" in err


def test_the_text_of_a_spec_is_shown_as_it_is(run: Run, tmp_path: Path) -> None:
    status, out, err = run("show", "resnet50")
    found = file_of("resnet50")
    assert found is not None
    assert (status, out, err) == (0, found.read_text(encoding="utf-8"), "")
    copy = tmp_path / "mine.resnet"
    copy.write_text(out, encoding="utf-8")
    assert run("check", str(copy))[0] == 0


def test_of_a_file_with_several_models_it_is_said_which_is_meant(run: Run, tmp_path: Path) -> None:
    status, out, err = run("show", "hrnet_w18")
    assert (status, err) == (0, "note: hrnet_w18 is a model of this file: --model hrnet_w18\n")
    assert "model hrnet_w18 = hrnet(" in out
    copy = tmp_path / "mine.resnet"
    copy.write_text(out, encoding="utf-8")
    assert "21,299,004 parameters" in run("check", str(copy), "--model", "hrnet_w18")[1]


def test_what_is_not_shipped_is_refused(run: Run) -> None:
    status, out, err = run("show", "hrnet_w19")
    assert (status, out) == (2, "")
    assert err.startswith("error: no shipped spec `hrnet_w19`; did you mean `hrnet_w18`")
    assert run("show", "qqqqqq")[2] == "error: no shipped spec `qqqqqq`; `resnet-dsl list` lists them\n"
