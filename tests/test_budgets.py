"""What a piece of work may hold or execute: budgets that do not depend on how busy a machine is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.measuring import second_run
from benchmarks.rows import EMIT, RESNET50_MB


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the kernel counts no peaks here")
def test_an_onnx_file_is_written_without_a_copy_of_its_weights(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    held = second_run(EMIT.source, tmp_path).peak
    assert (tmp_path / "ours.onnx").stat().st_size > RESNET50_MB * 2**20
    assert held <= 0.2 * RESNET50_MB
