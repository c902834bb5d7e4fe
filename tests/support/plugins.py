"""Backends of somebody else's, installed by being on the path of a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FULL = ROOT / "tests" / "plugin"
"""The folder of `resnet_dsl_echo`, which has every part but a graph reader."""


def install(folder: Path, name: str, text: str) -> None:
    """Write a package that is a backend, and what an installer would leave beside it."""
    package = folder / f"resnet_dsl_{name}"
    package.mkdir()
    (package / "__init__.py").write_text(text, encoding="utf-8")
    register(folder, name)


def register(folder: Path, name: str) -> None:
    """Write what an installer would: that the package `resnet_dsl_NAME` is a backend."""
    about = folder / f"resnet_dsl_{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: resnet-dsl-{name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[resnet_dsl.backends]\n{name} = resnet_dsl_{name}\n")


def install_dot(folder: Path) -> None:
    """Write the backend of the page on backends, as it stands there."""
    page = (ROOT / "docs" / "add-a-backend.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    install(folder, "dot", text)


def run_cli(
    *arguments: str, path: tuple[Path, ...] = (), cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, in which only the path knows of plug-ins."""
    places = os.pathsep.join(map(str, (*path, ROOT, ROOT / "backends")))
    return subprocess.run(
        [sys.executable, "-m", "resnet_dsl", *arguments],
        env={**os.environ, "PYTHONPATH": places}, capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip
