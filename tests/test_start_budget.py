"""What a run costs, counted in instructions, which no other load on the machine changes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COLLECTED = re.compile(r"Collected : (\d+)")

# Instructions of a run in those of `python -c pass`, with bytecode. Who makes one larger by more than a tenth
# says why; who makes it smaller writes it down here and in docs/performance.md.
BUDGETS = {
    "check resnet50": 10.3,
    "compile resnet50 --backend torch -o -": 17.2,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
]


@pytest.fixture(scope="module")
def count(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], int]:
    """How many instructions a Python process takes the second time, when its bytecode is there."""
    folder = tmp_path_factory.mktemp("bytecode")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'backends'}", "PYTHONPYCACHEPREFIX": str(folder)}
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'counted'}"]

    def counted(arguments: list[str]) -> int:
        command = [sys.executable, *arguments]
        subprocess.run(command, env=env, check=True, capture_output=True)
        done = subprocess.run([*valgrind, *command], env=env, check=True, capture_output=True, text=True)
        found = COLLECTED.search(done.stderr)
        assert found is not None, done.stderr
        return int(found[1])

    return counted


@pytest.mark.parametrize("command", BUDGETS)
def test_a_run_keeps_to_its_budget(command: str, count: Callable[[list[str]], int]) -> None:
    ratio = count(["-m", "resnet_dsl", *command.split()]) / count(["-c", "pass"])
    assert ratio < BUDGETS[command] * 1.1
