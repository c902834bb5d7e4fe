"""What a command imports: never a framework, and no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("torch", "keras", "tensorflow", "onnx", "onnxruntime", "numpy", "jinja2")
HEAVY = (*FRAMEWORKS, "pygls", "lsprotocol", "pygments")
# What reads Python, writes reports or suggests names: a check that finds nothing has no use for it.
IDLE = ("dataclasses", "inspect", "json", "shutil", "fractions", "difflib", "hashlib", "pickle", "tomllib")
SPEC = "model net { stages: [1]  block: basic }"


def imported(code: str, *arguments: str) -> set[str]:
    """Run `code` in a fresh interpreter, and return what it has imported."""
    names = "{part for name in sys.modules for part in (name, name.partition('.')[0])}"
    script = f"import sys\n{code}\nprint(*{names}, file=sys.stderr)"
    path = f"{ROOT}{os.pathsep}{ROOT / 'backends'}"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return set(done.stderr.split())


RUN = "from resnet_dsl.cli.main import main\nassert main() == 0"


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["check", "--format", "sarif"],
        ["summary"],
        ["summary", "--format", "json"],
        ["expand"],
        ["draw", "-o", "-"],
    ],
)
def test_checking_needs_no_framework(command: list[str], tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(SPEC)
    found = imported(RUN, command[0], str(spec), *command[1:])
    assert "resnet_dsl" in found
    assert not found.intersection((*HEAVY, "lark"))


def test_a_check_that_finds_nothing_imports_nothing_in_vain() -> None:
    found = imported(RUN, "check", "resnet50")
    assert not found.intersection(IDLE)
    assert "resnet_dsl.elaborate.fixits" not in found
    assert "resnet_dsl.diagnostics.render.terminal" not in found


def test_a_file_for_torch_needs_no_template_engine() -> None:
    found = imported(RUN, "compile", "resnet50", "--backend", "torch", "-o", "-")
    assert not found.intersection((*HEAVY, "lark", "dataclasses", "inspect"))


def test_comparing_specs_needs_no_framework(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(SPEC)
    assert not imported(RUN, "diff", str(spec), str(spec)).intersection(HEAVY)


@pytest.mark.parametrize("command", [["--version"], ["list"], ["explain", "E0301"]])
def test_what_reads_no_spec_needs_no_parser(command: list[str]) -> None:
    assert not imported(RUN, *command).intersection((*HEAVY, "lark"))


def test_listing_backends_needs_no_framework() -> None:
    assert not imported(RUN, "backends").intersection(HEAVY)


def test_importing_the_library_is_cheap() -> None:
    found = imported("import resnet_dsl\nassert resnet_dsl.__version__")
    assert not found.intersection((*HEAVY, "lark", "argparse", "difflib"))


def test_checking_draws_nothing(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(SPEC)
    code = f"{RUN}\nassert not [name for name in sys.modules if 'drawing' in name]"
    assert imported(code, "check", str(spec))


@pytest.mark.slow
def test_a_live_model_of_torch_imports_no_more_than_torch_does() -> None:
    pytest.importorskip("torch")
    code = f"import resnet_dsl\nresnet_dsl.loads({SPEC!r}).build('torch')"
    assert "sympy" in imported("import sympy")
    assert "sympy" not in imported(code)
