"""The wheel: everything the compiler needs lies in it, and nothing else is needed to compile."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build")
pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[1]
NEEDED = ("lark", "jinja2", "markupsafe")
FRAMEWORKS = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "numpy")


def run(*command: str | Path, status: int = 0, folder: Path | None = None) -> str:
    """Run a command outside the checkout and return what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env, cwd=folder)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that has the wheel, lark and jinja2, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(scripts / "python", "-c", where).strip())
    for name in NEEDED:  # copied, so that no network is needed
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, site / name)
    return scripts


def test_the_wheel_holds_every_file_that_is_no_test(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tracked = run(
        "git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "resnet_dsl", "backends", "specs"
    )
    places = {"backends/": "", "specs/": "resnet_dsl/specs/"}
    expected = {"resnet_dsl/syntax/generated_tables.py"}  # not tracked, but made by the build
    for name in filter(None, tracked.splitlines()):
        front = next((front for front in places if name.startswith(front)), "")
        expected.add(places.get(front, "") + name.removeprefix(front))
    assert inside == expected
    assert {"resnet_dsl/py.typed", "resnet_dsl/syntax/grammar.lark"} <= inside


def test_nothing_but_lark_and_jinja2_is_required(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    required = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert {line.split()[1].split(">")[0] for line in required} == {"lark", "jinja2"}


@pytest.mark.slow
def test_sources_are_compiled_where_no_framework_is_installed(installed: Path, tmp_path: Path) -> None:
    for name in FRAMEWORKS:
        assert "No module named" in run(installed / "python", "-c", f"import {name}", status=1)
    program = installed / "resnet-dsl"
    assert "resnet50" in run(program, "list")
    assert "resnet50: ok" in run(program, "check", "resnet50", folder=tmp_path)
    assert "25,557,032" in run(program, "summary", "resnet50", folder=tmp_path)
    for backend in ("torch", "keras"):
        run(program, "compile", "resnet50", "--backend", backend, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resnet50_keras.py", "resnet50_torch.py"]


def test_onnx_without_its_package_is_one_line_that_names_the_extra(installed: Path, tmp_path: Path) -> None:
    said = run(
        installed / "resnet-dsl", "compile", "resnet50", "--backend", "onnx", status=2, folder=tmp_path
    )
    assert said.count("\n") == 1
    assert "resnet-dsl[onnx]" in said
    assert list(tmp_path.iterdir()) == []
