"""A training script on a CPU keeps its memory, and so does the command `predict`."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.training import process_memory
from resnet_dsl.training.process_memory import keep_memory

of_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
FAULTS = """
import resource, sys
from resnet_dsl.cli.main import main
from resnet_dsl.training.process_memory import keep_memory
{before}
size = 40_000_000
b"x" * size
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

NET = """model net {
    input: 3x8x8  stages: [1]  widths: [4]  block: basic  head: gap -> fc(3)
    preprocess: { color: rgb  range: [0, 1] }
}
"""


def page_faults(before: str) -> int:
    """How many 40 MB take, which are 9,766 pages, after as many were given back."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(before=before)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.splitlines()[-1])


@of_glibc
def test_memory_that_was_given_back_is_taken_again_as_it_is() -> None:
    assert page_faults("keep_memory()") < 100


@of_glibc
def test_predict_keeps_the_memory_of_its_process(tmp_path: Path) -> None:
    pixels = pytest.importorskip("PIL.Image")
    spec, weights, picture = (str(tmp_path / name) for name in ("n.resnet", "n.safetensors", "n.png"))
    Path(spec).write_text(NET)
    assert main(["weights", "init", spec, "-o", weights, "-q"]) == 0
    pixels.new("RGB", (8, 8)).save(picture)
    arguments = ["predict", spec, "--weights", weights, picture, "--backend", "reference"]
    assert page_faults(f"sys.argv[1:] = {arguments}; assert main() == 0") < 100
    # Of another program's process nothing is known.
    assert page_faults(f"assert main({arguments}) == 0") > 9000


def test_another_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(process_memory, "ctypes", None)
    keep_memory()
