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
SPEC = "model net { stages: [1]  block: basic }"


def imported(code: str, *arguments: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the packages it has imported at its end."""
    script = f"import sys\n{code}\nprint(*{{n.partition('.')[0] for n in sys.modules}}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return set(done.stderr.split())


RUN = "from resnet_dsl.cli.main import main\nassert main() == 0"


@pytest.mark.parametrize(
    "command",
    [["check"], ["check", "--format", "sarif"], ["summary"], ["summary", "--format", "json"], ["expand"]],
)
def test_checking_needs_no_framework(command: list[str], tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(SPEC)
    found = imported(RUN, command[0], str(spec), *command[1:])
    assert "lark" in found
    assert not found.intersection(HEAVY)


@pytest.mark.parametrize("command", [["--version"], ["list"], ["explain", "E0301"]])
def test_what_reads_no_spec_needs_no_parser(command: list[str]) -> None:
    assert not imported(RUN, *command).intersection((*HEAVY, "lark"))


def test_listing_backends_needs_no_framework() -> None:
    assert not imported(RUN, "backends").intersection(HEAVY)


def test_importing_the_library_is_cheap() -> None:
    found = imported("import resnet_dsl\nassert resnet_dsl.__version__")
    assert not found.intersection((*HEAVY, "lark", "argparse", "difflib"))
