"""`gen-test`: the test it writes passes on sound artefacts, and fails on spoilt ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_dsl.cli.main import main

pytestmark = pytest.mark.slow

SPEC = """model small {
    input: 3xHxW
    stem: conv(8, 3x3) -> bn -> relu -> maxpool(3x3, stride=2)
    stages: [1, 1]
    widths: [8, 16]
    block: bottleneck
    classes: 5
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the artefacts of every backend and the generated test."""
    folder = tmp_path_factory.mktemp("artefacts")
    (folder / "small.resnet").write_text(SPEC)
    spec = str(folder / "small.resnet")
    assert main(["compile", spec, "--backend", "all", "-o", f"{folder}/"]) == 0
    assert main(["gen-test", spec, "-o", f"{folder}/"]) == 0
    return folder


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_it_passes_on_sound_artefacts(folder: Path) -> None:
    result = run(folder)
    assert "8 passed" in result.stdout, result.stdout


@pytest.mark.parametrize(
    ("file", "sound", "spoilt"),
    [
        ("small_torch.py", "eps=1e-05", "eps=0.001"),
        ("small_keras.py", "epsilon=1e-05", "epsilon=0.001"),
        ("small_torch.py", "# sha256 ", "# md5 of "),
    ],
)
def test_it_fails_on_a_spoilt_artefact(folder: Path, file: str, sound: str, spoilt: str) -> None:
    text = (folder / file).read_text()
    assert sound in text
    changed = re.sub(r"md5 of \w+", "md5 of 0", text.replace(sound, spoilt))
    (folder / file).write_text(changed)
    try:
        result = run(folder)
    finally:
        (folder / file).write_text(text)
    assert result.returncode == 1, result.stdout
    assert "failed" in result.stdout


def test_it_is_formatted_and_stands_alone(folder: Path) -> None:
    written = folder / "test_small_identity.py"
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--isolated"], ["format", "--isolated", "--check"]):
        result = subprocess.run([*ruff, *command, str(written)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout
    assert "import resnet_dsl" not in written.read_text()


def test_one_backend_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gen-test", "resnet20", "--backends", "torch", "-o", f"{tmp_path}/"]) == 2
    assert "two backends or more" in capsys.readouterr().err
