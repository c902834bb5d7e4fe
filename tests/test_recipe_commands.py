"""Recipes on the command line: checked, compiled together or not at all, and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_dsl import load
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import CompileError
from tests.support.plugins import ROOT, install, run_cli

RECIPE = """recipe short {
    model: cifar_resnet(n=1)
    data: images("data")
    batch: 8
    epochs: 2
    optimiser: adam
}
"""
MODEL = "model net {\n    stages: [1]\n    block: basic\n    head: gap -> fc(10)\n}\n\n"
# A backend whose script says with what it was run, and ends as it is told.
TRAINER = """
from resnet_dsl.backend.interface import Backend, Capability
from resnet_dsl.backend.ir import CATALOGUE
from resnet_dsl.backend.recipes import Recipe

SCRIPT = '''
import os, sys
import {recipe}_data
assert os.path.dirname({recipe}_data.__file__) == os.path.dirname(os.path.abspath(__file__))
print(sys.argv[1:])
sys.exit(int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0)
'''

def script() -> object:
    return lambda recipe: SCRIPT.format(recipe=recipe.name)

BACKEND = Backend(
    name="trainer",
    suffix="_trainer.py",
    rules=frozenset(CATALOGUE.values()),
    render=lambda program, state: f"network = {program.name!r}",
    recipe_script=Capability(REQUIRES, script),
    runtime=Capability((), lambda: None),
    install="trainer-package",
)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, in which the test is."""
    (tmp_path / "short.resnet").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a backend that trains."""
    folder = tmp_path_factory.mktemp("plugin")
    install(folder, "trainer", TRAINER.replace("REQUIRES", "()"))
    return folder


def trained(*arguments: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command, spec, *rest = arguments
    return run_cli(command, spec, "--backend", "trainer", *rest, path=(path,), cwd=cwd)


def test_check_says_of_each_recipe_what_it_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "short.resnet"]) == 0
    assert capsys.readouterr().out == "recipe short: ok (2 epochs of cifar_resnet, batch 8)\n"
    (place / "both.resnet").write_text(MODEL + RECIPE)
    assert main(["check", "both.resnet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["net", "recipe short"]


def test_check_reports_what_is_wrong_in_the_formats_of_machines(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bad.resnet").write_text(MODEL + RECIPE.replace("batch: 8", "batch: 0"))
    assert main(["check", "--format", "json", "bad.resnet"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["code"], found["message"]) == ("E0204", "`batch` must be a positive whole number, not 0")


def test_set_is_of_the_recipe_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "short.resnet", "--set", "epochs=5", "--set", "n=2"]) == 0
    assert "5 epochs" in capsys.readouterr().out
    assert main(["check", "short.resnet", "--set", "epoch=5"]) == 1
    assert "E0205" in capsys.readouterr().err


def test_a_recipe_is_asked_for_where_there_is_a_model(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "both.resnet").write_text(MODEL + RECIPE + RECIPE.replace("short", "other"))
    assert main(["check", "both.resnet", "--recipe", "other"]) == 0
    assert capsys.readouterr().out.startswith("recipe other: ok")
    assert main(["check", "both.resnet", "--recipe", "othr"]) == 2
    assert "did you mean `other`?" in capsys.readouterr().err


def test_compile_of_a_model_says_that_there_are_recipes(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "both.resnet").write_text(MODEL + RECIPE + RECIPE.replace("short", "other"))
    command = ["compile", "both.resnet", "--backend", "torch", "-o", "made/", "--force"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert told.err == "note: both.resnet has recipes beside its model: --recipe short or other\n"
    assert "_train_torch.py" not in told.out
    for more in (["--quiet"], ["--recipe", "other"], ["--model", MODEL.split()[1]]):
        assert main([*command, *more]) == 0
        assert capsys.readouterr().err == ""
    assert main([*command, "--set", "batch=4"]) == 1  # which is a recipe's field
    told = capsys.readouterr()
    assert told.err.startswith("error[E0205]: `batch` is neither a field of models nor")
    assert told.err.endswith("note: both.resnet has recipes beside its model: --recipe short or other\n")


def test_verify_of_a_file_of_recipes_is_about_the_recipe(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "short.resnet", "--steps", "1"]) == 2
    told = capsys.readouterr().err
    assert "data: nothing is there" in told
    assert "--random takes random images" in told
    assert main(["verify", "short.resnet", "--train-steps", "1"]) == 2
    assert "--train-steps is about a network" in capsys.readouterr().err


COMMANDS = [["summary"], ["expand"], ["draw", "-o", "-"], ["compile", "--emit", "graph"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_other_commands_take_the_network_of_a_recipe(
    command: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command[0], "short.resnet", *command[1:]]) == 0
    assert "cifar_resnet" in capsys.readouterr().out


def test_summary_has_a_line_about_the_recipe(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "both.resnet").write_text(MODEL + RECIPE.replace('"data"', '"data", subset=100'))
    said = 'recipe short: "data", batch 8, 2 epochs'
    assert main(["summary", "short.resnet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{said}, adam"
    assert main(["summary", "both.resnet", "--recipe", "short"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{said} (24 steps), adam"
    assert main(["summary", "both.resnet", "--recipe", "short", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["recipe"]["steps"]) == ("cifar_resnet", 24)
    assert main(["summary", "both.resnet"]) == 0
    assert "recipe" not in capsys.readouterr().out


def test_a_file_of_recipes_says_so_where_a_network_is_wanted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CompileError, match="recipes, and no model") as raised:
        load("short.resnet")
    assert "name the `model` of a recipe" in str(raised.value)
    assert main(["diff", "short.resnet", "resnet20"]) == 2
    assert "the file declares recipes, and no model" in capsys.readouterr().err


def test_the_files_of_a_recipe_land_together(place: Path, plugin: Path) -> None:
    done = trained("compile", "short.resnet", "-o", "out", path=plugin, cwd=place)
    assert done.returncode == 0, done.stderr
    names = ["cifar_resnet_trainer.py", "short_data.py", "short_train_trainer.py"]
    assert sorted(path.name for path in (place / "out").iterdir()) == names
    again = trained("compile", "short.resnet", "-o", "out", path=plugin, cwd=place)
    assert again.returncode == 0, again.stderr
    script = place / "out" / "short_train_trainer.py"
    script.write_text(script.read_text() + "# mine\n")
    (place / "out" / "short_data.py").unlink()
    refused = trained("compile", "short.resnet", "-o", "out", path=plugin, cwd=place)
    assert refused.returncode == 2
    assert "was changed since resnet-dsl wrote it" in refused.stderr
    assert not (place / "out" / "short_data.py").exists()


def test_the_network_of_a_recipe_is_written_as_it_is_alone(place: Path, plugin: Path) -> None:
    assert trained("compile", "short.resnet", "-o", "out", path=plugin, cwd=place).returncode == 0
    alone = trained("compile", "cifar_resnet", "--set", "n=1", "-o", "-", path=plugin, cwd=place)
    written = (place / "out" / "cifar_resnet_trainer.py").read_text()
    assert alone.stdout == "network = 'cifar_resnet'"
    assert written.startswith(alone.stdout)


def test_one_artefact_alone_goes_to_stdout(place: Path, plugin: Path) -> None:
    done = trained("compile", "short.resnet", "-o", "-", path=plugin, cwd=place)
    assert done.returncode == 2
    assert "stdout takes one artefact, not 3" in done.stderr


@pytest.mark.parametrize(
    "options", [["--seed", "1"], ["--weights", "a.npz"], ["--names", "timm"], ["--optimize", "inference"]]
)
def test_options_of_networks_are_refused(
    options: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", "short.resnet", "--backend", "torch", *options]) == 2
    assert f"{options[0]} is about a network, and this is a recipe" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("compile", "-o", "out"), ("train", "--out", "out")])
def test_a_backend_that_does_not_train_says_so(command: tuple[str, ...], place: Path) -> None:
    name, *rest = command
    done = run_cli(name, "short.resnet", "--backend", "onnx", *rest, cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the onnx backend writes no training scripts")
    assert not (place / "out").exists()


def test_train_runs_the_script_and_passes_options_and_status_on(place: Path, plugin: Path) -> None:
    done = trained("train", "short.resnet", "--epochs", "1", "--resume", path=plugin, cwd=place)
    assert done.returncode == 0, done.stderr
    folder = os.path.join("runs", "short-trainer")
    assert done.stdout.splitlines() == [
        f"wrote {os.path.join(folder, 'short_train_trainer.py')}",
        str(["--out", folder, "--epochs", "1", "--resume"]),
    ]
    options = ("--out", "elsewhere", "-q", "--status", "7")
    failed = trained("train", "short.resnet", *options, path=plugin, cwd=place)
    assert (failed.returncode, failed.stdout) == (7, "['--out', 'elsewhere', '--status', '7']\n")


def test_train_names_a_package_that_is_not_there(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lacking")
    install(folder, "trainer", TRAINER.replace("REQUIRES", '("nothing_of_that_name",)'))
    done = trained("train", "short.resnet", path=folder, cwd=place)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "needs nothing_of_that_name, not installed here" in line
    assert "trainer-package" in line
    assert not (place / "runs").exists()


def test_nothing_is_run_of_a_recipe_that_is_wrong(place: Path, plugin: Path) -> None:
    (place / "short.resnet").write_text(RECIPE.replace("adam", "adm"))
    done = trained("train", "short.resnet", path=plugin, cwd=place)
    assert done.returncode == 1
    assert "there is no optimiser `adm`" in done.stderr
    assert not (place / "runs").exists()


def test_a_check_without_recipes_imports_nothing_of_them(place: Path) -> None:
    (place / "net.resnet").write_text(MODEL)
    code = (
        "import sys; from resnet_dsl.cli.main import main; assert main(['check', 'net.resnet']) == 0;"
        "print([name for name in sys.modules if name.startswith('resnet_dsl.recipe')], file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'backends'}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_backend_that_trains_nothing_is_not_left_out_in_silence(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", "cifar10_he2015", "--backend", "all", "-o", "all/"]) == 0
    assert "note: onnx writes no training scripts: left out" in capsys.readouterr().err
